//! ListSnapshotBlocks, ListChangedBlocks and GetSnapshotBlock.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Call, Content, Success};
use super::find::{block_index, number};
use super::flip::with_flipped_bits;
use super::refusal::Refusal;
use super::store::BLOCK;
use super::tokens;
use super::write::SHA256;

/// Number of blocks in a page. A request that names no size gets the largest page.
const PAGE: std::ops::RangeInclusive<usize> = 100..=10_000;

/// Lists the blocks of a snapshot.
pub(super) fn list(call: &Call<'_>, id: &str) -> Result<Success, Refusal> {
    let snapshot = call.readable(&call.endpoint.world(), id)?.clone();
    let page = Page::read(call, id.to_owned())?;
    let expiry = tokens::expiry();
    let blocks = call.read_files(&[id], || Ok(call.endpoint.blocks_of(&snapshot)?.indexes(id)?))?.into_iter();
    let entry = |index| json!({"BlockIndex": index, "BlockToken": tokens::of_block(id, index, expiry)});
    Ok(page.answer("Blocks", blocks, entry, snapshot.size, expiry))
}

/// Lists the blocks in which a snapshot differs from another snapshot of its lineage.
pub(super) fn list_changed(call: &Call<'_>, second: &str) -> Result<Success, Refusal> {
    let first =
        call.request.asked("firstSnapshotId").ok_or_else(|| Refusal::parameter("firstSnapshotId", "is required."))?;
    let size = {
        let world = call.endpoint.world();
        let (old, new) = (call.readable_row(&world, first)?, call.readable_row(&world, second)?);
        if old.1.line != new.1.line {
            let message = format!("The snapshots {first} and {second} do not have the same lineage.");
            return Err(Refusal::invalid("UNRELATED_SNAPSHOTS", message));
        }
        new.0.size
    };
    let page = Page::read(call, format!("{first} {second}"))?;
    let expiry = tokens::expiry();
    let (old, new) = call.read_files(&[first, second], || {
        let store = call.store();
        Ok((store.blocks(first)?, store.blocks(second)?))
    })?;
    let shared = |index: &u32| match (old.get(index), new.get(index)) {
        (Some(old), Some(new)) => old.is_shared_with(new),
        _ => false,
    };
    let indexes: BTreeSet<u32> = old.keys().chain(new.keys()).copied().filter(|index| !shared(index)).collect();
    let entry = |index| {
        let mut entry = json!({"BlockIndex": index});
        for (name, blocks, id) in [("FirstBlockToken", &old, first), ("SecondBlockToken", &new, second)] {
            if blocks.contains_key(&index) {
                entry[name] = tokens::of_block(id, index, expiry).into();
            }
        }
        entry
    };
    Ok(page.answer("ChangedBlocks", indexes.into_iter(), entry, size, expiry))
}

/// Returns one block.
pub(super) fn get(call: &Call<'_>, id: &str, index: &str) -> Result<Success, Refusal> {
    let snapshot = call.readable(&call.endpoint.world(), id)?.clone();
    let index = block_index(index, &snapshot)?;
    let token = call.request.asked("blockToken").ok_or_else(|| Refusal::parameter("blockToken", "is required."))?;
    tokens::check_block(token, id, index)?;
    let missing = || Refusal::invalid("INVALID_BLOCK", format!("The snapshot {id} has no block {index}."));
    let (digest, data) = call.read_files(&[id], || {
        let found = call.endpoint.blocks_of(&snapshot)?.read(id, index)?.ok_or_else(missing)?;
        Ok(with_flipped_bits(&snapshot, index, found))
    })?;
    let headers = vec![
        ("x-amz-data-length", data.len().to_string()),
        ("x-amz-checksum", STANDARD.encode(digest)),
        ("x-amz-checksum-algorithm", SHA256.to_owned()),
    ];
    Ok(Success { status: 200, headers, content: Content::Block(data) })
}

/// The part of a list that is requested.
struct Page {
    list: String,
    start: u32,
    size: usize,
}

impl Page {
    /// Reads the page parameters. `list` identifies the list. A page token takes precedence over the starting index.
    fn read(call: &Call<'_>, list: String) -> Result<Self, Refusal> {
        let size = match call.request.asked("maxResults").map(number::<usize>) {
            None => *PAGE.end(),
            // The API reference requires at least 100. The FAQ says that a lower value returns 100 blocks.
            Some(Some(size)) if (1..=*PAGE.end()).contains(&size) => size.max(*PAGE.start()),
            Some(_) => return Err(Refusal::parameter("MaxResults", "is 100 to 10000.")),
        };
        let start = match (call.request.asked("pageToken"), call.request.asked("startingBlockIndex")) {
            (Some(token), _) => tokens::page_start(token, &list)?,
            (None, Some(index)) => {
                number(index).ok_or_else(|| Refusal::parameter("StartingBlockIndex", "is a block's index."))?
            }
            (None, None) => 0,
        };
        Ok(Page { list, start, size })
    }

    fn answer(
        &self,
        name: &str,
        indexes: impl Iterator<Item = u32>,
        entry: impl Fn(u32) -> Value,
        size: u32,
        expiry: Timestamp,
    ) -> Success {
        let mut rest = indexes.filter(|index| *index >= self.start);
        let page: Vec<Value> = rest.by_ref().take(self.size).map(entry).collect();
        let body = json!({
            name: page,
            "ExpiryTime": expiry.as_second(),
            "VolumeSize": size,
            "BlockSize": BLOCK,
            "NextToken": rest.next().map(|next| tokens::of_page(&self.list, next, Timestamp::now())),
        });
        Success { status: 200, headers: Vec::new(), content: Content::Json(body) }
    }
}
