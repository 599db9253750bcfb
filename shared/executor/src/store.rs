//! The state directory: a lock that lets one run at a time work on this machine, and a journal for each execution.
//!
//! The first line of the journal is a whole state, and each further line is one change of it. A line is written before
//! the change that it announces is made. This needs no sync: a written line survives every end of this process and an
//! orderly restart of the machine. The journal is synced only before a restart of the machine and at the end of the
//! run. If the machine itself fails, the last lines may be lost. [`crate::run`] then notices that the machine restarted
//! without a request, and does not run the step that may have begun.
//!
//! The inputs and outputs of steps may be secret, and everyone who may launch an image can read the free blocks of its
//! disk. So scripts are in memory if the machine has a file system there. The journal contains only the names of secret
//! parameters. Files are overwritten before they are removed.

mod journal;
mod seal;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use goldsmith_document::digest;

use crate::WorkOrder;
use crate::overwrite::{is_in_memory, remove_folder, zero};
use crate::secrets::Secrets;
use crate::state::State;
pub(crate) use journal::Entry;
pub(crate) use seal::Read;
use seal::SealError;

/// The work folders are here if this folder is in memory. Programs may not be allowed to run from it, but a script is
/// only read.
const MEMORY: &str = "/run";
const IN_MEMORY: &str = "/run/goldsmith/work";

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
    #[error("the run cannot resume from {}", path.display())]
    Sealed { path: PathBuf, source: Box<SealError> },
    #[error("the state cannot be saved in {}", path.display())]
    Save { path: PathBuf, source: io::Error },
}

/// The folder of one execution in the state directory. The lock is held until this value is dropped.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Whether another run held the lock when this one started.
    pub(crate) waited: bool,
    /// The lock. `None` if the outer execution holds it.
    _lock: Option<File>,
    journal: Option<File>,
    /// The secrets, which must not be in any file here.
    secrets: Secrets,
}

impl Store {
    /// Opens the folder of an order's execution. Waits while another run holds the lock.
    pub(crate) fn open(order: &WorkOrder, secrets: &Secrets) -> Result<Self, StoreError> {
        let folder = order.state_directory.join(key(order));
        create_private(&folder).map_err(|source| StoreError::Create { path: folder.clone(), source })?;
        let path = order.state_directory.join("lock");
        let failed = |source| StoreError::Lock { path: path.clone(), source };
        let lock = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        // The caller must know whether it waited, because the other run may have ended with a request for a reboot.
        let waited = match lock.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => lock.lock().map(|()| true).map_err(failed)?,
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        };
        Ok(Self { folder, waited, _lock: Some(lock), journal: None, secrets: secrets.clone() })
    }

    /// Returns a name that is unique among the executions on this machine.
    pub(crate) fn name(&self) -> String {
        digest(&self.folder.display().to_string())[..32].to_owned()
    }

    /// Returns the folder of an execution inside this one.
    pub(crate) fn nested(&self, name: &str) -> Result<Self, StoreError> {
        let folder = self.folder.join("nested").join(name);
        create_private(&folder).map_err(|source| StoreError::Create { path: folder.clone(), source })?;
        Ok(Self { folder, waited: false, _lock: None, journal: None, secrets: self.secrets.clone() })
    }

    /// Returns the order with which a nested execution was started, if it was started.
    pub(crate) fn order(&self, read_secret: Read<'_>) -> Result<Option<WorkOrder>, StoreError> {
        let path = self.folder.join("order.json");
        let Some(text) = read(&path)? else { return Ok(None) };
        seal::from_str(&text, &self.secrets, read_secret).map(Some).map_err(|error| StoreError::unread(path, error))
    }

    /// Stores the order of a nested execution.
    pub(crate) fn keep_order(&self, order: &WorkOrder) -> Result<(), StoreError> {
        let json = seal::to_vec(order, &self.secrets);
        self.replace("order.json", &json).map(drop)
    }

    /// Returns the state that an earlier start left, if there is one. A line that was cut off during writing is
    /// ignored: the change that it announces was not made.
    pub(crate) fn load(&self, read_secret: Read<'_>) -> Result<Option<State>, StoreError> {
        let path = self.folder.join("state.jsonl");
        let Some(text) = read(&path)? else { return Ok(None) };
        let state = journal::replay(&text, &self.secrets, read_secret);
        state.map(Some).map_err(|error| StoreError::unread(path, error))
    }

    /// Begins a journal with this state and replaces the existing journal.
    pub(crate) fn begin(&mut self, state: &State) -> Result<(), StoreError> {
        let mut line = seal::to_vec(state, &self.secrets);
        line.push(b'\n');
        self.journal = Some(self.replace("state.jsonl", &line)?);
        Ok(())
    }

    /// Records a change.
    pub(crate) fn note(&self, entry: &Entry<'_>) -> Result<(), StoreError> {
        let mut line = seal::to_vec(entry, &self.secrets);
        line.push(b'\n');
        self.write(|mut file| match file.metadata()?.nlink() {
            0 => Err(io::ErrorKind::NotFound.into()), // a deleted journal is never found again
            _ => file.write_all(&line),
        })
    }

    /// Syncs the journal, so that it survives a failure of the machine.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.write(|file| file.sync_data())
    }

    /// Removes the executions inside this one, and the folder of the last step.
    pub(crate) fn forget(&self) {
        for folder in [self.folder.join("nested"), self.work()] {
            let _ = remove_folder(&folder); // remains are never read again
        }
    }

    /// Returns an empty private folder for one attempt of a step.
    pub(crate) fn scratch(&self) -> io::Result<PathBuf> {
        let mut folder = self.work();
        if folder.starts_with(IN_MEMORY) && create_private(Path::new(IN_MEMORY)).is_err() {
            folder = self.work_on_disk(); // only root may write there
        }
        remove_folder(&folder)?;
        DirBuilder::new().mode(0o700).create(&folder)?;
        Ok(folder)
    }

    fn work(&self) -> PathBuf {
        match is_in_memory(Path::new(MEMORY)) {
            true => Path::new(IN_MEMORY).join(self.name()),
            false => self.work_on_disk(),
        }
    }

    fn work_on_disk(&self) -> PathBuf {
        self.folder.join("work")
    }

    fn write(&self, write: impl FnOnce(&File) -> io::Result<()>) -> Result<(), StoreError> {
        let result = self.journal.as_ref().map_or_else(|| Err(io::ErrorKind::NotFound.into()), write);
        result.map_err(|source| StoreError::Save { path: self.folder.join("state.jsonl"), source })
    }

    /// Replaces a file as a whole, so that a crash leaves the old one or the new one.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<File, StoreError> {
        let path = self.folder.join(name);
        let write = || -> io::Result<File> {
            let new = path.with_extension("new");
            let old = OpenOptions::new().write(true).open(&path).ok();
            let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            // After a power failure, a rename is kept only if its folder was synced.
            File::open(&self.folder)?.sync_all()?;
            // Text that is derived from a secret is not recognized as one, so the old generation is overwritten.
            if let Some(old) = old {
                zero(&old).and_then(|()| old.sync_data())?;
            }
            Ok(file)
        };
        write().map_err(|source| StoreError::Save { path: path.clone(), source })
    }
}

