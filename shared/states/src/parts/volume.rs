//! Reads the content of a volume from the blocks of its snapshot.

use futures_util::{StreamExt as _, stream};
use goldsmith_cloud::{BlockPage, Blocks, CloudError, Kind, ListedBlock};
use goldsmith_provenance::{BLOCK, VolumeContent};
use serde::{Deserialize, Serialize};

/// How many blocks are read at once. An account may read 1,000 blocks of a snapshot in a second (EBS user guide, "Quotas for
/// EBS direct APIs"), and one function is a small part of an account.
const AT_ONCE: usize = 16;

/// The largest stored reading, and the largest list of a volume's blocks, in bytes. A block needs at most 74 bytes, so this is
/// that of a volume with 2 TiB of data.
pub const LARGEST_READING: u64 = 300 << 20;

/// A snapshot in a Region, and the way to its blocks.
#[derive(Clone, Copy)]
pub struct SnapshotBlocks<'a> {
    /// The EBS direct APIs.
    pub blocks: &'a dyn Blocks,
    /// The Region.
    pub region: &'a str,
    /// Id of the snapshot.
    pub snapshot: &'a str,
}

/// How far a volume was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What was read so far.
    pub content: VolumeContent,
    /// The index from which the reading continues, or `None` if the volume was read to its end.
    pub next: Option<u32>,
}

impl SnapshotBlocks<'_> {
    /// Reads the volume from where `reading` has stopped, or from its beginning, until its end or until `is_late` says, between
    /// two pages of blocks, that it is time to stop.
    ///
    /// A call that fails for a moment ends a page, and the next one continues behind the last block that was read.
    ///
    /// # Errors
    /// Fails if a call to AWS fails before a block was read, or if EBS reports blocks that cannot be parts of one volume.
    pub async fn read(
        &self,
        reading: Option<Reading>,
        is_late: &(dyn Fn() -> bool + Send + Sync),
    ) -> goldsmith_cloud::Result<Reading> {
        let (mut content, mut next) = reading.map_or((None, Some(0)), |reading| (Some(reading.content), reading.next));
        loop {
            match (content, next) {
                (Some(content), next) if next.is_none() || is_late() => return Ok(Reading { content, next }),
                (begun, next_index) => {
                    let page = self.blocks.blocks(self.region, self.snapshot, next_index.unwrap_or(0)).await?;
                    let mut read = begun.map_or_else(|| self.begin(&page), Ok)?;
                    next = self.add(&mut read, page, is_late).await?;
                    content = Some(read);
                }
            }
        }
    }

    /// Returns the content of a volume of which no block was read yet.
    fn begin(&self, page: &BlockPage) -> goldsmith_cloud::Result<VolumeContent> {
        if page.block_bytes != BLOCK as u64 {
            return Err(self.unreadable(format!("its blocks have {} bytes instead of {BLOCK}", page.block_bytes)));
        }
        VolumeContent::new(page.volume_gib << 30).map_err(|error| self.unreadable(error.to_string()))
    }

    /// Reads the blocks of a page. Returns the index from which the reading continues, or `None` if the page was the last one.
    async fn add(
        &self,
        content: &mut VolumeContent,
        page: BlockPage,
        is_late: &(dyn Fn() -> bool + Send + Sync),
    ) -> goldsmith_cloud::Result<Option<u32>> {
        let last = page.blocks.last().map(|block| block.index);
        let reads: Vec<_> = page.blocks.into_iter().map(|block| self.digest(block)).collect();
        let mut digests = stream::iter(reads).buffered(AT_ONCE);
        let mut read = None;
        while let Some(next) = digests.next().await {
            let (index, digest) = match (next, read) {
                // What was read counts. The reading continues behind it, and fails if it gets no further.
                (Err(error), Some(at)) if error.is_transient() => {
                    tracing::warn!(%error, snapshot = self.snapshot, "will read again");
                    return Ok(u32::checked_add(at, 1));
                }
                (next, _) => next?,
            };
            // A digest of zeros counts as zeros.
            content.add_digest(index, Some(digest)).map_err(|error| self.unreadable(error.to_string()))?;
            read = Some(index);
            if is_late() && Some(index) != last {
                return Ok(index.checked_add(1));
            }
        }
        match last {
            Some(last) if page.more => Ok(last.checked_add(1)),
            None if page.more => {
                Err(self.unreadable("a page of its blocks is empty, although there are more".to_owned()))
            }
            _ => Ok(None),
        }
    }

    async fn digest(&self, block: ListedBlock) -> goldsmith_cloud::Result<(u32, [u8; 32])> {
        let read = self.blocks.block(self.region, self.snapshot, &block).await?;
        if read.data.len() != BLOCK {
            let message = format!("block {} has {} bytes instead of {BLOCK}", block.index, read.data.len());
            return Err(self.unreadable(message));
        }
        Ok((block.index, read.sha256))
    }

    fn unreadable(&self, message: String) -> CloudError {
        CloudError {
            operation: "ListSnapshotBlocks",
            region: self.region.to_owned(),
            code: "UnreadableSnapshot".to_owned(),
            message: format!("the content of {} cannot be read: {message}", self.snapshot),
            kind: Kind::Invalid,
            source: None,
        }
    }
}

/// A reading in the form in which it is stored until it continues.
#[derive(Serialize, Deserialize)]
struct Stored {
    next: Option<u32>,
    /// The blocks that EBS has, and that contain only zeros: the text leaves them out.
    zeros: Vec<u32>,
    text: String,
}

impl Reading {
    /// Returns the bytes from which [`Reading::from_bytes`] continues.
    ///
    /// # Errors
    /// Never, because the stored form is always JSON.
    pub fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let zeros = self.content.zeros().iter().copied().collect();
        serde_json::to_vec(&Stored { next: self.next, zeros, text: self.content.to_text() })
    }

    /// Returns the reading that was stored, or `None` if the bytes are not one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let stored: Stored = serde_json::from_slice(bytes).ok()?;
        let mut content = VolumeContent::parse(stored.text.as_bytes()).ok()?;
        stored.zeros.into_iter().try_for_each(|index| content.add_digest(index, None)).ok()?;
        Some(Self { content, next: stored.next })
    }
}
