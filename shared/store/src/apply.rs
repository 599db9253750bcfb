//! Writing definitions. Versions are immutable: the same content again changes nothing, other content is refused.

use std::fmt;

use goldsmith_model::definitions::{Definitions, Kind};
use goldsmith_model::{Name, Version};
use serde::Serialize;

use crate::definitions::{PIPELINES, unversioned, versioned};
use crate::store::encode;
use crate::{Check, Item, Key, Result, Store, StoreError, Write};

/// What applying came to for one definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// `component`, `image recipe`, …
    pub kind: String,
    /// Its name.
    pub name: Name,
    /// Its version, where the kind has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// What was done.
    pub outcome: Outcome,
}

/// What was done with a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there with other content, which is gone now.
    Replaced,
    /// It was there with this content.
    Unchanged,
}

/// A version that is stored with other content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Component or recipe.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// The version.
    pub version: Version,
    /// The next version that is free.
    pub next: Option<Version>,
}

/// Why definitions were not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Versions are immutable, and some are taken. Nothing was written.
    #[error("{}", .0.iter().map(Taken::to_string).collect::<Vec<_>>().join("\n"))]
    Taken(Vec<Taken>),
    /// The table. What was written before stays; applying again goes on.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl fmt::Display for Taken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, version, next } = self;
        write!(out, "{kind} `{name}` {version} is stored with other content, and versions never change")?;
        match next {
            Some(next) => write!(out, ": the next free one is {next}"),
            None => Ok(()),
        }
    }
}

/// A definition, ready to be written.
struct Entry {
    kind: Kind,
    name: Name,
    version: Option<Version>,
    item: Item,
}

impl Store {
    /// Writes all definitions, those first that others refer to. Safe to repeat.
    ///
    /// # Errors
    /// [`ApplyError::Taken`] where a version is stored with other content.
    pub async fn apply(&self, definitions: &Definitions) -> std::result::Result<Vec<Change>, ApplyError> {
        let entries = entries(definitions)?;
        let mut outcomes = Vec::new();
        let mut taken = Vec::new();
        for entry in &entries {
            let outcome = self.compare(entry).await?;
            if let (Outcome::Replaced, Some(version)) = (outcome, entry.version) {
                taken.push(self.taken(entry, version).await?);
            }
            outcomes.push(outcome);
        }
        if !taken.is_empty() {
            return Err(ApplyError::Taken(taken));
        }
        let mut changes = Vec::new();
        for (entry, outcome) in entries.into_iter().zip(outcomes) {
            if outcome != Outcome::Unchanged {
                self.put(&entry).await?;
            }
            changes.push(Change { kind: entry.kind.to_string(), name: entry.name, version: entry.version, outcome });
        }
        Ok(changes)
    }

    async fn compare(&self, entry: &Entry) -> Result<Outcome> {
        Ok(match self.table().get(&entry.key()).await? {
            None => Outcome::Created,
            Some(stored) if stored == entry.item => Outcome::Unchanged,
            Some(_) => Outcome::Replaced,
        })
    }

    async fn put(&self, entry: &Entry) -> std::result::Result<(), ApplyError> {
        let checks = if entry.version.is_some() { vec![Check::Absent] } else { Vec::new() };
        let mut writes = vec![Write::Put { item: entry.item.clone(), checks }];
        if entry.kind == Kind::ImagePipeline {
            let key = Key::new(PIPELINES, entry.name.to_string());
            writes.push(Write::Put { item: encode(key, &serde_json::Map::new())?, checks: Vec::new() });
        }
        match (self.write(writes).await, entry.version) {
            // Somebody else applied the version meanwhile.
            (Err(error), Some(version)) if error.is_conflict() => match self.compare(entry).await? {
                Outcome::Unchanged => Ok(()),
                _ => Err(ApplyError::Taken(vec![self.taken(entry, version).await?])),
            },
            (written, _) => Ok(written?),
        }
    }

    async fn taken(&self, entry: &Entry, version: Version) -> Result<Taken> {
        let mut next = version.next_patch();
        while let Some(candidate) = next {
            if self.table().get(&versioned(entry.kind, &entry.name, candidate)).await?.is_none() {
                break;
            }
            next = candidate.next_patch();
        }
        Ok(Taken { kind: entry.kind, name: entry.name.clone(), version, next })
    }
}

impl Entry {
    fn key(&self) -> Key {
        key(self.kind, &self.name, self.version)
    }
}

fn key(kind: Kind, name: &Name, version: Option<Version>) -> Key {
    match version {
        Some(version) => versioned(kind, name, version),
        None => unversioned(kind, name),
    }
}

fn entries(definitions: &Definitions) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for one in &definitions.components {
        entries.push(entry(Kind::Component, &one.name, Some(one.version), one)?);
    }
    for one in &definitions.recipes {
        entries.push(entry(Kind::ImageRecipe, &one.name, Some(one.version), one)?);
    }
    for one in &definitions.infrastructures {
        entries.push(entry(Kind::InfrastructureConfiguration, &one.name, None, one)?);
    }
    for one in &definitions.distributions {
        entries.push(entry(Kind::DistributionConfiguration, &one.name, None, one)?);
    }
    for one in &definitions.pipelines {
        entries.push(entry(Kind::ImagePipeline, &one.name, None, one)?);
    }
    Ok(entries)
}

