//! All stored definitions, and what uses each of them.
//!
//! `DEFINITIONS` lists the names of all kinds except pipelines, and `PIPELINES` lists those. Earlier releases listed
//! only pipelines: the other definitions that they stored appear in the list when they are applied again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use goldsmith_model::definitions::Kind;
use goldsmith_model::{
    DefinitionRef, DistributionConfiguration, ImagePipeline, ImageRecipe, Name, SourceImage, Version,
};
use serde::{Deserialize, Serialize};
use serde_with::SerializeDisplay;

use crate::definitions::{partition, prefix};
use crate::store::encode;
use crate::{BuildRecord, Key, Plan, Result, Store, Write};

/// Partition of the list of definitions.
const DEFINITIONS: &str = "DEFINITIONS";
/// The text with which the sort key of a version begins.
const VERSION: &str = "V#";

/// `DEFINITIONS / partition`: a definition that is stored, in one version or several.
#[derive(Serialize, Deserialize)]
pub(crate) struct ListedDefinition {
    /// The partition that contains the definition's versions.
    #[serde(rename = "sk", skip_serializing)]
    partition: String,
}

/// What uses a definition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, SerializeDisplay)]
pub enum User {
    /// Another stored definition.
    Definition(DefinitionRef),
    /// A running build.
    Build(String),
}

impl fmt::Display for User {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Definition(definition) => definition.fmt(out),
            Self::Build(build) => write!(out, "the running build {build}"),
        }
    }
}

/// All definitions of a stack, as far as needed to find out which definition uses which. The components do not include
/// their documents.
#[derive(Debug, Default)]
pub struct Catalog {
    components: BTreeMap<Name, Vec<Version>>,
    recipes: Vec<ImageRecipe>,
    infrastructures: BTreeSet<Name>,
    distributions: BTreeSet<Name>,
    pipelines: Vec<ImagePipeline>,
    builds: Vec<BuildRecord>,
}

impl Store {
    /// Reads all definitions and the running builds of all pipelines. This reads each version of each component, so it
    /// is for people and not for builds.
    pub async fn catalog(&self) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        for name in self.listed(Kind::Component).await? {
            let versions = self.versions(Kind::Component, &name).await?;
            catalog.components.insert(name, versions);
        }
        catalog.recipes = self.recipes().await?;
        catalog.infrastructures = self.listed(Kind::InfrastructureConfiguration).await?.into_iter().collect();
        catalog.distributions = self.listed(Kind::DistributionConfiguration).await?.into_iter().collect();
        for name in self.pipeline_names().await? {
            catalog.pipelines.extend(self.pipeline(&name).await?);
            if let Some(build) = self.running_build(&name).await? {
                catalog.builds.extend(self.build(&build).await?);
            }
        }
        Ok(catalog)
    }

    /// Returns all stored versions of all recipes.
    pub async fn recipes(&self) -> Result<Vec<ImageRecipe>> {
        // Earlier releases did not list recipes, but the list of pipelines names their recipes.
        let of_pipelines = self.listed_pipelines().await?.into_iter().map(|one| one.recipe);
        let names: BTreeSet<Name> = self.listed(Kind::ImageRecipe).await?.into_iter().chain(of_pipelines).collect();
        let mut recipes = Vec::new();
        for name in names {
            recipes.extend(self.read_all(&partition(Kind::ImageRecipe, &name), VERSION).await?);
        }
        Ok(recipes)
    }

    /// Returns all listed distribution configurations. Those that an earlier release has stored are listed when they are
    /// applied again.
    pub async fn distributions(&self) -> Result<Vec<DistributionConfiguration>> {
        let mut found = Vec::new();
        for name in self.listed(Kind::DistributionConfiguration).await? {
            found.extend(self.distribution(&name).await?);
        }
        Ok(found)
    }

    /// Returns all stored versions of a component or recipe, in ascending order.
    pub(crate) async fn versions(&self, kind: Kind, name: &Name) -> Result<Vec<Version>> {
        let items = self.table().query(&partition(kind, name), VERSION).await?;
        Ok(items.iter().filter_map(|item| item.get("version")?.as_str()?.parse().ok()).collect())
    }

    /// Returns the names of a kind, in order.
    async fn listed(&self, kind: Kind) -> Result<Vec<Name>> {
        let prefix = prefix(kind);
        let listed: Vec<ListedDefinition> = self.read_all(DEFINITIONS, prefix).await?;
        Ok(listed.iter().filter_map(|one| one.partition.strip_prefix(prefix)?.parse().ok()).collect())
    }

    /// Adds to the list the definitions that it does not contain yet.
    pub(crate) async fn list_definitions<'d>(&self, definitions: impl Iterator<Item = (Kind, &'d Name)>) -> Result<()> {
        let listed: Vec<ListedDefinition> = self.read_all(DEFINITIONS, "").await?;
        let listed: BTreeSet<&str> = listed.iter().map(|one| one.partition.as_str()).collect();
        for (kind, name) in definitions.filter(|(kind, _)| *kind != Kind::ImagePipeline) {
            if !listed.contains(partition(kind, name).as_str()) {
                self.write(vec![listing(kind, name)?]).await?;
            }
        }
        Ok(())
    }
}

