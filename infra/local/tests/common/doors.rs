//! The emulator as a stack has it, with a function that runs: what else a command may find on this machine, beside the endpoint.

use std::env;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};

use tempfile::TempDir;

use super::{require_or_skip, until};

/// Where the emulator of the test before is, and where its function fetches events, for a run of the suite with other rights:
/// the interpreter may be where another user cannot go.
pub(crate) const FOUND: &str = "GOLDSMITH_TEST_DOORS";
const SECRET: &str = "the-secret-of-the-emulator";

/// An emulator of a test's own; ends with its value.
pub(crate) struct Doors {
    emulator: Child,
    python: String,
    url: String,
    /// What its function answers: the address where it fetches its events.
    runtime: String,
    _folder: TempDir,
}

impl Doors {
    /// Starts it with the Python that `GOLDSMITH_EMULATOR_PYTHON` names; none, and a line that says so, where none is named.
    pub(crate) async fn open() -> Option<Self> {
        let python = env::var("GOLDSMITH_EMULATOR_PYTHON").ok();
        if !require_or_skip(python.is_some(), "GOLDSMITH_EMULATOR_PYTHON, the emulator's Python") {
            return None;
        }
        let (python, folder) = (python?, tempfile::tempdir().unwrap());
        let secret = folder.path().join("secret");
        fs::write(&secret, SECRET).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        let mut command = Command::new(&python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("launcher.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        // Nothing here asks EC2.
        command.args(["--port", &port, "--ec2", "http://127.0.0.1:1", "--parent", &std::process::id().to_string()]);
        command.arg("--directory").arg(folder.path().join("emulator")).arg("--secret-file").arg(&secret);
        let emulator = command.spawn().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let mut doors = Doors { emulator, python, url, runtime: String::new(), _folder: folder };
        doors.runtime = until("the emulator", || doors.invoke()).await;
        Some(doors)
    }

    /// What its function answers; none when it does not.
    fn invoke(&self) -> Option<String> {
        let mut probe = Command::new(&self.python);
        probe.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doors/function.py"));
        probe.env("AWS_ENDPOINT_URL", &self.url).env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", SECRET);
        let output = probe.env("AWS_CONFIG_FILE", "/dev/null").output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    /// For a run of the suite with other rights.
    pub(crate) fn found(&self) -> String {
        format!("{} {}", self.url, self.runtime)
    }

    /// Its function still answers for itself, from the same process as before.
    pub(crate) fn assert_untouched(&self) {
        assert_eq!(self.invoke().as_ref(), Some(&self.runtime));
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.emulator.kill();
        let _ = self.emulator.wait();
    }
}
