//! Instance types: DescribeInstanceTypes and DescribeInstanceTypeOfferings, and the types that a launch may name.
//!
//! A launch accepts any name that AWS's naming allows (`family generation attributes.size`), as other emulators do: a
//! type that AWS has, but not in this Region or not for this image, is no error here. The listed types are a small
//! table.

use std::collections::BTreeSet;

use super::call::{Call, Row};
use super::filters::{self, Filters};
use super::known_filters::{OFFERINGS, TYPES as TYPE_FILTERS};
use super::xml::Xml;
use crate::api::ApiError;

/// The calls that this file serves.
pub(super) const CALLS: &[Row] =
    &[("DescribeInstanceTypes", describe), ("DescribeInstanceTypeOfferings", describe_offerings)];

/// The listed types, by architecture, the older ones first.
const LISTED: [&str; 27] = [
    "t1.micro",
    "m1.small",
    "t2.nano",
    "t2.micro",
    "t3.nano",
    "t3.micro",
    "t3.small",
    "t3.medium",
    "t3.large",
    "t3a.micro",
    "t3a.small",
    "t3a.medium",
    "r4.large",
    "m5.large",
    "m5.metal",
    "c5.large",
    "r5.large",
    "m6i.large",
    "a1.2xlarge",
    "a1.metal",
    "t4g.nano",
    "t4g.micro",
    "t4g.small",
    "t4g.medium",
    "m6g.large",
    "c6g.large",
    "r6g.large",
];

/// Letters of AWS's families, and MiB of memory for each vCPU of a type.
const FAMILIES: [(&str, u32); 25] = [
    ("a", 2048),
    ("c", 2048),
    ("d", 8192),
    ("dl", 8192),
    ("f", 15360),
    ("g", 4096),
    ("gr", 8192),
    ("h", 4096),
    ("hpc", 4096),
    ("i", 8192),
    ("im", 4096),
    ("inf", 2048),
    ("is", 6144),
    ("m", 4096),
    ("mac", 2730),
    ("p", 8192),
    ("r", 8192),
    ("t", 4096),
    ("trn", 4096),
    ("u-", 28672),
    ("u7i-", 18432),
    ("vt", 2048),
    ("x", 16384),
    ("x1e", 31232),
    ("z", 8192),
];

/// Families before Nitro without the Elastic Network Adapter. [`XEN_WITH_ENA`] lists those with it.
const XEN: [&str; 16] =
    ["c1", "c3", "c4", "cc2", "cr1", "d2", "g2", "hs1", "i2", "m1", "m2", "m3", "m4", "r3", "t1", "t2"];
const XEN_WITH_ENA: [&str; 10] = ["f1", "g3", "g3s", "h1", "i3", "p2", "p3", "r4", "x1", "x1e"];
/// Families that AWS lists as previous generations.
const PREVIOUS: [&str; 10] = ["a1", "c1", "c3", "g2", "i2", "m1", "m2", "m3", "r3", "t1"];

/// An instance type, as far as its name describes it.
struct Type<'n> {
    name: &'n str,
    architecture: &'static str,
    cpus: u32,
    /// In MiB.
    memory: u32,
    /// Whether the family is one that AWS calls a previous generation.
    previous: bool,
    /// Whether the family is one from before Nitro.
    xen: bool,
    /// Whether the type has, may have or must have the Elastic Network Adapter, in EC2's words.
    ena: &'static str,
    burstable: bool,
    bare_metal: bool,
    /// Whether an instance can boot by UEFI.
    uefi: bool,
    /// Whether an instance can have a TPM (NitroTPM).
    tpm: bool,
    /// Whether there are Dedicated Hosts for the type.
    hosts: bool,
}

