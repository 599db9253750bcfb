//! The AWS CLI as a client (`aws_cli/`): a life of instances, commands, images and all else, error codes, pages and
//! tokens. Every answer is held against botocore's model. The CLI comes from PyPI into a virtual environment of its own;
//! skipped where that or root is missing, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::packages;

/// Where the suite is.
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws_cli");
const REQUIREMENTS: &str = include_str!("aws_cli/requirements.txt");

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_does_all_of_it_and_knows_every_answer() {
    packages::run_python(SUITE, REQUIREMENTS, "the AWS CLI from PyPI").await;
}
