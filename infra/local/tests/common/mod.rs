//! A running endpoint and the smallest client that can talk to it.
#![expect(dead_code, reason = "each suite uses its part")]

pub(crate) mod doors;
pub(crate) mod emulator;
pub(crate) mod guests;
pub(crate) mod npm;
pub(crate) mod packages;
pub(crate) mod rights;
pub(crate) mod strangers;
pub(crate) mod venv;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use goldsmith_local::{DelayProfile, Network, Options, RequestLimits, Server};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What callers sign with.
pub(crate) const SECRET: &str = "test";
/// How long anything may take before a test gives up: more than an instance has to boot.
const PATIENCE: Duration = Duration::from_secs(300);

/// An endpoint in this process with a state folder of its own.
pub(crate) struct TestEndpoint {
    pub(crate) client: Client,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
    state: tempfile::TempDir,
}

impl TestEndpoint {
    /// Starts one; `events` is the emulator's address.
    pub(crate) async fn start(base_image: &Path, events: Option<String>) -> Self {
        Self::start_with(base_image, events, Duration::ZERO).await
    }

    /// Starts one whose describes lag.
    pub(crate) async fn start_with(base_image: &Path, events: Option<String>, describe_lag: Duration) -> Self {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("state");
        Self::start_at(&folder, state, base_image, events, describe_lag).await
    }

    /// Starts one whose instances are in this network; none: the best that works.
    pub(crate) async fn start_in_network(base_image: &Path, network: Option<Network>) -> Self {
        let state = tempfile::tempdir().unwrap();
        let options = options(&state.path().join("state"), base_image, None, Duration::ZERO);
        Self::run(Server::bind(Options { network, ..options }).await.unwrap(), state)
    }

    /// Starts one in a folder of the test's.
    pub(crate) async fn start_in(folder: &Path, base_image: &Path) -> Self {
        Self::start_at(&folder.join("state"), tempfile::tempdir().unwrap(), base_image, None, Duration::ZERO).await
    }

    async fn start_at(
        folder: &Path,
        state: tempfile::TempDir,
        base_image: &Path,
        events: Option<String>,
        lag: Duration,
    ) -> Self {
        let server = Server::bind(options(folder, base_image, events, lag)).await.unwrap();
        Self::run(server, state)
    }

    /// Starts one without a base image, with limits of its requests.
    pub(crate) async fn start_limited(limits: RequestLimits) -> Self {
        let state = tempfile::tempdir().unwrap();
        let server = bind(&state.path().join("state")).await.unwrap();
        Self::run(server.with_limits(limits), state)
    }

    fn run(server: Server, state: tempfile::TempDir) -> Self {
        let (stop, told) = oneshot::channel();
        let client = Client::at(server.address());
        let done = tokio::spawn(server.run(async { drop(told.await) }));
        TestEndpoint { client, stop, done, state }
    }

    /// Stops it and waits until it has tidied up.
    pub(crate) async fn end(self) {
        drop(self.stop().await);
    }

    /// The folder with everything that the endpoint keeps.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.state.path().canonicalize().unwrap()
    }

    /// Stops it and waits until it has tidied up.
    pub(crate) async fn stop(self) -> tempfile::TempDir {
        self.stop.send(()).unwrap();
        self.done.await.unwrap();
        self.state
    }
}

/// An endpoint whose instances do not boot: there is no base image.
pub(crate) async fn endpoint() -> TestEndpoint {
    TestEndpoint::start("/nonexistent/base.tar".as_ref(), None).await
}

/// Options of an endpoint that waits for nothing.
pub(crate) fn options(state: &Path, base_image: &Path, events_url: Option<String>, describe_lag: Duration) -> Options {
    Options {
        secret: SECRET.parse().unwrap(),
        listen: "127.0.0.1:0".parse().unwrap(),
        state_dir: state.to_owned(),
        delays: DelayProfile::Instant,
        base_image: base_image.to_owned(),
        isolation: std::env::var(rights::FORCED_ISOLATION).ok().map(|name| name.parse().unwrap()),
        network: None,
        events_url,
        describe_lag,
        registration_events: true,
    }
}

/// Tries to start an endpoint on a state folder.
pub(crate) async fn bind(state: &Path) -> Result<Server, goldsmith_local::Error> {
    Server::bind(options(state, "/nonexistent/base.tar".as_ref(), None, Duration::ZERO)).await
}

/// A caller in one account and Region.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    address: SocketAddr,
    region: &'static str,
    account: &'static str,
}

/// Status and body of an answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Its head, as it came.
    head: String,
    pub(crate) body: String,
}

/// Whether a test can run; where it must (`GOLDSMITH_REQUIRE_E2E=1`), something missing is a failure.
pub(crate) fn require_or_skip(there: bool, what: &str) -> bool {
    if !there {
        assert_ne!(std::env::var("GOLDSMITH_REQUIRE_E2E").as_deref(), Ok("1"), "missing: {what}");
        eprintln!("SKIPPED (missing: {what})");
    }
    there
}

