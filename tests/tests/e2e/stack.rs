//! The stack of the suite: the real `goldsmith local up`, and clients to look behind it.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use goldsmith_cloud::aws::{LambdaFunctions, SdkConfig, StepFunctions, sdk_config, with_keys};
use goldsmith_cloud::{Execution, ExecutionStatus, Executions as _, Functions as _, Started};
use goldsmith_sigv4::{Signable, sha256, sign};
use goldsmith_store::{DynamoTable, ImageRecord, Store};
use goldsmith_tests::suite;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::people::{Keys, People};

/// Header that shows the stack's secret.
pub(crate) const SHOWN: &str = "x-goldsmith-local";
/// How long anything may take before the suite gives up on it.
const PATIENCE: Duration = Duration::from_secs(300);
/// The AWS CLI that cases call.
const AWS_CLI: &str = include_str!("../../../infra/local/tests/aws_cli/requirements.txt");

/// A running stack.
#[derive(Clone)]
pub(crate) struct Stack(Arc<Inner>);

struct Inner {
    name: String,
    state: TempDir,
    description: Value,
    runtime: Runtime,
    /// As the account's root.
    sdk: SdkConfig,
    config: Value,
    people: People,
}

/// What `goldsmith build --output json` printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) exit: i32,
    pub(crate) json: Value,
    pub(crate) progress: String,
}

impl Built {
    /// `NAME/VERSION/BUILD`.
    pub(crate) fn image(&self) -> &str {
        self.json["image"].as_str().unwrap_or_else(|| panic!("no image: {self:?}"))
    }
    /// The build's id.
    pub(crate) fn build(&self) -> &str {
        self.json["build"].as_str().unwrap_or_else(|| panic!("no build: {self:?}"))
    }
}

