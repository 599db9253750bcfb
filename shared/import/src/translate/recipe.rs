//! Image recipes.

use goldsmith_model::definitions::Kind;
use goldsmith_model::{ManagedParent, SourceImage, VersionPattern, managed_component, managed_parent};

use super::component::definite_version;
use super::{Translation, tag_map};
use crate::fields::{Fields, canonical};
use crate::finding::Outcome;
use crate::item::{Item, Mark, Part, bare, holds, parts, shown, sole_mark};
use crate::resource::Identity;
use crate::yaml::Yaml;

/// What to do with what is for another system than Linux.
const KEEP: &str = "keep this pipeline where it is";

/// Accounts that own the AMIs of public parameters, by how the parameter begins.
const OWNERS: [(&str, &str); 2] =
    [("/aws/service/canonical/", "099720109477"), ("/aws/service/debian/", "136693071363")];

pub(super) fn translate(
    translation: &mut Translation<'_>,
    fields: &mut Fields<'_>,
    identity: &Identity,
) -> Option<Vec<(&'static str, Yaml)>> {
    definite_version(translation, fields, identity);
    let mut entries = vec![("semanticVersion", Yaml::text(&identity.version))];
    entries.extend(translation.description(fields).map(|text| ("description", Yaml::Text(text))));
    let (source, owner) = parent(translation, fields, identity)?;
    entries.push(("parentImage", source));
    entries.extend(owner.map(|owner| ("parentImageOwners", Yaml::texts([owner]))));
    translation.write_notes(&mut entries);
    let components = components(translation, fields)?;
    entries.push(("components", Yaml::List(components)));
    if let Some(folder) = translation.text(fields, "workingDirectory").filter(|folder| folder.starts_with('/')) {
        entries.push(("workingDirectory", Yaml::Text(folder)));
    }
    let devices = devices(translation, fields);
    if !devices.is_empty() {
        entries.push(("blockDeviceMappings", Yaml::List(devices)));
    }
    entries.extend(tag_map("tags", translation.tags(fields, "amiTags")));
    if fields.take("tags").is_some() {
        let instead = "write them under `tags` if every AMI must have them";
        fields.tell(&mut translation.findings, Outcome::LeftOut, "tags", "they are tags of the recipe itself", instead);
    }
    Some(entries)
}

/// Returns the source image and, if it is a parameter of another publisher, that publisher's account. `None` if the
/// image is for Windows or macOS.
fn parent(
    translation: &mut Translation<'_>,
    fields: &mut Fields<'_>,
    identity: &Identity,
) -> Option<(Yaml, Option<String>)> {
    let text = fields.take("parentImage").and_then(Item::text).unwrap_or_default();
    let image = text.split_once(":aws:image/").map(|(_, image)| image).unwrap_or_default();
    let system = match sole_mark(text) {
        Some((Mark::Windows, _)) => Some("Windows"),
        _ if image.starts_with("windows") || text.contains("/ami-windows-latest/") => Some("Windows"),
        _ => image.starts_with("macos").then_some("macOS"),
    };
    if let Some(system) = system {
        let why = format!("the source image is {system}, which Goldsmith does not build");
        fields.tell(&mut translation.findings, Outcome::LeftOut, "parentImage", why, KEEP);
        return None;
    }
    if let Some(source) = known_parent(translation, text) {
        return Some(source);
    }
    let name = format!("/to-fill-in/{}", identity.name.replace(' ', "-"));
    let why = match text {
        "" => "the recipe names no source image".to_owned(),
        text if holds(text, Mark::Unknown) => super::unknown(text),
        text => format!("`{}` cannot be translated", shown(text)),
    };
    let instead = format!("`ssm:{name}` was written: write ami-…, ssm:NAME, pipeline:NAME or {{owners: […], name: …}}");
    translation.leave_to_fill_in(fields, "parentImage", why, instead);
    Some((Yaml::Text(format!("ssm:{name}")), None))
}

fn known_parent(translation: &Translation<'_>, text: &str) -> Option<(Yaml, Option<String>)> {
    match sole_mark(text) {
        Some((Mark::Parameter, name)) => return parameter(name),
        Some((Mark::Search, search)) => return searched(search),
        _ => {}
    }
    if let Some(name) = parameter_in(text) {
        return parameter(&name);
    }
    match managed_parent(text) {
        Some(ManagedParent::Parameter { name, .. }) => return parameter(&name),
        Some(ManagedParent::Newest { owner, name }) => return Some((newest(&[owner.to_owned()], &name), None)),
        None => {}
    }
    // An image of the account's own, which another pipeline of this source may build.
    if let Some((_, image)) = text.split_once(":image/") {
        let recipe = translation.identities.named(Kind::ImageRecipe, image.split('/').next().unwrap_or_default())?;
        let pipeline = translation.pipelines.get(&recipe.name)?;
        return Some((Yaml::Text(format!("pipeline:{pipeline}")), None));
    }
    let ami: SourceImage = text.parse().ok()?;
    matches!(ami, SourceImage::Ami(_)).then(|| (Yaml::text(text), None))
}

