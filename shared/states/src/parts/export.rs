//! What the states that begin and cancel exports to S3 have in common.

use goldsmith_store::BuildRecord;

/// Returns the description of a build's exports, by which one is found whose answer was lost. A build exports an AMI once.
pub(crate) fn description(record: &BuildRecord) -> String {
    format!("{} by {}", record.image, record.build)
}
