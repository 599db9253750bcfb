//! The journal. It records what a build is about to make before the build makes it, so that it can be undone.

use jiff::Timestamp;

use crate::builds::verify_open;
use crate::store::{EXPIRES, attributes, encode, held, remembered_from, renewed};
use crate::{BuildRecord, Check, Effect, Item, Key, Result, Scope, Store, StoreError, Write, keys};

/// Result of recording an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// The intent is recorded: make the effect.
    Written,
    /// The intent was recorded before: continue from this effect.
    Existing(Box<Effect>),
    /// The build is closed: make no effect.
    Closed,
}

impl Store {
    /// Returns the journal of one state, in order.
    pub async fn effects(&self, build: &str, scope: &Scope) -> Result<Vec<Effect>> {
        self.journal(build, &format!("EFFECT#{scope}#")).await
    }

    /// Returns the journal of the whole build.
    pub async fn all_effects(&self, build: &str) -> Result<Vec<Effect>> {
        self.journal(build, "EFFECT#").await
    }

    /// Returns the entries state by state, and the entries of one state in the order in which they were made. The keys
    /// have only three digits, so as text, the 1,001st entry would sort before the 102nd entry.
    async fn journal(&self, build: &str, prefix: &str) -> Result<Vec<Effect>> {
        let mut effects: Vec<Effect> = self.read_all(&format!("BUILD#{build}"), prefix).await?;
        effects.sort_by(|a, b| a.scope.cmp(&b.scope).then(a.n.cmp(&b.n)));
        Ok(effects)
    }

    /// Records an effect before it is made, under the condition that the build is open and still holds its lease.
    pub async fn intend(&self, record: &BuildRecord, effect: &Effect) -> Result<Intent> {
        let key = keys::effect(&record.build, &effect.scope, effect.n);
        let put = Write::Put { item: entry(record, key.clone(), effect)?, checks: vec![Check::Absent] };
        match self.write(vec![verify_open(record), put]).await {
            Ok(()) => Ok(Intent::Written),
            // Index 0 is `verify_open`. It decides first: a closed build makes no effect, even one that was recorded
            // before.
            Err(StoreError::Conflict { failed }) if failed.contains(&0) => Ok(Intent::Closed),
            Err(StoreError::Conflict { failed }) => match self.read(&key).await? {
                Some(existing) => Ok(Intent::Existing(Box::new(existing))),
                None => Err(StoreError::Conflict { failed }),
            },
            Err(other) => Err(other),
        }
    }

    /// Completes an effect. The entry is written even if the build is closed, because then the effect must be undone. An
    /// entry without an id never replaces one that has it: two attempts may run at the same time, and the one that was
    /// rejected may end after the one that has made the resource.
    /// Returns false if the build was closed in the meantime. Then the caller undoes the effect at once.
    pub async fn complete(&self, record: &BuildRecord, effect: &Effect) -> Result<bool> {
        let item = entry(record, keys::effect(&record.build, &effect.scope, effect.n), effect)?;
        let checks = if effect.id.is_none() { vec![Check::missing("id")] } else { vec![] };
        let put = Write::Put { item, checks };
        // One transaction decides the race with Finish, which closes the build first and then reads the journal. Either
        // Finish reads this entry, or this call learns that the build is closed.
        match self.write(vec![verify_open(record), put.clone()]).await {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { failed }) if failed.contains(&0) => {
                held(self.write(vec![put]).await).map(|_| false)
            }
            // The other attempt has made the resource.
            Err(StoreError::Conflict { .. }) => Ok(true),
            Err(other) => Err(other),
        }
    }

    /// Keeps the journal of a build until after the build is looked at again. Only the journal says what must be
    /// removed. Safe to repeat.
    pub(crate) async fn keep_journal(&self, build: &str, at: Timestamp) -> Result<()> {
        for item in self.table().query(&format!("BUILD#{build}"), "EFFECT#").await? {
            let Some(expires) = renewed(&item, at) else { continue };
            let set = attributes([(EXPIRES, expires.into())]);
            let key = Write::Put { item, checks: vec![] }.key();
            // A conflict means that the entry has expired. `Check::Present` keeps the update from creating it again.
            held(self.write(vec![Write::Update { key, set, remove: vec![], checks: vec![Check::Present] }]).await)?;
        }
        Ok(())
    }
}

/// Returns an entry's item, which expires long after its build.
fn entry(record: &BuildRecord, key: Key, effect: &Effect) -> Result<Item> {
    let item = encode(key, effect)?;
    Ok(match record.created_at.parse::<Timestamp>() {
        Ok(began) => remembered_from(item, began),
        // An entry that stays forever costs little. An entry that expires too early leaves resources behind.
        Err(_) => item,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::State;
    use jiff::{SignedDuration, Timestamp};

    use crate::{Aftermath, Effect, EffectKind, MemoryTable, Scope, Store, Table as _, Write, samples, store};

    #[tokio::test]
    async fn a_journal_stays_for_as_long_as_its_build_is_looked_at_again() {
        let table = MemoryTable::new();
        let store = Store::new(Arc::new(table.clone()));
        let build = samples::build();
        let scope = Scope::from(State::Launch);
        let effect = Effect::intended(&scope, 0, EffectKind::instance("", false), "eu-west-1", "token");
        store.complete(&build, &effect).await.unwrap();
        let began: Timestamp = build.created_at.parse().unwrap();
        let after = |days: i64| began + SignedDuration::from_hours(24 * days);
        let looked_at = [("open", crate::OPEN_BUILDS), ("nextLook", build.created_at.as_str())];
        let mut item = store::encode(crate::keys::build(&build.build), &build).unwrap();
        item.extend(looked_at.map(|(name, value)| (name.to_owned(), value.into())));
        table.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
        for weeks in 0..150 {
            table.expire(after(7 * weeks));
            assert_eq!(
                store.all_effects(&build.build).await.unwrap(),
                std::slice::from_ref(&effect),
                "after {weeks} weeks"
            );
            for _ in 0..2 {
                store.look_again(&build, &Aftermath::default(), Some(after(7 * (weeks + 1)))).await.unwrap();
            }
        }
        store.look_again(&build, &Aftermath::default(), None).await.unwrap();
        table.expire(after(7 * 150 + 401));
        assert_eq!(store.all_effects(&build.build).await.unwrap(), []);
        assert_eq!(table.dump().len(), 1, "the build itself stays");
    }
}
