//! Launch templates that name an AMI in any of their versions, by its id or by a parameter.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use goldsmith_cloud::{Images, Parameters};
use tokio::sync::Mutex;

use crate::Result;
use crate::parts::parameter_paths::OF_AWS;

/// What a launch template has in front of a parameter that names its AMI. Behind the parameter's name, it may have a
/// version or a label, which Systems Manager reads too: `resolve:ssm:NAME:2` (EC2 user guide, "Use a Systems Manager
/// parameter instead of an AMI ID").
const BY_PARAMETER: &str = "resolve:ssm:";

/// A launch template that names an AMI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateUse {
    /// `lt-…`
    template: String,
    /// The parameter, with its version or label, if the template does not name the AMI directly.
    parameter: Option<String>,
    /// The reason why the parameter cannot be read.
    unread: Option<String>,
}

impl fmt::Display for TemplateUse {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the launch template {}", self.template)?;
        if let Some(parameter) = &self.parameter {
            write!(out, " by the parameter {parameter}")?;
        }
        match &self.unread {
            Some(why) => write!(out, ", which cannot be read: {why}"),
            None => Ok(()),
        }
    }
}

/// What is known about a launch template.
struct Known {
    latest_version: i64,
    images: BTreeSet<String>,
}

/// The launch templates of the account. Each look lists those of a Region, but reads the versions of only those that have
/// changed since the look before: a Region may have hundreds, and a command may look for as many AMIs.
pub struct TemplateUses {
    images: Arc<dyn Images>,
    parameters: Arc<dyn Parameters>,
    /// Templates by Region and id.
    known: Mutex<BTreeMap<String, BTreeMap<String, Known>>>,
}

impl TemplateUses {
    /// Creates it. No call is made.
    #[must_use]
    pub fn new(images: Arc<dyn Images>, parameters: Arc<dyn Parameters>) -> Self {
        Self { images, parameters, known: Mutex::default() }
    }

    /// Returns the launch templates that name an AMI now. A parameter that cannot be read may name it, unless it is one
    /// of AWS's own.
    ///
    /// # Errors
    /// Fails if the launch templates cannot be read.
    pub async fn naming(&self, region: &str, ami: &str) -> Result<Vec<TemplateUse>> {
        let mut known = self.known.lock().await;
        let here = known.entry(region.to_owned()).or_default();
        self.refresh(region, here).await?;
        let mut uses = Vec::new();
        // Parameters change at any time, so each look reads them, but each of them once.
        let mut read = BTreeMap::new();
        for (template, Known { images, .. }) in here.iter() {
            if images.contains(ami) {
                uses.push(TemplateUse { template: template.clone(), parameter: None, unread: None });
            }
            let names = images.iter().filter_map(|image| image.strip_prefix(BY_PARAMETER));
            for name in names.filter(|name| !name.starts_with(OF_AWS)) {
                if !read.contains_key(name) {
                    read.insert(name.to_owned(), self.parameters.get(region, name).await);
                }
                let unread = match &read[name] {
                    Ok(Some(parameter)) if parameter.value == ami => None,
                    Ok(_) => continue,
                    Err(error) => Some(error.to_string()),
                };
                uses.push(TemplateUse { template: template.clone(), parameter: Some(name.to_owned()), unread });
            }
        }
        Ok(uses)
    }

    /// Reads the templates that have changed since the previous search.
    async fn refresh(&self, region: &str, here: &mut BTreeMap<String, Known>) -> Result<()> {
        let listed = self.images.launch_templates(region).await?;
        here.retain(|id, _| listed.iter().any(|one| one.id == *id));
        for one in listed {
            // A version never changes, so only a new one can name another AMI.
            if here.get(&one.id).is_none_or(|known| known.latest_version != one.latest_version) {
                let images = self.images.images_of_template(region, &one.id).await?;
                here.insert(one.id, Known { latest_version: one.latest_version, images });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{FakeCloud, Fault, HOME};
    use goldsmith_cloud::{Kind, Parameter, Parameters as _};

    use super::TemplateUses;

    async fn words(templates: &TemplateUses, ami: &str) -> Vec<String> {
        templates.naming(HOME, ami).await.unwrap().iter().map(ToString::to_string).collect()
    }

    fn templates(cloud: &FakeCloud) -> TemplateUses {
        TemplateUses::new(cloud.cloud().images, cloud.cloud().parameters)
    }

    #[tokio::test]
    async fn each_version_of_a_template_is_read_once_and_a_new_one_is_seen() {
        let cloud = FakeCloud::new();
        let ids: Vec<String> = (0..300).map(|number| format!("lt-{number:03}")).collect();
        ids.iter().for_each(|id| cloud.add_launch_template(HOME, id, "ami-other"));
        let templates = templates(&cloud);
        for number in 0..300 {
            assert_eq!(words(&templates, &format!("ami-{number}")).await, [""; 0]);
        }
        assert_eq!(cloud.template_looks(), ids.len());
        cloud.add_template_version(HOME, "lt-007", "ami-7");
        assert_eq!(words(&templates, "ami-7").await, ["the launch template lt-007"]);
        assert_eq!(cloud.template_looks(), ids.len() + 1);
        cloud.remove_launch_template(HOME, "lt-007");
        assert_eq!(words(&templates, "ami-7").await, [""; 0]);
        assert_eq!(templates.naming("us-east-1", "ami-7").await.unwrap(), []);
    }

    #[tokio::test]
    async fn a_template_names_an_ami_by_a_version_of_a_parameter_too() {
        let cloud = FakeCloud::new();
        let put = async |name: &str, value: &str| {
            let parameter = Parameter { value: value.to_owned(), data_type: "text".to_owned() };
            cloud.put(HOME, name, &parameter).await.unwrap();
        };
        put("/images/web:2", "ami-1").await;
        put("/images/web", "ami-2").await;
        cloud.add_launch_template(HOME, "lt-1", "resolve:ssm:/images/web:2");
        cloud.add_launch_template(HOME, "lt-2", "resolve:ssm:/images/web");
        cloud.add_template_version(HOME, "lt-2", "resolve:ssm:/images/gone");
        let templates = templates(&cloud);
        assert_eq!(words(&templates, "ami-1").await, ["the launch template lt-1 by the parameter /images/web:2"]);
        assert_eq!(words(&templates, "ami-2").await, ["the launch template lt-2 by the parameter /images/web"]);
        put("/images/web", "ami-1").await;
        assert_eq!(words(&templates, "ami-2").await, [""; 0]);
        cloud.remove_launch_template(HOME, "lt-2");
        cloud.add_launch_template(
            HOME,
            "lt-3",
            "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        );
        cloud.fail_always("GetParameter", HOME, Fault::Refuse(Kind::Denied));
        let unread = words(&templates, "ami-3").await;
        let expected = "the launch template lt-1 by the parameter /images/web:2, which cannot be read: ";
        assert!(unread.len() == 1 && unread[0].starts_with(expected), "{unread:?}");
    }
}
