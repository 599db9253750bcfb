//! Launch templates and their versions.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use super::world::Region;
use crate::{Kind, LaunchTemplate, LaunchTemplates, NewTemplateVersion, Result, Tags, TemplateVersion};

/// A launch template with all its versions.
#[derive(Debug, Clone, Default)]
pub(super) struct TemplateRecord {
    pub(super) name: String,
    pub(super) default: u64,
    pub(super) tags: Tags,
    pub(super) versions: BTreeMap<u64, VersionRecord>,
    /// The highest version number so far: EC2 never uses a number twice.
    last: u64,
}

/// A version of a launch template.
#[derive(Debug, Clone, Default)]
pub(super) struct VersionRecord {
    pub(super) image: String,
    description: String,
    /// The request that created the version.
    request: Option<NewTemplateVersion>,
}

impl TemplateRecord {
    /// Returns the number of the latest version.
    pub(super) fn latest(&self) -> i64 {
        self.versions.keys().next_back().and_then(|number| i64::try_from(*number).ok()).unwrap_or_default()
    }
}

#[async_trait]
impl LaunchTemplates for FakeCloud {
    async fn launch_template(&self, region: &str, named: &str) -> Result<Option<LaunchTemplate>> {
        self.read(Call::new("DescribeLaunchTemplates", region), |world| {
            let mut templates = world.region(region).launch_templates.iter();
            let found = templates.find(|(id, template)| id.as_str() == named || template.name == named);
            Ok(found.map(|(id, template)| LaunchTemplate {
                id: id.clone(),
                name: template.name.clone(),
                default_version: template.default.to_string(),
                tags: template.tags.clone(),
            }))
        })
        .await
    }

    async fn versions_with(&self, region: &str, template: &str, image: &str) -> Result<Vec<TemplateVersion>> {
        self.read(Call::new("DescribeLaunchTemplateVersions", region), |world| {
            let found = world.region(region).launch_templates.get(template);
            let versions = found.into_iter().flat_map(|template| template.versions.iter().rev());
            let named = versions.filter(|(_, version)| version.image == image);
            let shown = |(number, version): (&u64, &VersionRecord)| TemplateVersion {
                number: number.to_string(),
                description: version.description.clone(),
            };
            Ok(named.map(shown).collect())
        })
        .await
    }

    async fn create_version(&self, region: &str, version: &NewTemplateVersion) -> Result<String> {
        let call = Call::new("CreateLaunchTemplateVersion", region);
        self.effect(call, format!("{} for {}", version.template, version.image), |world| {
            let template = world.region(region).own_template(call, &version.template)?;
            let is_repeated =
                |made: &VersionRecord| made.request.as_ref().is_some_and(|made| made.token == version.token);
            if let Some((number, made)) = template.versions.iter().find(|(_, made)| is_repeated(made)) {
                if made.request.as_ref() != Some(version) {
                    let message = "the token was used for another request";
                    return Err(call.error(Kind::Duplicate, "IdempotentParameterMismatch", message));
                }
                return Ok(number.to_string());
            }
            template.version(call, &version.source)?;
            template.last += 1;
            let (image, description) = (version.image.clone(), version.description.clone());
            let made = VersionRecord { image, description, request: Some(version.clone()) };
            template.versions.insert(template.last, made);
            Ok(template.last.to_string())
        })
        .await
    }

    async fn set_default_version(&self, region: &str, template: &str, version: &str) -> Result<()> {
        let call = Call::new("ModifyLaunchTemplate", region);
        self.effect(call, format!("{template} to {version}"), |world| {
            let template = world.region(region).own_template(call, template)?;
            template.default = template.version(call, version)?;
            Ok(())
        })
        .await
    }

    async fn delete_version(&self, region: &str, template: &str, version: &str) -> Result<()> {
        let call = Call::new("DeleteLaunchTemplateVersions", region);
        self.effect(call, format!("{version} of {template}"), |world| {
            let Some(template) = world.region(region).launch_templates.get_mut(template) else { return Ok(()) };
            let Ok(number) = template.version(call, version) else { return Ok(()) };
            if template.default == number {
                return Err(call.error(Kind::WrongState, "VersionIsDefault", "the default version stays"));
            }
            template.versions.remove(&number);
            Ok(())
        })
        .await
    }
}

