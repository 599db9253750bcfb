//! The contents of an image, from the stack's bucket, or from a root file system on this machine.

use std::path::Path;

use anyhow::{Context, Result};
use goldsmith_cloud::Kind;
use goldsmith_contents::{Contents, LARGEST_PACKED, Options, collect, unpack};
use goldsmith_store::{ContentsRecord, ImageRecord, ImageStatus, StateRecord};

use crate::connection::Connection;
use crate::digest;
use crate::exit::invalid;

/// Returns where the contents of an image are. A build that has failed after its first test instance was up has contents
/// too.
pub(crate) fn record(image: &ImageRecord, states: &[StateRecord]) -> Option<ContentsRecord> {
    let of_state = || states.iter().find_map(|state| state.contents.clone());
    image.contents.clone().or_else(of_state)
}

/// Returns the contents in one line.
pub(crate) fn headline(contents: &ContentsRecord) -> String {
    let ContentsRecord { packages, files, failure, .. } = contents;
    let plural = |count: &u32| if *count == 1 { "" } else { "s" };
    if contents.is_stored() {
        let (package, file) = (plural(packages), plural(files));
        format!("{packages} package{package}, {files} file{file} that no package owns")
    } else {
        format!("not stored: {failure}")
    }
}

/// Returns the last good image of the same pipeline whose build began before that of this image.
pub(crate) fn before<'a>(all: &'a [ImageRecord], image: &ImageRecord) -> Option<&'a ImageRecord> {
    let is_good = |other: &ImageRecord| other.is_image() && other.status == ImageStatus::Available && !other.overridden;
    let is_before = |other: &ImageRecord| other.pipeline == image.pipeline && other.created_at < image.created_at;
    let found = all.iter().filter(|other| is_good(other) && is_before(other));
    found.max_by(|a, b| a.created_at.cmp(&b.created_at))
}

/// Reads the contents of an image, and checks that they are what its build has recorded.
///
/// # Errors
/// The contents were not stored, have expired, or were changed since, or the caller may not read them.
pub(crate) async fn of(connection: &Connection, image: &ImageRecord) -> Result<Contents> {
    let states = if image.contents.is_some() { Vec::new() } else { connection.store.states(&image.build).await? };
    let name = &image.image;
    let Some(record) = record(image, &states) else {
        return Err(invalid(format!("the contents of {name} are not known: {}", why_unknown(image))));
    };
    if !record.is_stored() {
        return Err(invalid(format!("the contents of {name} were not stored: {}", record.failure)));
    }
    let bytes = match connection.cloud.objects.get(&record.key, LARGEST_PACKED).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            return Err(invalid(format!("the contents of {name} have expired: {} is no longer there", record.key)));
        }
        // If the caller may not list the bucket, S3 also denies the read of an object that does not exist.
        Err(error) if error.kind == Kind::Denied => {
            let hint = format!("the contents of {name} have expired, or you may not read {}", record.key);
            return Err(anyhow::Error::new(error).context(hint));
        }
        Err(error) => return Err(error.into()),
    };
    if digest::of_bytes(&bytes) != record.sha256 {
        return Err(invalid(format!(
            "the contents of {name} were changed after they were collected: the digest of {} is not the recorded one",
            record.key
        )));
    }
    unpack(&bytes).with_context(|| format!("{} cannot be read", record.key))
}

/// Returns why the contents of an image were not collected.
fn why_unknown(image: &ImageRecord) -> &'static str {
    match image.status {
        ImageStatus::Building => "its build has not collected them yet",
        ImageStatus::Failed => "its build has failed before it collected them",
        ImageStatus::Cancelled => "its build was stopped before it collected them",
        ImageStatus::Distributed => "the run has only distributed an image",
        ImageStatus::Available | ImageStatus::Verified => "an earlier release has built it",
    }
}

/// Collects the contents of the root file system in a folder of this machine.
///
/// # Errors
/// There is no such folder.
pub(crate) fn of_tree(root: &Path) -> Result<Contents> {
    if !root.is_dir() {
        return Err(invalid(format!("{} is not a folder", root.display())));
    }
    Ok(collect(root, &Options::of_tree()))
}