/// Nitro families whose x86 types do not support UEFI (EC2 user guide, "Requirements to launch an EC2 instance in UEFI boot
/// mode").
const WITHOUT_UEFI: [&str; 5] = ["dl1", "g4ad", "p4d", "p4de", "vt1"];
/// Families without Dedicated Hosts, as far as AWS's list is known here: those of older burstable types.
const WITHOUT_HOSTS: [&str; 4] = ["t1", "t2", "t3a", "t4g"];
/// Sizes for which a host of a family may have room.
const SIZES: [&str; 13] = [
    "nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge",
    "24xlarge", "metal",
];

impl<'n> Type<'n> {
    fn read(name: &'n str) -> Option<Self> {
        let (family, size) = name.split_once('.')?;
        let digit = family.find(|letter: char| letter.is_ascii_digit())?;
        let (letters, rest) = family.split_at(digit);
        let per_cpu = FAMILIES.iter().find(|(known, _)| *known == letters)?.1;
        let attributes = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        let generation: u32 =
            rest[..rest.len() - attributes.len()].parse().ok().filter(|number| (1..=8).contains(number))?;
        let valid = attributes.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
        let cpus = cpus(letters, generation, size).filter(|_| valid)?;
        // AWS marks its own processors by a `g` among the attributes; `a1` was the first family with one.
        let arm = attributes.starts_with('g') && letters != "g" || family == "a1" || family.starts_with("g5g");
        let memory = match (letters, size) {
            ("m", "small") if generation == 1 => 1740,
            ("t", "micro") if generation == 1 => 627,
            ("t", "nano") => 512,
            ("t", "micro") => 1024,
            ("t", "small") => 2048,
            ("t", "medium") => 4096,
            _ => per_cpu * cpus,
        };
        let xen = XEN.contains(&family) || XEN_WITH_ENA.contains(&family);
        let bare_metal = size.starts_with("metal");
        let uefi = arm || (!xen && !bare_metal && !WITHOUT_UEFI.contains(&family) && letters != "u-");
        Some(Type {
            name,
            architecture: if arm { "arm64" } else { "x86_64" },
            cpus,
            memory,
            previous: PREVIOUS.contains(&family),
            xen,
            ena: match family {
                xen if XEN.contains(&xen) => "unsupported",
                xen if XEN_WITH_ENA.contains(&xen) => "supported",
                _ => "required",
            },
            burstable: letters == "t" && generation > 1,
            bare_metal,
            uefi,
            // Graviton of the first generation and bare metal have no NitroTPM.
            tpm: uefi && !bare_metal && family != "a1",
            hosts: !WITHOUT_HOSTS.contains(&family),
        })
    }
}

/// Returns the vCPUs of a size: an `xlarge` has four, smaller sizes have fewer, and a `24xlarge` has 24 times as many.
fn cpus(letters: &str, generation: u32, size: &str) -> Option<u32> {
    match size {
        "nano" | "micro" | "small" | "medium" if letters == "t" && generation > 2 => Some(2),
        "nano" | "micro" | "small" | "medium" => Some(1),
        "large" => Some(2),
        "xlarge" => Some(4),
        "metal" if letters == "a" => Some(16),
        "metal" => Some(96),
        _ => {
            let metal = size.strip_prefix("metal-").and_then(|rest| rest.strip_suffix("xl"));
            let times = metal.or(size.strip_suffix("xlarge"))?.parse::<u32>().ok()?;
            (2..=224).contains(&times).then_some(4 * times)
        }
    }
}

/// Returns the type of a launch that names none: EC2's own default, or, on arm64, which that default does not support,
/// the smallest Graviton type.
pub(super) fn default_for(architecture: &str) -> &'static str {
    if architecture == "arm64" { "t4g.micro" } else { "m1.small" }
}

/// Rejects a name that no type can have, and a type that does not fit the image's architecture.
pub(super) fn check(name: &str, architecture: &str) -> Result<(), ApiError> {
    let Some(found) = Type::read(name) else {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid value '{name}' for InstanceType.")));
    };
    if found.architecture == architecture {
        return Ok(());
    }
    let message = format!(
        "The architecture '{}' of the specified instance type does not match the architecture '{architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
        found.architecture
    );
    Err(ApiError::new("InvalidParameterValue", message))
}

