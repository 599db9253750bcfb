//! Deletes definitions that nothing uses.
//!
//! Nothing locks a stack. If one person deletes a definition while another person applies one that uses it, the next
//! build fails in Plan, and the error names what is missing.

use goldsmith_model::DefinitionRef;
use goldsmith_model::definitions::Kind;

use crate::catalog::list_key;
use crate::checkpoint;
use crate::definitions::{PIPELINES, unversioned, versioned};
use crate::failures::forget;
use crate::retention::forget_rounds;
use crate::{Catalog, Key, Result, Store, StoreError, User, Write};

/// Why definitions were not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// No such definition exists.
    #[error("there is no {0}")]
    Unknown(DefinitionRef),
    /// Something uses some of the definitions. Nothing was deleted.
    #[error("{}", .0.iter().map(used).collect::<Vec<_>>().join("\n"))]
    Used(Vec<(DefinitionRef, Vec<User>)>),
    /// A call to the table failed. Definitions that were already deleted stay deleted, and deleting again continues.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn used((definition, users): &(DefinitionRef, Vec<User>)) -> String {
    let users: Vec<String> = users.iter().map(User::to_string).collect();
    format!("{definition} is used by {}", users.join(", "))
}

impl Catalog {
    /// Returns the definitions that a reference names. A reference without a version names all versions.
    #[must_use]
    pub fn named(&self, wanted: &DefinitionRef) -> Vec<DefinitionRef> {
        let is_named = |one: &DefinitionRef| {
            let fits = wanted.version.is_none() || one.version == wanted.version;
            fits && (one.kind, &one.name) == (wanted.kind, &wanted.name)
        };
        self.definitions().into_iter().filter(is_named).collect()
    }

    /// Returns the definitions that a reference names, if nothing uses any of them.
    ///
    /// # Errors
    /// [`DeleteError::Unknown`] and [`DeleteError::Used`].
    pub fn deletable(&self, wanted: &DefinitionRef) -> std::result::Result<Vec<DefinitionRef>, DeleteError> {
        let named = self.named(wanted);
        if named.is_empty() {
            return Err(DeleteError::Unknown(wanted.clone()));
        }
        let used = named.iter().map(|one| (one.clone(), self.users(one))).filter(|(_, users)| !users.is_empty());
        let used: Vec<(DefinitionRef, Vec<User>)> = used.collect();
        if used.is_empty() { Ok(named) } else { Err(DeleteError::Used(used)) }
    }
}

impl Store {
    /// Deletes a definition. A deleted pipeline no longer watches a source, and its images stay. Safe to repeat.
    pub async fn delete_definition(&self, definition: &DefinitionRef) -> Result<()> {
        let DefinitionRef { kind, name, version } = definition;
        let delete = |key: Key| Write::Delete { key, checks: Vec::new() };
        let Some(version) = version else {
            let mut writes = vec![delete(unversioned(*kind, name))];
            if *kind == Kind::ImagePipeline {
                self.unsubscribe(name).await?;
                writes.push(delete(Key::new(PIPELINES, name.as_str())));
                writes.push(forget(name));
                writes.push(forget_rounds(name));
                writes.push(checkpoint::forget(name));
            } else {
                writes.push(delete(list_key(*kind, name)));
            }
            return self.write(writes).await;
        };
        self.write(vec![delete(versioned(*kind, name, *version))]).await?;
        // The name goes after its last version: a version that is not listed could not be found any more.
        if self.versions(*kind, name).await?.is_empty() {
            self.write(vec![delete(list_key(*kind, name))]).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
