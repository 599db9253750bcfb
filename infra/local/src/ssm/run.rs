//! Running a script on an instance, as the SSM agent does.
//!
//! The script and its outputs are files where the agent keeps them, and stay there. A script that exits with 194, or
//! whose instance reboots under it, is started again from its beginning once the instance is back, 15 times at most;
//! after that the agent gives up without a word, and the command stays `InProgress` until its time is over. The same
//! happens when the instance ends during a command: Systems Manager does not notice, the invocation stays `InProgress`
//! until `executionTimeout`, and becomes `TimedOut` (`ExecutionTimedOut`) then.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::Pid;
use tokio::io::AsyncWriteExt;
use tokio::process::Child;
use tokio::time::Instant;

use super::logs::LogStream;
use super::output::Output;
use crate::endpoint::Endpoint;
use crate::events::Event;
use crate::guest::Guest;
use crate::lifecycle::chain;
use crate::world::{Command, InstanceState, InvocationStatus};

/// Exit code with which a script asks for a reboot and another start.
const REBOOT: i32 = 194;
/// Exit code that the agent reports for a script that it ended (time-out, cancel).
const ENDED_BY_AGENT: i32 = 137;
/// How often a script is started again.
const MOST_RERUNS: u32 = 15;
/// How often output is sent on and the time looked at.
const LOOK: Duration = Duration::from_millis(300);
/// Characters of standard output that an answer keeps.
const STDOUT_LIMIT: usize = 24_000;
/// Characters of standard error that an answer keeps.
const STDERR_LIMIT: usize = 8_000;

/// How one start of the script ended.
enum End {
    Exit(i32),
    /// The instance went away under it, for a reboot or for good.
    Interrupted,
    TimedOut,
    Cancelled,
}

/// A command on one instance.
struct Run {
    endpoint: Arc<Endpoint>,
    command: Command,
    instance: String,
    deadline: Instant,
    stdout: Output,
    stderr: Output,
    logs: Option<(LogStream, LogStream)>,
}

/// Runs a command on an instance to its end.
pub(super) async fn run(endpoint: Arc<Endpoint>, command: Command, instance: String) {
    let stream = |name: &str| {
        let path = format!("{}/{instance}/aws-runShellScript/{name}", command.id);
        let (emulator, group) = (endpoint.emulator.as_ref()?, command.log_group.as_ref()?);
        Some(LogStream::new(emulator, &command.scope, group, path))
    };
    let mut run = Run {
        deadline: deadline(&command, &instance),
        stdout: Output::new(STDOUT_LIMIT),
        stderr: Output::new(STDERR_LIMIT),
        logs: stream("stdout").zip(stream("stderr")),
        endpoint,
        command,
        instance,
    };
    let (status, code) = run.until_it_ends().await;
    run.finish(status, code);
}

/// When its time is over: counted from its start, also when that was under an earlier endpoint.
fn deadline(command: &Command, instance: &str) -> Instant {
    let started = command.invocations.get(instance).and_then(|invocation| invocation.started_at);
    let ran = started.map(|start| Timestamp::now().duration_since(start)).and_then(|ran| Duration::try_from(ran).ok());
    let time = Duration::from_secs(command.execution_timeout);
    Instant::now() + time.saturating_sub(ran.unwrap_or_default())
}

impl Run {
    async fn until_it_ends(&mut self) -> (InvocationStatus, i32) {
        for start in 0..=MOST_RERUNS {
            let Some(guest) = self.booted_guest().await else { break };
            if start == 0 && self.is_new() {
                self.report(InvocationStatus::InProgress);
            }
            let end = self.start_once(&guest).await;
            self.stdout.release();
            self.stderr.release();
            match end {
                End::Exit(REBOOT) => self.endpoint.reboot(&self.instance).await,
                End::Exit(0) => return (InvocationStatus::Success, 0),
                End::Exit(code) => return (InvocationStatus::Failed, code),
                End::TimedOut => return (InvocationStatus::TimedOut, ENDED_BY_AGENT),
                End::Cancelled => return (InvocationStatus::Cancelled, ENDED_BY_AGENT),
                End::Interrupted => {}
            }
        }
        self.wait_for_the_deadline().await
    }

