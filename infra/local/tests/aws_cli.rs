//! The AWS CLI as a client (`aws_cli/`): a life of instances, commands, images and all else, error codes, pages and
//! tokens. Every answer is held against botocore's model. The CLI comes from PyPI into a virtual environment of its own;
//! skipped where that or root is missing, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::Command;

use common::guests::base_image;
use common::{TestEndpoint, packages, require_or_skip, venv};

/// Where the suite is.
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws_cli");
const REQUIREMENTS: &str = include_str!("aws_cli/requirements.txt");

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_does_all_of_it_and_knows_every_answer() {
    let Some(base) = base_image().await else { return };
    let python = venv::python(REQUIREMENTS);
    if !require_or_skip(python.is_some(), "the AWS CLI from PyPI") {
        return;
    }
    let endpoint = TestEndpoint::start(&base, None).await;
    let mut suite = Command::new(python.unwrap());
    suite.arg("-B").arg(Path::new(SUITE).join("suite.py")).arg(endpoint.client.url());
    suite.args(packages::calls());
    packages::run(suite).await;
    drop(endpoint.stop().await);
}
