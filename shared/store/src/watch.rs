//! Updates the sources that pipelines watch when their definitions change.

use std::collections::BTreeSet;

use goldsmith_model::definitions::Definitions;
use goldsmith_model::{ImagePipeline, Name};

use crate::{Result, Store};

impl Store {
    /// Subscribes pipelines to their current sources: the pipelines among these definitions, and the stored pipelines
    /// whose recipe is among these definitions. Safe to repeat.
    pub(crate) async fn watch_sources(&self, definitions: &Definitions) -> Result<()> {
        let recipes: BTreeSet<&Name> = definitions.recipes.iter().map(|recipe| &recipe.name).collect();
        let own = definitions.pipelines.iter().map(|pipeline| pipeline.name.clone());
        let mut names: BTreeSet<Name> = own.collect();
        // A new version of a recipe may have another parent image, which the pipelines that take it must watch now.
        if !recipes.is_empty() {
            let listed = self.listed_pipelines().await?;
            names.extend(listed.into_iter().filter(|one| recipes.contains(&one.recipe)).map(|one| one.name));
        }
        for name in names {
            self.watch_source_of(&name).await?;
        }
        Ok(())
    }

    /// Subscribes a pipeline to its current source, and returns the pipeline. `None` if the pipeline is not stored.
    pub(crate) async fn watch_source_of(&self, name: &Name) -> Result<Option<ImagePipeline>> {
        let pipeline = self.pipeline(name).await?;
        if let Some(pipeline) = &pipeline {
            self.watch_source(pipeline).await?;
        }
        Ok(pipeline)
    }

    async fn watch_source(&self, pipeline: &ImagePipeline) -> Result<()> {
        let wanted = &pipeline.image_recipe;
        let recipe = self.best_recipe(&wanted.name, wanted.version).await?;
        let watched = recipe.and_then(|recipe| Some((pipeline.watches(&recipe.parent_image)?, recipe.parent_image)));
        match watched {
            Some((why, source)) => self.subscribe(&pipeline.name, &source, why).await,
            None => self.unsubscribe(&pipeline.name).await,
        }
    }
}
