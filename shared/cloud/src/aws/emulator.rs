//! A test's own AWS: the emulator (MiniStack) on a free port of this machine. It ends when its handle is dropped.

use std::env;
use std::io::{Error, Result};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use tempfile::TempDir;

use super::{sdk_config, with_keys};

/// The emulator is usually up after two seconds. On a busy machine, this may take a minute.
const START: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// Time limit of one request that checks whether the emulator is up.
const LOOK: Duration = Duration::from_secs(10);

/// A running emulator. When it is dropped, the process ends.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    port: u16,
    _files: TempDir,
}

impl Emulator {
    /// Starts the emulator with the Python that `GOLDSMITH_EMULATOR_PYTHON` names. If the variable is not set and
    /// `GOLDSMITH_REQUIRE_E2E` is not 1, prints a line that says so and returns `None`.
    ///
    /// # Errors
    /// The emulator is required, but no Python is named or the emulator does not start.
    pub fn start() -> Result<Option<Self>> {
        if let Some(python) = env::var_os("GOLDSMITH_EMULATOR_PYTHON") {
            return Self::run(python.as_ref()).map(Some);
        }
        if env::var("GOLDSMITH_REQUIRE_E2E").is_ok_and(|value| value == "1") {
            return Err(Error::other("GOLDSMITH_EMULATOR_PYTHON is not set"));
        }
        println!("SKIPPED (needs the emulator)");
        Ok(None)
    }

    /// Starts the emulator with a command that makes it listen on this port, and returns once it answers. `secret` is
    /// the secret that the emulator demands from its callers. `files` exists for as long as the emulator runs.
    ///
    /// # Errors
    /// The command cannot be started, the emulator ends, or it does not answer within a minute.
    pub fn launch(mut command: Command, port: u16, secret: &str, files: TempDir) -> Result<Self> {
        let mut emulator = Self { process: command.spawn()?, port, _files: files };
        let began = Instant::now();
        while !emulator.is_healthy(secret) {
            if let Some(status) = emulator.process.try_wait()? {
                return Err(Error::other(format!("the emulator ended with {status}")));
            }
            if began.elapsed() > START {
                return Err(Error::other("the emulator does not answer"));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(emulator)
    }

    /// Returns a port on which nothing listens now.
    ///
    /// # Errors
    /// No port is free.
    pub fn free_port() -> Result<u16> {
        // Another program may take the port before the emulator does. Then the emulator ends, and the test says so.
        Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
    }

    /// Returns the emulator's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port)
    }

    /// Returns the id of the emulator's process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process.id()
    }

    /// Returns a configuration for `eu-west-1` whose calls all go to the emulator.
    pub async fn config(&self) -> SdkConfig {
        with_keys(&sdk_config(None, Some("eu-west-1"), Some(&self.url())).await, "test", "test")
    }

    fn run(python: &Path) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let port = Self::free_port()?;
        let mut command = Command::new(python);
        // The process inherits no environment, so that no personal setting changes a test.
        command
            .args(["-m", "ministack"])
            .env_clear()
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", files.path())
            .env("TMPDIR", files.path())
            .env("BIND_HOST", Ipv4Addr::LOCALHOST.to_string())
            .env("GATEWAY_PORT", port.to_string())
            .env("SFTP_ENABLED", "0")
            .env("IOT_MTLS_ENABLED", "0")
            .current_dir(files.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self::launch(command, port, "", files)
    }

    fn is_healthy(&self, secret: &str) -> bool {
        let look = ureq::get(format!("{}/_ministack/health", self.url())).header("x-goldsmith-local", secret);
        // The environment may name a proxy, which cannot reach this machine's loopback.
        look.config().proxy(None).timeout_global(Some(LOOK)).build().call().is_ok()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The process may have ended by itself. Then nothing has to be ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
