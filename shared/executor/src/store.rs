//! The state directory: a lock that lets one run at a time work on this machine, and a journal for each execution.
//!
//! The journal's first line is a whole state, each further line one change of it. A line is written before what it
//! announces is done. That needs no sync: what was written survives the end of this process, however it ends, and an
//! orderly restart of the machine. Only where the machine is to be restarted, and when the run is over, the journal is
//! synced. If the machine itself dies, the last lines may be lost: [`crate::run`] sees that the machine was started
//! anew without having been asked to, and does not run the step that may have begun.
//!
//! What steps were given or said may be secret, and whoever may launch an image may read the free blocks of its disk. So
//! scripts are in memory where the machine has a file system there, secrets are in the journal by their parameters'
//! names only, and what goes is overwritten.

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

/// Work folders are here where it is in memory. Programs may not be allowed to run from it; a script is read only.
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

/// One execution's place in the state directory. The lock is held as long as this lives.
#[derive(Debug)]
pub(crate) struct Store {
    folder: PathBuf,
    /// Another run held the lock when this one started.
    pub(crate) waited: bool,
    /// None: whoever opened this holds the lock of the one around it.
    _lock: Option<File>,
    journal: Option<File>,
    /// What must not get into any file here.
    secrets: Secrets,
}

impl Store {
    /// Opens the place of an order's execution; waits while another run holds the lock.
    pub(crate) fn open(order: &WorkOrder, secrets: &Secrets) -> Result<Self, StoreError> {
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
        Ok(Self { folder, waited, _lock: Some(lock), journal: None, secrets: secrets.clone() })
    }

    /// A name that no other execution's place on this machine has.
    pub(crate) fn name(&self) -> String {
        digest(&self.folder.display().to_string())[..32].to_owned()
    }

    /// The place of an execution inside of this one.
    pub(crate) fn nested(&self, name: &str) -> Result<Self, StoreError> {
        let folder = self.folder.join("nested").join(name);
        create_private(&folder).map_err(|source| StoreError::Create { path: folder.clone(), source })?;
        Ok(Self { folder, waited: false, _lock: None, journal: None, secrets: self.secrets.clone() })
    }

    /// The order that a nested execution was started with, if it was.
    pub(crate) fn order(&self, read_secret: Read<'_>) -> Result<Option<WorkOrder>, StoreError> {
        let path = self.folder.join("order.json");
        let Some(text) = read(&path)? else { return Ok(None) };
        seal::from_str(&text, &self.secrets, read_secret).map(Some).map_err(|error| StoreError::unread(path, error))
    }

    /// Keeps the order of a nested execution.
    pub(crate) fn keep_order(&self, order: &WorkOrder) -> Result<(), StoreError> {
        let json = seal::to_vec(order, &self.secrets);
        self.replace("order.json", &json).map(drop)
    }

    /// The state that an earlier start left, if there was one. A line that was cut off in the writing is passed over:
    /// what it announces was not done.
    pub(crate) fn load(&self, read_secret: Read<'_>) -> Result<Option<State>, StoreError> {
        let path = self.folder.join("state.jsonl");
        let Some(text) = read(&path)? else { return Ok(None) };
        let state = journal::replay(&text, &self.secrets, read_secret);
        state.map(Some).map_err(|error| StoreError::unread(path, error))
    }

    /// Begins a journal with this state, in the place of the one that was there.
    pub(crate) fn begin(&mut self, state: &State) -> Result<(), StoreError> {
        let mut line = seal::to_vec(state, &self.secrets);
        line.push(b'\n');
        self.journal = Some(self.replace("state.jsonl", &line)?);
        Ok(())
    }

    /// Notes a change.
    pub(crate) fn note(&self, entry: &Entry<'_>) -> Result<(), StoreError> {
        let mut line = seal::to_vec(entry, &self.secrets);
        line.push(b'\n');
        self.write(|mut file| match file.metadata()?.nlink() {
            0 => Err(io::ErrorKind::NotFound.into()), // a journal that nobody finds again is none
            _ => file.write_all(&line),
        })
    }

    /// Makes sure that the journal survives whatever happens to the machine.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.write(|file| file.sync_data())
    }

    /// Forgets the executions inside of this one, and the last step's folder.
    pub(crate) fn forget(&self) {
        for folder in [self.folder.join("nested"), self.work()] {
            let _ = remove_folder(&folder); // what stays is never looked at again
        }
    }

    /// An empty private folder for one attempt of a step.
    pub(crate) fn scratch(&self) -> io::Result<PathBuf> {
        let mut folder = self.work();
        if folder.starts_with(IN_MEMORY) && create_private(Path::new(IN_MEMORY)).is_err() {
            folder = self.work_on_disk(); // whoever is not root may not write there
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
            File::open(&self.folder)?.sync_all()?;
            // What was worked out of a secret is not known for one: the old generation goes for good.
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

/// A state belongs to an execution with exactly these documents, phases and parameters: what an order for others left
/// in the same directory is never gone on with.
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
    fn a_saved_state_is_loaded_again_with_what_was_noted_and_without_half_a_line() {
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
