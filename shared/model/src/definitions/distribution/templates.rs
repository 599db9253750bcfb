//! `launchTemplateConfigurations` of a Region

use goldsmith_document::yaml::Node;

use crate::PublishedTemplate;
use crate::definitions::draft::Context;
use crate::definitions::{Kind, elsewhere, fields};

/// Reads the launch templates of a Region. Each of them may occur once.
pub(super) fn read(context: &mut Context<'_, '_>, items: &[Node]) -> Vec<PublishedTemplate> {
    let mut templates: Vec<PublishedTemplate> = Vec::new();
    for item in items {
        let Some(template) = template(context, item) else { continue };
        if templates.iter().any(|other| other.template == template.template) {
            let message = format!("`{}` is in `launchTemplateConfigurations` twice", template.template);
            context.reader.error(item.span, "duplicate", message);
        }
        templates.push(template);
    }
    templates
}

fn template(context: &mut Context<'_, '_>, node: &Node) -> Option<PublishedTemplate> {
    let mut map = context.reader.map(node, "a launch template")?;
    let (id, name) = (map.optional("launchTemplateId"), map.optional("launchTemplateName"));
    if id.is_some() == name.is_some() {
        let message = "a launch template needs `launchTemplateId` or `launchTemplateName`, and not both";
        context.reader.error(node.span, "wrong-value", message);
    }
    let id = id.and_then(|node| named(context, node, "launchTemplateId", is_id, "the id of a launch template"));
    let name =
        name.and_then(|node| named(context, node, "launchTemplateName", is_name, "the name of a launch template"));
    let default = map.optional("setDefaultVersion");
    let default = default.and_then(|node| context.reader.boolean(node, "`setDefaultVersion`"));
    elsewhere::refuse(context, Kind::DistributionConfiguration, &mut map, &["accountId"]);
    map.finish(&mut context.reader);
    Some(PublishedTemplate { template: id.or(name)?, set_default_version: default.unwrap_or(true) })
}

fn named(
    context: &mut Context<'_, '_>,
    node: &Node,
    key: &str,
    is_good: fn(&str) -> bool,
    wanted: &str,
) -> Option<String> {
    let text = context.reader.text(node, &format!("`{key}`"))?.value;
    if !is_good(&text) {
        context.reader.error(node.span, "wrong-value", format!("`{text}` is not {wanted}"));
    }
    Some(text)
}

fn is_id(text: &str) -> bool {
    fields::is_id(text, "lt")
}

/// Returns whether EC2 accepts the name: 3 to 128 letters, digits and `()./_-` (EC2 API reference,
/// CreateLaunchTemplate). EC2 would treat a name that looks like an id as an id.
fn is_name(text: &str) -> bool {
    (3..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"()./_-".contains(&byte))
        && !text.starts_with("lt-")
}

#[cfg(test)]
mod tests {
    use crate::PublishedTemplate;
    use crate::definitions::{Draft, SourceFile};

    fn read(templates: &str) -> Result<Vec<PublishedTemplate>, String> {
        let region = format!("{{region: eu-west-1, launchTemplateConfigurations: {templates}}}");
        let text = format!("{{kind: DistributionConfiguration, name: web, distributions: [{region}]}}\n");
        let files = [SourceFile { path: "f.yml".to_owned(), text }];
        let read = Draft::read(&files, &|_| Ok(String::new())).check_alone();
        let found = read.map_err(|found| found.iter().map(|one| one.message.clone()).collect::<String>())?;
        Ok(found.distributions[0].distributions[0].launch_template_configurations.clone())
    }

    #[test]
    fn a_template_is_named_by_its_id_or_its_name() {
        let two = "[{launchTemplateId: lt-0123456789abcdef0}, {launchTemplateName: web, setDefaultVersion: false}]";
        let template = |template: &str, set_default_version| PublishedTemplate {
            template: template.to_owned(),
            set_default_version,
        };
        assert_eq!(read(two), Ok(vec![template("lt-0123456789abcdef0", true), template("web", false)]));
        assert_eq!(read("[]"), Ok(vec![]));
    }

    #[test]
    fn mistakes_are_explained() {
        for (wrong, message) in [
            ("[{launchTemplateId: lt-x}]", "`lt-x` is not the id of a launch template"),
            ("[{launchTemplateId: web}]", "`web` is not the id of a launch template"),
            ("[{launchTemplateName: lt-web}]", "`lt-web` is not the name of a launch template"),
            ("[{launchTemplateName: my web}]", "`my web` is not the name of a launch template"),
            (
                "[{setDefaultVersion: true}]",
                "a launch template needs `launchTemplateId` or `launchTemplateName`, and not both",
            ),
            (
                "[{launchTemplateId: lt-0123456789abcdef0, launchTemplateName: web}]",
                "a launch template needs `launchTemplateId` or `launchTemplateName`, and not both",
            ),
            (
                "[{launchTemplateName: web}, {launchTemplateName: web}]",
                "`web` is in `launchTemplateConfigurations` twice",
            ),
            ("[{launchTemplateName: web, accountId: '111122223333'}]", "`accountId` is not supported yet"),
        ] {
            assert_eq!(read(wrong), Err(message.to_owned()), "{wrong}");
        }
    }
}
