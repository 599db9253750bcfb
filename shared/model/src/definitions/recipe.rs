//! `kind: ImageRecipe`

use goldsmith_document::yaml::{Node, Value};
use goldsmith_document::{INSTEAD_OF_SECRET, MapReader, SECRET, Spanned, looks_like_secret};

mod firmware;

use super::draft::{Context, Parent, Placed};
use super::{Kind, Reference, elsewhere, fields, keys};
use crate::source_image::is_owner;
use crate::{
    BlockDeviceMapping, ComponentRef, Ebs, ImageRecipe, ManagedParent, Name, SourceImage, SourceImageError,
    VersionPattern, managed_component, managed_parent,
};

const VOLUME_TYPES: [(&str, &str); 7] = [
    ("gp3", "gp3"),
    ("gp2", "gp2"),
    ("io1", "io1"),
    ("io2", "io2"),
    ("st1", "st1"),
    ("sc1", "sc1"),
    ("standard", "standard"),
];

/// Maximum length of a parameter's value in characters, which is Image Builder's quota.
const MAX_VALUE: usize = 1024;

pub(super) fn read(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) -> Option<()> {
    let identity = context.versioned(Kind::ImageRecipe, map);
    let description = fields::short_template(&mut context.reader, map, "description", 255);
    let source = map.required(&mut context.reader, "parentImage");
    let source = source.and_then(|node| Some((node.span, source_image(context, node)?)));
    let owners = owners(context, map, source.as_ref().map(|(_, source)| source));
    // Without components, a build copies its source: to encrypt it, to resize it, to share it.
    let components = map.optional("components").map_or_else(|| Some(Vec::new()), |node| components(context, node));
    let working_directory = working_directory(context, map);
    let firmware = firmware::read(context, map);
    let devices = map.optional("blockDeviceMappings").map(|node| block_devices(context, node)).unwrap_or_default();
    let tags = fields::tag_templates(&mut context.reader, map, "tags");
    let later = ["additionalInstanceConfiguration", "amiTags", "amiWatermarks", "userDataOverride", "version"];
    elsewhere::refuse(context, Kind::ImageRecipe, map, &later);
    let (name, version) = identity?;
    let (span, parent_image) = source?;
    let parent = Parent { source: context.reader.source, span, recipe: name.clone(), version };
    context.draft.parents.push(parent);
    context.draft.definitions.recipes.push(ImageRecipe {
        name,
        version,
        description,
        parent_image,
        parent_image_owners: owners,
        components: components?,
        working_directory,
        boot_mode: firmware.boot_mode,
        tpm_support: firmware.tpm_support,
        uefi_data: firmware.uefi_data,
        block_device_mappings: devices,
        tags,
    });
    Some(())
}

/// Reads the owners whose AMI a parameter may name.
fn owners(context: &mut Context<'_, '_>, map: &mut MapReader<'_>, source: Option<&SourceImage>) -> Vec<String> {
    const KEY: &str = "parentImageOwners";
    let span = map.optional(KEY).map(|node| node.span);
    let wanted = "an owner: use account ids of 12 digits, `self`, `amazon` or `aws-marketplace`";
    let owners = fields::texts(&mut context.reader, map, KEY, is_owner, wanted);
    if let (Some(span), Some(source)) = (span, source.filter(|source| !matches!(source, SourceImage::Parameter(_)))) {
        let message = format!("`{KEY}` is for `ssm:` sources, and `parentImage` is {source}");
        context.reader.error(span, "wrong-value", message);
    }
    owners
}

fn source_image(context: &mut Context<'_, '_>, node: &Node) -> Option<SourceImage> {
    if !matches!(node.value, Value::Map(_)) {
        if refuse_arn(context, node) {
            return None;
        }
        let source = fields::parse(&mut context.reader, node, "`parentImage`")?;
        if let SourceImage::Pipeline(name) = &source {
            context.refer(node.span, Kind::ImagePipeline, name, VersionPattern::ANY);
        }
        return Some(source);
    }
    let mut map = context.reader.map(node, "`parentImage`")?;
    let owners = map.required(&mut context.reader, "owners");
    let owners = owners.and_then(|owners| Some((owners.span, context.reader.texts(owners, "`owners`")?)));
    let name = map.required(&mut context.reader, "name");
    let name = name.and_then(|name| context.reader.text(name, "`name` of `parentImage`"));
    map.finish(&mut context.reader);
    let ((span, owners), name) = (owners?, name?);
    let wrong = |owner: &str| owners.iter().find(|o| o.value == owner).map_or(span, |o| o.span);
    SourceImage::newest(owners.iter().map(|owner| owner.value.clone()).collect(), name.value)
        .map_err(|error| {
            let span = match &error {
                SourceImageError::Owner { owner } => wrong(owner),
                SourceImageError::NoName => name.span,
                _ => span,
            };
            context.reader.error(span, "wrong-value", error.to_string());
        })
        .ok()
}

