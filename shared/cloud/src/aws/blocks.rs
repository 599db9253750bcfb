//! The EBS direct APIs.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ebs::Client;
use aws_sdk_ebs::types::ChecksumAlgorithm;
use aws_smithy_types::base64;
use ring::digest::{SHA256, digest};

use super::{Regional, failure, incomplete};
use crate::{BlockData, BlockPage, Blocks, CloudError, Kind, ListedBlock, Result};

/// The EBS direct APIs in every Region.
#[derive(Debug)]
pub struct EbsDirect(Regional<Client>);

impl EbsDirect {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Regional::new(config, Client::new))
    }
}

#[async_trait]
impl Blocks for EbsDirect {
    async fn blocks(&self, region: &str, snapshot: &str, from: u32) -> Result<BlockPage> {
        const OPERATION: &str = "ListSnapshotBlocks";
        let incomplete = |missing| incomplete(OPERATION, region, missing);
        let number = |value: Option<i64>, name| {
            value.and_then(|value| u64::try_from(value).ok()).ok_or_else(|| incomplete(name))
        };
        let from = i32::try_from(from).map_err(|_| incomplete("block with this index"))?;
        let (client, mut token) = (self.0.client(region), None);
        let answer = loop {
            let request = client.list_snapshot_blocks().snapshot_id(snapshot).starting_block_index(from);
            let answer = request.set_next_token(token).send().await.map_err(failure(OPERATION, region))?;
            // A page may be empty although there are more (EBS direct APIs reference, ListSnapshotBlocks: NextToken).
            if !answer.blocks().is_empty() || answer.next_token.is_none() {
                break answer;
            }
            token = answer.next_token;
        };
        let listed = answer.blocks.unwrap_or_default().into_iter().map(|block| {
            let index = block.block_index.and_then(|index| u32::try_from(index).ok());
            Some(ListedBlock { index: index?, token: block.block_token? })
        });
        Ok(BlockPage {
            volume_gib: number(answer.volume_size, "VolumeSize")?,
            block_bytes: number(answer.block_size.map(i64::from), "BlockSize")?,
            blocks: listed.collect::<Option<_>>().ok_or_else(|| incomplete("index or token of a block"))?,
            more: answer.next_token.is_some(),
        })
    }

    async fn block(&self, region: &str, snapshot: &str, block: &ListedBlock) -> Result<BlockData> {
        const OPERATION: &str = "GetSnapshotBlock";
        let index = i32::try_from(block.index).map_err(|_| incomplete(OPERATION, region, "block with this index"))?;
        let request = self.0.client(region).get_snapshot_block().snapshot_id(snapshot);
        let request = request.block_index(index).block_token(&block.token);
        let answer = request.send().await.map_err(failure(OPERATION, region))?;
        let broken = |message: String| CloudError {
            operation: OPERATION,
            region: region.to_owned(),
            code: "BrokenBlock".to_owned(),
            message,
            kind: Kind::Unanswered,
            source: None,
        };
        let data = answer.block_data.collect().await;
        let data = data.map_err(|error| broken(format!("the data of block {index} did not arrive: {error}")))?;
        // The SDK's own `to_vec` moves one byte at a time, which takes longer than all the rest.
        let data: Vec<u8> = data.into_bytes().into();
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, &data).as_ref());
        // EBS returns no other algorithm (EBS direct APIs reference, GetSnapshotBlock).
        let is_sha256 = answer.checksum_algorithm == Some(ChecksumAlgorithm::ChecksumAlgorithmSha256);
        if is_sha256 && answer.checksum == Some(base64::encode(sha256)) {
            return Ok(BlockData { data, sha256 });
        }
        Err(broken(format!("the data of block {index} does not have the checksum that came with it")))
    }
}

#[cfg(test)]
mod tests {
    use super::super::replay::{Canned, Replay};
    use super::*;

    #[tokio::test]
    async fn a_page_of_blocks_says_whether_there_are_more() {
        let page = r#"{"Blocks": [{"BlockIndex": 3, "BlockToken": "t3"}, {"BlockIndex": 8, "BlockToken": "t8"}],
            "VolumeSize": 8, "BlockSize": 524288, "NextToken": "n"}"#;
        let empty = r#"{"VolumeSize": 8, "BlockSize": 524288}"#;
        let begins = r#"{"VolumeSize": 8, "BlockSize": 524288, "NextToken": "n"}"#;
        let replay = Replay::new([begins, page, empty, r#"{"Blocks": []}"#].map(|body| Canned::ok(body.to_owned())));
        let ebs = EbsDirect::new(&replay.config());
        let listed = |index, token: &str| ListedBlock { index, token: token.to_owned() };
        let expected = BlockPage {
            volume_gib: 8,
            block_bytes: 524_288,
            blocks: vec![listed(3, "t3"), listed(8, "t8")],
            more: true,
        };
        assert_eq!(ebs.blocks("eu-west-1", "snap-1", 3).await.unwrap(), expected);
        let expected = BlockPage { blocks: vec![], more: false, ..expected };
        assert_eq!(ebs.blocks("eu-west-1", "snap-1", 9).await.unwrap(), expected);
        assert_eq!(ebs.blocks("eu-west-1", "snap-1", 0).await.unwrap_err().kind, Kind::Unanswered);
        assert!(
            replay.sent()[0].uri.contains("/snapshots/snap-1/blocks?startingBlockIndex=3"),
            "{:?}",
            replay.sent()[0]
        );
    }

    #[tokio::test]
    async fn the_data_of_a_block_has_the_checksum_that_came_with_it() {
        let of = |data: &str, checksum: &str| {
            let checksum = [("x-amz-checksum", checksum.to_owned()), ("x-amz-checksum-algorithm", "SHA256".to_owned())];
            Canned::WithHeaders(checksum.to_vec(), data.to_owned())
        };
        let right = base64::encode(digest(&SHA256, b"abc"));
        let replay = Replay::new([of("abc", &right), of("abd", &right), Canned::ok("abc".to_owned())]);
        let ebs = EbsDirect::new(&replay.config());
        let block = ListedBlock { index: 3, token: "t3".to_owned() };
        let read = ebs.block("eu-west-1", "snap-1", &block).await.unwrap();
        assert_eq!((read.data.as_slice(), base64::encode(read.sha256)), (&b"abc"[..], right));
        for _ in 0..2 {
            let error = ebs.block("eu-west-1", "snap-1", &block).await.unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Unanswered, "BrokenBlock"));
        }
    }
}
