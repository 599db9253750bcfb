//! boto3, the AWS SDK for Python, as a client (`boto3/`): its resources, waiters, paginators and exceptions over a life of
//! instances, images and snapshots. It comes from PyPI into a virtual environment of its own; skipped where that or root is
//! missing, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::packages;

/// Where the suite is.
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/boto3");
const REQUIREMENTS: &str = include_str!("boto3/requirements.txt");

#[tokio::test(flavor = "multi_thread")]
async fn boto3_does_all_of_it() {
    packages::run_python(SUITE, REQUIREMENTS, "boto3 from PyPI", packages::calls()).await;
}
