//! How a waiting state runs: register the token, then *look → act → park*, again and again, until it can answer.
//!
//! `start` (from the definition) and `wake` (from an event or the tick) come to the same loop. The wait is written
//! before anything else, so a function that dies at any point is woken by the tick and goes on from the journal. Only
//! the holder of the state's short lock acts and answers.

use std::time::Duration;

use async_trait::async_trait;
use goldsmith_store::{BuildRecord, BuildStatus, Effect, Holder, Scope, StateRecord, StateStatus, Wait, stamp};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::errors::ErrorName;
use crate::short::short;
use crate::{Context, Error, Invocation, Result, Start, State, Wake};

/// Longest time that a state's first invocation looks before it leaves the wait to events and the tick: half of the functions' time-out.
const PATIENCE: SignedDuration = SignedDuration::from_secs(55);
/// The same of an item of a Map: items run beside each other, and a new account has ten concurrent executions in all.
const SHARED_PATIENCE: SignedDuration = SignedDuration::from_secs(10);
/// First pause between two looks; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Longest time that a woken function looks: what it came for, and what follows at once.
const WAKE_PATIENCE: SignedDuration = SignedDuration::from_secs(3);
/// When the tick may look at a parked wait: whenever it comes, which is once a minute.
const NEXT_LOOK: SignedDuration = SignedDuration::from_secs(1);
/// A wait ends this long before the state's `TimeoutSeconds`, so that the owner still can say why.
const MARGIN: SignedDuration = SignedDuration::from_secs(300);

/// How long AWS may not know, in one call, what it has shown in another: usually seconds, at times minutes.
const SETTLES: SignedDuration = SignedDuration::from_mins(5);

/// What a look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Something has to happen in AWS first.
    Waiting(Pending),
    /// The state is done; the text is what people read of it.
    Done(String),
}

/// What a state waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Id of the resource that an event would name.
    pub resource: String,
    /// Its Region.
    pub region: String,
    /// For people.
    pub detail: String,
}

/// Where a look happens.
pub struct Scene<'a> {
    /// Store, cloud, clock.
    pub context: &'a Context,
    /// The build.
    pub record: BuildRecord,
    /// State and item.
    pub scope: Scope,
    /// When the wait fails.
    pub deadline: Timestamp,
}

impl Scene<'_> {
    /// The build's own Region.
    #[must_use]
    pub fn home(&self) -> &str {
        &self.record.plan.home_region
    }

    /// The Map item.
    #[must_use]
    pub fn item(&self) -> &str {
        self.scope.item.as_deref().unwrap_or_default()
    }

    /// The journal of this state.
    ///
    /// # Errors
    /// The table's.
    pub async fn effects(&self) -> Result<Vec<Effect>> {
        Ok(self.context.store.effects(&self.record.build, &self.scope).await?)
    }

    /// What another state of this build made: the last of its effects that has an id.
    ///
    /// # Errors
    /// The table's, or `Goldsmith.Internal` where it made nothing.
    pub async fn made_by(&self, state: State, item: Option<&str>) -> Result<String> {
        let scope = Scope { state: state.name().to_owned(), item: item.map(ToOwned::to_owned) };
        let effects = self.context.store.effects(&self.record.build, &scope).await?;
        effects
            .into_iter()
            .rev()
            .find_map(|effect| effect.id)
            .ok_or_else(|| Error::internal(format!("{scope} has made nothing to go on with")))
    }
}

/// A state that waits: it looks, and does the first thing that is not yet done.
#[async_trait]
pub trait Waiting: Sync {
    /// One look. It may be called any number of times, also by two functions one after the other.
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress>;
}

/// Runs one invocation of a waiting state's function.
///
/// # Errors
/// Transient errors before the wait is registered; everything later is answered to the token.
pub async fn handle(context: &Context, waiting: &dyn Waiting, invocation: Invocation) -> Result<Value> {
    match invocation {
        Invocation::Start(start) => self::start(context, waiting, &start).await?,
        Invocation::Wake { wake } => self::wake(context, waiting, &wake).await?,
    }
    Ok(json!({}))
}

