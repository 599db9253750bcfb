//! Runs a script on an instance, as the SSM agent does.
//!
//! The script and its outputs are files in the places where the agent keeps them, and stay there. If a script exits
//! with 194, its instance is rebooted and the script is started again from its beginning, at most 15 times. After that,
//! the agent gives up without a message, and the command stays `InProgress` until it times out. If the instance goes
//! down in any other way, the agent finds no worker of the command after its next start, and reports the command as
//! failed, without output. If the instance ends during a command, Systems Manager does not notice this: the invocation
//! stays `InProgress` until `executionTimeout`, and then becomes `TimedOut` (`ExecutionTimedOut`). (Everything except
//! the last case is as in amazon-ssm-agent 3.3.1142.0.)

use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::logs::LogStream;
use super::output::Output;
use crate::chain::chain;
use crate::endpoint::Endpoint;
use crate::events::Event;
use crate::guest::Guest;
use crate::world::{Command, InstanceState, InvocationStatus};

/// Exit code with which a script requests a reboot and another start.
const REBOOT: i32 = 194;
/// Exit code that the agent reports for a script that it ended (time-out, cancellation). It treats a script's own exit
/// code 137 in the same way.
const ENDED_BY_AGENT: i32 = 137;
/// Exit code that the agent treats as a success without standard error.
const SUCCESS_WITHOUT_ERRORS: i32 = 168;
/// How often a script is started again, at most.
const MOST_RERUNS: u32 = 15;
/// Interval at which output is sent and the time is checked.
const LOOK: Duration = Duration::from_millis(300);
/// Most characters of standard error in the service's answer.
const STDERR_LIMIT: usize = 8_000;
/// The agent's message about a command whose worker is gone after the agent's start.
const LOST_WORKER: &str = "document process failed unexpectedly: ipc messaging received timeout signal: document worker is not there any more";

/// How one start of the script ended.
enum End {
    Exit(i32),
    /// It could not be started. The text is the agent's message.
    NotStarted(String),
    /// The instance went down during the script, for a reboot or for good.
    Interrupted,
    TimedOut,
    Cancelled,
}

/// The report about the invocation at its end.
struct Told {
    status: InvocationStatus,
    code: i32,
    stdout: String,
    stderr: String,
    /// The agent's own message, if there is no output.
    said: String,
}

impl Told {
    fn of(status: InvocationStatus, code: i32) -> Self {
        Told { status, code, stdout: String::new(), stderr: String::new(), said: String::new() }
    }
}

/// A command on one instance.
struct Run {
    endpoint: Arc<Endpoint>,
    command: Command,
    instance: String,
    deadline: Instant,
    stdout: Output,
    stderr: Output,
}

/// A started script.
struct Script {
    child: Child,
    /// Tasks that end when no process holds the outputs any more.
    copies: [JoinHandle<()>; 2],
}

/// Runs a command on an instance to its end.
pub(super) async fn run(endpoint: Arc<Endpoint>, command: Command, instance: String) {
    let output = |name: &str| {
        let stream = || {
            let path = format!("{}/{instance}/aws-runShellScript/{name}", command.id);
            let (emulator, group) = (endpoint.emulator.as_ref()?, command.log_group.as_ref()?);
            Some(LogStream::new(emulator, &command.scope, group, path))
        };
        Output::new(format!("{}/{name}", folder(&command, &instance)), stream())
    };
    let mut run = Run {
        deadline: deadline(&command, &instance),
        stdout: output("stdout"),
        stderr: output("stderr"),
        endpoint,
        command,
        instance,
    };
    let told = run.until_it_ends().await;
    run.finish(told);
}

/// Returns the folder in which the agent keeps the script and its outputs.
fn folder(command: &Command, instance: &str) -> String {
    format!(
        "/var/lib/amazon/ssm/{instance}/document/orchestration/{}/awsrunShellScript/0.awsrunShellScript",
        command.id
    )
}

/// Returns when the command times out. The time counts from the command's start, even if that was under an earlier
/// endpoint.
fn deadline(command: &Command, instance: &str) -> Instant {
    let started = command.invocations.get(instance).and_then(|invocation| invocation.started_at);
    let ran = started.map(|start| Timestamp::now().duration_since(start)).and_then(|ran| Duration::try_from(ran).ok());
    let time = Duration::from_secs(command.execution_timeout);
    Instant::now() + time.saturating_sub(ran.unwrap_or_default())
}

