//! The emulator in front of the endpoint, as `goldsmith local up` runs it, called with the SDK for Python that comes with
//! it (`emulator/`): keys for signatures, and who may read snapshots by blocks. Its packages come from PyPI by its own lock;
//! skipped where they are missing, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::process::Command;

use common::{SECRET, endpoint, packages, require_or_skip, venv};

const SUITE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/emulator/suite.py");
const REQUIREMENTS: &str = include_str!("../requirements.txt");

#[tokio::test(flavor = "multi_thread")]
async fn roles_read_and_sign_only_with_the_rights_for_it() {
    let python = venv::python("emulator", REQUIREMENTS);
    if !require_or_skip(python.is_some(), "the emulator from PyPI") {
        return;
    }
    let endpoint = endpoint().await;
    let secret = endpoint.state_dir().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let mut suite = Command::new(python.unwrap());
    suite.arg("-B").arg(SUITE).arg(endpoint.client.url()).arg(secret);
    packages::run(suite).await;
    endpoint.end().await;
}