/// Returns the parameter that a text names in one of CloudFormation's and Image Builder's forms.
fn parameter_in(text: &str) -> Option<String> {
    let resolved = text.trim().strip_prefix("{{").and_then(|rest| rest.trim().strip_suffix("}}")).map(str::trim);
    let name = match resolved.and_then(|inner| inner.strip_prefix("resolve:ssm:")) {
        // A version may follow the name.
        Some(name) => name.split(':').next()?.to_owned(),
        None => {
            let rest = text.strip_prefix("ssm:").or(text.starts_with("/aws/service/").then_some(text))?;
            rest.split_once(":parameter/").map_or_else(|| rest.to_owned(), |(_, name)| format!("/{name}"))
        }
    };
    (!name.is_empty()).then_some(name)
}

fn parameter(name: &str) -> Option<(Yaml, Option<String>)> {
    let source: SourceImage = format!("ssm:{name}").parse().ok()?;
    let owner = OWNERS.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, owner)| (*owner).to_owned());
    Some((Yaml::Text(source.to_string()), owner))
}

/// Returns the newest image that a search finds.
fn searched(search: &str) -> Option<(Yaml, Option<String>)> {
    let (owners, name) = search.split_once(' ')?;
    let owners: Vec<&str> = owners.split(',').collect();
    let search = serde_json::json!({"owners": owners, "name": name});
    let SourceImage::Newest { owners, name } = serde_json::from_value(search).ok()? else { return None };
    Some((newest(&owners, &name), None))
}

fn newest(owners: &[String], name: &str) -> Yaml {
    Yaml::map([("owners", Yaml::texts(owners.iter())), ("name", Yaml::text(name))])
}

