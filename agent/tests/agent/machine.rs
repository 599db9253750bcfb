//! A machine for the agent in a temporary folder: orders, starts of the real binary, and what it wrote.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use goldsmith_executor::{Event, OrderDocument, RunResult, WorkOrder};

/// The message of a step whose limit is one second.
pub(crate) const TIMED_OUT: &str = "timed out after 1 s, the limit that `timeoutSeconds` of the step sets";

/// Folders of one machine and the order that it is given.
#[must_use]
pub(crate) struct Machine {
    directory: tempfile::TempDir,
    pub(crate) order: WorkOrder,
}

/// What one start of the agent did.
pub(crate) struct Run {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    /// A machine whose order runs `build` and `validate` of the given documents.
    pub(crate) fn new(bodies: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let documents = bodies.iter().enumerate().map(|(index, body)| document(&format!("doc-{}", index + 1), body));
        let phases = vec!["build".to_owned(), "validate".to_owned()];
        let order = WorkOrder {
            state_directory: directory.path().join("state"),
            log_directory: directory.path().join("log"),
            working_directory: Some(directory.path().join("work")),
            ..WorkOrder::documents("web-1/Build", phases, documents.collect())
        };
        Self { directory, order }
    }

    /// A machine for one document with one phase `build` of the given steps.
    pub(crate) fn with_steps(steps: &str) -> Self {
        let text = format!("schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n{steps}");
        Self::new(&[&text])
    }

    /// The same machine with another text of the first document.
    pub(crate) fn with_body(mut self, body: &str) -> Self {
        self.order.documents[0] =
            OrderDocument { parameters: self.order.documents[0].parameters.clone(), ..document("doc-1", body) };
        self
    }

    pub(crate) fn parameter(mut self, name: &str, value: &str) -> Self {
        self.order.documents[0].parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A file in the working directory, where steps run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("work").join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The one log folder.
    pub(crate) fn log_folder(&self) -> PathBuf {
        fs::read_dir(self.directory.path().join("log")).unwrap().next().unwrap().unwrap().path()
    }

    /// The result tree in the log folder.
    pub(crate) fn detailed_output(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.log_folder().join("detailedoutput.json")).unwrap()).unwrap()
    }

    pub(crate) fn command(&self) -> Command {
        let order = self.directory.path().join("order.json");
        fs::write(&order, serde_json::to_vec(&self.order).unwrap()).unwrap();
        let mut command = agent();
        command.arg(order);
        command
    }

    /// Starts the agent and waits for its end.
    pub(crate) fn run(&self) -> Run {
        Run::of(self.command().output().unwrap())
    }

    /// Starts the agent and leaves it running.
    pub(crate) fn start(&self) -> Child {
        self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

/// The agent's binary, without arguments, told not to use a proxy.
pub(crate) fn agent() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith-agent"));
    command.env("NO_PROXY", "127.0.0.1").stdin(Stdio::null());
    command
}

fn document(name: &str, body: &str) -> OrderDocument {
    OrderDocument {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        digest: goldsmith_document::digest(body),
        body: body.to_owned(),
        parameters: Default::default(),
    }
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The result, which is the only line on standard error.
    pub(crate) fn result(&self) -> RunResult {
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        serde_json::from_str(&self.stderr).unwrap()
    }

    pub(crate) fn message(&self) -> String {
        self.result().failure_context.unwrap().message
    }

    /// The facts about the machine that explain the failure.
    pub(crate) fn evidence(&self) -> Vec<String> {
        self.result().failure_context.unwrap().evidence
    }

    /// Standard output with the event lines shortened to what is the same in every run.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.stdout.lines().map(shorten).collect()
    }

    /// What the steps wrote.
    pub(crate) fn said(&self) -> Vec<&str> {
        self.stdout.lines().filter(|line| Event::parse(line, None).is_none()).collect()
    }
}

fn shorten(line: &str) -> String {
    let Some(event) = Event::parse(line, None) else { return line.to_owned() };
    let word = |value: serde_json::Value| value.as_str().unwrap().to_owned();
    let mut words = vec![format!("<{}", word(serde_json::to_value(event.kind).unwrap())), event.phase];
    words.extend(event.step);
    words.extend(event.attempt.map(|attempt| format!("#{attempt}")));
    words.extend(event.status.map(|status| word(serde_json::to_value(status).unwrap())));
    words.extend(event.exit_code.map(|code| code.to_string()));
    words.join(" ") + ">"
}

/// Whether a process whose number a step wrote to a file is still there.
pub(crate) fn is_alive(pid_file: &Path) -> bool {
    let pid: i32 = fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie has ended; only its parent has not asked yet.
    state.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits until a file is there, for at most a minute.
pub(crate) fn wait_for(path: &Path) {
    for _ in 0..6000 {
        if path.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{} did not appear", path.display());
}

/// Waits until a process waits for a lock that another one holds, for at most a minute.
pub(crate) fn wait_until_locked_out(child: &Child) {
    let pid = child.id().to_string();
    for _ in 0..6000 {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        if locks.lines().any(|line| line.contains("->") && line.split_whitespace().any(|word| word == pid)) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("process {pid} does not wait for a lock");
}
