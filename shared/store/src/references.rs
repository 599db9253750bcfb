//! Reads the stored definitions to which the definitions of a folder refer.
//!
//! For each reference, only the version to which it resolves is read. In addition, every pipeline is read. Several
//! reads run concurrently: a stack may have thousands of pipelines, and a component may have thousands of versions,
//! each with its document.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use goldsmith_model::definitions::{Draft, Kind, Reference, Stored};
use goldsmith_model::{Component, ImageRecipe, Name, VersionPattern};

use crate::definitions::{partition, unversioned};
use crate::{Result, Store, StoreError};

/// Number of reads that run concurrently.
const AT_ONCE: usize = 16;

/// The stored definitions to which one reference resolves.
enum Found<'r> {
    Components(Vec<Component>),
    Recipes(Vec<ImageRecipe>),
    Other(&'r Reference),
    Nothing,
}

impl Store {
    /// Returns the stored definitions to which a draft refers, and every pipeline.
    pub async fn stored_for(&self, draft: &Draft<'_>) -> Result<Stored> {
        let mut stored = Stored::default();
        let mut seen: Vec<&Reference> = Vec::new();
        for reference in draft.references() {
            if !seen.contains(&reference) {
                seen.push(reference);
            }
        }
        let mut found = stream::iter(seen).map(|reference| self.referred_to(reference)).buffered(AT_ONCE);
        while let Some(found) = found.try_next().await? {
            match found {
                Found::Components(components) => stored.components.extend(components),
                Found::Recipes(recipes) => stored.recipes.extend(recipes),
                Found::Other(Reference { kind, name, .. }) => drop(stored.others.insert((*kind, name.clone()))),
                Found::Nothing => {}
            }
        }
        self.add_pipelines(&mut stored).await?;
        Ok(stored)
    }

    /// Returns every pipeline, with its recipe and its distribution configuration.
    pub async fn stored_pipelines(&self) -> Result<Stored> {
        let mut stored = Stored::default();
        self.add_pipelines(&mut stored).await?;
        Ok(stored)
    }

    async fn referred_to<'r>(&self, reference: &'r Reference) -> Result<Found<'r>> {
        let Reference { kind, name, version } = reference;
        Ok(match kind {
            Kind::Component => match self.best_component(name, *version).await? {
                Some(best) => Found::Components(vec![best]),
                // No version matches, so the message of the check names the versions that exist.
                None => Found::Components(self.read_all(&partition(Kind::Component, name), "V#").await?),
            },
            Kind::ImageRecipe => match self.best_recipe(name, *version).await? {
                Some(best) => Found::Recipes(vec![best]),
                None => Found::Recipes(self.read_all(&partition(Kind::ImageRecipe, name), "V#").await?),
            },
            kind => match self.table().get(&unversioned(*kind, name)).await? {
                Some(_) => Found::Other(reference),
                None => Found::Nothing,
            },
        })
    }

    /// Adds every pipeline, with its recipe and its distribution configuration, because each pipeline may close a
    /// circle. A pipeline that cannot be read builds nothing, and it must not keep others from being applied.
    async fn add_pipelines(&self, stored: &mut Stored) -> Result<()> {
        let names = self.pipeline_names().await?;
        let looks = names.into_iter().map(|name| async move { readable(self.pipeline(&name).await, &name) });
        stored.pipelines = all_of(looks).await?;
        // Many pipelines may share a recipe or a distribution configuration. Each of these is read once.
        let mut recipes: BTreeMap<(&Name, String), VersionPattern> = BTreeMap::new();
        let mut distributions: BTreeSet<&Name> = BTreeSet::new();
        for pipeline in &stored.pipelines {
            let recipe = &pipeline.image_recipe;
            recipes.insert((&recipe.name, recipe.version.to_string()), recipe.version);
            distributions.extend(&pipeline.distribution_configuration);
        }
        let looks = recipes
            .into_iter()
            .map(|((name, _), version)| async move { readable(self.best_recipe(name, version).await, name) });
        stored.recipes.extend(all_of(looks).await?);
        let looks = distributions.into_iter().map(|name| async move { readable(self.distribution(name).await, name) });
        stored.distributions.extend(all_of(looks).await?);
        Ok(())
    }
}