/// Returns the components; `None` if they are for Windows, because then the recipe is.
fn components(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Option<Vec<Yaml>> {
    let mut components = Vec::new();
    let items = fields.take("components").map(Item::items).unwrap_or_default();
    let systems: Vec<bool> = items.iter().filter_map(|item| is_windows(translation, arn(item)?.text()?)).collect();
    if !systems.is_empty() && systems.into_iter().all(|is_windows| is_windows) {
        let why = "its components are for Windows, which Goldsmith does not build";
        fields.tell(&mut translation.findings, Outcome::LeftOut, "components", why, KEEP);
        return None;
    }
    let mut count = 0;
    for item in items {
        let mut inner = fields.inner("components", item);
        let _ = inner.take("componentArn");
        let written = arn(item).and_then(Item::text).unwrap_or_default();
        let Some((name, version)) = component(translation, &inner, written) else {
            components.extend(translation.comments());
            continue;
        };
        count += 1;
        if count > goldsmith_model::ImageRecipe::MAX_COMPONENTS {
            continue;
        }
        let mut entries = vec![("name", Yaml::Text(name)), ("version", Yaml::Text(version))];
        let parameters = parameters(translation, &mut inner);
        entries.extend((!parameters.is_empty()).then(|| ("parameters", Yaml::map(parameters))));
        inner.finish(&mut translation.findings);
        translation.write_notes(&mut entries);
        components.push(Yaml::map(entries));
    }
    if count > goldsmith_model::ImageRecipe::MAX_COMPONENTS {
        let why = format!("{count} components: a recipe has at most 20");
        fields.tell(&mut translation.findings, Outcome::LeftOut, "components", why, "combine some of them");
    }
    Some(components)
}

/// Returns the ARN of a component. Some sources name components by their ARN alone.
fn arn(component: &Item) -> Option<&Item> {
    let found = component.entries().iter().find(|(key, _)| canonical(key) == "componentArn");
    found.map(|(_, arn)| arn).or(component.entries().is_empty().then_some(component))
}

/// Returns whether an ARN names a component for Windows; `None` if that is not known.
fn is_windows(translation: &Translation<'_>, arn: &str) -> Option<bool> {
    match sole_mark(arn) {
        Some((Mark::Resource, address)) => Some(translation.windows.contains(address)),
        _ => arn.split_once(":aws:component/").map(|(_, name)| name.contains("windows")),
    }
}

/// Returns name and version of a component, or `None` and a finding.
fn component(translation: &mut Translation<'_>, fields: &Fields<'_>, arn: &str) -> Option<(String, String)> {
    const KEY: &str = "componentArn";
    if let Some((Mark::Resource, address)) = sole_mark(arn) {
        if let Some(identity) = translation.identities.get(address).filter(|one| one.kind == Kind::Component) {
            return Some((identity.name.clone(), identity.version.clone()));
        }
        let why = format!("the component `{}` was not imported", bare(address));
        fields.tell(&mut translation.findings, Outcome::LeftOut, KEY, why, "see the remark about the component itself");
        return None;
    }
    if let Some(stock) = managed_component(arn) {
        translation.needs_stock = true;
        return Some((stock.to_owned(), "x.x.x".to_owned()));
    }
    if let Some((_, name)) = arn.split_once(":aws:component/") {
        let why = format!("there is no stock component for `{}`", shown(name.split('/').next().unwrap_or_default()));
        fields.tell(&mut translation.findings, Outcome::LeftOut, KEY, why, "write a component that does the same");
        return None;
    }
    own_component(translation, fields, arn)
}

/// Returns the component that an ARN of the account's own names.
fn own_component(translation: &mut Translation<'_>, fields: &Fields<'_>, arn: &str) -> Option<(String, String)> {
    let (_, rest) = arn.split_once(":component/").unwrap_or_default();
    let mut words = rest.split('/');
    let name = words.next().unwrap_or_default();
    let version = words.next().filter(|version| version.parse::<VersionPattern>().is_ok()).unwrap_or("x.x.x");
    if let Some(identity) = translation.identities.named(Kind::Component, name) {
        return Some((identity.name.clone(), version.to_owned()));
    }
    let known = name.parse::<goldsmith_model::Name>().is_ok();
    if !known {
        let instead = "add `name` and `version` of the component to the recipe";
        translation.leave_to_fill_in(fields, "componentArn", super::unknown(arn), instead);
        return None;
    }
    let why = format!("the component `{name}` is not part of the source");
    translation.leave_to_fill_in(fields, "componentArn", why, "apply a component of this name before the recipe");
    Some((name.to_owned(), version.to_owned()))
}

fn parameters(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Vec<(String, Yaml)> {
    let mut parameters = Vec::new();
    for item in fields.take("parameters").map(Item::items).unwrap_or_default() {
        let mut inner = fields.inner("parameters", item);
        let name = translation.text(&mut inner, "name");
        let value = inner.take("value").map(|value| (value, value.items().first().and_then(|value| value.text())));
        let value = value.and_then(|(item, text)| {
            let text = text?;
            translation.known(&inner, "value", item, text).or_else(|| {
                let known = |part: &Part<'_>| if let Part::Text(text) = part { *text } else { "TO-FILL-IN" }.to_owned();
                Some(parts(text).iter().map(known).collect())
            })
        });
        inner.finish(&mut translation.findings);
        parameters.extend(name.zip(value.map(Yaml::Text)));
    }
    parameters
}

fn devices(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Vec<Yaml> {
    let mut devices = Vec::new();
    for item in fields.take("blockDeviceMappings").map(Item::items).unwrap_or_default() {
        let mut inner = fields.inner("blockDeviceMappings", item);
        let name = translation.text(&mut inner, "deviceName");
        let Some(name) = name else {
            inner.tell(&mut translation.findings, Outcome::LeftOut, "deviceName", "no device is named", "name it");
            continue;
        };
        let ebs = inner.take("ebs").map(|ebs| volume(translation, inner.inner("ebs", ebs))).unwrap_or_default();
        inner.finish(&mut translation.findings);
        let mut entries = vec![("deviceName", Yaml::Text(name))];
        entries.extend((!ebs.is_empty()).then(|| ("ebs", Yaml::map(ebs))));
        translation.write_notes(&mut entries);
        devices.push(Yaml::map(entries));
    }
    devices
}

fn volume(translation: &mut Translation<'_>, mut ebs: Fields<'_>) -> Vec<(&'static str, Yaml)> {
    const TYPES: [&str; 7] = ["gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"];
    let mut entries = Vec::new();
    for (key, limits) in [("volumeSize", 1..=65_536), ("iops", 100..=256_000), ("throughput", 125..=2_000)] {
        entries.extend(translation.number(&mut ebs, key, limits).map(|number| (key, Yaml::Text(number))));
    }
    let kind = translation.text(&mut ebs, "volumeType").filter(|kind| TYPES.contains(&kind.as_str()));
    entries.extend(kind.map(|kind| ("volumeType", Yaml::Text(kind))));
    let encrypted = translation.flag(&mut ebs, "encrypted");
    entries.extend(encrypted.map(|flag| ("encrypted", Yaml::text(flag.to_string()))));
    entries.extend(translation.text(&mut ebs, "kmsKeyId").map(|key| ("kmsKeyId", Yaml::Text(key))));
    if translation.flag(&mut ebs, "deleteOnTermination") == Some(false) {
        let why = "volumes are always deleted with their instance";
        ebs.tell(
            &mut translation.findings,
            Outcome::LeftOut,
            "deleteOnTermination",
            why,
            "set it where instances are launched",
        );
    }
    ebs.finish(&mut translation.findings);
    if !entries.is_empty() {
        translation.write_notes(&mut entries);
    }
    entries
}