impl Run {
    async fn until_it_ends(&mut self) -> Told {
        // A script cannot be found again: its processes ended with the endpoint.
        if !self.is_new() {
            // The command ran under an earlier endpoint: to the instance, its host has crashed.
            return self.interrupted().await;
        }
        let delivery = Duration::from_secs(self.command.delivery_timeout);
        if !self.hears_agent(Instant::now() + delivery).await {
            let cancelled = self.is_cancelled();
            let status = if cancelled { InvocationStatus::Cancelled } else { InvocationStatus::DeliveryTimedOut };
            return Told::of(status, -1);
        }
        // Time before delivery does not count: `TimeoutSeconds` limits it, and `executionTimeout` begins with the
        // script (Systems Manager user guide, "Understanding command statuses").
        self.deadline = Instant::now() + Duration::from_secs(self.command.execution_timeout);
        for start in 0..=MOST_RERUNS {
            let Some(guest) = self.booted_guest().await else { break };
            // A script that starts again after a reboot stays `InProgress`; there is no second event.
            if start == 0 {
                self.report(InvocationStatus::InProgress);
            }
            match self.start_once(&guest).await {
                End::Exit(REBOOT) => {
                    tokio::time::sleep(self.endpoint.settings().delays.reboot).await;
                    self.endpoint.reboot(&self.instance).await;
                }
                End::Interrupted => return self.interrupted().await,
                end => return self.reported(&guest, end).await,
            }
        }
        self.wait_for_the_deadline().await
    }

