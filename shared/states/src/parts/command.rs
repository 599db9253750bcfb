//! Runs a work order on an instance with SSM Run Command, and reads the result.

mod ended;
pub(crate) mod lines;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use goldsmith_cloud::{Command, CommandStatus, InstanceState, Ping};
use goldsmith_executor::{Nonce, RunResult, WorkOrder};
use goldsmith_store::{Effect, EffectKind, FailureCause, LogPlace};
use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use crate::engine::drive::Scene;
use crate::engine::effect::{Attempt, effect, made_id};
use crate::engine::pending::{Ends, Pending};
use crate::error_names::ErrorName;
use crate::parts::downloads;
use crate::parts::script::{Fetched, script};
use crate::states::launch::{gone, is_metal};
use crate::{Config, Error, Result};

/// How long after the command was sent the instance may take to fetch the agent and the order.
const URL_VALID: Duration = Duration::from_secs(600);
/// Longest `executionTimeout` that SSM accepts.
const LONGEST_COMMAND: i64 = 172_800;

/// How often Systems Manager is searched for a command whose SendCommand got no answer, before the order is sent again.
/// A new command appears in lists only after a moment. AWS documents no limit for this; a few seconds are usual. If it
/// takes longer than these searches, the order is sent twice. The second agent then waits for the first run of the
/// order, and only reports its result.
const SEARCHES: u32 = 5;
/// Pause between two of these searches.
const SEARCH_PAUSE: Duration = Duration::from_secs(2);

/// How often an order is sent again if its command was lost because the machine went down. The agent resumes where it
/// stopped, or reports which step was running when the machine went down.
const SENT_AGAIN: u32 = 2;
/// Journal number of the first of these commands, far above all other numbers of a state's effects.
const AGAIN: u32 = 100;
/// How long Systems Manager may hear nothing from an instance's agent while a command runs there. A reboot of a large
/// machine takes some minutes.
const LOST: SignedDuration = SignedDuration::from_mins(15);
/// The same limit for bare metal, whose firmware alone takes up to a quarter of an hour.
const LOST_METAL: SignedDuration = SignedDuration::from_mins(40);
/// How long after the begin of a state nobody asks whether its instance has ended or the connection is lost.
const SURELY_ONLINE: SignedDuration = SignedDuration::from_mins(1);

/// The progress of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandProgress {
    /// The command is running.
    Running(Pending),
    /// The command has succeeded.
    Ended(Box<RunResult>),
}

/// The result of looking at a command.
enum Look {
    Progress(CommandProgress),
    /// The machine, or the part of the SSM agent that ran the command, went down. The text describes the cause.
    Lost(String),
}