    /// The inside of the instance once it is booted; none when it is gone.
    async fn booted_guest(&self) -> Option<Arc<Guest>> {
        while self.endpoint.state_of(&self.instance) == Some(InstanceState::Running) && Instant::now() < self.deadline {
            match self.endpoint.guest(&self.instance) {
                Some(guest) if guest.is_running().await => return Some(guest),
                _ => tokio::time::sleep(LOOK).await,
            }
        }
        None
    }

    async fn wait_for_the_deadline(&self) -> (InvocationStatus, i32) {
        while Instant::now() < self.deadline {
            if self.is_cancelled() {
                return (InvocationStatus::Cancelled, -1);
            }
            tokio::time::sleep(LOOK).await;
        }
        (InvocationStatus::TimedOut, -1)
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
            Ok(child) => self.follow(guest, child).await,
            Err(error) => {
                tracing::warn!(command = self.command.id, error = %chain(error.as_ref()), "the script does not start");
                End::Exit(-1)
            }
        };
        if guest.is_running().await && guest.boots() == boots { end } else { End::Interrupted }
    }

    /// Puts the script where the agent puts it and starts it.
    async fn spawn(&mut self, guest: &Guest) -> Result<Child, Box<dyn std::error::Error + Send + Sync>> {
        let folder = format!(
            "/var/lib/amazon/ssm/{}/document/orchestration/{}/awsrunShellScript/0.awsrunShellScript",
            self.instance, self.command.id
        );
        let gone = || std::io::Error::from(std::io::ErrorKind::NotConnected);
        let mut put = guest.command("/bin/sh").await.ok_or_else(gone)?;
        put.args([
            "-c",
            "umask 077 && mkdir -p \"$1\" && cat > \"$1/_script.sh\" && chmod 700 \"$1/_script.sh\"",
            "sh",
            &folder,
        ]);
        let mut put = put.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        if let Some(mut input) = put.stdin.take() {
            input.write_all((self.command.commands.join("\n") + "\n").as_bytes()).await?;
        }
        if !put.wait().await?.success() {
            return Err("the script cannot be stored on the instance".into());
        }
        let (stdout, stderr) =
            (guest.open(&format!("{folder}/stdout")).await?, guest.open(&format!("{folder}/stderr")).await?);
        let mut script = guest.command("/bin/sh").await.ok_or_else(gone)?;
        script.args(["-c", "umask 022 && cd \"$1\" && exec sh -c \"$2\"", "sh", &self.command.working_directory]);
        script.arg(format!("{folder}/_script.sh")).process_group(0);
        script.env("AWS_SSM_INSTANCE_ID", &self.instance).env("AWS_SSM_REGION_NAME", &self.command.scope.region);
        script.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
        let child = script.spawn()?;
        self.stdout.follow(stdout)?;
        self.stderr.follow(stderr)?;
        Ok(child)
    }

    /// Waits for the script's end, its time, or a cancel.
    async fn follow(&mut self, guest: &Guest, mut child: Child) -> End {
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let end = loop {
            tokio::select! {
                // A script that a signal ended has no exit code: the agent says -1 too.
                status = child.wait() => break End::Exit(status.ok().and_then(|status| status.code()).unwrap_or(-1)),
                () = tokio::time::sleep(LOOK) => self.send_output().await,
            }
            if self.is_cancelled() {
                break End::Cancelled;
            }
            if Instant::now() >= self.deadline {
                break End::TimedOut;
            }
        };
        if let (End::Cancelled | End::TimedOut, Some(group)) = (&end, group) {
            guest.end_command(group, &mut child).await;
        }
        self.send_output().await;
        end
    }

    async fn send_output(&mut self) {
        for output in [&mut self.stdout, &mut self.stderr] {
            if let Err(error) = output.read() {
                tracing::warn!(command = self.command.id, %error, "output cannot be read");
            }
        }
        if let Some((stdout, stderr)) = &mut self.logs {
            stdout.send(self.stdout.take_lines()).await;
            stderr.send(self.stderr.take_lines()).await;
        }
    }

    /// Records the end of the invocation, then tells it.
    fn finish(&self, status: InvocationStatus, code: i32) {
        let words = match status {
            InvocationStatus::Failed => format!("failed to run commands: exit status {code}"),
            _ => String::new(),
        };
        if let Some(command) = self.endpoint.world().commands.get_mut(&self.command.id)
            && let Some(invocation) = command.invocations.get_mut(&self.instance)
        {
            invocation.response_code = code;
            invocation.stdout = self.stdout.kept("");
            invocation.stderr = self.stderr.kept(&words);
        }
        self.report(status);
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
