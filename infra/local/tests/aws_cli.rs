//! The AWS CLI as a client (`aws_cli/`): a life of instances, commands, images and all else, error codes, pages and
//! tokens. Every answer is held against botocore's model. The CLI comes from PyPI into a virtual environment of its own;
//! skipped where that or root is missing, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::packages;

/// Where the suite is.
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws_cli");
const REQUIREMENTS: &str = include_str!("aws_cli/requirements.txt");

/// The adapters of the product name the calls that they make.
const ADAPTERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/cloud-ec2/src");

/// The calls that the product does not make. Those that it makes are made by the end-to-end suite, with AWS's SDK.
fn calls_of_others() -> impl Iterator<Item = &'static str> {
    let files = std::fs::read_dir(ADAPTERS).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let adapters: String = files.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    packages::calls().filter(move |call| !adapters.contains(&format!("\"{call}\"")))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_does_all_of_it_and_knows_every_answer() {
    packages::run_python(SUITE, REQUIREMENTS, "the AWS CLI from PyPI", calls_of_others()).await;
}
