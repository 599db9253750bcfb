//! Makes one thing in AWS so that it is neither made twice nor forgotten: records it, makes it, and completes the
//! record.

use std::future::Future;

use goldsmith_cloud::{CloudError, Instance, Kind};
use goldsmith_store::{BuildRecord, Effect, EffectKind, Intent, NoRoom, stamp};

use crate::engine::undo;
use crate::error_names::ErrorName;
use crate::{Context, Error, Result};

/// Whether an effect is attempted for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// No earlier attempt has made the call.
    First,
    /// An earlier attempt was recorded, and its result is unknown: `make` must look for the resource first.
    Again,
}

/// What AWS's answer says about the resource that a call has made.
pub(crate) struct Made {
    id: String,
    /// The spot request of an instance.
    spot_request: Option<String>,
}

impl From<String> for Made {
    fn from(id: String) -> Self {
        Self { id, spot_request: None }
    }
}

impl From<Instance> for Made {
    fn from(instance: Instance) -> Self {
        Self { id: instance.id, spot_request: instance.spot_request }
    }
}

/// Makes an effect, and returns its journal entry. The entry has the `id`, or `refused` if AWS had no capacity.
/// `make` learns whether this is the first attempt, and returns the resource's id, or the instance that was launched.
///
/// # Errors
/// Fails with [`Error::Closed`] if the build is closed (the effect is undone at once), and if a call to the table or to
/// AWS fails. If AWS rejects the call that makes the resource, the journal records the rejection, so that `finish` does
/// not look for a resource that was never made. The rejection is not recorded if an earlier call may have made the
/// resource.
pub(crate) async fn effect<F, M, R>(
    context: &Context,
    record: &BuildRecord,
    intended: Effect,
    make: M,
) -> Result<Effect>
where
    M: FnOnce(Attempt) -> F,
    F: Future<Output = Result<R>>,
    R: Into<Made>,
{
    let (mut entry, attempt) = match context.store.intend(record, &intended).await? {
        Intent::Closed => return Err(Error::Closed),
        Intent::Written => (intended, Attempt::First),
        Intent::Existing(entry) if entry.id.is_some() => return Ok(*entry),
        // AWS has answered the earlier call with a rejection, so `make` need not look for a lost resource.
        Intent::Existing(entry) if entry.refused.is_some() => {
            (ask_again(context, record, *entry).await?, Attempt::First)
        }
        Intent::Existing(entry) => (*entry, Attempt::Again),
    };
    let refusal = match make(attempt).await {
        Ok(made) => {
            let Made { id, spot_request } = made.into();
            entry.id = Some(id);
            entry.refused = None;
            entry.kind.note_spot_request(spot_request);
            None
        }
        Err(Error::Cloud(error)) if is_refusal(&entry.kind, &error) => {
            // On a second attempt a rejection proves nothing: the earlier call, whose answer is unknown, may have made
            // the resource. A permission can be removed between the two calls, or an update of the stack can change the
            // request. Only if AWS lacks capacity has it already looked up the client token.
            if attempt == Attempt::Again && error.kind != Kind::Capacity {
                return Err(error.into());
            }
            entry.refused = Some(error.code.clone());
            if error.kind == Kind::Capacity {
                let since = entry.no_room.map_or_else(|| stamp(context.clock.now()), |earlier| earlier.since);
                entry.no_room = Some(NoRoom { message: error.message.clone(), since });
            }
            Some(error)
        }
        Err(other) => return Err(other),
    };
    if !context.store.complete(record, &entry).await? {
        // The build was closed during the call, and Finish may have read the journal before the id was in it.
        undo::undo(context, &entry).await?;
        return Err(Error::Closed);
    }
    match refusal {
        // A lack of capacity is no error here: a launch continues with its next candidate or waits, and for everything else
        // `made_id` makes it an error.
        Some(CloudError { kind: Kind::Capacity, .. }) => Ok(entry),
        Some(error) => Err(error.into()),
        None => Ok(entry),
    }
}

/// Records that a rejected effect is attempted again. The rejected call made nothing. But the new attempt may make the
/// resource and lose its answer, so from here on the resource may exist.
async fn ask_again(context: &Context, record: &BuildRecord, refused: Effect) -> Result<Effect> {
    let entry = Effect { refused: None, ..refused };
    match context.store.complete(record, &entry).await? {
        true => Ok(entry),
        false => Err(Error::Closed),
    }
}

