//! Runs the states that wait: each registers its task token, then looks, acts and parks until it can answer the token.
//!
//! ```text
//! Step Functions ─▶ start   the state's function is called with a token
//!                   begin   writes STATE (running) and WAIT (token, deadline), on the condition that the build is open
//!                   lock    takes the lock of STATE for 150 s; if another invocation holds it, this one returns
//!                   look    reads WAIT, build and STATE, and does the first thing that is not done yet
//!                   park    moves WAIT to the resource that the state waits for
//!                   …       looks again for a while ([`Ends`]), unlocks, and returns
//!                     ⋮
//! event or tick ──▶ signal  finds WAIT by its resource (event), or because its next check is due (tick, once a minute)
//!                   wake    the state's function is called with build, state and item
//!                   lock, look, park, … for a while; if the lock is held, knock: its holder looks once more
//!                     ⋮
//!                   look    finds that the state is done or has failed, and records it in STATE; the first end counts
//! Step Functions ◀─ answer  answers every token of WAIT
//!                   drop    deletes WAIT, unless it has a new token; then unlocks
//! ```
//!
//! The protocol survives these races:
//!
//! - The process ends after `begin`. WAIT is in the table before anything else happens, so the tick wakes the state,
//!   which resumes from its journal ([`crate::engine::effect`]). The lock of a holder that no longer runs expires: 150
//!   s is longer than a function can run.
//! - An event is lost, duplicated or malformed, or arrives before the state parks on its resource. An event only says
//!   "look again", and the next tick says the same. A lost event costs a minute, and a duplicate costs nothing.
//! - An event finds the state locked. The last look of the holder may have been too early, so the event knocks, and the
//!   holder looks once more before it unlocks. If the holder unlocks before the knock, the event gets the lock. A
//!   holder that has failed, or has looked for [`LONGEST`], unlocks all the same, and the next tick looks.
//! - Two invocations overlap: an event and the tick, or a retry of an attempt that still runs. Only the holder of the
//!   lock looks, acts and answers the tokens. This is why a retry does not take the lock over: SendCommand has no
//!   client token, so a second invocation could run an order twice.
//! - Step Functions retries a state, and each attempt has its own token. `begin` adds the token to WAIT, every check
//!   reads WAIT again, and `drop` fails if the newest token has changed. So a token that arrives late is answered too:
//!   the holder of the lock answers it, or the invocation that the next tick wakes.
//! - The process ends after the state has ended and before the answer arrives. The end is in STATE, so the next check
//!   only repeats the answer. It is not an error if Step Functions rejects the repeated answer.
//! - The build is closed in the meantime. The next check answers every token with `Closed`. Until then, no check can
//!   begin an effect, because the journal accepts new effects only while the build is open.

use std::time::Duration;

use async_trait::async_trait;
use goldsmith_store::{
    BuildRecord, BuildStatus, Effect, EffectKind, Holder, Lock, Scope, StateRecord, StateStatus, Wait, stamp,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::engine::pending::{Ends, InLine, Pending, REST, SOON};
use crate::engine::stage;
use crate::error_names::ErrorName;
use crate::parts::short::short;
use crate::{Context, Error, Invocation, Result, Start, State, Wake, WokenBy, spec};

/// Time after which a function begins no more looks. A call of a look may take a minute if AWS is slow, and the
/// functions' time-out is two minutes.
const LONGEST: SignedDuration = SOON;
/// How long an error that may settle counts as one that settles soon.
const SETTLES_SOON: SignedDuration = SignedDuration::from_secs(30);
/// First pause between two checks. Each pause is three times as long as the one before it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Time after which the tick may check a parked wait. It is shorter than the minute between two ticks, so every tick
/// checks every parked wait.
const NEXT_LOOK: SignedDuration = SignedDuration::from_secs(1);
/// A wait ends this long before the state's `TimeoutSeconds`, so that its function can still report the reason.
const MARGIN: SignedDuration = SignedDuration::from_secs(300);

/// How long an AWS API may not know a resource that another API has already returned: usually seconds, sometimes
/// minutes.
const SETTLES: SignedDuration = SignedDuration::from_mins(5);

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Something must happen in AWS before the state can continue.
    Waiting(Pending),
    /// The state is done. The text is for people.
    Done(String),
}