/// Reports an ARN of Image Builder, and suggests the source image that replaces it here.
fn refuse_arn(context: &mut Context<'_, '_>, node: &Node) -> bool {
    let Some(arn) = node.text().filter(|text| text.starts_with("arn:") && text.contains(":imagebuilder:")) else {
        return false;
    };
    let help = match managed_parent(arn) {
        Some(ManagedParent::Parameter { name, owner: None }) => format!("write `parentImage: ssm:{name}`"),
        Some(ManagedParent::Parameter { name, owner: Some(owner) }) => {
            format!("write `parentImage: ssm:{name}` and `parentImageOwners: [\"{owner}\"]`")
        }
        Some(ManagedParent::Newest { owner, name }) => {
            format!("write `parentImage: {{owners: [\"{owner}\"], name: \"{name}\"}}`")
        }
        None => "use ami-…, ssm:NAME, pipeline:NAME or {owners: […], name: …}".to_owned(),
    };
    let message = format!("`{arn}` is an image of Image Builder, which Goldsmith cannot use as a source image");
    context.reader.error_with_help(node.span, "wrong-value", message, Some(help));
    true
}

fn components(context: &mut Context<'_, '_>, node: &Node) -> Option<Vec<ComponentRef>> {
    let items = context.reader.list(node, "`components`")?;
    if let Some(first) = items.get(ImageRecipe::MAX_COMPONENTS) {
        let message = format!("{} components: a recipe has at most {}", items.len(), ImageRecipe::MAX_COMPONENTS);
        context.reader.error(first.span, "too-many", message);
    }
    let read: Vec<ComponentRef> = items.iter().filter_map(|item| component(context, item)).collect();
    if read.len() < items.len() {
        return None;
    }
    refuse_checkpoints(context, items, &read);
    Some(read)
}

/// Reports a second checkpoint, and one after which no component runs.
fn refuse_checkpoints(context: &mut Context<'_, '_>, items: &[Node], read: &[ComponentRef]) {
    let span = |at: usize| items[at].get("checkpoint").map_or(items[at].span, |node| node.span);
    let marked: Vec<usize> = (0..read.len()).filter(|&at| read[at].checkpoint).collect();
    match marked.as_slice() {
        [_, second, ..] => {
            let message = "only one component of a recipe can be its checkpoint";
            context.reader.error(span(*second), "too-many", message);
        }
        [last] if last + 1 == read.len() => {
            let message = "the last component cannot be the checkpoint: no component runs after it";
            context.reader.error(span(*last), "wrong-value", message);
        }
        _ => {}
    }
}

fn component(context: &mut Context<'_, '_>, node: &Node) -> Option<ComponentRef> {
    // It is asked for apart from the keys that exist, so that it is not proposed for a misspelled one.
    if let Some(arn) = node.get("componentArn") {
        refuse_component_arn(context, arn);
        return None;
    }
    let mut map = context.reader.map(node, "a component of the recipe")?;
    let name = map.required(&mut context.reader, "name");
    let name = name.and_then(|node| Some((node.span, fields::parse::<Name>(&mut context.reader, node, "`name`")?)));
    let version = map.required(&mut context.reader, "version");
    let version = version.and_then(|node| fields::parse::<VersionPattern>(&mut context.reader, node, "`version`"));
    let parameters = map.optional("parameters").map(|node| parameters(context, node)).unwrap_or_default();
    let checkpoint = map.optional("checkpoint").and_then(|node| context.reader.boolean(node, "`checkpoint`"));
    map.finish(&mut context.reader);
    let ((span, name), version) = (name?, version?);
    let values = parameters.iter().map(|(key, value)| (key.value.clone(), value.value.clone())).collect();
    let reference = Reference { kind: Kind::Component, name: name.clone(), version };
    let source = context.reader.source;
    context.draft.references.push(Placed { source, span, reference, parameters });
    Some(ComponentRef { name, version, parameters: values, checkpoint: checkpoint.unwrap_or_default() })
}

