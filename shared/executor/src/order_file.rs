//! The file of a work order. While steps run it is there without the order's nonce: steps are root, and can read every file.
//!
//! The nonce is in the memory of this process meanwhile, and on the disk again only for a reboot. Where this process ends
//! without an answer, the next start finds the rest of the order, and its event lines have no seal.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::overwrite::zero;
use crate::{OrderError, WorkOrder};

/// An order's file whose nonce was taken out.
#[derive(Debug)]
pub struct OrderFile {
    path: PathBuf,
    /// Its bytes before; none where nothing was taken out.
    whole: Option<Vec<u8>>,
}

impl OrderFile {
    /// Reads an order and takes its nonce out of the file. Where the file cannot be replaced, as on a full disk, it stays: the
    /// order is carried out all the same.
    ///
    /// # Errors
    /// The file cannot be read, or is not an order.
    pub fn take(path: &Path) -> Result<(WorkOrder, Self), OrderError> {
        let rest = rest_of(path);
        let from = if !path.exists() && rest.exists() { rest.as_path() } else { path };
        let failed = |source| OrderError::Read { path: path.to_owned(), source };
        let bytes = fs::read(from).map_err(failed)?;
        let order: WorkOrder =
            serde_json::from_slice(&bytes).map_err(|source| OrderError::Form { path: from.to_owned(), source })?;
        let mut file = Self { path: path.to_owned(), whole: None };
        if order.event_nonce.is_some() && leave_rest(path, &order).is_ok() {
            file.whole = Some(bytes);
        }
        Ok((order, file))
    }

    /// Puts the nonce back, for the start that follows a reboot. Where that fails, as on a full disk, the start goes on
    /// without it.
    pub fn put_back(&self) {
        if let Some(whole) = &self.whole {
            let _ = write(&self.path, whole);
        }
    }
}

/// Where the order is without its nonce.
fn rest_of(path: &Path) -> PathBuf {
    let mut rest = OsString::from(path);
    rest.push(".taken"); // the script of the command looks for it there, too
    PathBuf::from(rest)
}

fn leave_rest(path: &Path, order: &WorkOrder) -> io::Result<()> {
    let rest = WorkOrder { event_nonce: None, ..order.clone() };
    write(&rest_of(path), &serde_json::to_vec(&rest)?)?;
    let whole = OpenOptions::new().write(true).open(path)?;
    zero(&whole).and_then(|()| whole.sync_data())?;
    fs::remove_file(path)
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

    use super::OrderFile;
    use crate::{Nonce, OrderError, WorkOrder};

    #[test]
    fn the_nonce_is_in_no_file_while_steps_run_and_comes_back_for_a_reboot_only() {
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
    fn an_order_without_a_nonce_stays_as_it_is_and_one_that_is_not_there_is_named() {
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
}