impl Stack {
    /// Starts the stack.
    pub(crate) fn up(name: &str) -> Self {
        let state = tempfile::tempdir().unwrap();
        let up = goldsmith(name, state.path(), &["local", "up"], Stdio::inherit());
        assert!(up.status.success(), "goldsmith local up failed");
        let path = state.path().join("goldsmith/local").join(name).join("stack.json");
        let description: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let text = |key: &str| description[key].as_str().unwrap().to_owned();
        let sdk = runtime.block_on(sdk_config(None, Some(&text("region")), Some(&text("endpointUrl"))));
        let sdk = with_keys(&sdk, &text("accessKey"), &text("secretKey"));
        let parameters = goldsmith_cloud::aws::SsmParameters::new(&sdk);
        let parameter = format!("/goldsmith/{name}/config");
        let config = runtime.block_on(goldsmith_cloud::Parameters::get(&parameters, &text("region"), &parameter));
        let config = serde_json::from_str(&config.unwrap().unwrap().value).unwrap();
        let people = runtime.block_on(People::make(&sdk, name));
        employ(&path, &description, &people.user);
        Self(Arc::new(Inner { name: name.to_owned(), state, description, runtime, sdk, config, people }))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// What `stack.json` said when it was started.
    pub(crate) fn description(&self) -> &Value {
        &self.0.description
    }

    /// URL of its emulator.
    pub(crate) fn endpoint(&self) -> &str {
        self.0.description["endpointUrl"].as_str().unwrap()
    }

    /// Where it keeps everything.
    pub(crate) fn folder(&self) -> std::path::PathBuf {
        self.0.state.path().join("goldsmith/local").join(&self.0.name)
    }

    /// Every call that a role or a user has made so far, with the policies by which it was allowed.
    pub(crate) fn calls(&self) -> String {
        let folder = self.0.state.path().join("goldsmith/local").join(&self.0.name);
        std::fs::read_to_string(folder.join("emulator/calls.jsonl")).unwrap_or_default() // none has been made
    }

    /// Ends the stack; what its people called is kept.
    pub(crate) fn down(&self) {
        self.add_calls();
        let down = goldsmith(&self.0.name, self.0.state.path(), &["local", "down"], Stdio::inherit());
        assert!(down.status.success(), "goldsmith local down failed");
    }

    /// Runs the CLI.
    pub(crate) fn goldsmith(&self, arguments: &[&str]) -> Output {
        goldsmith(&self.0.name, self.0.state.path(), arguments, Stdio::piped())
    }

    /// Runs the CLI as for a stack on AWS: by endpoint, Region and the deployer's keys, with nothing known of what runs here.
    pub(crate) fn goldsmith_by_endpoint(&self, arguments: &[&str]) -> Output {
        let text = |key: &str| self.0.description[key].as_str().unwrap();
        let mut command = Command::new(suite::goldsmith());
        command.args(arguments).args(["--stack", &self.0.name, "--region", text("region")]);
        command.args(["--endpoint-url", text("endpointUrl")]);
        let Keys { id, secret } = &self.0.people.deployer;
        command.env("AWS_ACCESS_KEY_ID", id).env("AWS_SECRET_ACCESS_KEY", secret);
        command.stdin(Stdio::null()).output().expect("the goldsmith binary is built before this suite")
    }

    /// `goldsmith build` of a folder, to its end.
    pub(crate) fn build(&self, folder: &Path) -> Built {
        let output = self.goldsmith(&["build", &folder.display().to_string(), "--local", "--output", "json"]);
        built(&output)
    }

    /// The same in the background, while something else happens.
    pub(crate) fn build_meanwhile<T>(&self, folder: &Path, meanwhile: impl FnOnce() -> T) -> (Built, T) {
        std::thread::scope(|scope| {
            let build = scope.spawn(|| self.build(folder));
            let seen = meanwhile();
            (build.join().unwrap(), seen)
        })
    }

    /// Applies a folder.
    pub(crate) fn apply(&self, folder: &Path) {
        let output = self.goldsmith(&["apply", &folder.display().to_string(), "--local"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts an execution as the console does; its ARN.
    pub(crate) fn start(&self, name: &str, input: &str) -> String {
        match self.block_on(self.executions().start(&self.state_machine(), name, input)).unwrap() {
            Started::New(arn) => arn,
            Started::NameTaken => panic!("{name} is taken"),
        }
    }

    /// The same, and waits for its end.
    pub(crate) fn execute(&self, name: &str, input: &str) -> Execution {
        self.ended(&self.start(name, input))
    }

    /// Starts an execution by the AWS CLI, which names it as the console does; its ARN. Where the CLI is not to be had
    /// from PyPI, by the SDK, unless `GOLDSMITH_REQUIRE_E2E=1`.
    pub(crate) fn start_by_aws_cli(&self, input: &str) -> String {
        let machine = self.state_machine();
        let start = ["stepfunctions", "start-execution", "--state-machine-arn", &machine, "--input", input];
        let Some(started) = self.aws_cli(&start) else {
            let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
            return self.start(&format!("by-the-sdk-{now}"), input);
        };
        started["executionArn"].as_str().unwrap().to_owned()
    }

    /// A call by the AWS CLI as the account's root; its answer, null when it has none. None where the CLI is not to be had
    /// from PyPI, unless `GOLDSMITH_REQUIRE_E2E=1`.
    pub(crate) fn aws_cli(&self, arguments: &[&str]) -> Option<Value> {
        self.aws_cli_as(self.0.description["accessKey"].as_str().unwrap(), arguments)
    }

    /// The same as the root of another account.
    pub(crate) fn aws_cli_as(&self, root: &str, arguments: &[&str]) -> Option<Value> {
        let secret = self.0.description["secretKey"].as_str().unwrap();
        let answer = self.aws_cli_with(&[("AWS_ACCESS_KEY_ID", root), ("AWS_SECRET_ACCESS_KEY", secret)], arguments)?;
        Some(answer.unwrap_or_else(|error| panic!("{error}")))
    }

    /// The same with these credentials. Returns the message of the CLI if the call fails.
    pub(crate) fn aws_cli_with(
        &self,
        credentials: &[(&str, &str)],
        arguments: &[&str],
    ) -> Option<Result<Value, String>> {
        let text = |key: &str| self.0.description[key].as_str().unwrap();
        let Some(python) = crate::venv::python("aws_cli", AWS_CLI) else {
            assert!(std::env::var_os("GOLDSMITH_REQUIRE_E2E").is_none(), "the AWS CLI does not come from PyPI");
            eprintln!("SKIPPED (the AWS CLI does not come from PyPI): {}", arguments[..2].join(" "));
            return None;
        };
        let mut aws = Command::new(python);
        aws.args(["-m", "awscli"]).args(arguments).args(["--output", "json"]);
        aws.args(["--region", text("region"), "--endpoint-url", text("endpointUrl")]);
        aws.envs(credentials.iter().copied());
        aws.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        let output = aws.stdin(Stdio::null()).output().unwrap();
        if !output.status.success() {
            return Some(Err(String::from_utf8_lossy(&output.stderr).into_owned()));
        }
        Some(Ok(serde_json::from_slice(&output.stdout).unwrap_or_default()))
    }

    /// Asks the emulator for a session of a role as the EC2 endpoint does; the status of its answer.
    pub(crate) fn assume_as_the_endpoint_does(&self, role: &str) -> u16 {
        let text = |key: &str| self.0.description[key].as_str().unwrap();
        let body = serde_json::json!({"RoleArn": role, "RoleSessionName": "e2e"}).to_string();
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![
            header("content-type", "application/x-amz-json-1.1"),
            header("host", text("endpointUrl").trim_start_matches("http://")),
            header("x-amz-target", "AWSSecurityTokenServiceV20110615.AssumeRole"),
        ];
        let payload = sha256(body.as_bytes());
        let request = Signable { method: "POST", path: "/", query: "", headers, payload: &payload };
        let keys = goldsmith_sigv4::Keys { id: text("accessKey"), secret: text("secretKey"), session_token: None };
        let signed = sign(request, keys, (text("region"), "sts"), jiff::Timestamp::now());
        let call = ureq::post(text("endpointUrl")).header(SHOWN, self.secret());
        let call = signed.iter().fold(call, |call, (name, value)| call.header(name, value));
        let call = call.config().http_status_as_error(false).build();
        call.send(body).unwrap().status().as_u16()
    }

    /// Waits for the end of an execution.
    pub(crate) fn ended(&self, arn: &str) -> Execution {
        self.wait_for("the execution's end", || {
            let execution = self.block_on(self.executions().execution(arn)).unwrap()?;
            (execution.status != ExecutionStatus::Running).then_some(execution)
        })
    }

    /// Stops an execution from outside.
    pub(crate) fn stop(&self, arn: &str) {
        self.block_on(self.executions().stop(arn, "Test", "stopped by the test")).unwrap();
    }

    /// ARN of a build's execution.
    pub(crate) fn execution_arn(&self, build: &str) -> String {
        format!("{}:{build}", self.state_machine().replace(":stateMachine:", ":execution:"))
    }

    /// Invokes `signal` as the tick does.
    pub(crate) fn signal(&self, event: &Value) {
        let functions = LambdaFunctions::new(&self.0.sdk);
        self.block_on(functions.wake(&format!("{}-signal", self.0.name), &event.to_string())).unwrap();
    }

    /// Invokes a function and waits for its answer.
    pub(crate) fn invoke(&self, function: &str, payload: &Value) -> Value {
        let client = aws_sdk_lambda::Client::new(&self.0.sdk);
        let name = format!("{}-{function}", self.0.name);
        let call = client.invoke().function_name(name).payload(payload.to_string().into_bytes().into()).send();
        let answer = self.block_on(call).unwrap();
        let text = answer.payload.map(|payload| payload.into_inner()).unwrap_or_default();
        assert!(answer.function_error.is_none(), "{function}: {}", String::from_utf8_lossy(&text));
        serde_json::from_slice(&text).unwrap()
    }

    /// The table's records.
    pub(crate) fn store(&self) -> Store {
        let table = self.0.config["table"].as_str().unwrap();
        Store::new(Arc::new(DynamoTable::with_config(&self.0.sdk, table)))
    }

    /// An image's record.
    pub(crate) fn image(&self, image: &str) -> ImageRecord {
        self.block_on(self.store().image(&image.parse().unwrap())).unwrap().unwrap()
    }

    /// Waits until something is there.
    pub(crate) fn wait_for<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.runtime.block_on(future)
    }

    pub(crate) fn sdk(&self) -> &SdkConfig {
        &self.0.sdk
    }

    /// Admin routes of the EC2 endpoint.
    pub(crate) fn admin(&self, route: &str) -> String {
        format!("{}/_local/{route}", self.0.description["ec2Url"].as_str().unwrap())
    }

    /// What the admin routes' callers show in the header [`SHOWN`].
    pub(crate) fn secret(&self) -> &str {
        self.0.description["secret"].as_str().unwrap()
    }

    fn executions(&self) -> StepFunctions {
        StepFunctions::new(&self.0.sdk)
    }

    /// ARN of the state machine.
    pub(crate) fn state_machine(&self) -> String {
        self.0.config["stateMachine"].as_str().unwrap().to_owned()
    }
}

/// Has `--local` work with these keys instead of the account's root's.
fn employ(description: &Path, stack: &Value, keys: &Keys) {
    let mut stack = stack.clone();
    stack["accessKey"] = keys.id.as_str().into();
    stack["secretKey"] = keys.secret.as_str().into();
    std::fs::write(description, stack.to_string()).unwrap();
}

fn goldsmith(stack: &str, state: &Path, arguments: &[&str], stderr: Stdio) -> Output {
    let mut command = Command::new(suite::goldsmith());
    command.args(arguments).args(["--stack", stack]).env("XDG_STATE_HOME", state).env("GOLDSMITH_RECORD_CALLS", "1");
    command.stdin(Stdio::null()).stderr(stderr).output().expect("the goldsmith binary is built before this suite")
}

fn built(output: &Output) -> Built {
    let progress = String::from_utf8_lossy(&output.stderr).into_owned();
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON came out: {progress}"));
    Built { exit: output.status.code().unwrap_or(-1), json, progress }
}
