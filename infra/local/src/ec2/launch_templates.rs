//! Launch templates: CreateLaunchTemplate, CreateLaunchTemplateVersion, ModifyLaunchTemplate, DeleteLaunchTemplate,
//! DeleteLaunchTemplateVersions, and the values that a launch takes from a template.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::call::{Call, Row};
use super::launch_template_item::{template_item, version_item};
use super::params::Params;
use super::xml::Xml;
use crate::api::{ApiError, Scope};
use crate::ids;
use crate::world::{LaunchTemplate, Tags, TemplateVersion, World};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[
    ("CreateLaunchTemplate", create),
    ("CreateLaunchTemplateVersion", create_version),
    ("ModifyLaunchTemplate", modify),
    ("DeleteLaunchTemplate", delete),
    ("DeleteLaunchTemplateVersions", delete_versions),
];

/// Makes a template with its first version.
fn create(call: &Call<'_>) -> Result<Xml, ApiError> {
    let name = call.params.require("LaunchTemplateName")?;
    check_name(name)?;
    let token = call.token();
    let mut world = call.endpoint.world();
    if let Some(made) = world.made_before(token.as_ref())?
        && let Some(template) = made.first().and_then(|id| world.launch_templates.get(id))
    {
        return Ok(answer("launchTemplate", template));
    }
    if by_name(&world, call.scope, name).is_some() {
        let message = "Launch template name already in use.";
        return Err(ApiError::new("InvalidLaunchTemplateName.AlreadyExistsException", message));
    }
    let version = version(call, BTreeMap::new())?;
    call.check_dry_run()?;
    let template = LaunchTemplate {
        id: ids::resource("lt"),
        scope: call.scope.clone(),
        name: name.to_owned(),
        created_at: Timestamp::now(),
        default_version: 1,
        latest_version: 1,
        versions: BTreeMap::from([(1, version)]),
        tags: call.params.tags_for("launch-template")?,
    };
    if let Some((key, request)) = token {
        world.remember(key, request, vec![template.id.clone()]);
    }
    let xml = answer("launchTemplate", &template);
    world.launch_templates.insert(template.id.clone(), template);
    Ok(xml)
}

/// Checks a name: 3 to 128 letters, digits and `()./_-`.
fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "()./_-".contains(letter);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    let message = "Launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _";
    Err(ApiError::new("InvalidLaunchTemplateName.MalformedException", message))
}

/// Returns a version: the values of the call, which override those of its source version.
fn version(call: &Call<'_>, source: BTreeMap<String, String>) -> Result<TemplateVersion, ApiError> {
    let asked = call.params.structure("LaunchTemplateData");
    if asked.is_empty() && source.is_empty() {
        return Err(ApiError::new("MissingParameter", "The request must contain the parameter LaunchTemplateData"));
    }
    Ok(TemplateVersion {
        created_at: Timestamp::now(),
        description: call.params.get("VersionDescription").map(str::to_owned),
        data: Params::kept(&asked).over(&source).into_map(),
    })
}

/// Adds a version.
fn create_version(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let id = find(&world, call.scope, call.params)?.id.clone();
    let token = call.token();
    if let Some(made) = world.made_before(token.as_ref())?
        && let Some(number) = made.first().and_then(|number| number.parse().ok())
    {
        let mut xml = Xml::new();
        if let Some(template) = world.launch_templates.get(&id) {
            xml.node("launchTemplateVersion", |xml| version_item(xml, template, number));
        }
        return Ok(xml);
    }
    // Without SourceVersion, a new version has only the values of the call, not those of the version before it (EC2 API
    // reference, CreateLaunchTemplateVersion).
    let source = match (world.launch_templates.get(&id), call.params.get("SourceVersion")) {
        (Some(template), Some(asked)) => without_snapshots(&template.versions[&template.number(Some(asked))?].data),
        _ => BTreeMap::new(),
    };
    let version = version(call, source)?;
    call.check_dry_run()?;
    let mut xml = Xml::new();
    if let Some(template) = world.launch_templates.get_mut(&id) {
        template.latest_version += 1;
        let number = template.latest_version;
        template.versions.insert(number, version);
        xml.node("launchTemplateVersion", |xml| version_item(xml, template, number));
        if let Some((key, request)) = token {
            world.remember(key, request, vec![number.to_string()]);
        }
    }
    Ok(xml)
}

