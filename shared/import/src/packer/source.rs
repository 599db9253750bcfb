//! A source `amazon-ebs`: what it builds from, where, and where the AMI goes.

use goldsmith_model::definitions::Kind;

use super::terms::{deprecation, sharing};
use super::{Build, SOURCE, Source};
use crate::fields::Fields;
use crate::finding::{Findings, Outcome};
use crate::hcl::image;
use crate::item::{Item, Mark, Place, Value, sole_mark};
use crate::resource::Resource;
use crate::translate::TO_FILL_IN;

/// What to do instead of an argument, by how it begins.
const INSTEAD: [(&str, &str); 17] = [
    ("ssh", "remove it: nothing connects by SSH, because the SSM agent runs the steps as root"),
    ("communicator", "remove it: the SSM agent runs the steps"),
    ("temporary", "remove it: instances have the profile of the stack, or `instanceProfileName`"),
    ("associatePublicIp", "remove it: the subnet decides, and the instance must reach Systems Manager"),
    ("vpc", "name subnets in `subnetIds`"),
    ("subnetFilter", "name subnets in `subnetIds`"),
    ("securityGroupFilter", "name groups in `securityGroupIds`"),
    ("availabilityZone", "name subnets in `subnetIds`"),
    ("userData", "do the same in the component's first step"),
    ("force", "remove it: every build gives its AMI a different name"),
    ("snapshot", "remove it: snapshots have the tags of their AMI"),
    ("spot", "remove it, and write `spot: true` into the infrastructure configuration"),
    ("accessKey", "give the command a profile, or build in the account of the stack"),
    ("secretKey", "give the command a profile, or build in the account of the stack"),
    ("profile", "give --profile to commands"),
    ("assumeRole", "give --profile to commands"),
    ("skip", "remove it"),
];

/// Arguments that say what Goldsmith does anyway, or that only concern Packer's own connection.
const USUAL: [(&str, &str); 6] = [
    ("communicator", "ssh"),
    ("virtualizationType", "hvm"),
    ("amiVirtualizationType", "hvm"),
    ("enaSupport", "true"),
    ("imdsSupport", "v2.0"),
    ("sshInterface", "session_manager"),
];

/// Returns whether a source makes an AMI of Windows, and records it.
pub(super) fn is_windows(build: &Build<'_>, source: &Source<'_>, findings: &mut Findings) -> bool {
    let address = format!("source.{SOURCE}.{}", source.name);
    let body = build.module.body(source.file, &source.block.body, &build.module.context(), None);
    let mut fields = Fields::of(Kind::ImageRecipe, &address, &body);
    let is_windows = |item: &Item| sole_mark(item.text().unwrap_or_default()).is_some_and(|one| one.0 == Mark::Windows);
    let key = if fields.take("communicator").and_then(Item::text) == Some("winrm") {
        "communicator"
    } else if fields.take("sourceAmi").is_some_and(is_windows) {
        "sourceAmi"
    } else if fields.take("sourceAmiFilter").is_some_and(|filter| is_windows(&filter.place.text(image(filter)))) {
        "sourceAmiFilter"
    } else {
        return false;
    };
    let why = "the source image is Windows, which Goldsmith does not build";
    fields.tell(findings, Outcome::LeftOut, key, why, "keep it in Packer");
    true
}

/// Returns recipe, configurations and pipeline of a source.
pub(super) fn resources(
    build: &Build<'_>,
    source: &Source<'_>,
    component: Option<&str>,
    findings: &mut Findings,
) -> Vec<Resource> {
    let place = source.file.block_place(source.block);
    let address = format!("source.{SOURCE}.{}", source.name);
    let body = build.module.body(source.file, &source.block.body, &build.module.context(), Some((findings, &address)));
    let mut fields = Fields::of(Kind::ImageRecipe, &address, &body);
    for (key, value) in USUAL {
        let _ = body
            .entries()
            .iter()
            .any(|(name, item)| crate::fields::canonical(name) == key && item.text() == Some(value))
            && fields.take(key).is_some();
    }
    let _ = fields.take("sshUsername"); // told of with the provisioners
    let name = |what: &str| place.text(format!("{}{what}", source.name.replace('.', "-")));
    let mark = |resource: &Resource| place.text(Mark::Resource.text(&resource.address));

    let mut recipe = vec![("name", name("")), ("version", place.text("1.0.0"))];
    recipe.extend(parent(&mut fields, &place, findings).map(|parent| ("parentImage", parent)));
    recipe.push(("components", place.item(Value::List(component.map(|mark| place.text(mark)).into_iter().collect()))));
    recipe.extend(devices(&mut fields, findings));
    let recipe = build.resource(Kind::ImageRecipe, &address, &place, recipe);

    let mut infrastructure = vec![("name", name("-infrastructure"))];
    for (from, to) in [
        ("instanceType", "instanceTypes"),
        ("subnetId", "subnetId"),
        ("iamInstanceProfile", "instanceProfileName"),
        ("metadataOptions", "instanceMetadataOptions"),
        ("runTags", "resourceTags"),
    ] {
        infrastructure.extend(fields.take(from).map(|item| (to, without_null(item))));
    }
    let groups = [fields.take("securityGroupIds"), fields.take("securityGroupId")].into_iter().flatten().next();
    infrastructure.extend(groups.map(|item| ("securityGroupIds", item.clone())));
    let infrastructure = build.resource(Kind::InfrastructureConfiguration, &address, &place, infrastructure);

    let distribution = distribution(&mut fields, &place, name("-distribution"), findings);
    let distribution = build.resource(Kind::DistributionConfiguration, &address, &place, distribution);
    let pipeline = vec![
        ("name", name("-pipeline")),
        ("imageRecipeArn", mark(&recipe)),
        ("infrastructureConfigurationArn", mark(&infrastructure)),
        ("distributionConfigurationArn", mark(&distribution)),
    ];
    let pipeline = build.resource(Kind::ImagePipeline, &address, &place, pipeline);
    let instead = |key: &str| INSTEAD.iter().find(|(start, _)| key.starts_with(start)).map(|(_, instead)| *instead);
    fields.finish_with(findings, instead);
    vec![recipe, infrastructure, distribution, pipeline]
}