/// Returns the write that adds a definition to the list.
pub(crate) fn listing(kind: Kind, name: &Name) -> Result<Write> {
    let listed = ListedDefinition { partition: partition(kind, name) };
    Ok(Write::Put { item: encode(list_key(kind, name), &listed)?, checks: Vec::new() })
}

/// Returns the key of a definition in the list.
pub(crate) fn list_key(kind: Kind, name: &Name) -> Key {
    Key::new(DEFINITIONS, partition(kind, name))
}

impl Catalog {
    /// Returns all definitions: components and recipes by version, in the order of kinds, names and versions.
    #[must_use]
    pub fn definitions(&self) -> Vec<DefinitionRef> {
        let reference = |kind, name: &Name, version| DefinitionRef { kind, name: name.clone(), version };
        let components = self.components.iter().flat_map(|(name, versions)| {
            versions.iter().map(move |version| reference(Kind::Component, name, Some(*version)))
        });
        let recipes = self.recipes.iter().map(|one| reference(Kind::ImageRecipe, &one.name, Some(one.version)));
        let infrastructures = self.infrastructures.iter();
        let infrastructures = infrastructures.map(|name| reference(Kind::InfrastructureConfiguration, name, None));
        let distributions = self.distributions.iter();
        let distributions = distributions.map(|name| reference(Kind::DistributionConfiguration, name, None));
        let pipelines = self.pipelines.iter().map(|one| reference(Kind::ImagePipeline, &one.name, None));
        components.chain(recipes).chain(infrastructures).chain(distributions).chain(pipelines).collect()
    }

    /// Returns what uses a definition. A reference with a wildcard uses the version that it resolves to now.
    #[must_use]
    pub fn users(&self, of: &DefinitionRef) -> Vec<User> {
        let recipes = self.recipes.iter().filter(|recipe| self.is_in_recipe(of, recipe)).map(|recipe| {
            let (name, version) = (recipe.name.clone(), Some(recipe.version));
            User::Definition(DefinitionRef { kind: Kind::ImageRecipe, name, version })
        });
        let pipelines = self.pipelines.iter().filter(|pipeline| self.is_in_pipeline(of, pipeline)).map(|pipeline| {
            let name = pipeline.name.clone();
            User::Definition(DefinitionRef { kind: Kind::ImagePipeline, name, version: None })
        });
        let builds = self.builds.iter().filter(|build| is_in_build(of, build));
        recipes.chain(pipelines).chain(builds.map(|build| User::Build(build.build.clone()))).collect()
    }

    fn is_in_recipe(&self, of: &DefinitionRef, recipe: &ImageRecipe) -> bool {
        let Some(versions) = self.components.get(&of.name).filter(|_| of.kind == Kind::Component) else { return false };
        let named = recipe.components.iter().filter(|one| one.name == of.name);
        named.filter_map(|one| one.version.best(versions.iter().copied())).any(|best| Some(best) == of.version)
    }

    fn is_in_pipeline(&self, of: &DefinitionRef, pipeline: &ImagePipeline) -> bool {
        let recipe = self.recipe(pipeline);
        match of.kind {
            Kind::Component => false,
            Kind::ImageRecipe => {
                pipeline.image_recipe.name == of.name && recipe.is_some_and(|best| Some(best.version) == of.version)
            }
            Kind::InfrastructureConfiguration => pipeline.infrastructure_configuration == of.name,
            Kind::DistributionConfiguration => pipeline.distribution_configuration.as_ref() == Some(&of.name),
            Kind::ImagePipeline => {
                recipe.is_some_and(|recipe| recipe.parent_image == SourceImage::Pipeline(of.name.clone()))
            }
        }
    }

    /// Returns the recipe that the pipeline's next build uses.
    fn recipe(&self, pipeline: &ImagePipeline) -> Option<&ImageRecipe> {
        let wanted = &pipeline.image_recipe;
        let named = || self.recipes.iter().filter(|recipe| recipe.name == wanted.name);
        let best = wanted.version.best(named().map(|recipe| recipe.version))?;
        named().find(|recipe| recipe.version == best)
    }
}

/// Returns whether a running build still needs the definition. A running build's plan contains everything else, but the
/// build reads the documents of its components when it runs them.
fn is_in_build(of: &DefinitionRef, build: &BuildRecord) -> bool {
    let Plan { documents, .. } = &build.plan;
    match of.kind {
        Kind::Component => documents.iter().any(|one| one.name == of.name && Some(one.version) == of.version),
        Kind::ImagePipeline => build.pipeline == of.name,
        _ => false,
    }
}
