//! EC2 launch templates, which name the published image.

use async_trait::async_trait;

use crate::{Result, Tags};

/// A launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchTemplate {
    /// `lt-…`
    pub id: String,
    /// The name, which is unique in an account and Region.
    pub name: String,
    /// The version that a launch uses if the launch names none.
    pub default_version: String,
    /// Its tags.
    pub tags: Tags,
}

/// A request to add a version to a launch template. The version differs from its source only in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTemplateVersion {
    /// `ClientToken` of at most 128 characters. A repeated token returns the same version.
    pub token: String,
    /// Id of the template.
    pub template: String,
    /// The version on which the new one is based.
    pub source: String,
    /// The image.
    pub image: String,
    /// Description of at most 255 characters.
    pub description: String,
}

/// A version of a launch template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateVersion {
    /// Its number.
    pub number: String,
    /// Description of the version, or an empty text if it has none.
    pub description: String,
}

/// Launch templates.
#[async_trait]
pub trait LaunchTemplates: Send + Sync {
    /// `DescribeLaunchTemplates`. Returns the template with this id, or with this name if the text does not begin with
    /// `lt-`. Returns `None` if it does not exist.
    async fn launch_template(&self, region: &str, named: &str) -> Result<Option<LaunchTemplate>>;
    /// `DescribeLaunchTemplateVersions`. Returns the versions of a template that name this image, newest first. The
    /// list is empty if the template does not exist.
    async fn versions_with(&self, region: &str, template: &str, image: &str) -> Result<Vec<TemplateVersion>>;
    /// `CreateLaunchTemplateVersion`, after `DescribeLaunchTemplateVersions` for the snapshots of the source, which EC2 does
    /// not take over. Returns the number of the version. *Effect*, safe to repeat with the same token; undone by
    /// `delete_version`.
    async fn create_version(&self, region: &str, version: &NewTemplateVersion) -> Result<String>;
    /// Calls `ModifyLaunchTemplate`, which makes this version the default version. *Effect*, safe to repeat. The same
    /// call with the previous version undoes it.
    async fn set_default_version(&self, region: &str, template: &str, version: &str) -> Result<()>;
    /// Calls `DeleteLaunchTemplateVersions` for one version. *Effect*. It is no error if the version does not exist.
    /// Fails with kind `WrongState` if this is the default version.
    async fn delete_version(&self, region: &str, template: &str, version: &str) -> Result<()>;
}
