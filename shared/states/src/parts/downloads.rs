//! The downloads that the stack's bucket keeps, so that later builds do not depend on the servers they come from.
//!
//! An object's key contains the pipeline and the SHA-256 of the content. The instance has no credentials for the
//! bucket: its work order contains requests that are signed for these keys only, and S3 itself accepts no content with
//! another SHA-256. So whoever controls an instance can neither change nor replace what another build will get.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use goldsmith_executor::{KeptDownload, OrderDocument};

use crate::Result;
use crate::engine::drive::Scene;

/// The largest number of downloads of an order. Each one makes the order three kilobytes longer.
const MOST: usize = 100;
/// The action whose downloads are kept.
const ACTION: &str = "WebDownload";
/// How many bytes a SHA-256 has.
const LENGTH: usize = 32;

/// Returns how an instance reads and writes the downloads of these documents in the stack's bucket, if the pipeline
/// keeps them there.
///
/// # Errors
/// Fails if the requests cannot be signed.
pub(crate) async fn kept(
    scene: &Scene<'_>,
    documents: &[OrderDocument],
    valid: Duration,
) -> Result<BTreeMap<String, KeptDownload>> {
    if !scene.record.plan.cache_downloads {
        return Ok(BTreeMap::new());
    }
    let objects = &scene.context.cloud.objects;
    let mut kept = BTreeMap::new();
    let digests = digests(documents);
    if digests.len() > MOST {
        tracing::warn!(left_out = digests.len() - MOST, "the documents name more digests than the bucket keeps");
    }
    for sha256 in digests.iter().take(MOST) {
        let digest = hex::encode(sha256);
        let key = format!("downloads/{}/{digest}", scene.record.pipeline);
        let get = objects.presign(&key, valid).await?;
        let put = objects.presign_put_of(&key, sha256, valid).await?;
        kept.insert(digest, KeptDownload { get, put: put.url, headers: put.headers });
    }
    Ok(kept)
}

/// Returns what every text in the documents and their parameters that can be a SHA-256 stands for, once: only the agent
/// knows which of them is the checksum of a download. A request for any other of them is never made.
fn digests(documents: &[OrderDocument]) -> Vec<[u8; LENGTH]> {
    let mut seen = BTreeSet::new();
    let texts = documents
        .iter()
        .filter(|document| document.body.contains(ACTION))
        .flat_map(|document| std::iter::once(&document.body).chain(document.parameters.values()));
    let words = texts.flat_map(|text| text.split(|one: char| !one.is_ascii_hexdigit()));
    let whole = |word: &str| {
        let mut sha256 = [0; LENGTH];
        hex::decode_to_slice(word, &mut sha256).ok().map(|()| sha256)
    };
    words.filter_map(whole).filter(|sha256| seen.insert(*sha256)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use goldsmith_executor::{KeptDownload, OrderDocument};
    use goldsmith_model::State;

    use super::{MOST, digests};
    use crate::testing::{Stack, whole_build};

    fn document(body: &str, parameters: &[(&str, &str)]) -> OrderDocument {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let (name, version, digest) = Default::default();
        OrderDocument { name, version, digest, body: body.to_owned(), parameters }
    }

    #[test]
    fn only_whole_digests_count_wherever_they_are() {
        let [a, b, c] = ["a", "B", "c"].map(|digit| digit.repeat(64));
        let body = format!("action: WebDownload\nchecksum: '{a}'\nother: {b}, {c}{c}\nmd5: {}", "d".repeat(32));
        let found = digests(&[document(&body, &[("Sum", &c), ("Short", "abc")]), document("none", &[("Sum", &a)])]);
        let found: Vec<String> = found.iter().map(hex::encode).collect();
        assert_eq!(found, [a, b.to_lowercase(), c]);
    }

    /// Returns the requests of each order of a build whose pipeline has this setting. The component names these digests.
    async fn ordered(cache_downloads: bool, count: usize) -> Vec<BTreeMap<String, KeptDownload>> {
        let stack = Stack::new().await;
        let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
        web.cache_downloads = cache_downloads;
        stack.put_pipeline(web).await;
        let sums: String = (0..count).map(|n| format!("# WebDownload {n:064x}\n")).collect();
        stack.append_to_documents(&sums).await;
        for task in whole_build() {
            stack.run(&task).await.unwrap();
            if task.scope().state == State::EndTest {
                break;
            }
        }
        ["Build", "ExecuteTest/t3.small"].map(|scope| stack.ordered(scope).downloads).into()
    }

    #[tokio::test]
    async fn the_orders_of_builds_and_tests_have_requests_for_each_digest_of_their_pipeline() {
        let orders = ordered(true, 2).await;
        let digest = format!("{:064x}", 1);
        for downloads in orders {
            assert_eq!(downloads.len(), 2);
            let KeptDownload { get, put, headers } = &downloads[&digest];
            let place = format!("/downloads/web/{digest}?");
            assert!(get.contains(&place) && get.contains("GetObject"), "{get}");
            assert!(put.contains(&place) && put.contains("PutObject"), "{put}");
            let sha256: Vec<u8> = [0; 31].into_iter().chain([1]).collect();
            assert_eq!(headers["x-amz-checksum-sha256"], format!("{sha256:02x?}"));
        }
        assert!(ordered(false, 2).await.iter().all(BTreeMap::is_empty));
        assert!(ordered(true, MOST + 1).await.iter().all(|downloads| downloads.len() == MOST));
    }
}
