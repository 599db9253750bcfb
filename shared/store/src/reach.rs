//! Finds the stored pipelines that a change of definitions affects: their next build uses other definitions.

use std::collections::BTreeSet;

use goldsmith_model::definitions::{Definitions, Kind, Stored};
use goldsmith_model::{Component, ImagePipeline, ImageRecipe, Name};

use crate::{Change, Outcome, Result, Store};

impl Store {
    /// Sets the affected pipelines of each change. `changes` is what [`Store::changes`] has returned for these
    /// definitions, and `stored` is what [`Store::stored_for`] has returned for their draft. None of the changes is
    /// written yet.
    pub async fn reach(&self, changes: &mut [Change], definitions: &Definitions, stored: &Stored) -> Result<()> {
        let mut newest: BTreeSet<(&Name, goldsmith_model::Version, &Name)> = BTreeSet::new();
        for component in &definitions.components {
            for pipeline in &stored.pipelines {
                if self.takes(component, pipeline, stored).await? {
                    newest.insert((&component.name, component.version, &pipeline.name));
                }
            }
        }
        for change in changes {
            let is_of = |kind: Kind| change.kind == kind.to_string();
            let reached = |pipeline: &&ImagePipeline| match (change.outcome, change.version) {
                (Outcome::Unchanged, _) => false,
                (_, Some(version)) if is_of(Kind::Component) => {
                    newest.contains(&(&change.name, version, &pipeline.name))
                }
                (_, Some(version)) => {
                    let wanted = &pipeline.image_recipe;
                    let best = recipe(pipeline, stored).map(|recipe| recipe.version);
                    wanted.name == change.name && wanted.version.matches(&version) && best.is_none_or(|b| b < version)
                }
                (Outcome::Created, None) => false,
                (Outcome::Replaced, None) if is_of(Kind::InfrastructureConfiguration) => {
                    pipeline.infrastructure_configuration == change.name
                }
                (Outcome::Replaced, None) if is_of(Kind::DistributionConfiguration) => {
                    pipeline.distribution_configuration.as_ref() == Some(&change.name)
                }
                (Outcome::Replaced, None) => pipeline.name == change.name,
            };
            change.pipelines = stored.pipelines.iter().filter(reached).map(|one| one.name.clone()).collect();
        }
        Ok(())
    }

    /// Returns whether the pipeline's next build uses this version of a component instead of the version that it would
    /// use now.
    async fn takes(&self, component: &Component, pipeline: &ImagePipeline, stored: &Stored) -> Result<bool> {
        let Some(recipe) = recipe(pipeline, stored) else { return Ok(false) };
        let named = recipe.components.iter().filter(|one| one.name == component.name);
        for one in named.filter(|one| one.version.matches(&component.version)) {
            let best = self.best_component(&one.name, one.version).await?;
            if best.is_none_or(|best| best.version < component.version) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Returns the stored recipe that the pipeline's next build uses if nothing changes.
fn recipe<'s>(pipeline: &ImagePipeline, stored: &'s Stored) -> Option<&'s ImageRecipe> {
    let wanted = &pipeline.image_recipe;
    let named = || stored.recipes.iter().filter(|recipe| recipe.name == wanted.name);
    let best = wanted.version.best(named().map(|recipe| recipe.version))?;
    named().find(|recipe| recipe.version == best)
}