/// What follows a look.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    /// The state still waits, in this way; `None` if the look has failed.
    Look(Ends, Option<Pending>),
    /// Another attempt has begun in the meantime, and its token must be answered too.
    AnswerAgain,
    /// There is nothing more to do for now.
    Leave,
}

/// Everything that a check works with.
pub(crate) struct Scene<'a> {
    /// The store, the cloud and the clock.
    pub context: &'a Context,
    /// The build.
    pub record: BuildRecord,
    /// The state and its Map item.
    pub scope: Scope,
    /// Time at which the wait fails.
    pub deadline: Timestamp,
    /// The resource for which the state has waited since the look before this one.
    pub waits_for: String,
    /// The place and the pause of a launch that waits for room, or `None` if the state waits for anything else.
    pub in_line: Option<InLine>,
    /// What the last look of the same invocation has found, or `None` if this is its first look since it was woken.
    pub before: Option<Pending>,
    /// When the state began, or `None` if this is unknown.
    pub began: Option<Timestamp>,
}

impl Scene<'_> {
    /// Returns the build's home Region.
    #[must_use]
    pub(crate) fn home(&self) -> &str {
        &self.record.plan.home_region
    }

    /// Returns the Map item, or an empty text if the state is not in a Map.
    #[must_use]
    pub(crate) fn item(&self) -> &str {
        self.scope.item.as_deref().unwrap_or_default()
    }

    /// Reads the journal of this state.
    ///
    /// # Errors
    /// Fails if a call to the table fails.
    pub(crate) async fn effects(&self) -> Result<Vec<Effect>> {
        Ok(self.context.store.effects(&self.record.build, &self.scope).await?)
    }

    /// Returns the last effect of this kind in the journal of a state of this build that has an id and is not lost, and its
    /// id; `None` if there is none. A launch that has waited for room may have succeeded with an earlier candidate than
    /// one it has lost.
    ///
    /// # Errors
    /// Fails if a call to the table fails.
    pub(crate) async fn last_made(
        &self,
        scope: &Scope,
        is_kind: fn(&EffectKind) -> bool,
    ) -> Result<Option<(Effect, String)>> {
        let effects = self.context.store.effects(&self.record.build, scope).await?;
        let mut made = effects.into_iter().rev().filter(|effect| is_kind(&effect.kind) && effect.lost.is_none());
        Ok(made.find_map(|effect| effect.id.clone().map(|id| (effect, id))))
    }

    /// Returns the id of the resource that another state of this build made, as [`Self::last_made`] finds it.
    ///
    /// # Errors
    /// Fails if a call to the table fails, and with `Goldsmith.Internal` if the other state made no resource of this
    /// kind.
    pub(crate) async fn made_by(
        &self,
        state: State,
        item: Option<&str>,
        is_kind: fn(&EffectKind) -> bool,
    ) -> Result<String> {
        let scope = Scope { state, item: item.map(ToOwned::to_owned) };
        let made = self.last_made(&scope, is_kind).await?;
        made.map(|(_, id)| id).ok_or_else(|| Error::internal(format!("{scope} has recorded no resource")))
    }
}

/// What an invocation has woken so far.
pub(crate) struct Turns {
    /// The wakes, of which the first one is that of the invocation. There is at least one.
    pub served: Vec<Wake>,
    /// Where the last one was in line before it was looked at, or `None` if it was not in line, or if another
    /// invocation has its lock.
    pub was: Option<InLine>,
}

