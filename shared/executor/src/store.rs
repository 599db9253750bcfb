//! The state directory: a lock that lets one run at a time work on this machine, and the state of each execution.
//!
//! A state is replaced as a whole (written beside, synced, renamed), so that a crash leaves the old one or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use goldsmith_document::digest;

use crate::WorkOrder;
use crate::state::State;

/// Why the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("{} cannot be created", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("{} cannot be locked", path.display())]
    Lock { path: PathBuf, source: io::Error },
    #[error("{} cannot be read", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a state of this agent", path.display())]
    Form { path: PathBuf, source: serde_json::Error },
    #[error("the state cannot be saved in {}", path.display())]
    Save { path: PathBuf, source: io::Error },
}

/// One execution's place in the state directory. The lock is held as long as this lives.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Another run held the lock when this one started.
    pub(crate) waited: bool,
    _lock: File,
}

impl Store {
    /// Opens the place of an order's execution; waits while another run holds the lock.
    pub(crate) fn open(order: &WorkOrder) -> Result<Self, StoreError> {
        let folder = order.state_directory.join(key(order));
        create_private(&folder).map_err(|source| StoreError::Create { path: folder.clone(), source })?;
        let path = order.state_directory.join("lock");
        let failed = |source| StoreError::Lock { path: path.clone(), source };
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        let waited = match lock.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => lock.lock().map(|()| true).map_err(failed)?,
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        };
        Ok(Self { folder, waited, _lock: lock })
    }

    /// The state that an earlier start left, if there was one.
    pub(crate) fn load(&self) -> Result<Option<State>, StoreError> {
        let path = self.file();
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|source| StoreError::Form { path, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(StoreError::Read { path, source }),
        }
    }

    /// Replaces the state.
    pub(crate) fn save(&self, state: &State) -> Result<(), StoreError> {
        let path = self.file();
        let write = || -> io::Result<()> {
            let new = path.with_extension("new");
            let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&serde_json::to_vec(state)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| StoreError::Save { path: path.clone(), source })
    }

    /// An empty private folder for one attempt of a step.
    pub(crate) fn scratch(&self) -> io::Result<PathBuf> {
        let folder = self.folder.join("work");
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => create_private(&folder)?,
        }
        Ok(folder)
    }

    fn file(&self) -> PathBuf {
        self.folder.join("state.json")
    }
}

/// A state belongs to an execution with exactly these documents, phases and parameters.
fn key(order: &WorkOrder) -> String {
    let documents: Vec<_> = order.documents.iter().map(|d| (&d.name, &d.digest, &d.parameters)).collect();
    let identity = serde_json::to_string(&(&order.execution, &order.phases, documents)).unwrap_or_default(); // only text
    digest(&identity)[..32].to_owned()
}

/// Creates a folder that nobody else may enter; its missing parents too.
fn create_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::{Store, key};
    use crate::state::State;
    use crate::{OrderDocument, WorkOrder};

    fn order(directory: &std::path::Path) -> WorkOrder {
        WorkOrder { state_directory: directory.join("a/b"), ..WorkOrder::documents("b/Build", vec![], vec![]) }
    }

    #[test]
    fn a_saved_state_is_loaded_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&order(directory.path())).unwrap();
        assert_eq!(store.load().unwrap(), None);
        let state = State::new("b/Build", "2026-01-02T03:04:05Z".parse().unwrap(), "/log".into());
        store.save(&state).unwrap();
        assert_eq!(store.load().unwrap(), Some(state));
    }

    #[test]
    fn another_document_is_another_place() {
        let mut other = order("/x".as_ref());
        other.documents.push(OrderDocument {
            name: "n".into(),
            version: "1.0.0".into(),
            digest: "d".into(),
            body: String::new(),
            parameters: Default::default(),
        });
        assert_ne!(key(&order("/x".as_ref())), key(&other));
    }

    #[test]
    fn a_damaged_state_is_named_and_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&order(directory.path())).unwrap();
        std::fs::write(store.file(), "{").unwrap();
        assert!(store.load().unwrap_err().to_string().ends_with("state.json is not a state of this agent"));
    }
}
