//! Runs the states that do not wait. [`drive`](super::drive) runs the others.

use goldsmith_store::StateStatus;

use crate::{Context, Result, Start};

/// Records that a state runs, does its work, and records how the state has ended. The work returns a text for people
/// and the state's output.
///
/// # Errors
/// Fails with the error of the work, or if a call to the table fails.
pub(crate) async fn once<T>(
    context: &Context,
    start: &Start,
    work: impl Future<Output = Result<(String, T)>>,
) -> Result<T> {
    let (store, scope) = (&context.store, start.scope());
    store.note_running(&start.build, &scope, context.clock.now()).await?;
    let ended = work.await;
    let now = context.clock.now();
    match &ended {
        Ok((detail, _)) => {
            store.end_state(&start.build, &scope, StateStatus::Succeeded, detail, None, now).await?;
        }
        // The definition tries the state again, so it still runs.
        Err(error) if error.is_transient() => {}
        Err(error) => {
            let cause = error.cause(&scope);
            store.end_state(&start.build, &scope, StateStatus::Failed, &cause.message, Some(&cause), now).await?;
        }
    }
    ended.map(|(_, output)| output)
}