/// Returns whether a type can boot by UEFI, and whether it can have a TPM.
pub(super) fn firmware_of(name: &str) -> (bool, bool) {
    Type::read(name).map_or((false, false), |found| (found.uefi, found.tpm))
}

/// Returns whether there are Dedicated Hosts for a type.
pub(super) fn has_hosts(name: &str) -> bool {
    Type::read(name).is_some_and(|found| found.hosts)
}

/// Returns the types of a family that fit on a host. Only burstable families have sizes below `medium`.
pub(super) fn sizes_of(family: &str) -> Vec<String> {
    let sizes = if family.starts_with('t') { &SIZES[..] } else { &SIZES[3..] };
    let names = sizes.iter().map(|size| format!("{family}.{size}"));
    names.filter(|name| Type::read(name).is_some_and(|found| found.cpus <= crate::world::Host::CPUS)).collect()
}

/// Returns the vCPUs of a type.
pub(super) fn cpus_of(name: &str) -> u32 {
    Type::read(name).map_or(1, |found| found.cpus)
}

/// Describes the types that the call names, or the listed types.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &TYPE_FILTERS)?;
    let names = call.params.list("InstanceType");
    let asked: Vec<&str> = if names.is_empty() { LISTED.to_vec() } else { names.iter().map(String::as_str).collect() };
    let unknown: Vec<&str> = asked.iter().copied().filter(|name| Type::read(name).is_none()).collect();
    if !unknown.is_empty() {
        let message = format!("The following supplied instance types do not exist: [{}]", unknown.join(", "));
        return Err(ApiError::new("InvalidInstanceType", message));
    }
    let types = asked.into_iter().filter_map(Type::read);
    filters::answer(call, "instanceTypeSet", filters.keep(types, item))
}

fn item(xml: &mut Xml, found: Type<'_>) {
    xml.text("instanceType", found.name)
        .text("currentGeneration", !found.previous)
        .text("bareMetal", found.bare_metal)
        .text("burstablePerformanceSupported", found.burstable)
        .text("dedicatedHostsSupported", found.hosts)
        .text("nitroTpmSupport", if found.tpm { "supported" } else { "unsupported" });
    if found.tpm {
        xml.node("nitroTpmInfo", |xml| {
            xml.items("supportedVersions", ["2.0"], |xml, one| xml.push_text(one));
        });
    }
    let modes: &[&str] = match (found.architecture, found.uefi) {
        ("arm64", _) => &["uefi"],
        (_, true) => &["legacy-bios", "uefi"],
        (_, false) => &["legacy-bios"],
    };
    xml.items("supportedBootModes", modes, |xml, mode| xml.push_text(mode));
    if !found.bare_metal {
        xml.text("hypervisor", if found.xen { "xen" } else { "nitro" });
    }
    let lists = [
        ("supportedUsageClasses", vec!["on-demand", "spot"]),
        ("supportedRootDeviceTypes", vec!["ebs"]),
        ("supportedVirtualizationTypes", vec!["hvm"]),
    ];
    for (name, words) in lists {
        xml.items(name, words, |xml, word| xml.push_text(word));
    }
    xml.node("processorInfo", |xml| {
        xml.items("supportedArchitectures", [found.architecture], |xml, one| xml.push_text(one));
    });
    xml.node("vCpuInfo", |xml| {
        xml.text("defaultVCpus", found.cpus);
    });
    xml.node("memoryInfo", |xml| {
        xml.text("sizeInMiB", found.memory);
    });
    xml.node("networkInfo", |xml| {
        xml.text("enaSupport", found.ena);
    });
}

