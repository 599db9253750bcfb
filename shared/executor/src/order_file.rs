//! The file of a work order. While steps run, the file does not contain the order's nonce: steps are root and can read
//! every file.
//!
//! In the meantime, the nonce is in the memory of this process. It is on the disk again only for a reboot. If this
//! process ends without a result, the next start finds the rest of the order, and its event lines have no seal.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::overwrite::zero;
use crate::{OrderError, WorkOrder};

/// The file of an order from which the nonce was removed.
#[derive(Debug)]
pub struct OrderFile {
    path: PathBuf,
    /// The bytes before the removal. `None` if nothing was removed.
    whole: Option<Vec<u8>>,
}

impl OrderFile {
    /// Reads an order and removes its nonce from the file. If the file cannot be replaced, as on a full disk, the nonce
    /// stays in it, and the order is still carried out.
    ///
    /// # Errors
    /// The file cannot be read or is not an order.
    pub fn take(path: &Path) -> Result<(WorkOrder, Self), OrderError> {
        let (order, bytes, from) = find(path)?;
        let mut file = Self { path: path.to_owned(), whole: None };
        if order.event_nonce.is_some() && leave_rest(path, &from, &order).is_ok() {
            file.whole = Some(bytes);
        }
        Ok((order, file))
    }

    /// Restores the nonce for the start that follows a reboot. If that fails, as on a full disk, that start runs
    /// without the nonce.
    pub fn put_back(&self) {
        if let Some(whole) = &self.whole {
            let _ = write(&self.path, whole);
        }
    }
}

/// Reads the order from the first of its files that holds one. A start that did not reach its end may have left the
/// whole order under its second name, or zeros instead of the order.
fn find(path: &Path) -> Result<(WorkOrder, Vec<u8>, PathBuf), OrderError> {
    let first = match read(path) {
        Ok((order, bytes)) => return Ok((order, bytes, path.to_owned())),
        Err(error) => error,
    };
    for from in [going(path), rest_of(path)] {
        if let Ok((order, bytes)) = read(&from) {
            return Ok((order, bytes, from));
        }
    }
    Err(first)
}

fn read(path: &Path) -> Result<(WorkOrder, Vec<u8>), OrderError> {
    let bytes = fs::read(path).map_err(|source| OrderError::Read { path: path.to_owned(), source })?;
    let order = serde_json::from_slice(&bytes).map_err(|source| OrderError::Form { path: path.to_owned(), source })?;
    Ok((order, bytes))
}

/// Returns the path of the order without its nonce.
fn rest_of(path: &Path) -> PathBuf {
    with_ending(path, ".taken") // the script of the command also looks for it there
}

/// Returns the second name of the whole order. The order is overwritten and removed under this name.
fn going(path: &Path) -> PathBuf {
    with_ending(path, ".going")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

/// Leaves the order without its nonce. At every moment, a file with an order exists. Once the whole order no longer has
/// its own name, this function succeeds, so that the order is restored for a reboot even if it could not be overwritten
/// completely.
fn leave_rest(path: &Path, from: &Path, order: &WorkOrder) -> io::Result<()> {
    let rest = WorkOrder { event_nonce: None, ..order.clone() };
    write(&rest_of(path), &serde_json::to_vec(&rest)?)?;
    let going = going(path);
    // An interrupted start may already have renamed the order. From the rename on, no start can read a half overwritten
    // order under the first name.
    if from == path {
        fs::rename(path, &going)?;
    }
    if let Ok(whole) = OpenOptions::new().write(true).open(&going) {
        let _ = zero(&whole).and_then(|()| whole.sync_data());
    }
    let _ = fs::remove_file(&going);
    Ok(())
}

/// Replaces a file as a whole, so that a crash leaves the old one or the new one.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{OrderFile, going, rest_of};
    use crate::{Nonce, OrderError, WorkOrder};

    #[test]
    fn the_nonce_is_in_no_file_while_steps_run_except_for_a_reboot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("order.json");
        let nonce = Nonce::random().unwrap();
        let order = WorkOrder { event_nonce: Some(nonce.clone()), ..WorkOrder::documents("b/Build", vec![], vec![]) };
        let whole = serde_json::to_vec(&order).unwrap();
        fs::write(&path, &whole).unwrap();
        let is_readable = || {
            let mut files = fs::read_dir(folder.path()).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()));
            files.any(|text| text.unwrap().contains(nonce.reveal()))
        };
        for _ in 0..2 {
            assert!(is_readable());
            let (taken, file) = OrderFile::take(&path).unwrap();
            assert_eq!(taken, order);
            assert!(!is_readable());
            let (again, other) = OrderFile::take(&path).unwrap();
            let without = WorkOrder { event_nonce: None, ..order.clone() };
            assert_eq!(again, without, "a start beside it has the rest");
            other.put_back();
            assert!(!is_readable());
            file.put_back();
            assert_eq!(fs::read(&path).unwrap(), whole, "with the digest that the script looks for");
        }
    }

    #[test]
    fn an_order_without_a_nonce_is_unchanged_and_a_missing_one_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("order.json");
        let missing = OrderFile::take(&path).unwrap_err();
        assert!(matches!(&missing, OrderError::Read { path: named, .. } if *named == path), "{missing}");
        let order = WorkOrder::documents("b/Build", vec![], vec![]);
        let text = serde_json::to_string_pretty(&order).unwrap();
        fs::write(&path, &text).unwrap();
        let (taken, file) = OrderFile::take(&path).unwrap();
        file.put_back();
        assert_eq!((taken, fs::read_to_string(&path).unwrap()), (order, text));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_order_outlives_a_start_that_ends_while_it_takes_the_nonce_out() {
        let nonce = Some(Nonce::random().unwrap());
        let order = WorkOrder { event_nonce: nonce, ..WorkOrder::documents("b/Build", vec![], vec![]) };
        let without = WorkOrder { event_nonce: None, ..order.clone() };
        let whole = serde_json::to_vec(&order).unwrap();
        let zeros = vec![0; whole.len()];
        // The content at the path and under the second name after the end.
        for (at_path, at_going, expected) in [
            (None, Some(&whole), &order),
            (None, Some(&zeros), &without),
            (None, None, &without),
            (Some(&zeros), None, &without),
            (Some(&whole), Some(&zeros), &order),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("order.json");
            fs::write(rest_of(&path), serde_json::to_vec(&without).unwrap()).unwrap();
            for (path, bytes) in [(path.clone(), at_path), (going(&path), at_going)] {
                bytes.into_iter().for_each(|bytes| fs::write(&path, bytes).unwrap());
            }
            let (taken, file) = OrderFile::take(&path).unwrap();
            assert_eq!(&taken, expected);
            assert_ne!(fs::read(going(&path)).ok().as_ref(), Some(&whole), "the nonce is in no file");
            file.put_back();
            if expected == &order {
                assert_eq!(fs::read(&path).unwrap(), whole);
            }
            assert_eq!(&OrderFile::take(&path).unwrap().0, expected, "after the reboot");
        }
    }

    /// A folder at the second name can be neither replaced nor removed.
    #[test]
    fn an_order_whose_file_cannot_go_stays_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("order.json");
        let nonce = Some(Nonce::random().unwrap());
        let order = WorkOrder { event_nonce: nonce, ..WorkOrder::documents("b/Build", vec![], vec![]) };
        fs::write(&path, serde_json::to_vec(&order).unwrap()).unwrap();
        fs::create_dir(going(&path)).unwrap();
        for _ in 0..2 {
            let (taken, file) = OrderFile::take(&path).unwrap();
            assert_eq!(taken, order);
            file.put_back();
        }
    }
}