/// A state that waits.
#[async_trait]
pub(crate) trait Waiting: Sync {
    /// Looks at the state's resources, and does the first thing that is not done yet. It is safe to repeat, and two
    /// functions may call it one after the other.
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress>;

    /// Returns whom the same invocation wakes next.
    ///
    /// # Errors
    /// Fails if a call to the table fails.
    async fn next(&self, _context: &Context, _turns: &Turns) -> Result<Option<Wake>> {
        Ok(None)
    }
}

/// Runs one invocation of a waiting state's function.
///
/// # Errors
/// Fails if the wait cannot be registered, or if the table fails. Every other outcome is sent as the answer to the
/// token.
pub(crate) async fn handle(context: &Context, waiting: &dyn Waiting, invocation: Invocation) -> Result<Value> {
    match invocation {
        Invocation::Start(start) => self::start(context, waiting, &start).await?,
        Invocation::Wake { wake } => self::wake(context, waiting, &wake).await?,
    }
    Ok(json!({}))
}

async fn start(context: &Context, waiting: &dyn Waiting, start: &Start) -> Result<()> {
    let scope = start.scope();
    let record = context.planned(&start.build).await?;
    let now = context.clock.now();
    let wait = Wait {
        resource: start.build.clone(),
        region: record.plan.home_region.clone(),
        build: start.build.clone(),
        state: scope.state,
        item: scope.item.clone(),
        token: start.token.clone().unwrap_or_default(),
        other_tokens: vec![],
        owner: spec(start.state).function.to_owned(),
        deadline: stamp(now + limit(start.state, &record)),
        next_look: stamp(now + NEXT_LOOK),
        behind: false,
        no_room_at: None,
        has_room: false,
    };
    if !context.store.begin(&record, &scope, &wait, now).await? {
        return Err(Error::Closed);
    }
    stage::tell(context, &record, &scope).await;
    let must_leave = context.clock.now() + LONGEST;
    match drive(context, waiting, &start.build, &scope, None, must_leave).await {
        // The wait is registered, so the tick continues. With an error, the definition would start the state a second
        // time.
        Err(error) if error.is_transient() => {
            tracing::warn!(build = start.build, state = %scope, %error, "the tick will continue");
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Serves a wake, and those that follow from it. An invocation of its own for each of them would be a chain in which a
/// function calls itself, and Lambda ends such a chain after about 16 calls (Lambda developer guide, "Use Lambda
/// recursive loop detection to prevent infinite loops").
async fn wake(context: &Context, waiting: &dyn Waiting, wake: &Wake) -> Result<()> {
    let must_leave = context.clock.now() + LONGEST;
    let mut turns = Turns { served: vec![], was: None };
    let mut next = Some(wake.clone());
    while let Some(wake) = next.take() {
        turns.was = drive(context, waiting, &wake.build, &wake.scope(), Some(wake.by), must_leave).await?;
        turns.served.push(wake);
        if context.clock.now() < must_leave {
            next = waiting.next(context, &turns).await?;
        }
    }
    Ok(())
}

/// Returns how long a state may wait in all: what the definition allows, less the margin.
fn allowed(state: State) -> SignedDuration {
    spec(state).timeout().unwrap_or(MARGIN * 2) - MARGIN
}

/// Returns how long a state may wait, not counting a wait for room: what the definition allows, less the margin, or the
/// pipeline's own limit if that is shorter.
fn limit(state: State, record: &BuildRecord) -> SignedDuration {
    let allowed = allowed(state) - spec(state).for_room();
    let own = match state {
        State::Build | State::BuildRest | State::BuildAgain => record.plan.timeout_minutes,
        State::LaunchTest | State::ExecuteTest => Some(record.plan.test_timeout_minutes),
        _ => None,
    };
    own.map_or(allowed, |minutes| allowed.min(SignedDuration::from_mins(i64::from(minutes))))
}

/// Looks under the lock of the state. `woken` says what has woken the function, unless it was started. Returns where a
/// launch was in line before the first look.
async fn drive(
    context: &Context,
    waiting: &dyn Waiting,
    build: &str,
    scope: &Scope,
    woken: Option<WokenBy>,
    must_leave: Timestamp,
) -> Result<Option<InLine>> {
    let holder = if woken.is_none() { Holder::Start } else { Holder::Wake };
    let Some(lock) = lock_or_knock(context, build, scope, holder).await? else { return Ok(None) };
    if woken == Some(WokenBy::Room) {
        let now = context.clock.now();
        context.store.give_room(build, scope, now, now - REST).await?;
    }
    let mut was = None;
    loop {
        let looked = look_until_parked(context, waiting, build, scope, woken, must_leave).await;
        if looked.is_err() || context.clock.now() >= must_leave {
            context.store.unlock(build, scope, &lock).await?;
            return looked.map(|seen| was.or(seen));
        }
        was = was.or(looked?);
        if context.store.unlock_unless_knocked(build, scope, &lock).await? {
            return Ok(was);
        }
    }
}

/// Takes the lock of a state. If another invocation holds it, asks that one to look once more, and returns `None`.
async fn lock_or_knock(context: &Context, build: &str, scope: &Scope, holder: Holder) -> Result<Option<Lock>> {
    let (store, clock) = (&context.store, &context.clock);
    if let Some(lock) = store.lock(build, scope, holder, clock.now()).await? {
        return Ok(Some(lock));
    }
    store.knock(build, scope).await?;
    // The holder may have unlocked before the knock.
    Ok(store.lock(build, scope, holder, clock.now()).await?)
}

/// Looks until the function has looked for long enough at what the state waits for, or until `must_leave`. Returns
/// where a launch was in line before the first look.
async fn look_until_parked(
    context: &Context,
    waiting: &dyn Waiting,
    build: &str,
    scope: &Scope,
    mut woken: Option<WokenBy>,
    must_leave: Timestamp,
) -> Result<Option<InLine>> {
    let clock = &context.clock;
    let (mut pause, mut since) = (FIRST_PAUSE, clock.now());
    let (mut was, mut before) = (None, None);
    loop {
        // A retried Start adds another token, so the wait is read before each look.
        let Some(wait) = context.store.wait(build, scope).await? else { return Ok(was) };
        let (Some(record), Some(state)) = (context.store.build(build).await?, context.store.state(build, scope).await?)
        else {
            return Ok(was);
        };
        was = was.or_else(|| InLine::of(&wait));
        let ends = match look(context, waiting, record, &state, &wait, scope, before.take()).await? {
            Next::Look(ends, pending) => {
                if pending.as_ref().is_some_and(|pending| pending.resource != wait.resource) {
                    // What comes next may end as fast as it has begun, and no event has woken the function for it.
                    (pause, since) = (FIRST_PAUSE, clock.now());
                    woken = woken.filter(|by| *by == WokenBy::Tick);
                }
                before = pending;
                ends
            }
            Next::AnswerAgain => Ends::Later,
            Next::Leave => return Ok(was),
        };
        if clock.now() >= must_leave.min(since + ends.patience(woken)) {
            return Ok(was);
        }
        clock.sleep(pause).await;
        pause = (pause * 3).min(ends.longest_pause());
    }
}

/// Looks once, and does the first thing that is not done yet.
async fn look(
    context: &Context,
    waiting: &dyn Waiting,
    record: BuildRecord,
    state: &StateRecord,
    wait: &Wait,
    scope: &Scope,
    before: Option<Pending>,
) -> Result<Next> {
    let status = record.status;
    // An earlier look has recorded the end, but its answer may not have arrived.
    if state.status != StateStatus::Running {
        return answer(context, status, state, wait, scope).await;
    }
    if status != BuildStatus::Open {
        return give_up(context, status, wait, scope).await;
    }
    let scene = Scene {
        context,
        record,
        scope: scope.clone(),
        deadline: deadline(wait),
        waits_for: wait.resource.clone(),
        in_line: InLine::of(wait),
        before,
        began: state.started_at.parse().ok(),
    };
    let progress = match context.clock.now() >= scene.deadline {
        true => Err(Error::failed(ErrorName::Timeout, format!("timed out; the last status was: {}", doing(state)))),
        false => waiting.advance(&scene).await,
    };
    let now = context.clock.now();
    note_waited_for_room(&scene, &progress, now).await?;
    match progress {
        Ok(Progress::Waiting(pending)) => {
            let mut parked = Wait {
                resource: pending.resource.clone(),
                region: pending.region.clone(),
                next_look: stamp(now + NEXT_LOOK),
                behind: false,
                no_room_at: None,
                has_room: false,
                ..wait.clone()
            };
            let mut is_paused_anew = false;
            if let Some(pause) = pending.pause {
                parked.next_look = stamp(pause.until.min(last_moment(&scene, pause.until)));
                parked.behind = pause.behind;
                parked.no_room_at.clone_from(&wait.no_room_at);
                is_paused_anew = parked.next_look != wait.next_look || parked.behind != wait.behind;
                if is_paused_anew {
                    if wait.has_room {
                        parked.no_room_at = Some(stamp(now));
                    }
                    parked.deadline = stamp(last_moment(&scene, pause.until));
                }
            } else if wait.place().is_some() {
                // The work of the launch begins now.
                parked.deadline = stamp(last_moment(&scene, now));
            }
            // Any other unchanged wait needs no write: its next look is due anyway.
            if parked.resource != wait.resource || pending.detail != state.detail || is_paused_anew {
                context.store.park(wait, scope, &parked, &pending.detail).await?;
            }
            if state.unsettled_since.is_some() {
                context.store.note_unsettled(&wait.build, scope, None).await?;
            }
            // During a pause there is nothing to look at.
            return Ok(if pending.pause.is_some() { Next::Leave } else { Next::Look(pending.ends, Some(pending)) });
        }
        Ok(Progress::Done(detail)) => {
            context.store.end_state(&wait.build, scope, StateStatus::Succeeded, &detail, None, now).await?;
        }
        Err(Error::Closed) => return give_up(context, BuildStatus::Closing, wait, scope).await,
        Err(error) if error.is_transient() || settles(context, wait, scope, state, &error, now).await? => {
            tracing::warn!(build = wait.build, state = %scope, %error, "will try again");
            let mut parked = Wait { next_look: stamp(now + NEXT_LOOK), behind: false, ..wait.clone() };
            if wait.place().is_some() {
                // It has had its turn, and must not hold up its line with errors.
                parked.deadline = stamp(deadline(wait).min(last_moment(&scene, now)));
            }
            context.store.park(wait, scope, &parked, &format!("will try again: {error}")).await?;
            if wait.place().is_some() {
                return Ok(Next::Leave); // otherwise, the next look would find a pause, and no error
            }
            let settles_soon = error.may_settle() && now < unsettled_since(state, now) + SETTLES_SOON;
            return Ok(Next::Look(if settles_soon { Ends::Soon } else { Ends::Later }, None));
        }
        Err(error) => {
            let cause = error.cause(scope);
            context.store.end_state(&wait.build, scope, StateStatus::Failed, &cause.message, Some(&cause), now).await?;
        }
    }
    // The first end counts, so the answer comes from the table and not from this look.
    match context.store.state(&wait.build, scope).await? {
        Some(ended) => answer(context, status, &ended, wait, scope).await,
        None => Ok(Next::Leave),
    }
}

/// Records how long a launch has waited for room, once it no longer does.
async fn note_waited_for_room(scene: &Scene<'_>, progress: &Result<Progress>, now: Timestamp) -> Result<()> {
    let Some(own) = &scene.in_line else { return Ok(()) };
    let is_over = match progress {
        Ok(Progress::Waiting(pending)) => pending.pause.is_none(),
        Ok(Progress::Done(_)) => true,
        // Any other error is tried again, or leaves nobody who would read the record.
        Err(error) => !error.is_transient() && !error.may_settle() && !matches!(error, Error::Closed),
    };
    if !is_over {
        return Ok(());
    }
    let seconds = u64::try_from(now.duration_since(own.place.since).as_secs()).unwrap_or_default();
    Ok(scene.context.store.note_waited_for_room(&scene.record, &scene.scope, seconds).await?)
}

/// Returns until when a launch may work that begins at this time. The time for which it has waited for room does not
/// count, but the definition ends the state without a reason after its own time.
fn last_moment(scene: &Scene<'_>, from: Timestamp) -> Timestamp {
    let state = scene.scope.state;
    let last = scene.began.unwrap_or(from) + allowed(state);
    (from + limit(state, &scene.record)).min(last)
}

/// Returns whether the error may go away by itself, because AWS may not yet know what this build has made. Such errors
/// are tolerated for [`SETTLES`] after the first one: the state must not wait until its deadline for a resource that
/// never existed.
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
    Ok(now < unsettled_since(state, now) + SETTLES)
}

/// Returns since when AWS has not found what the build has made: now, if this is the first time.
fn unsettled_since(state: &StateRecord, now: Timestamp) -> Timestamp {
    state.unsettled_since.as_ref().and_then(|since| since.parse().ok()).unwrap_or(now)
}

/// Answers the tokens with the state's end, then removes the wait. Step Functions may report that an answer came too
/// late: then the execution no longer waits for it.
async fn answer(
    context: &Context,
    build: BuildStatus,
    state: &StateRecord,
    wait: &Wait,
    scope: &Scope,
) -> Result<Next> {
    let failure = state.cause.as_ref().map(|cause| {
        let cause = if scope.item.is_some() { &short(cause) } else { cause };
        let text = serde_json::to_string(cause).unwrap_or_else(|_| cause.to_string());
        (cause.error.clone(), text)
    });
    let failure = failure.as_ref().map(|(error, text)| (error.as_str(), text.as_str()));
    let_go(context, build, answer_all(context, wait, failure).await, wait, scope).await
}

/// Answers the tokens with the error `Closed`, because nothing needs this state once its build is closed, and removes
/// the wait.
async fn give_up(context: &Context, build: BuildStatus, wait: &Wait, scope: &Scope) -> Result<Next> {
    let failure = Some((ErrorName::Closed.as_str(), "the build was closed"));
    let_go(context, build, answer_all(context, wait, failure).await, wait, scope).await
}

/// Answers each token of a wait, since only Step Functions knows which of them it still waits for. A token whose answer
/// is rejected does not keep the others from being answered.
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

/// Removes a wait whose tokens were answered. If the build is closed, the wait is removed even if AWS rejects the
/// answer, because the execution no longer waits for anything. Otherwise, the tick would check the wait for as long as
/// AWS rejects the answer.
async fn let_go(
    context: &Context,
    build: BuildStatus,
    answered: goldsmith_cloud::Result<()>,
    wait: &Wait,
    scope: &Scope,
) -> Result<Next> {
    match answered {
        Err(error) if build == BuildStatus::Closed => {
            tracing::warn!(%error, build = wait.build, state = %scope, "dropped an answer that no execution waits for");
        }
        other => other?,
    }
    let is_dropped = context.store.drop_wait(wait, scope).await?;
    Ok(if is_dropped { Next::Leave } else { Next::AnswerAgain })
}

fn deadline(wait: &Wait) -> Timestamp {
    // An unreadable deadline counts as passed: an error is better than a wait without an end.
    wait.deadline.parse().unwrap_or(Timestamp::MIN)
}

fn doing(state: &StateRecord) -> &str {
    if state.detail.is_empty() { "starting" } else { &state.detail }
}

#[cfg(test)]
mod tests;