/// Returns whether AWS has rejected the call that makes the resource. A rejection of a later read, such as the read of
/// a parameter's value, says nothing about the call that makes the resource.
fn is_refusal(kind: &EffectKind, error: &CloudError) -> bool {
    let makes: &[&str] = match kind {
        EffectKind::Instance { .. } => &["RunInstances"],
        EffectKind::Image => &["CreateImage", "CopyImage"],
        EffectKind::Draft | EffectKind::Checkpoint => &["CreateImage"],
        EffectKind::RegisteredImage { .. } => &["RegisterImage"],
        EffectKind::TargetImage { .. } => &["CopyImage"],
        EffectKind::Export { .. } => &["ExportImage"],
        EffectKind::Command { .. } => &["SendCommand"],
        EffectKind::Parameter { .. } => &["PutParameter"],
        EffectKind::TemplateVersion { .. } => &["CreateLaunchTemplateVersion"],
    };
    // A transient error is left out because the call may have arrived. An error that may settle is left out because the
    // same call may work a minute later.
    makes.contains(&error.operation) && !error.is_transient() && !error.may_settle()
}

/// Returns the id of the resource that was made.
///
/// # Errors
/// Fails with `AwsRefused` if AWS had no capacity for it. Only a launch can handle that error.
pub(crate) fn made_id(entry: Effect) -> Result<String> {
    entry.id.ok_or_else(|| {
        let code = entry.refused.unwrap_or_default();
        Error::failed(ErrorName::AwsRefused, format!("AWS did not create {}: {code}", entry.name))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::fake::{Between, Fault, OnItsWay};

    use crate::testing::{Stack, Task, good, reach};
    use crate::{Context, State};

    /// Lets the first effect be made, and rejects every later call with another name.
    struct Blind {
        effect: &'static str,
        look: &'static str,
        is_made: AtomicBool,
    }

    #[async_trait]
    impl Between for Blind {
        async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
            self.is_made.fetch_or(call.name == self.effect, Ordering::Relaxed);
            let is_refused = call.name == self.look && self.is_made.load(Ordering::Relaxed);
            is_refused.then_some(Fault::Refuse(Kind::Denied))
        }
    }

    fn blind(stack: &Stack, effect: &'static str, look: &'static str) -> Context {
        let between = Arc::new(Blind { effect, look, is_made: AtomicBool::new(false) });
        Context { cloud: stack.cloud.behind(between).cloud(), ..stack.context() }
    }

    #[tokio::test]
    async fn the_result_of_an_unanswered_call_is_removed_if_the_next_is_denied() {
        for (state, call) in [(State::Launch, "RunInstances"), (State::Snapshot, "CreateImage")] {
            for kind in [Kind::Denied, Kind::Invalid, Kind::Duplicate] {
                let stack = reach(&Task::new(state)).await;
                stack.cloud.fail_next(call, Fault::LoseAnswer);
                stack.cloud.fail_next(call, Fault::Refuse(kind));
                // The name of an image tells whose it is, so that a taken one is no error.
                let Err(error) = stack.run(&Task::new(state)).await else { continue };
                stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
                assert!(stack.inventory().is_empty(), "{call}, {kind:?}: {:?}", stack.inventory());
            }
        }
    }

    #[tokio::test]
    async fn what_was_made_is_undone_even_if_the_look_at_it_is_denied() {
        let stack = reach(&good(State::Publish)).await;
        let error =
            stack.run_in(&blind(&stack, "PutParameter", "GetParameter"), &good(State::Publish)).await.unwrap_err();
        assert!(error.cause.contains("GetParameter"), "{}", error.cause);
        let named =
            |stack: &Stack| stack.inventory().regions.values().map(|region| region.parameters.len()).sum::<usize>();
        assert_eq!(named(&stack), 1);
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        assert_eq!(named(&stack), 0, "{:?}", stack.inventory());
    }

    #[tokio::test]
    async fn what_was_rejected_first_and_made_by_a_retry_is_undone() {
        let stack = reach(&good(State::Publish)).await;
        stack.cloud.fail_next("PutParameter", Fault::Refuse(Kind::Denied));
        let error = stack.run(&good(State::Publish)).await.unwrap_err();
        // Step Functions has not heard of the refusal, and the process of the next attempt ends.
        stack.cloud.fail_next("PutParameter", Fault::KillAfter);
        stack.run_until_killed(&[good(State::Publish)]).await;
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        assert!(
            stack.inventory().regions.values().all(|region| region.parameters.is_empty()),
            "{:?}",
            stack.inventory()
        );
    }
}