/// Sends the order once, as the state's effect `n`, or looks at its command. `order` is called only if an order must be
/// sent.
///
/// # Errors
/// Fails with `CommandFailed` and the step's context, with `RebootLimit` or with `Timeout`, and also if a call to AWS
/// fails.
pub(crate) async fn run<F>(scene: &Scene<'_>, n: u32, instance: &str, order: F) -> Result<CommandProgress>
where
    F: AsyncFnOnce() -> Result<WorkOrder>,
{
    let effects = scene.effects().await?;
    let begun = |number: &u32| effects.iter().find(|effect| effect.n == *number);
    let mut numbers: Vec<u32> = [n].into_iter().chain(AGAIN..AGAIN + SENT_AGAIN).rev().collect();
    // In reverse order: `next` begins with the last command that was begun, and `numbers` keeps those that were not
    // begun, the next one last.
    let next =
        numbers.split_off(numbers.iter().position(|number| begun(number).is_some()).unwrap_or(numbers.len() - 1));
    let current = next.first().copied().unwrap_or(n);
    let Some(sent) = begun(&current).and_then(Sent::of) else {
        return send(scene, current, instance, order().await?).await;
    };
    let command = sent.command.clone();
    match (look(scene, &sent, instance).await?, numbers.last()) {
        (Look::Progress(progress), _) => Ok(progress),
        // The order gets another journal number, and so another comment: a search by the comment of the lost command
        // would find that command again.
        (Look::Lost(_), Some(&again)) => send(scene, again, instance, order().await?).await,
        (Look::Lost(words), None) => Err(because(scene, ErrorName::CommandFailed, &command, words)),
    }
}

/// A command that was sent, as the journal records it.
struct Sent {
    command: String,
    nonce: Option<String>,
}

impl Sent {
    fn of(effect: &Effect) -> Option<Self> {
        Some(Self { command: effect.id.clone()?, nonce: effect.nonce().map(str::to_owned) })
    }
}

fn order_text(order: &WorkOrder) -> Result<Vec<u8>> {
    serde_json::to_vec(order)
        .map_err(|error| Error::internal(format!("a work order cannot be written as JSON: {error}")))
}

async fn send(scene: &Scene<'_>, n: u32, instance: &str, order: WorkOrder) -> Result<CommandProgress> {
    let comment = comment(scene, n);
    let nonce =
        (scene.context.nonces)().map_err(|error| Error::internal(format!("there are no random bytes: {error}")))?;
    let kind = EffectKind::Command { instance: instance.to_owned(), nonce: Some(nonce.reveal().to_owned()) };
    let intended = Effect::intended(&scene.scope, n, kind, scene.home(), &comment);
    let commands = &scene.context.cloud.commands;
    // SendCommand has no client token: after a lost answer, the command is found by its comment.
    let made = effect(scene.context, &scene.record, intended, |attempt| async move {
        if attempt == Attempt::Again
            && let Some(command) = find(scene, instance, &comment).await?
        {
            return Ok(command);
        }
        let valid = Duration::from_secs(timeout(scene).into());
        let downloads = downloads::kept(scene, &order.documents, valid).await?;
        let order = WorkOrder { event_nonce: kept_nonce(scene, n).await?, downloads, ..order };
        let request = Command {
            instance: instance.to_owned(),
            comment,
            script: script(&agent(scene).await?, &upload(scene, order_text(&order)?).await?)?,
            timeout_seconds: timeout(scene),
            log_group: scene.context.config.log_group.clone(),
        };
        Ok(commands.send(scene.home(), &request).await?)
    });
    let made = made.await?;
    let nonce = made.nonce().map(str::to_owned);
    let sent = Sent { command: made_id(made)?, nonce };
    note_log(scene, &sent, instance).await?;
    Ok(running(scene, &sent.command, instance))
}

/// Searches for a command that may have been sent. The search is repeated, since Systems Manager lists a command only
/// after a moment.
async fn find(scene: &Scene<'_>, instance: &str, comment: &str) -> Result<Option<String>> {
    for search in 1..=SEARCHES {
        if search > 1 {
            scene.context.clock.sleep(SEARCH_PAUSE).await;
        }
        if let Some(command) = scene.context.cloud.commands.find(scene.home(), instance, comment).await? {
            return Ok(Some(command));
        }
    }
    Ok(None)
}

/// Returns the nonce of a command from the journal. An earlier attempt may have recorded another nonce than this
/// attempt would.
async fn kept_nonce(scene: &Scene<'_>, n: u32) -> Result<Option<Nonce>> {
    let effects = scene.effects().await?;
    Ok(effects.iter().find(|effect| effect.n == n).and_then(Effect::nonce).map(Nonce::new))
}

/// Records the place of the output once, even for a command whose sender ended before it could record the place.
async fn note_log(scene: &Scene<'_>, Sent { command, nonce }: &Sent, instance: &str) -> Result<()> {
    let store = &scene.context.store;
    let stream = format!("{command}/{instance}/aws-runShellScript/stdout");
    let noted = store.state(&scene.record.build, &scene.scope).await?.and_then(|state| state.log);
    if noted.is_none_or(|log| log.stream != stream) {
        let log = LogPlace { group: scene.context.config.log_group.clone(), stream, nonce: nonce.clone() };
        store.note_log(&scene.record, &scene.scope, &log).await?;
    }
    Ok(())
}

async fn look(scene: &Scene<'_>, sent: &Sent, instance: &str) -> Result<Look> {
    note_log(scene, sent, instance).await?;
    let command = sent.command.as_str();
    let cloud = &scene.context.cloud;
    let still_runs = || Ok(Look::Progress(running(scene, command, instance)));
    // GetCommandInvocation does not know a command for some seconds after SendCommand (InvocationDoesNotExist).
    let Some(invocation) = cloud.commands.invocation(scene.home(), command, instance).await? else {
        return still_runs();
    };
    if invocation.status != CommandStatus::Running {
        return ended::ended(scene, command, instance, &invocation).await;
    }
    let now = scene.context.clock.now();
    // A command usually ends within a minute, and the agent was online when the state began.
    if scene.began.is_some_and(|began| now < began + SURELY_ONLINE) {
        return still_runs();
    }
    // Systems Manager may show a command as running for hours after its instance has gone, so EC2 is asked too.
    let found = cloud.machines.instance(scene.home(), instance).await?;
    let patience = if found.as_ref().is_some_and(is_metal) { LOST_METAL } else { LOST };
    if let Some(found) = found.filter(|found| found.state.is_gone() || stopped(found.state)) {
        return Err(because(scene, ErrorName::CommandFailed, instance, gone(&found)));
    }
    match cloud.commands.ping(scene.home(), instance).await? {
        // Systems Manager itself continues to wait, for as long as the command may run.
        Ping::Lost(Some(since)) if now >= since + patience => {
            let message = format!(
                "the connection to {instance} is lost: Systems Manager last heard from its SSM agent at {since:.0}; the \
                 agent has ended, or the instance hangs or has no network"
            );
            Err(because(scene, ErrorName::CommandFailed, instance, message))
        }
        _ => still_runs(),
    }
}

/// Uploads the agent for the image's architecture to the bucket, once, and returns a presigned URL.
async fn agent(scene: &Scene<'_>) -> Result<Fetched> {
    let agent = read(&scene.context.config.agent_for(&scene.record.plan.architecture))?;
    let (key, sha256) = place("agent", &agent);
    let objects = &scene.context.cloud.objects;
    // The key is the digest, so an agent that exists has the right content, and two uploads at once do no harm. The
    // bucket keeps agents.
    if !objects.exists(&key).await? {
        objects.put(&key, agent).await?;
    }
    fetched(scene, &key, sha256).await
}

/// Returns the SHA-256 of the agent for an architecture, in hexadecimal.
///
/// # Errors
/// Fails if this package has no such agent.
pub(crate) fn agent_digest(config: &Config, architecture: &str) -> Result<String> {
    let (_, sha256) = place("agent", &read(&config.agent_for(architecture))?);
    Ok(sha256)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Error::internal(format!("this package has no {name}: {error}"))
    })
}

