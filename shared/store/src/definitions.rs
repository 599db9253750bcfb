//! Definitions: components and recipes are stored by version, and all others by name.

use goldsmith_model::definitions::Kind;
use goldsmith_model::{
    Component, DistributionConfiguration, ImagePipeline, ImageRecipe, InfrastructureConfiguration, Name, Version,
    VersionPattern,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Key, Result, Store};

/// Partition of the list of pipelines.
pub(crate) const PIPELINES: &str = "PIPELINES";

/// Returns the partition of a definition, which holds all of its versions.
pub(crate) fn partition(kind: Kind, name: &Name) -> String {
    format!("{}{name}", prefix(kind))
}

/// Returns the text with which the partitions of a kind begin.
pub(crate) fn prefix(kind: Kind) -> &'static str {
    match kind {
        Kind::Component => "COMPONENT#",
        Kind::ImageRecipe => "RECIPE#",
        Kind::InfrastructureConfiguration => "INFRA#",
        Kind::DistributionConfiguration => "DISTRIBUTION#",
        Kind::ImagePipeline => "PIPELINE#",
    }
}

/// Returns the key of one version of a component or recipe.
pub(crate) fn versioned(kind: Kind, name: &Name, version: Version) -> Key {
    Key::new(partition(kind, name), format!("V#{}", version.padded()))
}

/// Returns the key of a definition without versions.
pub(crate) fn unversioned(kind: Kind, name: &Name) -> Key {
    Key::new(partition(kind, name), "META")
}

impl Store {
    /// Returns one version of a component.
    pub async fn component(&self, name: &Name, version: Version) -> Result<Option<Component>> {
        self.read(&versioned(Kind::Component, name, version)).await
    }

    /// Returns the highest version of a component that the pattern matches.
    pub async fn best_component(&self, name: &Name, pattern: VersionPattern) -> Result<Option<Component>> {
        self.best(Kind::Component, name, pattern).await
    }

    /// Returns one version of a recipe.
    pub async fn recipe(&self, name: &Name, version: Version) -> Result<Option<ImageRecipe>> {
        self.read(&versioned(Kind::ImageRecipe, name, version)).await
    }

    /// Returns the highest version of a recipe that the pattern matches.
    pub async fn best_recipe(&self, name: &Name, pattern: VersionPattern) -> Result<Option<ImageRecipe>> {
        self.best(Kind::ImageRecipe, name, pattern).await
    }

    /// Returns an infrastructure configuration.
    pub async fn infrastructure(&self, name: &Name) -> Result<Option<InfrastructureConfiguration>> {
        self.read(&unversioned(Kind::InfrastructureConfiguration, name)).await
    }

    /// Returns a distribution configuration.
    pub async fn distribution(&self, name: &Name) -> Result<Option<DistributionConfiguration>> {
        self.read(&unversioned(Kind::DistributionConfiguration, name)).await
    }

    /// Returns a pipeline.
    pub async fn pipeline(&self, name: &Name) -> Result<Option<ImagePipeline>> {
        self.read(&unversioned(Kind::ImagePipeline, name)).await
    }

    /// Returns the names of all pipelines, in order.
    pub async fn pipeline_names(&self) -> Result<Vec<Name>> {
        Ok(self.listed_pipelines().await?.into_iter().map(|item| item.name).collect())
    }

    /// Returns the names and recipes of all pipelines, in order of the names.
    pub(crate) async fn listed_pipelines(&self) -> Result<Vec<ListedPipeline>> {
        self.read_all(PIPELINES, "").await
    }

    /// Returns the highest version that the pattern matches. Padded versions sort as text, so the last item with the
    /// pattern's prefix is the highest version.
    async fn best<T: DeserializeOwned>(&self, kind: Kind, name: &Name, pattern: VersionPattern) -> Result<Option<T>> {
        let prefix = format!("V#{}", pattern.padded_prefix());
        self.read_last(&partition(kind, name), &prefix).await
    }
}

/// `PIPELINES / n`
#[derive(Serialize, Deserialize)]
pub(crate) struct ListedPipeline {
    /// Its name.
    #[serde(rename = "sk", skip_serializing)]
    pub(crate) name: Name,
    /// Name of the pipeline's recipe.
    pub(crate) recipe: Name,
}
