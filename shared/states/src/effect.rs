//! Making one thing in AWS so that it is neither made twice nor forgotten: write it down, make it, complete it.

use std::future::Future;

use goldsmith_cloud::{CloudError, Kind};
use goldsmith_store::{BuildRecord, Effect, Intent};

use crate::errors::ErrorName;
use crate::{Context, Error, Result, undo};

/// Whether the effect is tried for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Nobody has tried it.
    First,
    /// It was written down before and its answer is unknown: look for it first.
    Again,
}

/// Makes an effect and answers its journal entry with the id, or with `refused` where AWS had no capacity for it.
/// `make` gets whether this is the first attempt and answers the resource's id.
///
/// # Errors
/// [`Error::Closed`] where the build is closed (what was made is undone at once); the table's; AWS's. A refusal is
/// noted in the journal, so that `finish` does not look for what was never made, unless an earlier call may have made it.
pub async fn effect<F, M>(context: &Context, record: &BuildRecord, intended: Effect, make: M) -> Result<Effect>
where
    M: FnOnce(Attempt) -> F,
    F: Future<Output = Result<String>>,
{
    let (mut entry, attempt) = match context.store.intend(record, &intended).await? {
        Intent::Closed => return Err(Error::Closed),
        Intent::Written => (intended, Attempt::First),
        Intent::Existing(entry) if entry.id.is_some() => return Ok(*entry),
        // Of one that was refused nothing was made: asked again, AWS says again why.
        Intent::Existing(entry) => (*entry, Attempt::Again),
    };
    let refusal = match make(attempt).await {
        Ok(id) => {
            entry.id = Some(id);
            entry.refused = None;
            None
        }
        Err(Error::Cloud(error)) if !error.is_transient() && !error.may_settle() => {
            // An earlier call whose answer is unknown may have made it: a right can be taken away, or the request be another since
            // an update of the stack. Only where there is no capacity AWS has looked for what the token stands for.
            if attempt == Attempt::Again && entry.refused.is_none() && error.kind != Kind::Capacity {
                return Err(error.into());
            }
            entry.refused = Some(error.code.clone());
            Some(error)
        }
        Err(other) => return Err(other),
    };
    if !context.store.complete(record, &entry).await? {
        undo::undo(context, &entry).await?;
        return Err(Error::Closed);
    }
    match refusal {
        Some(CloudError { kind: Kind::Capacity, .. }) => Ok(entry),
        Some(error) => Err(error.into()),
        None => Ok(entry),
    }
}

/// The id of what was made.
///
/// # Errors
/// `AwsRefused` where AWS had no capacity for it, which only a launch has an answer to.
pub fn made_id(entry: Effect) -> Result<String> {
    entry.id.ok_or_else(|| {
        let code = entry.refused.unwrap_or_default();
        Error::failed(ErrorName::AwsRefused, format!("AWS did not make {}: {code}", entry.name))
    })
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::fake::Fault;

    use crate::State;
    use crate::testing::{Task, reach};

    #[tokio::test]
    async fn what_a_call_without_an_answer_has_made_goes_though_the_next_call_is_refused() {
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
}
