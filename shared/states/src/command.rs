//! Runs a work order on an instance by SSM Run Command and reads its result.

use std::path::Path;
use std::time::Duration;

use goldsmith_cloud::{Command, CommandStatus, InstanceState, Invocation};
use goldsmith_executor::{EXIT_REBOOT, FailureKind, RunResult, RunStatus, WorkOrder};
use goldsmith_store::{Effect, EffectKind, FailureCause, LogPlace};
use sha2::{Digest, Sha256};

use crate::drive::{Pending, Scene};
use crate::effect::{Attempt, effect, made_id};
use crate::errors::ErrorName;
use crate::launch::gone;
use crate::script::{Fetched, script};
use crate::{Error, Result};

/// How long the instance has to fetch agent and order after the command was sent.
const URL_VALID: Duration = Duration::from_secs(600);
/// Longest `executionTimeout` that SSM takes.
const LONGEST_COMMAND: i64 = 172_800;

/// Lines, and characters of a line, that are kept where the agent said nothing: together they fit, escaped, into the
/// 32,768 characters of a task's cause.
const LAST_LINES: usize = 20;
const LINE_LENGTH: usize = 200;

/// Where a command stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandProgress {
    /// It runs.
    Running(Pending),
    /// It ended well.
    Ended(Box<RunResult>),
}

/// Sends the order once, as the state's effect `n`, or looks at it. `order` is made only when it is to be sent.
///
/// # Errors
/// `CommandFailed` with the step's context, `RebootLimit`, `Timeout`, or what AWS said.
pub async fn run<F>(scene: &Scene<'_>, n: u32, instance: &str, order: F) -> Result<CommandProgress>
where
    F: AsyncFnOnce() -> Result<WorkOrder>,
{
    let sent = scene.effects().await?.into_iter().find(|effect| effect.n == n).and_then(|effect| effect.id);
    match sent {
        Some(command) => look(scene, &command, instance).await,
        None => send(scene, n, instance, order().await?).await,
    }
}

async fn send(scene: &Scene<'_>, n: u32, instance: &str, order: WorkOrder) -> Result<CommandProgress> {
    let comment = comment(scene, n);
    let request = Command {
        instance: instance.to_owned(),
        comment: comment.clone(),
        script: script(
            &agent(scene).await?,
            &upload(scene, "orders", serde_json::to_vec(&order).unwrap_or_default()).await?,
        )?,
        timeout_seconds: timeout(scene),
        log_group: scene.context.config.log_group.clone(),
    };
    let intended = Effect {
        candidate: Some(instance.to_owned()),
        ..Effect::intended(&scene.scope, n, EffectKind::Command, scene.home(), &comment)
    };
    let commands = &scene.context.cloud.commands;
    // SendCommand has no client token: after a lost answer the command is found by its comment.
    let made = effect(scene.context, &scene.record, intended, |attempt| async move {
        if attempt == Attempt::Again
            && let Some(command) = commands.find(scene.home(), instance, &comment).await?
        {
            return Ok(command);
        }
        Ok(commands.send(scene.home(), &request).await?)
    });
    let command = made_id(made.await?)?;
    note_log(scene, &command, instance).await?;
    Ok(running(scene, &command, instance))
}

/// Notes where the output can be read, once: also for a command whose sender died before it could.
async fn note_log(scene: &Scene<'_>, command: &str, instance: &str) -> Result<()> {
    let store = &scene.context.store;
    let stream = format!("{command}/{instance}/aws-runShellScript/stdout");
    let noted = store.state(&scene.record.build, &scene.scope).await?.and_then(|state| state.log);
    if noted.is_none_or(|log| log.stream != stream) {
        let log = LogPlace { group: scene.context.config.log_group.clone(), stream };
        store.note_log(&scene.record, &scene.scope, &log).await?;
    }
    Ok(())
}

async fn look(scene: &Scene<'_>, command: &str, instance: &str) -> Result<CommandProgress> {
    note_log(scene, command, instance).await?;
    let cloud = &scene.context.cloud;
    let Some(invocation) = cloud.commands.invocation(scene.home(), command, instance).await? else {
        return Ok(running(scene, command, instance));
    };
    if invocation.status != CommandStatus::Running {
        return ended(scene, command, instance, &invocation).await;
    }
    match cloud.machines.instance(scene.home(), instance).await? {
        Some(found) if found.state.is_gone() || stopped(found.state) => {
            Err(because(scene, ErrorName::CommandFailed, instance, gone(&found)))
        }
        _ => Ok(running(scene, command, instance)),
    }
}

async fn ended(scene: &Scene<'_>, command: &str, instance: &str, invocation: &Invocation) -> Result<CommandProgress> {
    let result = invocation.stderr.lines().next().and_then(|line| serde_json::from_str::<RunResult>(line).ok());
    let limit = i32::from(EXIT_REBOOT);
    match (invocation.status, result) {
        (CommandStatus::Success, Some(result)) => Ok(CommandProgress::Ended(Box::new(result))),
        (_, _) if invocation.exit_code == Some(limit) => {
            Err(because(scene, ErrorName::RebootLimit, command, "SSM gave the command up after 15 reboots".to_owned()))
        }
        (_, Some(result)) => Err(failed(scene, &result)),
        (CommandStatus::TimedOut, None) => {
            Err(because(scene, ErrorName::Timeout, command, format!("the command timed out ({})", invocation.detail)))
        }
        (_, None) => {
            let found = scene.context.cloud.machines.instance(scene.home(), instance).await?;
            let why = match found {
                Some(found) if found.state.is_gone() || stopped(found.state) => gone(&found),
                _ => format!("the command ended as {} and its agent left no result", invocation.detail),
            };
            let mut cause = because(scene, ErrorName::CommandFailed, command, why).cause(&scene.scope);
            cause.last_lines = last_lines(invocation);
            Err(Error::because(ErrorName::CommandFailed, cause))
        }
    }
}

/// A failed step, or a failed start of the agent, as the recorded cause.
fn failed(scene: &Scene<'_>, result: &RunResult) -> Error {
    let context = result.failure_context.clone().unwrap_or_default();
    let place = match (&context.phase, &context.step) {
        (Some(phase), Some(step)) => format!("{} / {phase} / {step}: ", context.document),
        _ => String::new(),
    };
    let message = match (result.status, context.message.as_str()) {
        (RunStatus::BootstrapFailed, _) | (_, "") => result.failure_message.clone(),
        (_, message) => format!("{place}{message}"),
    };
    let cause = FailureCause {
        state: scene.scope.state.clone(),
        item: scene.scope.item.clone(),
        message,
        document: Some(context.document).filter(|name| !name.is_empty()),
        phase: context.phase,
        step: context.step,
        action: context.action,
        exit_code: context.exit_code,
        last_lines: context.last_lines,
        ..FailureCause::default()
    };
    let name = match context.kind {
        FailureKind::RebootLimit => ErrorName::RebootLimit,
        _ => ErrorName::CommandFailed,
    };
    Error::because(name, cause)
}

/// The agent for the image's architecture, in the bucket under its digest.
async fn agent(scene: &Scene<'_>) -> Result<Fetched> {
    let architecture = match scene.record.plan.architecture.as_str() {
        "arm64" => "aarch64",
        _ => "x86_64",
    };
    let path = scene.context.config.agents.join(format!("agent-{architecture}"));
    upload(scene, "agent", read(&path)?).await
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Error::failed(ErrorName::AwsRefused, format!("this package has no {name}: {error}"))
    })
}