/// Returns what a new version has from its source version: everything but the snapshots of its block device mappings,
/// unless the call itself names them (EC2 API reference, CreateLaunchTemplateVersion, `SourceVersion`).
fn without_snapshots(data: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let is_snapshot = |key: &str| key.starts_with("BlockDeviceMapping.") && key.ends_with(".Ebs.SnapshotId");
    data.iter().filter(|(key, _)| !is_snapshot(key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Makes another version the default version.
fn modify(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    if call.params.get("LaunchTemplateId").is_some() && call.params.get("LaunchTemplateName").is_some() {
        let message = "Either provide launch template ID or launch template name to modify the template.";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    let template = find(&world, call.scope, call.params)?;
    let asked = call.params.get("SetDefaultVersion").or(call.params.get("DefaultVersion"));
    let number = template.number(asked).map_err(|error| {
        let asked = asked.unwrap_or_default();
        let message = format!("The launch template version {asked} is not found for the specified launch template.");
        ApiError { message, ..error }
    })?;
    let id = template.id.clone();
    call.check_dry_run()?;
    let mut xml = Xml::new();
    if let Some(template) = world.launch_templates.get_mut(&id) {
        template.default_version = number;
        xml = answer("launchTemplate", template);
    }
    Ok(xml)
}

/// Deletes a template with all its versions.
fn delete(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let id = find(&world, call.scope, call.params)?.id.clone();
    call.check_dry_run()?;
    let gone = world.launch_templates.remove(&id);
    Ok(gone.map(|template| answer("launchTemplate", &template)).unwrap_or_default())
}

/// Deletes versions. The answer lists each version that cannot be deleted.
fn delete_versions(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let id = find(&world, call.scope, call.params)?.id.clone();
    call.check_dry_run()?;
    let Some(template) = world.launch_templates.get_mut(&id) else { return Ok(Xml::new()) };
    let mut done = Vec::new();
    let mut refused = Vec::new();
    for asked in call.params.list("LaunchTemplateVersion") {
        match asked.parse::<u64>().ok().filter(|number| template.versions.contains_key(number)) {
            // EC2 deletes the other versions nevertheless, and reports this one in the answer.
            Some(number) if number == template.default_version => {
                refused.push((number, "launchTemplateVersionIsDefault"))
            }
            Some(number) => {
                template.versions.remove(&number);
                done.push(number);
            }
            None => refused.push((asked.parse().unwrap_or_default(), "launchTemplateVersionDoesNotExist")),
        }
    }
    let item = |xml: &mut Xml, number: u64| {
        xml.text("launchTemplateId", &template.id)
            .text("launchTemplateName", &template.name)
            .text("versionNumber", number);
    };
    let mut xml = Xml::new();
    xml.items("successfullyDeletedLaunchTemplateVersionSet", done, item);
    xml.items("unsuccessfullyDeletedLaunchTemplateVersionSet", refused, |xml, (number, code)| {
        item(xml, number);
        xml.node("responseError", |xml| {
            xml.text("code", code).text("message", "The version cannot be deleted.");
        });
    });
    Ok(xml)
}

fn answer(name: &str, template: &LaunchTemplate) -> Xml {
    let mut xml = Xml::new();
    xml.node(name, |xml| template_item(xml, template));
    xml
}

/// Returns the template of this name.
pub(super) fn by_name<'w>(world: &'w World, scope: &Scope, name: &str) -> Option<&'w LaunchTemplate> {
    world.launch_templates.values().find(|template| template.scope == *scope && template.name == name)
}

/// Returns the template that `LaunchTemplateId` or `LaunchTemplateName` names.
pub(super) fn find<'w>(world: &'w World, scope: &Scope, params: &Params) -> Result<&'w LaunchTemplate, ApiError> {
    if let Some(id) = params.get("LaunchTemplateId") {
        let found = world.launch_templates.get(id).filter(|template| template.scope == *scope);
        return found.ok_or_else(|| {
            let message = format!("The specified launch template, with template ID {id}, does not exist.");
            ApiError::new("InvalidLaunchTemplateId.NotFound", message)
        });
    }
    let Some(name) = params.get("LaunchTemplateName") else {
        let message = "The request must contain the parameter launch template ID or launch template name";
        return Err(ApiError::new("MissingParameter", message));
    };
    by_name(world, scope, name).ok_or_else(|| {
        let message = format!("The specified launch template, with template name {name}, does not exist.");
        ApiError::new("InvalidLaunchTemplateName.NotFoundException", message)
    })
}

