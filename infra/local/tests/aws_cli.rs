//! The AWS CLI as a client (`aws_cli/`): a life of instances, commands, images and all else, error codes, pages and
//! tokens. Every answer is held against botocore's model. The CLI comes from PyPI into a virtual environment of its own;
//! skipped where that or root is missing, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::aws_cli::python;
use common::guests::base_image;
use common::{TestEndpoint, require_or_skip};

/// Where the suite is.
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/aws_cli");
/// Every call that the endpoint knows stands in one of these.
const TABLES: [&str; 2] = [include_str!("../src/ec2/mod.rs"), include_str!("../src/ssm/mod.rs")];

/// The names of the calls in a table: every line `"Name" => …`.
fn calls(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\" => ")).map(|(name, _)| name)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_does_all_of_it_and_knows_every_answer() {
    let Some(base) = base_image().await else { return };
    let python = python();
    if !require_or_skip(python.is_some(), "the AWS CLI from PyPI") {
        return;
    }
    let endpoint = TestEndpoint::start(&base, None).await;
    let mut suite = Command::new(python.unwrap());
    suite.arg("-B").arg(Path::new(SUITE).join("suite.py")).arg(endpoint.client.url());
    suite.args(TABLES.iter().flat_map(|table| calls(table)));
    suite.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || suite.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{said}");
    drop(endpoint.stop().await);
}