async fn start(context: &Context, waiting: &dyn Waiting, start: &Start) -> Result<()> {
    let scope = start.scope();
    let record = context.store.build(&start.build).await?;
    let record = record.ok_or_else(|| Error::internal("Plan has left no record of this build"))?;
    let now = context.clock.now();
    let wait = Wait {
        resource: start.build.clone(),
        region: record.plan.home_region.clone(),
        build: start.build.clone(),
        state: scope.state.clone(),
        item: scope.item.clone(),
        token: start.token.clone().unwrap_or_default(),
        other_tokens: vec![],
        owner: start.state.handler().to_owned(),
        deadline: stamp(now + limit(start.state, &record)),
        next_look: stamp(now + NEXT_LOOK),
    };
    if !context.store.begin(&record, &scope, &wait, now).await? {
        return Err(Error::Closed);
    }
    match drive(context, waiting, &start.build, &scope, Holder::Start).await {
        // The wait is registered: the tick goes on, and the definition must not begin anew.
        Err(error) if error.is_transient() => {
            tracing::warn!(build = start.build, state = %scope, %error, "left to the tick");
            Ok(())
        }
        other => other,
    }
}

async fn wake(context: &Context, waiting: &dyn Waiting, wake: &Wake) -> Result<()> {
    drive(context, waiting, &wake.build, &wake.scope(), Holder::Wake).await
}

/// How long a state may wait: what the definition allows, less the margin, or the pipeline's own smaller limit.
fn limit(state: State, record: &BuildRecord) -> SignedDuration {
    let allowed = state.timeout().unwrap_or(MARGIN * 2) - MARGIN;
    let own = match state {
        State::Build => record.plan.timeout_minutes,
        State::LaunchTest | State::ExecuteTest => Some(record.plan.test_timeout_minutes),
        _ => None,
    };
    own.map_or(allowed, |minutes| allowed.min(SignedDuration::from_mins(i64::from(minutes))))
}

async fn drive(context: &Context, waiting: &dyn Waiting, build: &str, scope: &Scope, holder: Holder) -> Result<()> {
    let Some(lock) = context.store.lock(build, scope, holder, context.clock.now()).await? else { return Ok(()) };
    let patience = match holder {
        Holder::Start if scope.item.is_some() => SHARED_PATIENCE,
        Holder::Start => PATIENCE,
        Holder::Wake => WAKE_PATIENCE,
    };
    let outcome = look_until_parked(context, waiting, build, scope, patience).await;
    context.store.unlock(build, scope, &lock).await?;
    outcome
}

