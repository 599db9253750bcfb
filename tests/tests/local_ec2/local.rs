//! The endpoint of the suite: the real `goldsmith local ec2` on a free port and a folder of its own.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use aws_sdk_ec2::config::retry::RetryConfig;
use aws_sdk_ec2::config::timeout::TimeoutConfig;
use aws_sdk_ec2::config::{SharedAsyncSleep, StalledStreamProtectionConfig};
use goldsmith_cloud::aws::{SdkConfig, sdk_config};
use goldsmith_tests::suite::goldsmith;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::caller::{Aws, SECRET};
use crate::hasty::Hasty;

/// Region of the cases that need only one.
pub(crate) const REGION: &str = "eu-west-1";

/// A running endpoint.
#[derive(Clone)]
pub(crate) struct Local(Arc<Inner>);

struct Inner {
    process: Mutex<Process>,
    /// Kept open, so that the endpoint may go on printing.
    _output: BufReader<ChildStdout>,
    /// What it printed when it was ready, by the words before each colon.
    greeting: BTreeMap<String, String>,
    runtime: Runtime,
    sdk: SdkConfig,
    _state: TempDir,
}

impl Local {
    /// Starts it, and waits until it says that it is ready.
    pub(crate) fn up() -> Self {
        let state = tempfile::tempdir().unwrap();
        let mut command = Command::new(goldsmith());
        command.args(["local", "ec2", "--listen", "127.0.0.1:0", "--delays", "instant", "--describe-lag", "0"]);
        command.arg("--state").arg(state.path()).env("AWS_REGION", REGION).env("GOLDSMITH_LOCAL_SECRET_KEY", SECRET);
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Process(command.spawn().expect("goldsmith is built"));
        let mut output = BufReader::new(process.0.stdout.take().unwrap());
        let greeting = greeting(&mut output);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let sdk = runtime.block_on(sdk_config(None, Some(REGION), Some(&greeting["URL"])));
        let sdk = sdk.to_builder().retry_config(RetryConfig::standard()).timeout_config(TimeoutConfig::disabled());
        let sdk = sdk.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let sdk = sdk.sleep_impl(SharedAsyncSleep::new(Hasty)).build();
        Self(Arc::new(Inner { process: Mutex::new(process), _output: output, greeting, runtime, sdk, _state: state }))
    }

    /// Ends it as a person does, and waits until it has tidied up.
    pub(crate) fn down(&self) {
        let ended = self.0.process.lock().unwrap().end();
        assert!(ended.success(), "goldsmith local ec2 ended with {ended}");
    }

    /// A caller in an account, in the Region of the suite. Its waits are a hundredth of the SDK's own.
    pub(crate) fn aws(&self, account: &str) -> Aws {
        Aws::new(&self.0.sdk, account, REGION)
    }

    /// Id of the source image that it printed.
    pub(crate) fn source(&self) -> &str {
        &self.0.greeting[&format!("Source image in {REGION}")]
    }

    /// Id of the source image without an agent.
    pub(crate) fn source_without_agent(&self) -> &str {
        &self.0.greeting["The same without the SSM agent"]
    }

    /// Arms faults of calls of one account.
    pub(crate) fn arm(&self, account: &str, mut faults: Value) {
        for fault in faults.as_array_mut().unwrap() {
            fault["when"]["account"] = account.into();
        }
        self.post("faults", &faults).unwrap();
    }

    /// Changes settings, until the value goes; `before` is what they were.
    pub(crate) fn set(&self, change: &Value, before: Value) -> Changed<'_> {
        self.post("settings", change).unwrap();
        Changed { local: self, before }
    }

    /// Posts to an admin route.
    pub(crate) fn post(&self, route: &str, body: &Value) -> Result<(), ureq::Error> {
        let url = format!("{}/_local/{route}", self.0.greeting["URL"]);
        ureq::post(&url).header("x-goldsmith-local", SECRET).send(&body.to_string()).map(drop)
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.runtime.block_on(future)
    }
}

/// The endpoint's process. It ends with its value: also when what it prints cannot be read, or a case has panicked.
struct Process(Child);

impl Process {
    /// Tells it to end. It ends its instances first.
    fn end(&mut self) -> ExitStatus {
        if self.0.try_wait().unwrap().is_none() {
            let id = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).unwrap();
            kill_process(id, Signal::TERM).unwrap();
        }
        self.0.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Settings that are restored at the end of a case, however it ends.
pub(crate) struct Changed<'a> {
    local: &'a Local,
    before: Value,
}

impl Drop for Changed<'_> {
    fn drop(&mut self) {
        // An endpoint that is gone has none.
        self.local.post("settings", &self.before).ok();
    }
}

/// What it prints when it is ready, to the last of its lines.
fn greeting(output: &mut impl BufRead) -> BTreeMap<String, String> {
    let mut greeting = BTreeMap::new();
    while !greeting.contains_key("The same without the SSM agent") {
        let mut line = String::new();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "goldsmith local ec2 ended early");
        if let Some((name, value)) = line.trim().split_once(": ") {
            greeting.insert(name.to_owned(), value.to_owned());
        }
    }
    greeting
}