/// Returns which of the two parameters names a template, if one does.
pub(super) fn one_of(params: &Params) -> Result<Option<&str>, ApiError> {
    match (params.get("LaunchTemplateId"), params.get("LaunchTemplateName")) {
        (Some(_), Some(_)) => {
            let message = "Either the launch template ID or launch template name must be specified, but not both.";
            Err(ApiError::new("InvalidParameterCombination", message))
        }
        (id, name) => Ok(id.or(name)),
    }
}

/// A launch: its parameters, and the tags that name the template and version it comes from.
pub(super) struct Launch {
    pub(super) params: Params,
    pub(super) tags: Tags,
}

/// Returns the parameters of a launch, which override those of the template that it names.
pub(super) fn resolve(call: &Call<'_>, world: &World) -> Result<Launch, ApiError> {
    let named = Params::kept(&call.params.structure("LaunchTemplate"));
    if named.is_empty() {
        return Ok(Launch { params: call.params.clone(), tags: Tags::new() });
    }
    one_of(&named)?;
    let template = find(world, call.scope, &named)?;
    let number = template.number(named.get("Version"))?;
    let tag = |name: &str, value: String| (format!("aws:ec2launchtemplate:{name}"), value);
    let tags = Tags::from([tag("id", template.id.clone()), tag("version", number.to_string())]);
    Ok(Launch { params: call.params.over(&template.versions[&number].data), tags })
}

#[cfg(test)]
mod tests {
    use super::super::testing::Scene;

    #[test]
    fn a_version_has_the_snapshots_of_its_source_only_if_the_call_names_them() {
        let scene = Scene::new();
        let data = |device: &str, field: &str| format!("LaunchTemplateData.BlockDeviceMapping.{device}.{field}");
        let (name, size, snapshot) =
            (data("1", "DeviceName"), data("1", "Ebs.VolumeSize"), data("1", "Ebs.SnapshotId"));
        let mapping = [(name.as_str(), "/dev/sdf"), (size.as_str(), "20"), (snapshot.as_str(), "snap-1")];
        let named = [("LaunchTemplateName", "web"), ("LaunchTemplateData.ImageId", "ami-1")];
        scene.call("CreateLaunchTemplate", &[&named[..], &mapping].concat()).unwrap();
        let version = |source: &str, more: &[(&str, &str)]| {
            let parameters = [&named[..], &[("SourceVersion", source)], more].concat();
            scene.call("CreateLaunchTemplateVersion", &parameters).unwrap()
        };
        let inherited = version("1", &[]);
        assert!(inherited.contains("<volumeSize>20</volumeSize>") && !inherited.contains("snap-1"), "{inherited}");
        assert!(version("2", &mapping).contains("<snapshotId>snap-1</snapshotId>"));
    }
}