/// Uploads an order to the bucket, and returns a presigned URL.
async fn upload(scene: &Scene<'_>, order: Vec<u8>) -> Result<Fetched> {
    let (key, sha256) = place("orders", &order);
    // The bucket's lifecycle rule removes an order a day after it was written. The attempts to send a command may take
    // longer than that, so each of them writes the order again.
    scene.context.cloud.objects.put(&key, order).await?;
    fetched(scene, &key, sha256).await
}

/// Returns the key of an object, and its digest.
fn place(folder: &str, bytes: &[u8]) -> (String, String) {
    let sha256 = hex::encode(Sha256::digest(bytes));
    (format!("{folder}/{sha256}"), sha256)
}

async fn fetched(scene: &Scene<'_>, key: &str, sha256: String) -> Result<Fetched> {
    Ok(Fetched { url: scene.context.cloud.objects.presign(key, URL_VALID).await?, sha256 })
}

/// Returns `build/state/n`, cut to the 100 characters that [`Command`] allows: a build id has at most 80.
fn comment(scene: &Scene<'_>, n: u32) -> String {
    let tail = format!("/{}/{n}", scene.scope);
    let room = 100usize.saturating_sub(tail.chars().count());
    let build: String = scene.record.build.chars().take(room).collect();
    build + &tail
}

/// Returns the seconds until the wait's deadline, as `executionTimeout`.
fn timeout(scene: &Scene<'_>) -> u32 {
    let left = scene.deadline.duration_since(scene.context.clock.now()).as_secs();
    u32::try_from(left.clamp(60, LONGEST_COMMAND)).unwrap_or(3_600)
}

fn running(scene: &Scene<'_>, command: &str, instance: &str) -> CommandProgress {
    let detail = format!("the command is running on {instance}");
    CommandProgress::Running(Pending::at_home(scene, command, detail, Ends::SoonWithEvent))
}

fn stopped(state: InstanceState) -> bool {
    matches!(state, InstanceState::Stopping | InstanceState::Stopped)
}

fn because(scene: &Scene<'_>, name: ErrorName, resource: &str, message: String) -> Error {
    let cause = FailureCause {
        state: scene.scope.state.to_string(),
        item: scene.scope.item.clone(),
        message,
        region: Some(scene.home().to_owned()),
        resource: Some(resource.to_owned()),
        ..FailureCause::default()
    };
    Error::because(name, cause)
}