impl StoreError {
    fn unread(path: PathBuf, error: SealError) -> Self {
        match error {
            SealError::Form(source) => Self::Form { path, source },
            error => Self::Sealed { path, source: Box::new(error) },
        }
    }
}

fn read(path: &Path) -> Result<Option<String>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::Read { path: path.to_owned(), source }),
    }
}

/// Returns the key of an order's state. A state belongs to an execution with exactly these documents, phases and
/// parameters. State left by a different order is never resumed.
fn key(order: &WorkOrder) -> String {
    let documents: Vec<_> = order.documents.iter().map(|d| (&d.name, &d.digest, &d.parameters)).collect();
    let identity = serde_json::to_string(&(&order.execution, &order.phases, documents)).unwrap_or_default(); // only text
    digest(&identity)[..32].to_owned()
}

/// Creates a folder that no other user may enter, together with its missing parents.
fn create_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::{Entry, Store, key};
    use crate::aws::AwsError;
    use crate::secrets::Secrets;
    use crate::state::State;
    use crate::{OrderDocument, WorkOrder};

    fn order(directory: &std::path::Path) -> WorkOrder {
        WorkOrder { state_directory: directory.join("a/b"), ..WorkOrder::documents("b/Build", vec![], vec![]) }
    }

    fn no_secret(_: &str) -> Result<String, AwsError> {
        Err(AwsError::MetadataDisabled)
    }

    #[test]
    fn a_saved_state_is_loaded_with_its_records_and_without_half_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Store::open(&order(directory.path()), &Secrets::default()).unwrap();
        assert_eq!(store.load(&no_secret).unwrap(), None);
        let mut state = State::new("b/Build", "2026-01-02T03:04:05Z".parse().unwrap(), "/log".into());
        store.begin(&state).unwrap();
        assert_eq!(store.load(&no_secret).unwrap().as_ref(), Some(&state));
        store.note(&Entry::RebootPending(true)).unwrap();
        state.reboot_pending = true;
        assert_eq!(store.load(&no_secret).unwrap().as_ref(), Some(&state));
        let path = store.folder.join("state.jsonl");
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"RebootPending\":fa")).unwrap();
        assert_eq!(store.load(&no_secret).unwrap().as_ref(), Some(&state));
        std::fs::remove_file(&path).unwrap();
        assert!(store.note(&Entry::RebootPending(false)).is_err());
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
        let store = Store::open(&order(directory.path()), &Secrets::default()).unwrap();
        std::fs::write(store.folder.join("state.jsonl"), "{\n").unwrap();
        assert!(store.load(&no_secret).unwrap_err().to_string().ends_with("state.jsonl is not a state of this agent"));
    }
}
