//! Writes definitions. Versions are immutable: applying the same content again changes nothing, and other content is
//! rejected.

mod fields;

use std::fmt;

use goldsmith_model::definitions::{Definitions, Kind};
use goldsmith_model::{Name, Version};
use serde::Serialize;

pub use fields::ChangedField;

use crate::definitions::{ListedPipeline, PIPELINES, unversioned, versioned};
use crate::failures::forget;
use crate::store::encode;
use crate::version::{self, RECORD_VERSION};
use crate::{Check, Item, Key, Result, Store, StoreError, Write, catalog};

/// Result of applying one definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// `component`, `image recipe`, …
    pub kind: String,
    /// Its name.
    pub name: Name,
    /// Version of the definition, if the kind has versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// What was done with the definition.
    pub outcome: Outcome,
    /// What differs from the stored definition, if it is replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<ChangedField>,
    /// Stored pipelines whose next build the definition changes, as [`Store::reach`] finds them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pipelines: Vec<Name>,
}

/// What was done with a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The definition did not exist, and was created.
    Created,
    /// The definition existed with other content, which was replaced.
    Replaced,
    /// The definition existed with the same content.
    Unchanged,
}

/// A version that is stored with other content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Kind of the definition: component or recipe.
    pub kind: Kind,
    /// Its name.
    pub name: Name,
    /// The version.
    pub version: Version,
    /// The next free version.
    pub next: Option<Version>,
}

/// Why definitions were not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Versions are immutable, and some of the given versions are taken. Nothing was written.
    #[error("{}", .0.iter().map(Taken::to_string).collect::<Vec<_>>().join("\n"))]
    Taken(Vec<Taken>),
    /// A call to the table failed. Definitions that were already written stay, and applying again continues.
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

/// A definition that is ready to be written.
struct Entry {
    kind: Kind,
    name: Name,
    version: Option<Version>,
    item: Item,
    /// A pipeline's entry in the list of pipelines.
    listed: Option<ListedPipeline>,
}

impl Store {
    /// Writes all definitions, as [`Store::changes`] and then [`Store::write_definitions`] do.
    ///
    /// # Errors
    /// [`ApplyError::Taken`] if a version is stored with other content.
    pub async fn apply(&self, definitions: &Definitions) -> std::result::Result<Vec<Change>, ApplyError> {
        let changes = self.changes(definitions).await?;
        self.write_definitions(definitions, &changes).await?;
        Ok(changes)
    }

    /// Compares all definitions with the stored ones. Writes nothing.
    ///
    /// # Errors
    /// [`ApplyError::Taken`] if a version is stored with other content.
    pub async fn changes(&self, definitions: &Definitions) -> std::result::Result<Vec<Change>, ApplyError> {
        let (mut changes, mut taken) = (Vec::new(), Vec::new());
        for entry in entries(definitions)? {
            let (outcome, fields) = self.compare(&entry).await?;
            if let (Outcome::Replaced, Some(version)) = (outcome, entry.version) {
                taken.push(self.taken(&entry, version).await?);
            }
            let Entry { kind, name, version, .. } = entry;
            changes.push(Change { kind: kind.to_string(), name, version, outcome, fields, pipelines: Vec::new() });
        }
        // If one version is taken, no part of the folder is applied.
        if taken.is_empty() { Ok(changes) } else { Err(ApplyError::Taken(taken)) }
    }

    /// Writes the definitions that have changed, and updates the sources that pipelines watch. Definitions to which
    /// others refer are written first. `changes` is what [`Store::changes`] has returned for these definitions. Safe to
    /// repeat.
    ///
    /// # Errors
    /// [`ApplyError::Taken`] if another caller has stored a version with other content in the meantime.
    pub async fn write_definitions(
        &self,
        definitions: &Definitions,
        changes: &[Change],
    ) -> std::result::Result<(), ApplyError> {
        let entries = entries(definitions)?;
        for (entry, change) in entries.iter().zip(changes) {
            if change.outcome != Outcome::Unchanged {
                self.put(entry).await?;
            }
        }
        // These run even if nothing was written: a call before this one may have died after its writes, and earlier
        // releases listed only pipelines.
        let keys = entries.iter().map(|entry| (entry.kind, &entry.name));
        self.list_definitions(keys).await?;
        Ok(self.watch_sources(definitions).await?)
    }

    /// Compares a definition with the stored one. Also returns what differs.
    async fn compare(&self, entry: &Entry) -> Result<(Outcome, Vec<ChangedField>)> {
        let Some(mut stored) = self.table().get(&entry.key()).await? else { return Ok((Outcome::Created, Vec::new())) };
        version::check(&stored)?;
        // The version is not part of the definition. Without this, every definition of an older program would seem
        // changed.
        stored.remove(RECORD_VERSION);
        let fields = fields::changed(&stored, &entry.item);
        Ok((if fields.is_empty() { Outcome::Unchanged } else { Outcome::Replaced }, fields))
    }

    async fn put(&self, entry: &Entry) -> std::result::Result<(), ApplyError> {
        let checks = if entry.version.is_some() { vec![Check::Absent] } else { Vec::new() };
        let mut writes = vec![Write::Put { item: entry.item.clone(), checks }];
        // Both are written in one transaction: a pipeline that is missing in the list would be neither shown nor
        // resubscribed when its recipe changes.
        match &entry.listed {
            Some(listed) => {
                let key = Key::new(PIPELINES, entry.name.to_string());
                writes.push(Write::Put { item: encode(key, listed)?, checks: Vec::new() });
                // Who changes a pipeline may have fixed what made its builds fail.
                writes.push(forget(&entry.name));
            }
            None => writes.push(catalog::listing(entry.kind, &entry.name)?),
        }
        match (self.write(writes).await, entry.version) {
            // Another caller applied the version in the meantime.
            (Err(error), Some(version)) if error.is_conflict() => match self.compare(entry).await? {
                (Outcome::Unchanged, _) => Ok(()),
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

/// Returns the items of all definitions, as `apply` writes them.
pub(crate) fn items(definitions: &Definitions) -> Result<Vec<Item>> {
    let entries = entries(definitions)?.into_iter();
    let listed = |entry: &Entry| {
        let key = Key::new(PIPELINES, entry.name.to_string());
        entry.listed.as_ref().map(|listed| encode(key, listed))
    };
    entries.flat_map(|entry| listed(&entry).into_iter().chain([Ok(entry.item)])).collect()
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
        let listed = Some(ListedPipeline { name: one.name.clone(), recipe: one.image_recipe.name.clone() });
        entries.push(Entry { listed, ..entry(Kind::ImagePipeline, &one.name, None, one)? });
    }
    Ok(entries)
}

fn entry<T: Serialize>(kind: Kind, name: &Name, version: Option<Version>, definition: &T) -> Result<Entry> {
    let item = encode(key(kind, name, version), definition)?;
    Ok(Entry { kind, name: name.clone(), version, item, listed: None })
}

#[cfg(test)]
mod tests;
