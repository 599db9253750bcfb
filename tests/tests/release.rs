//! How a release is made, without compiling one: the tests of the programs in Python (`infra/tests`), run with the build tools
//! that `make package` installs. Skipped where these are missing, unless `GOLDSMITH_REQUIRE_E2E=1`.

use std::env;
use std::path::Path;
use std::process::Command;

#[test]
fn a_release_has_what_it_says_for_the_machines_that_it_names() {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let python = checkout.join(".venv/build/bin/python");
    if !python.is_file() {
        assert_ne!(env::var("GOLDSMITH_REQUIRE_E2E").as_deref(), Ok("1"), "{} is missing", python.display());
        eprintln!("SKIPPED (`make package` installs the build tools): how a release is made");
        return;
    }
    let infra = checkout.join("infra");
    let mut tests = Command::new(python);
    tests.args(["-B", "-m", "unittest", "discover", "--verbose", "--start-directory"]).arg(infra.join("tests"));
    let output = tests.env("PYTHONPATH", infra).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("\nRan ") && !said.contains("\nRan 0 "), "no test has run: {said}");
    eprintln!("{said}");
}
