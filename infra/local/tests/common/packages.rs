//! What suites of other people's packages share: the calls, and how a suite is run.

use std::path::Path;
use std::process::{Command, Stdio};

use super::guests::base_image;
use super::{TestEndpoint, require_or_skip, venv};

/// The names of all calls of EC2 and Systems Manager.
pub(crate) fn calls() -> impl Iterator<Item = &'static str> {
    let families = goldsmith_local::calls().into_iter().filter(|(family, _)| *family != "snapshots by blocks");
    families.flat_map(|(_, names)| names)
}

/// Runs the suite of a Python package, which lies in this folder, against an endpoint of its own. The suite must make
/// these calls.
pub(crate) async fn run_python(folder: &str, lock: &str, what: &str, calls: impl Iterator<Item = &'static str>) {
    let Some(base) = base_image().await else { return };
    let suite = Path::new(folder).file_name().unwrap().to_str().unwrap();
    let python = venv::python(suite, lock);
    if !require_or_skip(python.is_some(), what) {
        return;
    }
    let endpoint = TestEndpoint::start(&base, None).await;
    let mut suite = Command::new(python.unwrap());
    suite.arg("-B").arg(Path::new(folder).join("suite.py")).arg(endpoint.client.url());
    suite.args(calls);
    run(suite).await;
    drop(endpoint.stop().await);
}

/// Runs a suite against an endpoint to its end, and shows what it says; it must succeed.
pub(crate) async fn run(mut suite: Command) {
    suite.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || suite.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{said}");
}
