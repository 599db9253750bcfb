//! Only one retirement runs at a time, and none while a deployment runs. A retirement updates its mark at intervals,
//! and stops if the mark no longer belongs to it.

use std::convert::Infallible;
use std::future::Future;
use std::process;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use goldsmith_store::{Retirement, Store};
use tokio::time::sleep;

use crate::exit::{Exit, Stop, invalid};
use crate::patience::Patience;

/// Time between two updates of the mark.
const BEAT: Duration = Duration::from_secs(3);
/// Time between two checks by another call, which treats an unchanged mark as given up. It allows for several late
/// updates.
const LOOK: Duration = Duration::from_secs(15);

/// Returns a name that no other call uses.
pub(crate) fn holder() -> String {
    format!("{}-{}", UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos(), process::id())
}

/// Does the work while the mark belongs to this holder, and stops the work when it does not.
pub(crate) async fn held<T>(store: &Store, holder: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    // `select!` drops the work at its next pause as soon as the mark is lost, so from then on nothing more is removed.
    tokio::select! {
        done = work => done,
        lost = hold_on(store, holder) => lost.map(|never| match never {}),
    }
}

async fn hold_on(store: &Store, holder: &str) -> Result<Infallible> {
    let mut patience = Patience::default();
    for beat in 1.. {
        sleep(BEAT).await;
        if patience.take(store.hold(holder, beat).await.map_err(Into::into))? == Some(false) {
            break;
        }
    }
    Err(lost())
}

/// Checks that the mark still belongs to this holder, before an action that cannot be undone.
pub(crate) async fn still_held(store: &Store, holder: &str) -> Result<()> {
    if store.hold(holder, 0).await? { Ok(()) } else { Err(lost()) }
}

fn lost() -> anyhow::Error {
    let message = "the stack was put into service again, or another `goldsmith retire` has begun: this call removes nothing \
                   more; retire the stack again to continue";
    Stop { exit: Exit::Aws, message: message.to_owned() }.into()
}

/// Returns the retirement that has begun and was given up, if there is one. Returns an error if a retirement is
/// running.
pub(crate) async fn given_up(store: &Store, stack: &str) -> Result<Option<Retirement>> {
    let Some(first) = store.retirement().await? else { return Ok(None) };
    sleep(LOOK).await;
    match store.retirement().await? {
        // A retirement that runs has counted its beat up several times since the first look.
        Some(second) if second != first => {
            let message = format!(
                "the stack {stack} is being retired, and nothing was changed: wait until `goldsmith retire` has ended, \
                 or end that call, then deploy again"
            );
            Err(invalid(message))
        }
        same => Ok(same),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use jiff::Timestamp;

    use super::*;
    use crate::testing::Stack;

    async fn begin(stack: &Stack, holder: &str) {
        let mark = Retirement { holder: holder.to_owned(), ..Retirement::default() };
        stack.connection.store.retire(Timestamp::now(), &mark).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_retirement_is_left_alone_and_an_abandoned_one_is_not() {
        let stack = Stack::new();
        let store = &stack.connection.store;
        assert_eq!(given_up(store, "s").await.unwrap(), None);
        begin(&stack, "one").await;
        let refused = tokio::select! {
            found = given_up(store, "s") => found.unwrap_err().to_string(),
            ended = held(store, "one", pending::<Result<()>>()) => panic!("{ended:?}"),
        };
        assert!(refused.starts_with("the stack s is being retired, and nothing was changed"), "{refused}");
        assert_eq!(given_up(store, "s").await.unwrap().unwrap().holder, "one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_retirement_ends_when_its_mark_is_taken() {
        let stack = Stack::new();
        let store = &stack.connection.store;
        begin(&stack, "one").await;
        still_held(store, "one").await.unwrap();
        assert_eq!(held(store, "one", async { Ok(1) }).await.unwrap(), 1);
        for taken_by_another in [true, false] {
            if taken_by_another {
                begin(&stack, "two").await;
            } else {
                assert!(store.take_up("two").await.unwrap());
            }
            let error = held(store, "one", pending::<Result<()>>()).await.unwrap_err().to_string();
            assert!(error.contains("this call removes nothing more"), "{error}");
            assert!(still_held(store, "one").await.is_err());
        }
    }
}
