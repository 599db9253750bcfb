//! A small table of instance types: DescribeInstanceTypes and DescribeInstanceTypeOfferings.

use super::Call;
use super::filters::{Filters, page};
use super::xml::Xml;
use crate::api::ApiError;

/// Name, architecture, vCPUs, MiB of memory.
const TYPES: [(&str, &str, u32, u32); 16] = [
    ("t2.micro", "x86_64", 1, 1024),
    ("t3.micro", "x86_64", 2, 1024),
    ("t3.small", "x86_64", 2, 2048),
    ("t3.medium", "x86_64", 2, 4096),
    ("t3.large", "x86_64", 2, 8192),
    ("t3a.micro", "x86_64", 2, 1024),
    ("t3a.small", "x86_64", 2, 2048),
    ("t3a.medium", "x86_64", 2, 4096),
    ("m5.large", "x86_64", 2, 8192),
    ("c5.large", "x86_64", 2, 4096),
    ("m6i.large", "x86_64", 2, 8192),
    ("t4g.micro", "arm64", 2, 1024),
    ("t4g.small", "arm64", 2, 2048),
    ("t4g.medium", "arm64", 2, 4096),
    ("m6g.large", "arm64", 2, 8192),
    ("c6g.large", "arm64", 2, 4096),
];

/// Refuses a type that is not in the table, or that does not go with the image's architecture.
pub(super) fn check(name: &str, architecture: &str) -> Result<(), ApiError> {
    let Some(found) = TYPES.iter().find(|found| found.0 == name) else {
        return Err(ApiError::new("InvalidParameterValue", format!("Invalid value '{name}' for InstanceType.")));
    };
    if found.1 == architecture {
        return Ok(());
    }
    let message = format!(
        "The architecture '{}' of the specified instance type does not match the architecture '{architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
        found.1
    );
    Err(ApiError::new("InvalidParameterValue", message))
}

fn unknown(name: &str) -> ApiError {
    ApiError::new("InvalidInstanceType", format!("The following supplied instance types do not exist: [{name}]"))
}

/// Describes the table.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &["instance-type", "processor-info.supported-architecture"])?;
    let names = call.params.list("InstanceType");
    if let Some(name) = names.iter().find(|name| !TYPES.iter().any(|found| found.0 == **name)) {
        return Err(unknown(name));
    }
    let mut types: Vec<_> =
        TYPES.iter().filter(|found| names.is_empty() || names.iter().any(|name| found.0 == name)).collect();
    types.retain(|found| {
        filters.pass(&Default::default(), |name| match name {
            "instance-type" => vec![found.0.to_owned()],
            _ => vec![found.1.to_owned()],
        })
    });
    let (types, next) = page(call, types)?;
    let mut xml = Xml::new();
    xml.items("instanceTypeSet", types, |xml, (name, architecture, cpus, memory)| {
        xml.text("instanceType", name).text("currentGeneration", true).text("hypervisor", "nitro");
        xml.node("processorInfo", |xml| {
            xml.items("supportedArchitectures", [architecture], |xml, one| xml.push_text(one));
        });
        xml.node("vCpuInfo", |xml| {
            xml.text("defaultVCpus", cpus);
        });
        xml.node("memoryInfo", |xml| {
            xml.text("sizeInMiB", memory);
        });
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

/// Every type is offered in every Region and in every zone.
pub(super) fn describe_offerings(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &["instance-type", "location"])?;
    let kind = call.params.get("LocationType").unwrap_or("region");
    let region = &call.scope.region;
    let locations = match kind {
        "region" => vec![region.clone()],
        "availability-zone" => ["a", "b", "c"].iter().map(|letter| format!("{region}{letter}")).collect(),
        other => {
            let message = format!("Value ({other}) for parameter locationType is invalid.");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
    };
    let all = locations.iter().flat_map(|location| TYPES.iter().map(move |found| (found.0, location)));
    let passed = all.filter(|(name, location)| {
        filters.pass(&Default::default(), |field| {
            vec![if field == "location" { (*location).clone() } else { (*name).to_owned() }]
        })
    });
    let (found, next) = page(call, passed.collect())?;
    let mut xml = Xml::new();
    xml.items("instanceTypeOfferingSet", found, |xml, (name, location)| {
        xml.text("instanceType", name).text("locationType", kind).text("location", location);
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}
