//! Reads what the tables know about the builds that tags name.

use std::collections::BTreeMap;

use anyhow::Result;
use goldsmith_store::{BuildStatus, EffectKind, Proof, Store};

/// What the tables know about a build.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// Whether the existing stack manages what the build has made.
    pub(super) is_looked_after: bool,
    /// Whether the build is open, and may still make resources.
    pub(super) is_open: bool,
    /// Proof of what the build has made.
    pub(super) proof: Proof,
    /// Parameters that the build has written: the Region, the name, and the AMI that the parameter names.
    pub(super) parameters: Vec<(String, String, String)>,
}

/// The tables of a stack, and what was read from them.
pub(super) struct Records {
    stores: Vec<Store>,
    is_living: bool,
    read: BTreeMap<String, Option<Known>>,
}

impl Records {
    /// Returns the records of the table of an existing stack.
    pub(super) fn of_living(store: Store) -> Self {
        Self { stores: vec![store], is_living: true, read: BTreeMap::new() }
    }

    /// Returns the records of the tables that a deleted stack has left.
    pub(super) fn of_gone(stores: Vec<Store>) -> Self {
        Self { stores, is_living: false, read: BTreeMap::new() }
    }

    /// Returns what the tables know about a build. Each build is read once.
    pub(super) async fn known(&mut self, build: &str) -> Result<Option<Known>> {
        if let Some(known) = self.read.get(build) {
            return Ok(known.clone());
        }
        let known = self.read(build).await?;
        self.read.insert(build.to_owned(), known.clone());
        Ok(known)
    }

    async fn read(&self, build: &str) -> Result<Option<Known>> {
        // Each retirement leaves a table, so there are several if stacks of this name were deployed one after another.
        for store in &self.stores {
            let Some(record) = store.build(build).await? else { continue };
            let effects = store.all_effects(build).await?;
            let proof = Proof::of(&record, &effects, store.image(&record.image).await?.as_ref());
            let put = effects.into_iter().filter_map(|effect| match effect.kind {
                EffectKind::Parameter { value, .. } => Some((effect.region, effect.name, value)),
                _ => None,
            });
            let parameters = put.collect();
            let is_open = record.status != BuildStatus::Closed;
            return Ok(Some(Known { is_looked_after: self.is_living, is_open, proof, parameters }));
        }
        Ok(None)
    }

    /// Returns when each resource without proof was found, by Region and id.
    pub(super) async fn since(&self) -> Result<BTreeMap<(String, String), String>> {
        let mut since = BTreeMap::new();
        for store in &self.stores {
            let found = store.leftovers().await?.into_iter();
            since.extend(found.map(|one| ((one.region, one.id), one.since)));
        }
        Ok(since)
    }
}