    /// Waits for the instance's agent. Returns false if the agent does not make contact in time, or if the command is
    /// cancelled.
    async fn hears_agent(&self, until: Instant) -> bool {
        while !self.endpoint.is_heard(&self.instance) {
            if Instant::now() >= until || self.is_cancelled() {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
        true
    }

    /// Returns the agent's report about a script that has ended on a running instance. A script continues without its
    /// agent; its result is reported when there is an agent again.
    async fn reported(&mut self, guest: &Guest, end: End) -> Told {
        let told = self.told(guest, end).await;
        if self.hears_agent(self.deadline).await { told } else { self.wait_for_the_deadline().await }
    }

    /// Returns what the agent finds out about the script.
    async fn told(&mut self, guest: &Guest, end: End) -> Told {
        let (status, code, words) = match &end {
            End::NotStarted(words) => (InvocationStatus::Failed, 1, words.clone()),
            End::Exit(0 | SUCCESS_WITHOUT_ERRORS) => (InvocationStatus::Success, 0, String::new()),
            End::Exit(ENDED_BY_AGENT) | End::TimedOut => (InvocationStatus::TimedOut, ENDED_BY_AGENT, String::new()),
            End::Exit(code) => (InvocationStatus::Failed, *code, format!("failed to run commands: exit status {code}")),
            End::Cancelled | End::Interrupted => (InvocationStatus::Cancelled, ENDED_BY_AGENT, String::new()),
        };
        let wait = self.endpoint.settings().delays.log_upload;
        self.stdout.finish_upload(guest, wait).await;
        self.stderr.finish_upload(guest, wait).await;
        let mut told = Told::of(status, code);
        // The answer has the beginning of the output, while CloudWatch Logs gets all of it.
        told.stdout = self.stdout.answer(guest, "").await;
        if !matches!(end, End::Exit(SUCCESS_WITHOUT_ERRORS)) {
            told.stderr = self.stderr.answer(guest, &words).await.chars().take(STDERR_LIMIT).collect();
        }
        told
    }

    /// Returns the report about a command whose instance went down. If the instance starts again, its agent reports
    /// this after a while.
    async fn interrupted(&self) -> Told {
        // Nobody reports a command of an instance that is gone. AWS waits for the time-out, and so does this task.
        if self.booted_guest().await.is_none() {
            return self.wait_for_the_deadline().await;
        }
        tokio::time::sleep(self.endpoint.settings().delays.lost_worker).await;
        let said = LOST_WORKER.to_owned();
        Told { said, ..Told::of(InvocationStatus::Failed, 1) }
    }

    /// Returns the guest of the instance once it is booted; `None` if the instance is gone for good, or if the command
    /// has timed out.
    async fn booted_guest(&self) -> Option<Arc<Guest>> {
        let gone = |state| matches!(state, None | Some(InstanceState::ShuttingDown | InstanceState::Terminated));
        while !gone(self.endpoint.state_of(&self.instance)) && Instant::now() < self.deadline {
            match self.endpoint.guest(&self.instance) {
                Some(guest)
                    if self.endpoint.state_of(&self.instance) == Some(InstanceState::Running)
                        && guest.is_running().await =>
                {
                    return Some(guest);
                }
                _ if self.is_cancelled() => return None,
                _ => tokio::time::sleep(LOOK).await,
            }
        }
        None
    }

    async fn wait_for_the_deadline(&self) -> Told {
        while Instant::now() < self.deadline {
            if self.is_cancelled() {
                return Told::of(InvocationStatus::Cancelled, -1);
            }
            tokio::time::sleep(LOOK).await;
        }
        Told::of(InvocationStatus::TimedOut, -1)
    }

    fn is_new(&self) -> bool {
        let invocation = self.command.invocations.get(&self.instance);
        invocation.is_none_or(|invocation| invocation.status == InvocationStatus::Pending)
    }

    fn is_cancelled(&self) -> bool {
        let world = self.endpoint.world();
        let invocation =
            world.commands.get(&self.command.id).and_then(|command| command.invocations.get(&self.instance));
        invocation.is_none_or(|invocation| invocation.cancel)
    }

    async fn start_once(&mut self, guest: &Guest) -> End {
        let boots = guest.boots();
        let end = match self.spawn(guest).await {
            Ok(script) => self.follow(guest, script).await,
            Err(words) => {
                tracing::warn!(command = self.command.id, error = words, "the script does not start");
                End::NotStarted(words)
            }
        };
        if guest.is_running().await && guest.boots() == boots { end } else { End::Interrupted }
    }

    /// Stores the script where the agent stores it, and starts it. The error is the agent's message.
    async fn spawn(&mut self, guest: &Guest) -> Result<Script, String> {
        let folder = folder(&self.command, &self.instance);
        let gone = || "the instance is not there any more".to_owned();
        let failed = |error: std::io::Error| chain(&error);
        let mut put = guest.command("/bin/sh").await.ok_or_else(gone)?;
        put.args(["-c", PUT, "sh", &folder, &self.channel(), &self.command.working_directory]);
        let mut put = put.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map_err(failed)?;
        if let Some(mut input) = put.stdin.take() {
            // If the folder cannot be created, no process reads the input: the exit status shows this.
            input.write_all((self.command.commands.join("\n") + "\n").as_bytes()).await.ok();
        }
        match put.wait().await.map_err(failed)?.code() {
            Some(0) => {}
            Some(NO_DIRECTORY) => {
                return Err("failed to run commands: fork/exec /bin/sh: no such file or directory".to_owned());
            }
            _ => return Err("failed to run commands: the script cannot be stored".to_owned()),
        }
        let mut script = guest.command("/bin/sh").await.ok_or_else(gone)?;
        script.args(["-c", START, "sh", &self.command.working_directory]);
        script.arg(format!("{folder}/_script.sh")).process_group(0).env_remove("HOME");
        script.env("AWS_SSM_INSTANCE_ID", &self.instance).env("AWS_SSM_REGION_NAME", &self.command.scope.region);
        script.env("SSM_COMMAND_ID", &self.command.id);
        script.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = script.spawn().map_err(failed)?;
        let rate = self.endpoint.settings().delays.output_rate;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else { return Err(gone()) };
        let copies = [
            self.stdout.copy(guest, stdout, rate).await.map_err(failed)?,
            self.stderr.copy(guest, stderr, rate).await.map_err(failed)?,
        ];
        Ok(Script { child, copies })
    }

    /// Returns the file through which the agent and its worker communicate about the command until it is reported.
    fn channel(&self) -> String {
        format!("/var/lib/amazon/ssm/{}/channels/{}", self.instance, self.command.id)
    }

    /// Waits until the script ends, times out or is cancelled. It has ended when no process holds its outputs any more.
    async fn follow(&mut self, guest: &Guest, mut script: Script) -> End {
        let group = script.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let mut exit = None;
        let end = loop {
            tokio::select! {
                status = script.child.wait(), if exit.is_none() => exit = Some(code(status)),
                () = tokio::time::sleep(LOOK) => self.upload(guest).await,
                () = ended(&mut script.copies), if exit.is_some() => break End::Exit(exit.unwrap_or(-1)),
            }
            if self.is_cancelled() {
                break End::Cancelled;
            }
            if Instant::now() >= self.deadline {
                // The script itself has ended, but processes that it left hold its outputs.
                break if exit.is_some() { End::Exit(1) } else { End::TimedOut };
            }
        };
        if let (End::Cancelled | End::TimedOut, Some(group)) = (&end, group) {
            guest.end_command(group, &mut script.child).await;
        }
        // A process that still writes gets a SIGPIPE.
        script.copies.iter().for_each(JoinHandle::abort);
        self.upload(guest).await;
        end
    }

    async fn upload(&mut self, guest: &Guest) {
        self.stdout.upload(guest).await;
        self.stderr.upload(guest).await;
    }

    /// Records the end of the invocation, then sends the event.
    fn finish(&self, told: Told) {
        if let Some(command) = self.endpoint.world().commands.get_mut(&self.command.id)
            && let Some(invocation) = command.invocations.get_mut(&self.instance)
        {
            invocation.response_code = told.code;
            invocation.stdout = told.stdout;
            invocation.stderr = told.stderr;
            invocation.said = told.said;
        }
        self.report(told.status);
        self.close_channel();
    }

    /// Removes the command's channel, as the agent does after its report.
    fn close_channel(&self) {
        let (endpoint, instance, channel) = (self.endpoint.clone(), self.instance.clone(), self.channel());
        self.endpoint.spawn(async move {
            let Some(guest) = endpoint.guest(&instance) else { return };
            let Some(mut remove) = guest.command("/bin/rm").await else { return };
            remove.args(["-rf", &channel]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Err(error) = remove.status().await {
                tracing::warn!(instance, %error, "a command's channel stays");
            }
        });
    }

    fn report(&self, status: InvocationStatus) {
        let mut world = self.endpoint.world();
        let Some(command) = world.commands.get_mut(&self.command.id) else { return };
        let Some(invocation) = command.invocations.get_mut(&self.instance) else { return };
        invocation.status = status;
        if status.is_final() {
            invocation.ended_at = Some(Timestamp::now());
        } else {
            invocation.started_at = Some(Timestamp::now());
        }
        self.endpoint.emit(Event::of_invocation(command, &self.instance, status));
    }
}

/// Exit code of [`PUT`] if there is no working directory.
const NO_DIRECTORY: i32 = 3;
/// Stores the script. The arguments are the command's folder, its channel, and the working directory.
const PUT: &str = "[ -d \"$3\" ] || missing=3
umask 077 && mkdir -p \"$1\" \"$2\" && : >> \"$1/stdout\" && : >> \"$1/stderr\" &&
    : >> \"$1/stdoutConsole\" && : >> \"$1/stderrConsole\" &&
    cat > \"$1/_script.sh\" && chmod 700 \"$1/_script.sh\" && exit ${missing:-0}";
/// Runs the script as the agent does. The arguments are the working directory and the script.
const START: &str = "umask 022 && cd \"$1\"
AWS_SSM_PLATFORM_NAME=$(. /etc/os-release 2> /dev/null; echo \"${NAME:-Linux}\")
AWS_SSM_PLATFORM_VERSION=$(. /etc/os-release 2> /dev/null; echo \"${VERSION_ID:-}\")
export AWS_SSM_PLATFORM_NAME AWS_SSM_PLATFORM_VERSION
exec sh -c \"$2\"";

/// Returns the exit code. A script that a signal ended has none: the agent reports -1.
fn code(status: std::io::Result<ExitStatus>) -> i32 {
    status.ok().and_then(|status| status.code()).unwrap_or(-1)
}

/// Waits until both outputs have ended.
async fn ended(copies: &mut [JoinHandle<()>; 2]) {
    for copy in copies.iter_mut().filter(|copy| !copy.is_finished()) {
        copy.await.ok();
    }
}
