//! Undoes the copies that other accounts own. Every account that was asked to copy is checked, since its answer may
//! have been lost.

use std::collections::BTreeMap;

use goldsmith_store::Effect;

use super::Undoing;
use crate::{Error, Result};

/// Returns what the copies of an account are called among what is left behind.
pub(super) fn copies_in(account: &str) -> String {
    format!("copies in account {account}")
}

impl Undoing<'_> {
    /// Looks at each account that was asked to make its own copy.
    pub(super) async fn of_targets(&mut self, effects: &[Effect]) -> Result<()> {
        let mut places: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for effect in effects.iter().filter(|effect| effect.may_exist()) {
            let Some(account) = effect.kind.target_account() else { continue };
            places.entry((account, &effect.region)).or_default().extend(effect.id.as_deref());
        }
        for ((account, region), ids) in places {
            let entered = self.context.cloud.target_accounts.enter(account).await;
            let what = match ids.as_slice() {
                [] => copies_in(account),
                known => format!("{}: {}", copies_in(account), known.join(", ")),
            };
            // One account that has closed its door must not keep the others' copies from being removed.
            let Some(other) = self.tolerate(entered.map_err(Error::from), region, &what)? else { continue };
            self.images(&*other.images, region, Some(account)).await?;
        }
        Ok(())
    }
}
