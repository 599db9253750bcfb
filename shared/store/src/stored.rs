//! Tests that items from earlier programs can be read: `tests/records/vVERSION/RECORD[-variant].json`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::catalog::ListedDefinition;
use crate::cursors::Cursor;
use crate::definitions::ListedPipeline;
use crate::newest::Newest;
use crate::sources::{Meta, Watching};
use crate::store::decode;
use crate::{
    BuildRecord, CauseRecord, ChannelMove, CheckpointRecord, Effect, Failures, ImageRecord, Item, Lease, Leftover,
    Pointed, Result, RetentionRound, Retirement, Rollback, StateRecord, Subscription, Wait, WatchedSource,
};

/// Attributes that belong to the item and not to its record: the key, the index, the expiry, the lock, the mark.
const OF_THE_ITEM: [&str; 10] =
    ["pk", "sk", "open", "nextLook", "expiresAt", "lockedUntil", "lockedBy", "knocked", "since", "recordVersion"];

/// Reads an item as a record, and returns the record's attributes as this program would write them.
type Read = fn(Item) -> Result<Item>;

fn read<T: Serialize + DeserializeOwned>(item: Item) -> Result<Item> {
    let Value::Object(mut record) = serde_json::to_value(decode::<T>(item)?).unwrap() else { panic!("no object") };
    record.retain(|_, value| !value.is_null());
    Ok(record)
}

/// Every kind of record, named after its type.
fn kinds() -> BTreeMap<&'static str, Read> {
    BTreeMap::from([
        ("BuildRecord", read::<BuildRecord> as Read),
        ("CauseRecord", read::<CauseRecord>),
        ("ChannelMove", read::<ChannelMove>),
        ("CheckpointRecord", read::<CheckpointRecord>),
        ("Cursor", read::<Cursor>),
        ("Effect", read::<Effect>),
        ("Failures", read::<Failures>),
        ("ImageRecord", read::<ImageRecord>),
        ("Lease", read::<Lease>),
        ("Leftover", read::<Leftover>),
        ("ListedDefinition", read::<ListedDefinition>),
        ("ListedPipeline", read::<ListedPipeline>),
        ("Meta", read::<Meta>),
        ("Newest", read::<Newest>),
        ("Pointed", read::<Pointed>),
        ("RetentionRound", read::<RetentionRound>),
        ("Retirement", read::<Retirement>),
        ("Rollback", read::<Rollback>),
        ("StateRecord", read::<StateRecord>),
        ("Subscription", read::<Subscription>),
        ("Wait", read::<Wait>),
        ("WatchedSource", read::<WatchedSource>),
        ("Watching", read::<Watching>),
    ])
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Returns the kind of record with which the name of a sample begins.
fn kind(sample: &Path) -> String {
    let name = sample.file_stem().unwrap().to_str().unwrap();
    name.split('-').next().unwrap().to_owned()
}

#[test]
fn every_attribute_of_a_stored_record_is_read() {
    let kinds = kinds();
    for sample in files("tests/records/v1") {
        let mut item: Item = serde_json::from_str(&std::fs::read_to_string(&sample).unwrap()).unwrap();
        let record = kinds[kind(&sample).as_str()](item.clone()).unwrap_or_else(|error| {
            let reason = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            panic!("{}: {error}: {reason}", sample.display())
        });
        // An attribute of an older program that this one writes with its default may be missing in the sample.
        item.retain(|name, _| record.contains_key(name) || !OF_THE_ITEM.contains(&name.as_str()));
        for (name, stored) in &item {
            assert_eq!(record.get(name), Some(stored), "{name} of {}", sample.display());
        }
    }
}

#[test]
fn every_kind_of_record_has_a_sample() {
    let sampled: BTreeSet<String> = files("tests/records/v1").iter().map(|sample| kind(sample)).collect();
    let listed: BTreeSet<String> = kinds().into_keys().map(str::to_owned).collect();
    assert_eq!(sampled, listed);
    assert_eq!(in_the_sources(), listed, "the documentation of a record begins with the key of its item");
}

/// Returns the structs of this crate whose documentation begins with the key of an item.
fn in_the_sources() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files("src").into_iter().filter(|file| file.extension().is_some_and(|it| it == "rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        let mut is_record = false;
        for line in text.lines() {
            if let Some(words) = line.strip_prefix("/// `") {
                is_record |= words.split('`').next().is_some_and(|key| key.contains(" / "));
            } else if let Some((_, rest)) = line.split_once("struct ")
                && std::mem::take(&mut is_record)
            {
                found.insert(rest.trim_end_matches(" {").to_owned());
            }
        }
    }
    found
}