/// Returns the decoded record, or `None` if it cannot be decoded.
fn readable<T>(read: Result<Option<T>>, name: &Name) -> Result<Option<T>> {
    match read {
        Err(error @ (StoreError::Malformed { .. } | StoreError::Newer { .. })) => {
            tracing::warn!(%error, %name, "a definition is skipped");
            Ok(None)
        }
        other => other,
    }
}

/// Reads all references, several concurrently, and collects the definitions that exist.
async fn all_of<T, F: Future<Output = Result<Option<T>>>>(looks: impl Iterator<Item = F>) -> Result<Vec<T>> {
    // The compiler cannot show that a stream over the closure of `looks` may move to another thread.
    let looks: Vec<F> = looks.collect();
    stream::iter(looks).buffered(AT_ONCE).try_filter_map(|one| ready(Ok(one))).try_collect().await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::definitions::{Definitions, Draft, SourceFile};
    use goldsmith_model::{Component, ImagePipeline};
    use serde_json::json;

    use crate::{MemoryTable, Store};

    fn component(version: &str) -> Component {
        let component = json!({
            "name": "nginx", "version": version, "platform": "Linux", "digest": "0".repeat(64),
            "document": "#".repeat(1_000), "isTest": false,
        });
        serde_json::from_value(component).unwrap()
    }

    fn pipeline(number: usize) -> ImagePipeline {
        let name = format!("pipeline-{number}");
        let pipeline = json!({"name": name, "imageRecipe": "base/1.x.x", "infrastructureConfiguration": "small"});
        serde_json::from_value(pipeline).unwrap()
    }

    #[tokio::test]
    async fn only_the_needed_version_of_a_thousand_is_read_and_each_pipeline_once() {
        let table = MemoryTable::new();
        let store = Store::new(Arc::new(table.clone()));
        let components = (0..1_000).map(|patch| component(&format!("1.0.{patch}"))).collect();
        let pipelines = (0..1_000).map(pipeline).collect();
        store.apply(&Definitions { components, pipelines, ..Definitions::default() }).await.unwrap();
        let text = "kind: ImageRecipe\nname: web\nsemanticVersion: 1.0.0\nparentImage: ssm:/source\n\
                    components: [{name: nginx, version: 1.x.x}]\n";
        let files = [SourceFile { path: "web.yml".to_owned(), text: text.to_owned() }];
        let draft = Draft::read(&files, &|_| Ok(String::new()));
        let before = table.reads();
        let stored = store.stored_for(&draft).await.unwrap();
        let after = table.reads();
        assert_eq!((stored.components, stored.pipelines.len()), (vec![component("1.0.999")], 1_000));
        // The list of pipelines has an item for each, too.
        assert!(after.items - before.items <= 2_000 + 5, "{before:?} {after:?}");
        assert!(after.calls - before.calls <= 1_000 + 5, "{before:?} {after:?}");
        // A pipeline builds the newest of many versions, and reads it alone.
        let before = table.reads();
        let best = store.best_component(&"nginx".parse().unwrap(), "1.x.x".parse().unwrap()).await.unwrap();
        assert_eq!(best, Some(component("1.0.999")));
        assert_eq!(table.reads().items - before.items, 1);
    }

    #[tokio::test]
    async fn if_no_version_fits_the_existing_ones_are_listed() {
        let store = Store::new(Arc::new(MemoryTable::new()));
        let components = vec![component("1.0.0"), component("1.0.1")];
        store.apply(&Definitions { components, ..Definitions::default() }).await.unwrap();
        let text = "kind: ImageRecipe\nname: web\nsemanticVersion: 1.0.0\nparentImage: ssm:/source\n\
                    components: [{name: nginx, version: 2.x.x}]\n";
        let files = [SourceFile { path: "web.yml".to_owned(), text: text.to_owned() }];
        let draft = Draft::read(&files, &|_| Ok(String::new()));
        let stored = store.stored_for(&draft).await.unwrap();
        let mistakes = draft.check(&stored).unwrap_err().to_string();
        assert!(mistakes.contains("1.0.1"), "{mistakes}");
    }
}