/// Describes offerings. Every listed type is offered in every Region and in every zone, and so is any other type that a
/// filter names and that a launch accepts, except in the zones that the setting `notOffered` names.
fn describe_offerings(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &OFFERINGS)?;
    let kind = call.params.get("LocationType").unwrap_or("region");
    let region = &call.scope.region;
    let zones = ["a", "b", "c"].map(|letter| format!("{region}{letter}"));
    // Each location, and the zones in it.
    let locations: Vec<(String, &[String])> = match kind {
        "region" => vec![(region.clone(), &zones[..])],
        "availability-zone" => zones.iter().map(|zone| (zone.clone(), std::slice::from_ref(zone))).collect(),
        "availability-zone-id" => {
            zones.iter().map(|zone| (super::network::zone_id(zone), std::slice::from_ref(zone))).collect()
        }
        other => {
            let message = format!("Value ({other}) for parameter locationType is invalid.");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
    };
    // A type beyond the table exists as soon as somebody asks for it by name, as a launch accepts it too.
    let asked: Vec<String> = call
        .params
        .structures("Filter")
        .iter()
        .filter(|filter| filter.get("Name") == Some("instance-type"))
        .flat_map(|filter| filter.raw_list("Value"))
        .collect();
    let named = asked.iter().map(String::as_str).filter(|name| Type::read(name).is_some());
    let names: BTreeSet<&str> = LISTED.into_iter().chain(named).collect();
    let settings = &call.endpoint.settings();
    let all = locations.iter().flat_map(|(location, zones)| {
        let there = names.iter().filter(move |name| zones.iter().any(|zone| settings.offers(name, zone)));
        there.map(move |name| (name, location))
    });
    let kept = filters.keep(all, |xml, (name, location)| {
        xml.text("instanceType", name).text("locationType", kind).text("location", location);
    });
    filters::answer(call, "instanceTypeOfferingSet", kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_type_from_its_name() {
        let facts = |name| Type::read(name).map(|found| (found.architecture, found.cpus, found.memory));
        assert_eq!(facts("t3.micro"), Some(("x86_64", 2, 1024)));
        assert_eq!(facts("t3.large"), Some(("x86_64", 2, 8192)));
        assert_eq!(facts("t2.micro"), Some(("x86_64", 1, 1024)));
        assert_eq!(facts("m1.small"), Some(("x86_64", 1, 1740)));
        assert_eq!(facts("c5.large"), Some(("x86_64", 2, 4096)));
        assert_eq!(facts("m6g.large"), Some(("arm64", 2, 8192)));
        assert_eq!(facts("c7gn.24xlarge"), Some(("arm64", 96, 196_608)));
        assert_eq!(facts("g4dn.xlarge").map(|found| found.0), Some("x86_64"));
        assert_eq!(facts("m7i-flex.large").map(|found| found.0), Some("x86_64"));
        for wrong in ["x9.huge", "t3", "micro", "t3.giga", "q5.large", "t3.micro.large", "m5.0xlarge", "m5!.large"] {
            assert_eq!(facts(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_type_from_before_nitro_or_of_bare_metal_has_no_uefi() {
        for (name, uefi, tpm, hosts) in [
            ("t3.small", true, true, true),
            ("t2.micro", false, false, false),
            ("m5.metal", false, false, true),
            ("g4ad.xlarge", false, false, true),
            ("m6g.large", true, true, true),
            ("m6g.metal", true, false, true),
            ("a1.2xlarge", true, false, true),
        ] {
            assert_eq!((firmware_of(name), has_hosts(name)), ((uefi, tpm), hosts), "{name}");
        }
        assert!(sizes_of("m5").contains(&"m5.24xlarge".to_owned()) && !sizes_of("m5").contains(&"m5.nano".to_owned()));
    }

    #[test]
    fn an_image_of_any_architecture_has_a_default() {
        for architecture in ["x86_64", "arm64"] {
            assert_eq!(check(default_for(architecture), architecture), Ok(()));
        }
    }
}
