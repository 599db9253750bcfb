//! The AWS SDK for JavaScript as a client (`javascript/`): its waiters, paginators and error names over a life of instances,
//! images and snapshots. It comes from npm into a folder of its own; skipped where Node, npm or root is missing, unless
//! `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::Command;

use common::guests::base_image;
use common::{TestEndpoint, npm, packages, require_or_skip};

/// Where the suite is.
const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/javascript");
const PACKAGE: &str = include_str!("javascript/package.json");
const LOCK: &str = include_str!("javascript/package-lock.json");

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_javascript_does_all_of_it() {
    let Some(base) = base_image().await else { return };
    let modules = npm::node_modules("javascript", PACKAGE, LOCK);
    if !require_or_skip(modules.is_some(), "Node, and the AWS SDK for JavaScript from npm") {
        return;
    }
    let endpoint = TestEndpoint::start(&base, None).await;
    let mut suite = Command::new("node");
    suite.arg(Path::new(SUITE).join("suite.js")).arg(endpoint.client.url()).args(packages::calls());
    suite.env("NODE_PATH", modules.unwrap());
    packages::run(suite).await;
    drop(endpoint.stop().await);
}
