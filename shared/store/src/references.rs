//! What is stored already of all that a folder's definitions refer to.

use goldsmith_model::definitions::{Draft, Kind, Reference, Stored};
use goldsmith_model::{Component, ImageRecipe, Name, SourceImage};

use crate::definitions::{partition, unversioned};
use crate::{Result, Store};

impl Store {
    /// All that is stored of what a draft refers to, and the pipelines on which these images build.
    pub async fn stored_for(&self, draft: &Draft<'_>) -> Result<Stored> {
        let mut stored = Stored::default();
        let mut seen: Vec<&Reference> = Vec::new();
        for reference in draft.references() {
            if !seen.contains(&reference) {
                seen.push(reference);
                self.add_stored(reference, &mut stored).await?;
            }
        }
        let named = seen.iter().filter(|reference| reference.kind == Kind::ImagePipeline);
        let sources = stored.recipes.iter().filter_map(source_pipeline);
        let wanted = named.map(|reference| reference.name.clone()).chain(sources).collect();
        self.add_pipelines(wanted, &mut stored).await?;
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

    /// Follows pipelines to the pipelines whose images they start from.
    async fn add_pipelines(&self, mut wanted: Vec<Name>, stored: &mut Stored) -> Result<()> {
        while let Some(name) = wanted.pop() {
            if stored.pipelines.iter().any(|pipeline| pipeline.name == name) {
                continue;
            }
            let Some(pipeline) = self.pipeline(&name).await? else { continue };
            let recipe = &pipeline.image_recipe.name;
            self.add_recipes(recipe, stored).await?;
            wanted.extend(stored.recipes.iter().filter(|one| one.name == *recipe).filter_map(source_pipeline));
            stored.pipelines.push(pipeline);
        }
        Ok(())
    }
}

fn source_pipeline(recipe: &ImageRecipe) -> Option<Name> {
    match &recipe.parent_image {
        SourceImage::Pipeline(name) => Some(name.clone()),
        _ => None,
    }
}