/// Returns a copy of an item without what Packer writes and nobody reads.
fn without_null(item: &Item) -> Item {
    let entries = item.entries().iter().filter(|(key, item)| key != "http_endpoint" && !item.is_null());
    match &item.value {
        Value::Map(_) => item.place.item(Value::Map(entries.cloned().collect())),
        _ => item.clone(),
    }
}

fn parent(fields: &mut Fields<'_>, place: &Place, findings: &mut Findings) -> Option<Item> {
    let ami = fields.take("sourceAmi");
    let Some(filter) = fields.take("sourceAmiFilter") else { return ami.cloned() };
    let keys: Vec<&str> =
        filter.get("filters").map(Item::entries).unwrap_or_default().iter().map(|(key, _)| key.as_str()).collect();
    const SAME: [&str; 5] = ["name", "state", "virtualization-type", "root-device-type", "architecture"];
    for key in keys.into_iter().filter(|key| !SAME.contains(key) && *key != "image-id") {
        let why = format!("the search for images has no filter `{key}`");
        fields.tell(findings, Outcome::LeftOut, "sourceAmiFilter", why, "make the pattern of the name narrower");
    }
    let id = filter.get("filters").and_then(|filters| filters.get("image-id")).and_then(Item::text);
    if let Some(id) = id {
        return Some(place.text(id));
    }
    Some(place.text(image(filter)))
}

/// Returns the block devices, or what is to be filled in about them.
fn devices(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<(&'static str, Item)> {
    let encrypt = fields.take("encryptBoot").and_then(Item::text).map(str::to_owned);
    let launched = fields.take("launchBlockDeviceMappings");
    if encrypt.as_deref() == Some("true") && launched.is_none() {
        let why = "the root device is not named";
        let instead = "add `blockDeviceMappings` with the source's root device and `encrypted: true`";
        fields.tell(findings, Outcome::ToFillIn, "encryptBoot", why, instead);
        let note = format!("blockDeviceMappings: {why}: {instead}");
        return Some((TO_FILL_IN, fields.place().text(note)));
    }
    let launched = launched?;
    let mut devices = Vec::new();
    for item in launched.items() {
        let name = item.get("device_name").cloned();
        let mut ebs: Vec<(String, Item)> =
            item.entries().iter().filter(|(key, _)| key != "device_name").cloned().collect();
        if let Some(encrypt) = encrypt.as_deref().filter(|_| item.get("encrypted").is_none()) {
            ebs.push(("encrypted".to_owned(), item.place.text(encrypt)));
        }
        let mut entries: Vec<(String, Item)> = name.map(|name| ("device_name".to_owned(), name)).into_iter().collect();
        entries.push(("ebs".to_owned(), item.place.item(Value::Map(ebs))));
        devices.push(item.place.item(Value::Map(entries)));
    }
    Some(("blockDeviceMappings", launched.place.item(Value::List(devices))))
}

/// Returns one Region after another with the same AMI.
fn distribution(
    fields: &mut Fields<'_>,
    place: &Place,
    name: Item,
    findings: &mut Findings,
) -> Vec<(&'static str, Item)> {
    let mut ami: Vec<(String, Item)> = Vec::new();
    for (from, to) in [("amiName", "name"), ("amiDescription", "description"), ("tags", "amiTags")] {
        ami.extend(fields.take(from).map(|item| (to.to_owned(), item.clone())));
    }
    let accounts = [fields.take("amiUsers"), fields.take("amiGroups")];
    ami.extend(sharing(fields, accounts, findings).map(|item| ("shareSnapshots".to_owned(), item)));
    ami.extend(deprecation(fields, findings).map(|item| ("deprecateAfter".to_owned(), item)));
    let mut permission: Vec<(String, Item)> = Vec::new();
    let shared = [("userIds", accounts[0]), ("userGroups", accounts[1])].into_iter();
    let organizations =
        [("organizationArns", fields.take("amiOrgArns")), ("organizationalUnitArns", fields.take("amiOuArns"))];
    for (key, item) in shared.chain(organizations) {
        permission.extend(item.map(|item| (key.to_owned(), item.clone())));
    }
    if !permission.is_empty() {
        ami.push(("launchPermissionConfiguration".to_owned(), place.item(Value::Map(permission))));
    }
    let key = fields.take("kmsKeyId");
    let keys = fields.take("regionKmsKeyIds");
    let home = fields.take("region").cloned().unwrap_or_else(|| place.text(Mark::Unknown.text("AWS::Region")));
    let mut regions = vec![home.clone()];
    for region in fields.take("amiRegions").map(Item::items).unwrap_or_default() {
        if region.text() != home.text() {
            regions.push(region.clone());
        }
    }
    let distributions = regions.into_iter().enumerate().map(|(at, region)| {
        let mut ami = ami.clone();
        let key = region.text().and_then(|name| keys?.get(name)).or(key.filter(|_| at == 0));
        ami.extend(key.map(|key| ("kmsKeyId".to_owned(), key.clone())));
        let place = region.place.clone();
        let entries =
            [("region".to_owned(), region), ("amiDistributionConfiguration".to_owned(), place.item(Value::Map(ami)))];
        place.item(Value::Map(entries.into()))
    });
    vec![("name", name), ("distributions", place.item(Value::List(distributions.collect())))]
}