impl TemplateRecord {
    /// Returns the number of an existing version.
    fn version(&self, call: Call<'_>, asked: &str) -> Result<u64> {
        let number = asked.parse().ok().filter(|number| self.versions.contains_key(number));
        number.ok_or_else(|| {
            let message = format!("there is no version {asked}");
            call.error(Kind::NotFound, "InvalidLaunchTemplateId.VersionNotFound", message)
        })
    }
}

impl Region {
    fn own_template(&mut self, call: Call<'_>, id: &str) -> Result<&mut TemplateRecord> {
        let missing = || call.error(Kind::NotFound, "InvalidLaunchTemplateId.NotFound", format!("there is no {id}"));
        self.launch_templates.get_mut(id).ok_or_else(missing)
    }
}

impl FakeCloud {
    /// Adds a launch template, whose only version names an image, to a Region. The name of the template is `name-ID`.
    pub fn add_launch_template(&self, region: &str, id: &str, image: &str) {
        self.add_tagged_launch_template(region, id, image, &Tags::new());
    }

    /// Adds a launch template with tags.
    pub fn add_tagged_launch_template(&self, region: &str, id: &str, image: &str, tags: &Tags) {
        let first = VersionRecord { image: image.to_owned(), ..VersionRecord::default() };
        let template = TemplateRecord {
            name: format!("name-{id}"),
            default: 1,
            last: 1,
            tags: tags.clone(),
            versions: BTreeMap::from([(1, first)]),
        };
        self.world().region(region).launch_templates.insert(id.to_owned(), template);
    }

    /// Adds a version that names an image to a launch template, as a person would.
    pub fn add_template_version(&self, region: &str, id: &str, image: &str) {
        let mut world = self.world();
        let template = world.region(region).launch_templates.entry(id.to_owned()).or_default();
        template.last += 1;
        let version = VersionRecord { image: image.to_owned(), ..VersionRecord::default() };
        template.versions.insert(template.last, version);
    }

    /// Removes a launch template, as a person would.
    pub fn remove_launch_template(&self, region: &str, id: &str) {
        self.world().region(region).launch_templates.remove(id);
    }

    /// Returns the default version of a launch template, and the image that each of its versions names, or `None` if
    /// the template does not exist.
    #[must_use]
    pub fn template_versions(&self, region: &str, id: &str) -> Option<(u64, BTreeMap<u64, String>)> {
        let mut world = self.world();
        let template = world.region(region).launch_templates.get(id)?;
        let images = template.versions.iter().map(|(number, version)| (*number, version.image.clone()));
        Some((template.default, images.collect()))
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::{FakeCloud, HOME};
    use crate::{Kind, LaunchTemplates as _, NewTemplateVersion};

    #[tokio::test]
    async fn a_token_makes_one_version_and_the_default_version_is_not_deleted() {
        let cloud = FakeCloud::new();
        cloud.add_launch_template(HOME, "lt-1", "ami-1");
        let new = NewTemplateVersion {
            token: "token".to_owned(),
            template: "lt-1".to_owned(),
            source: "1".to_owned(),
            image: "ami-2".to_owned(),
            description: "second".to_owned(),
        };
        for _ in 0..2 {
            assert_eq!(cloud.create_version(HOME, &new).await.unwrap(), "2");
        }
        let other = NewTemplateVersion { image: "ami-3".to_owned(), ..new.clone() };
        assert_eq!(cloud.create_version(HOME, &other).await.unwrap_err().kind, Kind::Duplicate);
        cloud.set_default_version(HOME, "lt-1", "2").await.unwrap();
        assert_eq!(cloud.launch_template(HOME, "name-lt-1").await.unwrap().unwrap().default_version, "2");
        assert_eq!(cloud.delete_version(HOME, "lt-1", "2").await.unwrap_err().kind, Kind::WrongState);
        assert_eq!(cloud.set_default_version(HOME, "lt-1", "9").await.unwrap_err().kind, Kind::NotFound);
        cloud.set_default_version(HOME, "lt-1", "1").await.unwrap();
        for _ in 0..2 {
            cloud.delete_version(HOME, "lt-1", "2").await.unwrap();
        }
        assert!(cloud.versions_with(HOME, "lt-1", "ami-2").await.unwrap().is_empty());
        assert_eq!(cloud.launch_template(HOME, "lt-9").await.unwrap(), None);
        assert_eq!(
            cloud
                .create_version(HOME, &NewTemplateVersion { template: "lt-9".to_owned(), ..new })
                .await
                .unwrap_err()
                .kind,
            Kind::NotFound
        );
    }
}
