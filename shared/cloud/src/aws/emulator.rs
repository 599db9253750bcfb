//! An AWS of a test's own: the emulator (MiniStack) on a free port of this machine. It ends with its handle.

use std::env;
use std::io::{Error, Read, Result, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_config::SdkConfig;
use tempfile::TempDir;

use super::{sdk_config, with_keys};

/// The emulator is up after two seconds; on a busy machine this may take a minute.
const LOOKS: usize = 600;
const PAUSE: Duration = Duration::from_millis(100);
const HEALTH: &[u8] = b"GET /_ministack/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A running emulator. Dropping it ends the process.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    port: u16,
    _files: TempDir,
}

impl Emulator {
    /// Starts it with the Python that `GOLDSMITH_EMULATOR_PYTHON` names. If the variable is not set and
    /// `GOLDSMITH_REQUIRE_E2E` is not 1, prints a line that says so and returns `None`.
    ///
    /// # Errors
    /// The emulator is required but no Python is named, or it does not start.
    pub async fn start() -> Result<Option<Self>> {
        if let Some(python) = env::var_os("GOLDSMITH_EMULATOR_PYTHON") {
            return Self::run(python.as_ref()).await.map(Some);
        }
        if env::var("GOLDSMITH_REQUIRE_E2E").is_ok_and(|value| value == "1") {
            return Err(Error::other("GOLDSMITH_EMULATOR_PYTHON is not set"));
        }
        println!("SKIPPED (needs the emulator)");
        Ok(None)
    }

    /// Returns a configuration for `eu-west-1` whose calls all go to it.
    pub async fn config(&self) -> SdkConfig {
        let endpoint = format!("http://{}:{}", Ipv4Addr::LOCALHOST, self.port);
        with_keys(&sdk_config(None, Some("eu-west-1"), Some(&endpoint)).await, "test", "test")
    }

    async fn run(python: &Path) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        // The process inherits no environment, so that no personal setting changes a test.
        let process = Command::new(python)
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
            .stderr(Stdio::null())
            .spawn()?;
        let mut emulator = Self { process, port, _files: files };
        emulator.wait().await?;
        Ok(emulator)
    }

    async fn wait(&mut self) -> Result<()> {
        for _ in 0..LOOKS {
            if self.is_healthy() {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                return Err(Error::other(format!("the emulator ended with {status}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Error::other("the emulator does not answer"))
    }

    fn is_healthy(&self) -> bool {
        let answer = || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            stream.write_all(HEALTH)?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Result::Ok(answer)
        };
        answer().is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The process may have ended by itself. Then nothing has to be ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