fn entry<T: Serialize>(kind: Kind, name: &Name, version: Option<Version>, definition: &T) -> Result<Entry> {
    let item = encode(key(kind, name, version), definition)?;
    Ok(Entry { kind, name: name.clone(), version, item })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::definitions::{Definitions, Draft, SourceFile};

    use super::Outcome;
    use crate::{MemoryTable, Store};

    const FOLDER: &str = "\
kind: Component
name: nginx
semanticVersion: 1.0.0
data: |
  schemaVersion: 1.0
  phases: [{name: build, steps: [{name: Run, action: ExecuteBash, inputs: {commands: [\"true\"]}}]}]
---
{kind: ImageRecipe, name: web, semanticVersion: 1.0.0, parentImage: ssm:/a, components: [{name: nginx, version: 1.x.x}]}
---
{kind: InfrastructureConfiguration, name: small, instanceTypes: [t3.small]}
---
{kind: ImagePipeline, name: web, imageRecipe: web, infrastructureConfiguration: small}
";

    fn store() -> Store {
        Store::new(Arc::new(MemoryTable::new()))
    }

    async fn read(store: &Store, text: &str) -> Result<Definitions, String> {
        let files = [SourceFile { path: "all.yml".to_owned(), text: text.to_owned() }];
        let draft = Draft::read(&files, &|path| std::fs::read_to_string(path));
        let stored = store.stored_for(&draft).await.unwrap();
        draft.check(&stored).map_err(|found| found.to_string())
    }

    async fn outcomes(store: &Store, text: &str) -> Vec<Outcome> {
        let definitions = read(store, text).await.unwrap();
        store.apply(&definitions).await.unwrap().iter().map(|change| change.outcome).collect()
    }

    #[tokio::test]
    async fn what_was_applied_is_read_back() {
        let store = store();
        let definitions = read(&store, FOLDER).await.unwrap();
        assert_eq!(outcomes(&store, FOLDER).await, [Outcome::Created; 4]);
        let pipeline = store.pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(pipeline, definitions.pipelines[0]);
        assert_eq!(store.pipeline_names().await.unwrap(), ["web".parse().unwrap()]);
        let recipe =
            store.best_recipe(&pipeline.image_recipe.name, pipeline.image_recipe.version).await.unwrap().unwrap();
        assert_eq!(recipe, definitions.recipes[0]);
        let wanted = &recipe.components[0];
        let component = store.best_component(&wanted.name, wanted.version).await.unwrap().unwrap();
        assert_eq!(component, definitions.components[0]);
        assert_eq!(store.component(&component.name, component.version).await.unwrap(), Some(component));
        let small = store.infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(small, definitions.infrastructures[0]);
        assert_eq!(store.distribution(&"small".parse().unwrap()).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_same_content_again_changes_nothing_and_configurations_are_replaced() {
        let store = store();
        outcomes(&store, FOLDER).await;
        assert_eq!(outcomes(&store, FOLDER).await, [Outcome::Unchanged; 4]);
        let changed = FOLDER.replace("t3.small", "t3.large");
        let expected = [Outcome::Unchanged, Outcome::Unchanged, Outcome::Replaced, Outcome::Unchanged];
        assert_eq!(outcomes(&store, &changed).await, expected);
    }

    #[tokio::test]
    async fn other_content_under_a_stored_version_is_refused_whole() {
        let store = store();
        outcomes(&store, FOLDER).await;
        outcomes(&store, &FOLDER.replace("1.0.0", "1.0.1")).await;
        let changed = FOLDER.replace("true", "false").replace("ssm:/a", "ssm:/b").replace("t3.small", "t3.large");
        let definitions = read(&store, &changed).await.unwrap();
        let expected = "\
component `nginx` 1.0.0 is stored with other content, and versions never change: the next free one is 1.0.2
image recipe `web` 1.0.0 is stored with other content, and versions never change: the next free one is 1.0.2";
        assert_eq!(store.apply(&definitions).await.unwrap_err().to_string(), expected);
        let small = store.infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(small.instance_types, ["t3.small"]);
    }

    #[tokio::test]
    async fn wildcards_find_the_highest_stored_version() {
        let store = store();
        for version in ["1.6.8", "1.10.0", "1.7.8", "2.0.0"] {
            outcomes(
                &store,
                &FOLDER.replace("name: web, semanticVersion: 1.0.0", &format!("name: web, semanticVersion: {version}")),
            )
            .await;
        }
        let name = "web".parse().unwrap();
        for (pattern, version) in
            [("x.x.x", Some("2.0.0")), ("1.x.x", Some("1.10.0")), ("1.7.x", Some("1.7.8")), ("1.1.x", None)]
        {
            let found = store.best_recipe(&name, pattern.parse().unwrap()).await.unwrap();
            assert_eq!(found.map(|recipe| recipe.version.to_string()).as_deref(), version, "{pattern}");
        }
    }

    #[tokio::test]
    async fn references_may_be_stored_already() {
        let store = store();
        outcomes(&store, FOLDER).await;
        let pipeline =
            "{kind: ImagePipeline, name: web2, imageRecipe: web/1.x.x, infrastructureConfiguration: small}\n";
        assert_eq!(outcomes(&store, pipeline).await, [Outcome::Created]);
        let found = read(&store, &pipeline.replace("1.x.x", "2.x.x")).await.unwrap_err();
        assert!(
            found.contains("no version of image recipe `web` matches 2.x.x") && found.contains("there is 1.0.0"),
            "{found}"
        );
    }
}