/// Puts bytes under their digest, once, and presigns them.
async fn upload(scene: &Scene<'_>, folder: &str, bytes: Vec<u8>) -> Result<Fetched> {
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!("{folder}/{sha256}");
    let objects = &scene.context.cloud.objects;
    if !objects.exists(&key).await? {
        objects.put(&key, bytes).await?;
    }
    Ok(Fetched { url: objects.presign(&key, URL_VALID).await?, sha256 })
}

/// `build/state/n`, which the contract bounds at 100 characters: a build id has at most 80.
fn comment(scene: &Scene<'_>, n: u32) -> String {
    let tail = format!("/{}/{n}", scene.scope);
    let room = 100usize.saturating_sub(tail.chars().count());
    let build: String = scene.record.build.chars().take(room).collect();
    build + &tail
}

/// Seconds until the wait's deadline, as `executionTimeout`.
fn timeout(scene: &Scene<'_>) -> u32 {
    let left = scene.deadline.duration_since(scene.context.clock.now()).as_secs();
    u32::try_from(left.clamp(60, LONGEST_COMMAND)).unwrap_or(3_600)
}

fn running(scene: &Scene<'_>, command: &str, instance: &str) -> CommandProgress {
    CommandProgress::Running(Pending {
        resource: command.to_owned(),
        region: scene.home().to_owned(),
        detail: format!("command runs on {instance}"),
    })
}

fn stopped(state: InstanceState) -> bool {
    matches!(state, InstanceState::Stopping | InstanceState::Stopped)
}

fn because(scene: &Scene<'_>, name: ErrorName, resource: &str, message: String) -> Error {
    let cause = FailureCause {
        state: scene.scope.state.clone(),
        item: scene.scope.item.clone(),
        message,
        region: Some(scene.home().to_owned()),
        resource: Some(resource.to_owned()),
        ..FailureCause::default()
    };
    Error::because(name, cause)
}

/// What SSM kept of the output, where the agent itself said nothing.
fn last_lines(invocation: &Invocation) -> Vec<String> {
    let lines: Vec<&str> = invocation.stdout.lines().chain(invocation.stderr.lines()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    last.iter().map(|line| line.chars().take(LINE_LENGTH).collect()).collect()
}