impl Client {
    /// Address of the endpoint.
    pub(crate) fn url(self) -> String {
        format!("http://{}", self.address)
    }

    /// A caller in the default account.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Client { address, region: "eu-west-1", account: "000000000000" }
    }

    /// Whether an instance takes commands.
    pub(crate) fn is_online(self, instance: &str) -> bool {
        let filter = serde_json::json!({"Filters": [{"Key": "InstanceIds", "Values": [instance]}]});
        let (_, answer) = self.ssm("DescribeInstanceInformation", &filter);
        answer["InstanceInformationList"][0]["PingStatus"] == "Online"
    }

    pub(crate) fn region(self, region: &'static str) -> Self {
        Client { region, ..self }
    }

    pub(crate) fn account(self, account: &'static str) -> Self {
        Client { account, ..self }
    }

    /// An EC2 call; `form` is the query without the action.
    pub(crate) fn ec2(self, action: &str, form: &[(&str, &str)]) -> Answer {
        // Every launch says how many; one, when a test does not.
        let counts = [("MinCount", "1"), ("MaxCount", "1")];
        let counted = action != "RunInstances" || form.iter().any(|(name, _)| *name == "MinCount");
        let counts = counts.iter().filter(|_| !counted);
        let pairs =
            [("Action", action), ("Version", "2016-11-15")].into_iter().chain(form.iter().chain(counts).copied());
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.send("POST", "/", "ec2", "", &body).expect("no answer")
    }

    /// An EC2 call that must work: an element of its answer.
    pub(crate) fn ec2_value(self, action: &str, form: &[(&str, &str)], element: &str) -> String {
        let answer = self.ec2(action, form);
        assert_eq!(answer.status, 200, "{action}: {}", answer.body);
        answer.element(element).unwrap_or_else(|| panic!("{action} has no {element}: {}", answer.body))
    }

    /// An EC2 call that must fail: its error code.
    pub(crate) fn ec2_error(self, action: &str, form: &[(&str, &str)]) -> String {
        let answer = self.ec2(action, form);
        assert_ne!(answer.status, 200, "{action}: {}", answer.body);
        answer.element("Code").unwrap()
    }

    /// A Systems Manager call.
    pub(crate) fn ssm(self, action: &str, input: &Value) -> (u16, Value) {
        let target = format!("x-amz-target: AmazonSSM.{action}\r\n");
        let answer = self.send("POST", "/", "ssm", &target, &input.to_string()).expect("no answer");
        (answer.status, serde_json::from_str(&answer.body).unwrap())
    }

    /// An admin route.
    pub(crate) fn admin(self, method: &str, route: &str, body: &Value) -> Value {
        let answer = self.send(method, &format!("/_local/{route}"), "ec2", "", &body.to_string()).expect("no answer");
        assert_eq!(answer.status, 200, "{route}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Sends a request; none when the connection closes without an answer.
    pub(crate) fn send(self, method: &str, path: &str, service: &str, more: &str, body: &str) -> Option<Answer> {
        let (answer, body) = self.exchange(method, path, service, more, body)?;
        Some(Answer { body: String::from_utf8(body).ok()?, ..answer })
    }

    /// The same for an answer whose body is not text: it is next to the answer.
    pub(crate) fn exchange(
        self,
        method: &str,
        path: &str,
        service: &str,
        more: &str,
        body: &str,
    ) -> Option<(Answer, Vec<u8>)> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let (account, region) = (self.account, self.region);
        let scope = format!("AWS4-HMAC-SHA256 Credential={account}/20261124/{region}/{service}/aws4_request");
        let host = format!("host: {}\r\n", self.address);
        // A test may name another host.
        let host = if more.starts_with("host:") { "" } else { host.as_str() };
        // One may leave the secret away, too.
        let secret = if more.contains("x-goldsmith-local") { "" } else { "x-goldsmith-local: test\r\n" };
        let head = format!("{method} {path} HTTP/1.1\r\n{host}connection: close\r\nauthorization: {scope}\r\n{secret}");
        write!(stream, "{head}{more}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        let end = bytes.windows(4).position(|some| some == b"\r\n\r\n")?;
        let body = bytes.split_off(end + 4);
        let head = String::from_utf8(bytes).ok()?.trim_end().to_owned();
        Some((Answer { status: head[9..12].parse().unwrap(), head, body: String::new() }, body))
    }
}

impl Answer {
    /// A header by its name in small letters.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Text of the first element of this name.
    pub(crate) fn element(&self, name: &str) -> Option<String> {
        self.elements(name).into_iter().next()
    }

    /// Texts of all elements of this name.
    pub(crate) fn elements(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.body.split(&open).skip(1);
        parts.filter_map(|part| part.split_once(&close)).map(|(text, _)| text.to_owned()).collect()
    }
}

/// Waits until `look` finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
