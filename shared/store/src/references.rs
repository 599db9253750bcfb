//! What is stored already of all that a folder's definitions refer to.

use goldsmith_model::definitions::{Draft, Kind, Reference, Stored};
use goldsmith_model::{Component, ImageRecipe, Name};

use crate::definitions::{partition, unversioned};
use crate::{Result, Store, StoreError};

impl Store {
    /// All that is stored of what a draft refers to, and every pipeline.
    pub async fn stored_for(&self, draft: &Draft<'_>) -> Result<Stored> {
        let mut stored = Stored::default();
        let mut seen: Vec<&Reference> = Vec::new();
        for reference in draft.references() {
            if !seen.contains(&reference) {
                seen.push(reference);
                self.add_stored(reference, &mut stored).await?;
            }
        }
        self.add_pipelines(&mut stored).await?;
        Ok(stored)
    }

    async fn add_stored(&self, reference: &Reference, stored: &mut Stored) -> Result<()> {
        let name = &reference.name;
        match reference.kind {
            Kind::Component => {
                let found: Vec<Component> = self.read_all(&partition(Kind::Component, name), "V#").await?;
                stored.components.extend(found);
            }
            Kind::ImageRecipe => self.add_recipes(name, stored).await?,
            kind => {
                if self.table().get(&unversioned(kind, name)).await?.is_some() {
                    stored.others.insert((kind, name.clone()));
                }
            }
        }
        Ok(())
    }

    /// All versions of a recipe, once.
    async fn add_recipes(&self, name: &Name, stored: &mut Stored) -> Result<()> {
        if !stored.recipes.iter().any(|recipe| recipe.name == *name) {
            let found: Vec<ImageRecipe> = self.read_all(&partition(Kind::ImageRecipe, name), "V#").await?;
            stored.recipes.extend(found);
        }
        Ok(())
    }

    /// Every pipeline, with its recipe and where its images go: any of them may close a circle. One that cannot be read builds nothing,
    /// and must not keep others from being applied.
    async fn add_pipelines(&self, stored: &mut Stored) -> Result<()> {
        for name in self.pipeline_names().await? {
            match self.add_pipeline(&name, stored).await {
                Err(error @ StoreError::Malformed { .. }) => tracing::warn!(%error, %name, "a pipeline is passed over"),
                other => other?,
            }
        }
        Ok(())
    }

    async fn add_pipeline(&self, name: &Name, stored: &mut Stored) -> Result<()> {
        let Some(pipeline) = self.pipeline(name).await? else { return Ok(()) };
        self.add_recipes(&pipeline.image_recipe.name, stored).await?;
        let there = |name: &Name| stored.distributions.iter().any(|known| known.name == *name);
        if let Some(to) = pipeline.distribution_configuration.as_ref().filter(|name| !there(name)) {
            stored.distributions.extend(self.distribution(to).await?);
        }
        stored.pipelines.push(pipeline);
        Ok(())
    }
}