async fn look_until_parked(
    context: &Context,
    waiting: &dyn Waiting,
    build: &str,
    scope: &Scope,
    patience: SignedDuration,
) -> Result<()> {
    let until = context.clock.now() + patience;
    let mut pause = FIRST_PAUSE;
    loop {
        // Read anew each time: a retried Start brings another token.
        let Some(wait) = context.store.wait(build, scope).await? else { return Ok(()) };
        let (Some(record), Some(state)) = (context.store.build(build).await?, context.store.state(build, scope).await?)
        else {
            return Ok(());
        };
        if !look(context, waiting, record, &state, &wait, scope).await? || context.clock.now() >= until {
            return Ok(());
        }
        context.clock.sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One look. Answers whether the state still waits.
async fn look(
    context: &Context,
    waiting: &dyn Waiting,
    record: BuildRecord,
    state: &StateRecord,
    wait: &Wait,
    scope: &Scope,
) -> Result<bool> {
    let status = record.status;
    if state.status != StateStatus::Running {
        return answer(context, status, state, wait, scope).await;
    }
    if status != BuildStatus::Open {
        return give_up(context, status, wait, scope).await;
    }
    let scene = Scene { context, record, scope: scope.clone(), deadline: deadline(wait) };
    let progress = match context.clock.now() >= scene.deadline {
        true => Err(Error::failed(ErrorName::Timeout, format!("not done in time; it was {}", doing(state)))),
        false => waiting.advance(&scene).await,
    };
    let now = context.clock.now();
    match progress {
        Ok(Progress::Waiting(pending)) => {
            let parked = Wait {
                resource: pending.resource,
                region: pending.region,
                next_look: stamp(now + NEXT_LOOK),
                ..wait.clone()
            };
            if parked.resource != wait.resource || pending.detail != state.detail {
                context.store.park(wait, scope, &parked, &pending.detail).await?;
            }
            if state.unsettled_since.is_some() {
                context.store.note_unsettled(&wait.build, scope, None).await?;
            }
            return Ok(true);
        }
        Ok(Progress::Done(detail)) => {
            context.store.end_state(&wait.build, scope, StateStatus::Succeeded, &detail, None, now).await?;
        }
        Err(Error::Closed) => return give_up(context, BuildStatus::Closing, wait, scope).await,
        Err(error) if error.is_transient() || settles(context, wait, scope, state, &error, now).await? => {
            tracing::warn!(build = wait.build, state = %scope, %error, "will look again");
            let parked = Wait { next_look: stamp(now + NEXT_LOOK), ..wait.clone() };
            context.store.park(wait, scope, &parked, &format!("will look again: {error}")).await?;
            return Ok(true);
        }
        Err(error) => {
            let cause = error.cause(scope);
            context.store.end_state(&wait.build, scope, StateStatus::Failed, &cause.message, Some(&cause), now).await?;
        }
    }
    match context.store.state(&wait.build, scope).await? {
        Some(ended) => answer(context, status, &ended, wait, scope).await,
        None => Ok(false),
    }
}

/// Whether the error may go away because AWS comes to know what this build has made. It has some minutes from the first
/// such error on: what never was is not waited for until the state's end.
async fn settles(
    context: &Context,
    wait: &Wait,
    scope: &Scope,
    state: &StateRecord,
    error: &Error,
    now: Timestamp,
) -> Result<bool> {
    if !error.may_settle() {
        return Ok(false);
    }
    if state.unsettled_since.is_none() {
        context.store.note_unsettled(&wait.build, scope, Some(&stamp(now))).await?;
    }
    let since = state.unsettled_since.as_ref().and_then(|since| since.parse::<Timestamp>().ok()).unwrap_or(now);
    Ok(now < since + SETTLES)
}

/// Answers the tokens as the state ended, then removes the wait. A late answer means that nobody waits any more. Answers
/// whether there is another token to answer.
async fn answer(
    context: &Context,
    build: BuildStatus,
    state: &StateRecord,
    wait: &Wait,
    scope: &Scope,
) -> Result<bool> {
    let failure = state.cause.as_ref().map(|cause| {
        let cause = if scope.item.is_some() { &short(cause) } else { cause };
        let text = serde_json::to_string(cause).unwrap_or_else(|_| cause.to_string());
        (cause.error.clone(), text)
    });
    let failure = failure.as_ref().map(|(error, text)| (error.as_str(), text.as_str()));
    let_go(context, build, answer_all(context, wait, failure).await, wait, scope).await
}

/// The build is closed: nobody needs this state any more.
async fn give_up(context: &Context, build: BuildStatus, wait: &Wait, scope: &Scope) -> Result<bool> {
    let failure = Some((ErrorName::Closed.as_str(), "the build was closed"));
    let_go(context, build, answer_all(context, wait, failure).await, wait, scope).await
}

/// Answers each token of a wait: which of them Step Functions waits for nobody here knows. One whose answer is refused keeps no
/// other from being answered.
async fn answer_all(context: &Context, wait: &Wait, failure: Option<(&str, &str)>) -> goldsmith_cloud::Result<()> {
    let executions = &context.cloud.executions;
    let mut all = Ok(());
    for token in wait.tokens() {
        let answered = match failure {
            Some((error, cause)) => executions.fail(token, error, cause).await,
            None => executions.succeed(token, "{}").await,
        };
        all = all.and(answered.map(drop));
    }
    all
}

/// Removes a wait whose token was answered. Of a closed build it goes also where AWS refuses the answer: its execution waits for
/// nothing any more, and the tick would look at the wait for as long as AWS refuses.
async fn let_go(
    context: &Context,
    build: BuildStatus,
    answered: goldsmith_cloud::Result<()>,
    wait: &Wait,
    scope: &Scope,
) -> Result<bool> {
    match answered {
        Err(error) if build == BuildStatus::Closed => {
            tracing::warn!(%error, build = wait.build, state = %scope, "the answer to nobody is dropped");
        }
        other => other?,
    }
    Ok(!context.store.drop_wait(wait, scope).await?)
}

fn deadline(wait: &Wait) -> Timestamp {
    // An unreadable deadline is one that has passed: better an error than a wait without end.
    wait.deadline.parse().unwrap_or(Timestamp::MIN)
}

fn doing(state: &StateRecord) -> &str {
    if state.detail.is_empty() { "starting" } else { &state.detail }
}

#[cfg(test)]
mod tests;
