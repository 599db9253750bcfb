//! Reads the definitions of the stack on whose account settings builds depend.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_model::{
    Distribution, DistributionConfiguration, ImagePipeline, ImageRecipe, InfrastructureConfiguration, Name,
};
use goldsmith_store::{Store, StoreError};

/// The definitions that pipelines use.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    pub(crate) pipelines: Vec<ImagePipeline>,
    pub(crate) infrastructures: BTreeMap<Name, InfrastructureConfiguration>,
    pub(crate) distributions: BTreeMap<Name, DistributionConfiguration>,
    pub(crate) recipes: Vec<ImageRecipe>,
}

impl Definitions {
    /// Reads all pipelines, and the definitions that they name.
    pub(crate) async fn read(store: &Store) -> Result<Self, StoreError> {
        let mut found = Self::default();
        for name in store.pipeline_names().await? {
            let Some(pipeline) = store.pipeline(&name).await? else { continue };
            let infrastructure = &pipeline.infrastructure_configuration;
            if !found.infrastructures.contains_key(infrastructure) {
                let read = store.infrastructure(infrastructure).await?;
                found.infrastructures.extend(read.map(|read| (infrastructure.clone(), read)));
            }
            if let Some(name) = &pipeline.distribution_configuration
                && !found.distributions.contains_key(name)
            {
                let read = store.distribution(name).await?;
                found.distributions.extend(read.map(|read| (name.clone(), read)));
            }
            let recipe = &pipeline.image_recipe;
            found.recipes.extend(store.best_recipe(&recipe.name, recipe.version).await?);
            found.pipelines.push(pipeline);
        }
        Ok(found)
    }

    /// Returns every Region of every distribution configuration, with the name of the configuration.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Name, &Distribution)> {
        let all = self.distributions.values();
        all.flat_map(|one| one.distributions.iter().map(move |place| (&one.name, place)))
    }

    /// Returns the Regions to which images go.
    pub(crate) fn regions(&self) -> BTreeSet<&str> {
        self.places().map(|(_, place)| place.region.as_str()).collect()
    }

    /// Returns the instance types that are launched, each with an infrastructure configuration that names it.
    pub(crate) fn types(&self) -> BTreeMap<&str, &Name> {
        let all = self.infrastructures.values();
        all.flat_map(|one| one.instance_types.iter().map(move |name| (name.as_str(), &one.name))).collect()
    }
}
