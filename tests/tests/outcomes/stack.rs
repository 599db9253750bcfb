//! The production template and definition on the emulator, with the script in place of every function. It needs no
//! instances, and so no root: what stands for the EC2 endpoint only says yes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith_cloud::aws::emulator::Emulator;
use goldsmith_cloud::aws::{SdkConfig, sdk_config, with_keys};
use goldsmith_tests::suite;

const STACK: &str = "outcomes";
const REGION: &str = "eu-west-1";
/// What callers must know.
pub(crate) const SECRET: &str = "a-secret-of-the-suite";
/// Pauses between retries, as a part of what the definition says.
const PACE: f64 = 0.001;

/// The deployed stack; ends with its value.
pub(crate) struct Stack {
    emulator: Emulator,
    endpoint: String,
    folder: PathBuf,
}

impl Stack {
    /// Starts and deploys.
    pub(crate) fn up() -> Self {
        let stack = Self::start();
        let zip = stack.package(&python());
        let mut deploy = Command::new(suite::goldsmith());
        deploy.args(["deploy", "--yes", "--stack", STACK, "--endpoint-url", &stack.endpoint, "--region", REGION]);
        deploy.args(["--parameter", "Examples=no"]).arg("--package").arg(zip);
        deploy.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", SECRET);
        assert!(deploy.status().expect("the deployment starts").success(), "the deployment failed");
        let pace = format!(r#"{{"stepfunctions._SFN_WAIT_SCALE": {PACE}}}"#);
        let config = ureq::post(format!("{}/_ministack/config", stack.endpoint)).header("x-goldsmith-local", SECRET);
        config.send(pace).expect("the pace is set");
        stack
    }

    /// Starts the emulator alone.
    pub(crate) fn start() -> Self {
        let (folder, python) = (tempfile::tempdir().expect("a folder"), python());
        let secret = folder.path().join("secret");
        fs::write(&secret, SECRET).expect("the secret is written");
        let ec2 = agreeable_endpoint();
        let port = Emulator::free_port().expect("a free port");
        let infra = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra");
        let mut command = Command::new(&python);
        command.arg(infra.join("local/launcher.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        command.args(["--port", &port.to_string(), "--ec2", &ec2, "--region", REGION]);
        command
            .args(["--parent", &std::process::id().to_string()])
            .arg("--directory")
            .arg(folder.path().join("emulator"))
            .arg("--secret-file")
            .arg(secret);
        let path = folder.path().to_owned();
        let emulator = Emulator::launch(command, port, SECRET, folder).expect("the emulator starts");
        Self { endpoint: emulator.url(), emulator, folder: path }
    }

    /// Where it answers, without the scheme.
    pub(crate) fn host(&self) -> &str {
        self.endpoint.trim_start_matches("http://")
    }

    /// The emulator's process.
    pub(crate) fn emulator(&self) -> u32 {
        self.emulator.process()
    }

    /// Clients' configuration.
    pub(crate) async fn sdk(&self) -> SdkConfig {
        with_keys(&sdk_config(None, Some(REGION), Some(&self.endpoint)).await, "test", SECRET)
    }

    /// ARN of the state machine.
    pub(crate) fn state_machine(&self) -> String {
        format!("arn:aws:states:{REGION}:000000000000:stateMachine:{STACK}-image-build")
    }

    /// The functions' zip: the script alone, run by the emulator's own interpreter.
    fn package(&self, python: &Path) -> PathBuf {
        let folder = &self.folder;
        let script = format!("#!{}\n{}", python.display(), include_str!("bootstrap.py"));
        fs::write(folder.join("bootstrap"), script).expect("the script is written");
        fs::set_permissions(folder.join("bootstrap"), fs::Permissions::from_mode(0o755)).expect("it can be run");
        let mut zip = Command::new(python);
        zip.current_dir(folder).args(["-m", "zipfile", "-c", "functions.zip", "bootstrap"]);
        assert!(zip.status().expect("zip starts").success());
        folder.join("functions.zip")
    }
}

/// The interpreter of the emulator's environment, which the tool makes.
fn python() -> PathBuf {
    let test = std::env::current_exe().expect("this test is a file");
    let tool = test.ancestors().nth(2).expect("it lies in cargo's folder").join("goldsmith");
    let output = Command::new(tool).args(["local", "python"]).output().expect("the goldsmith binary is built before");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// Takes what the deployment hands over.
fn agreeable_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let _ = connection.read(&mut [0; 65536]);
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
        }
    });
    format!("http://{address}")
}