/// Reports the way in which Image Builder's API names a component, and suggests the way in which definitions here name
/// it.
fn refuse_component_arn(context: &mut Context<'_, '_>, node: &Node) {
    let arn = node.text().unwrap_or_default();
    let help = match managed_component(arn) {
        Some(stock) => format!("write `name: {stock}` and `version: x.x.x`: it is among the stock components"),
        None => {
            let own = arn.split_once(":component/").filter(|_| !arn.contains(":aws:component/"));
            let mut parts = own.map(|(_, rest)| rest).unwrap_or_default().split('/');
            match (parts.next().filter(|name| !name.is_empty()), parts.next()) {
                (Some(name), version) => format!("write `name: {name}` and `version: {}`", version.unwrap_or("x.x.x")),
                (None, _) => "write `name` and `version` of a component of your own".to_owned(),
            }
        }
    };
    let message = "`componentArn` is not supported: a recipe names a component and its version";
    context.reader.error_with_help(node.span, "wrong-value", message, Some(help));
}

fn parameters(context: &mut Context<'_, '_>, node: &Node) -> Vec<(Spanned<String>, Spanned<String>)> {
    let pairs = fields::pairs(&mut context.reader, node, "`parameters`");
    for (name, value) in &pairs {
        let length = value.value.chars().count();
        if length > MAX_VALUE {
            let message = format!("the value of `{}` has {length} characters: {MAX_VALUE} are allowed", name.value);
            context.reader.error(value.span, "too-long", message);
        }
        if looks_like_secret(&name.value, &value.value) {
            let message = format!(
                "the value of `{}` in `parameters` looks like a secret, which a recipe should not contain",
                name.value
            );
            context.reader.warning_with_help(value.span, SECRET, message, Some(INSTEAD_OF_SECRET.to_owned()));
        }
    }
    pairs
}

fn working_directory(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) -> Option<String> {
    let node = map.optional("workingDirectory")?;
    let text = context.reader.text(node, "`workingDirectory`")?.value;
    if !text.starts_with('/') {
        context.reader.error(node.span, "wrong-value", format!("`workingDirectory` must begin with `/`: `{text}`"));
    }
    Some(text)
}

fn block_devices(context: &mut Context<'_, '_>, node: &Node) -> Vec<BlockDeviceMapping> {
    let items = context.reader.list(node, "`blockDeviceMappings`").unwrap_or_default();
    items.iter().filter_map(|item| block_device(context, item)).collect()
}

fn block_device(context: &mut Context<'_, '_>, node: &Node) -> Option<BlockDeviceMapping> {
    let mut map = context.reader.map(node, "a block device mapping")?;
    let name = map.required(&mut context.reader, "deviceName");
    let name = name.and_then(|node| context.reader.text(node, "`deviceName`"));
    let ebs = map.optional("ebs").and_then(|node| ebs(context, node)).unwrap_or_default();
    map.unsupported(&mut context.reader, "virtualName");
    map.unsupported(&mut context.reader, "noDevice");
    map.finish(&mut context.reader);
    Some(BlockDeviceMapping { device_name: name?.value, ebs })
}

fn ebs(context: &mut Context<'_, '_>, node: &Node) -> Option<Ebs> {
    let reader = &mut context.reader;
    let mut map = reader.map(node, "`ebs`")?;
    // EC2's own limits, which are higher than Image Builder's.
    let volume_size =
        map.optional("volumeSize").and_then(|node| fields::number(reader, node, "`volumeSize`", keys::VOLUME_SIZE));
    let iops = map.optional("iops").and_then(|node| fields::number(reader, node, "`iops`", keys::IOPS));
    let throughput =
        map.optional("throughput").and_then(|node| fields::number(reader, node, "`throughput`", keys::THROUGHPUT));
    let volume_type = map.optional("volumeType").and_then(|node| reader.choice(node, "`volumeType`", &VOLUME_TYPES));
    let encrypted = map.optional("encrypted").and_then(|node| reader.boolean(node, "`encrypted`"));
    let kms_key_id = fields::text(reader, &mut map, "kmsKeyId");
    if let Some(node) = map.optional("deleteOnTermination")
        && reader.boolean(node, "`deleteOnTermination`") == Some(false)
    {
        reader.error(node.span, "unsupported", "`deleteOnTermination: false` is not supported yet");
    }
    map.unsupported_with(reader, "snapshotId", elsewhere::elsewhere(Kind::ImageRecipe, "snapshotId"));
    map.finish(reader);
    Some(Ebs { volume_size, volume_type: volume_type.map(str::to_owned), iops, throughput, encrypted, kms_key_id })
}
