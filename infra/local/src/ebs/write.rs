//! PutSnapshotBlock and CompleteSnapshot.

use std::sync::PoisonError;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::call::{Call, Content, Success};
use super::find::{block_index, number};
use super::refusal::Refusal;
use super::store::{BLOCK, BlockDigest, digest_of};

/// Header names.
const CHECKSUM: &str = "x-amz-checksum";
const ALGORITHM: &str = "x-amz-checksum-algorithm";
const AGGREGATION: &str = "x-amz-checksum-aggregation-method";
const LENGTH: &str = "x-amz-data-length";
const PROGRESS: &str = "x-amz-progress";
const COUNT: &str = "x-amz-changedblockscount";
/// The only checksum algorithm, and the only method to aggregate checksums.
pub(super) const SHA256: &str = "SHA256";
const LINEAR: &str = "LINEAR";

/// Writes a block, and overwrites an existing one.
pub(super) fn put(call: &Call<'_>, id: &str, index: &str) -> Result<Success, Refusal> {
    let data = &call.request.body;
    let index = block_index(index, call.writable(&call.endpoint.world(), id)?)?;
    if call.request.header(LENGTH) != Some(&BLOCK.to_string()) {
        return Err(Refusal::parameter("x-amz-Data-Length", &format!("is {BLOCK}.")));
    }
    if data.len() != BLOCK {
        return Err(Refusal::invalid("INVALID_BLOCK", format!("The block has {} bytes, not {BLOCK}.", data.len())));
    }
    if let Some(progress) = call.request.header(PROGRESS)
        && number::<u8>(progress).is_none_or(|percent| percent > 100)
    {
        return Err(Refusal::parameter("x-amz-Progress", "is 0 to 100."));
    }
    only(call, ALGORITHM, SHA256)?;
    let digest = digest_of(data);
    if checksum(call)?.ok_or_else(|| Refusal::parameter("x-amz-Checksum", "is required."))? != digest {
        return Err(Refusal::invalid("INVALID_BLOCK", "The checksum is not that of the block's data."));
    }
    let store = call.store();
    let draft = store.draft(id, data, &digest);
    // The snapshot is checked again, because it may have been completed in the meantime, or deleted with its folder.
    // The locks are held until the block is in its place.
    let _placing = call.endpoint.placing.read().unwrap_or_else(PoisonError::into_inner);
    let world = call.endpoint.world();
    if let Err(refusal) = call.writable(&world, id) {
        draft.into_iter().for_each(|draft| store.discard(draft));
        return Err(refusal);
    }
    store.put(id, index, draft?)?;
    let headers = vec![(CHECKSUM, STANDARD.encode(digest)), (ALGORITHM, SHA256.to_owned())];
    Ok(Success { status: 201, headers, content: Content::Json(json!({})) })
}

/// Seals a snapshot that has all its blocks. It becomes complete some time later.
pub(super) fn complete(call: &Call<'_>, id: &str) -> Result<Success, Refusal> {
    // While blocks are counted, which takes some time for many blocks, none is added. All other calls continue.
    let counting = call.endpoint.placing.write().unwrap_or_else(PoisonError::into_inner);
    call.writable(&call.endpoint.world(), id)?;
    let counted = counted(call, id);
    let mut world = call.endpoint.world();
    call.writable(&world, id)?;
    let count = counted?;
    if let Some(row) = world.block_snapshots.get_mut(id) {
        row.sealed = true;
    }
    if let Some(snapshot) = world.snapshots.get_mut(id) {
        snapshot.content = (count * BLOCK) as u64;
    }
    drop((world, counting));
    call.endpoint.finish_blocks(id);
    let body = json!({"Status": "pending"});
    Ok(Success { status: 202, headers: Vec::new(), content: Content::Json(body) })
}

/// Returns how many blocks were written to a snapshot. Fails if the request names another count or another checksum.
fn counted(call: &Call<'_>, id: &str) -> Result<usize, Refusal> {
    let count: usize = call
        .request
        .header(COUNT)
        .and_then(number)
        .ok_or_else(|| Refusal::parameter("x-amz-ChangedBlocksCount", "is a number of blocks, and required."))?;
    let written = call.store().written(id)?;
    if written.len() != count {
        let rule = format!("is {count}, but {} blocks were written to the snapshot.", written.len());
        return Err(Refusal::parameter("x-amz-ChangedBlocksCount", &rule));
    }
    if let Some(checksum) = checksum(call)? {
        only(call, ALGORITHM, SHA256)?;
        only(call, AGGREGATION, LINEAR)?;
        if checksum != digest_of(&written.concat()) {
            return Err(Refusal::parameter("x-amz-Checksum", "is not that of the blocks' checksums in their order."));
        }
    }
    Ok(count)
}

/// Returns the checksum of the request, if it has one.
fn checksum(call: &Call<'_>) -> Result<Option<BlockDigest>, Refusal> {
    let Some(text) = call.request.header(CHECKSUM) else { return Ok(None) };
    let digest = STANDARD.decode(text).ok().and_then(|bytes| BlockDigest::try_from(bytes).ok());
    digest.map(Some).ok_or_else(|| Refusal::parameter("x-amz-Checksum", "is not a SHA-256 digest in Base64."))
}

/// Checks a header that allows one value only.
fn only(call: &Call<'_>, name: &str, value: &str) -> Result<(), Refusal> {
    if call.request.header(name) == Some(value) {
        return Ok(());
    }
    Err(Refusal::parameter(name, &format!("is {value}, and required.")))
}
