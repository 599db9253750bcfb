//! Counts the effects of a process and makes the chosen one fail. Reads can fail too, but are not counted.
//!
//! To test every effect of a state, run the state once and take `effects().len()`. Then, for each `n`, run the state in
//! a fresh world with `fail_at(n, …)`. A test that wraps another client (such as a table) puts [`Faults::around`]
//! around its mutating calls, so that they are counted in the same order as the calls to AWS.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::Kind;

/// How one effect fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happens, and the caller receives an error of this kind.
    Refuse(Kind),
    /// The effect happens, and the caller receives [`Kind::Unanswered`].
    LoseAnswer,
    /// The process ends before the effect: the call never returns, but [`Faults::killed`] returns.
    KillBefore,
    /// The process ends right after the effect.
    KillAfter,
}

/// One mutating call, in the order of the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectRecord {
    /// Number of the call, from 1.
    pub n: usize,
    /// The API operation, such as `RunInstances`.
    pub name: &'static str,
    /// The Region that was called.
    pub region: String,
    /// What the call was about, in words for people.
    pub detail: String,
    /// Whether the call was carried out. It is false if the call was rejected.
    pub happened: bool,
}

#[derive(Debug)]
enum When {
    Number(usize),
    Name(&'static str),
    Always { name: &'static str, region: String },
}

impl When {
    /// Returns whether the fault applies to this call. `number` is the number of the effect, or `None` if the call is a
    /// read.
    fn means(&self, number: Option<usize>, name: &str, region: &str) -> bool {
        match self {
            Self::Number(wanted) => number == Some(*wanted),
            Self::Name(wanted) => *wanted == name,
            Self::Always { name: wanted, region: there } => *wanted == name && there == region,
        }
    }
}

/// A call that was made, with its operation and its Region.
pub type CallName = (&'static str, String);

#[derive(Debug, Default)]
struct Book {
    effects: Vec<EffectRecord>,
    reads: BTreeSet<CallName>,
    armed: Vec<(When, Fault)>,
}

impl Book {
    /// Returns the fault that is due for a call. A fault that applies once is removed.
    fn due(&mut self, number: Option<usize>, name: &str, region: &str) -> Option<Fault> {
        let index = self.armed.iter().position(|(when, _)| when.means(number, name, region))?;
        match self.armed[index] {
            (When::Always { .. }, fault) => Some(fault),
            _ => Some(self.armed.remove(index).1),
        }
    }
}

/// A call in progress.
#[derive(Debug, Clone, Copy)]
pub struct OnItsWay<'a> {
    /// The API operation, such as `RunInstances`.
    pub name: &'static str,
    /// The Region that is called.
    pub region: &'a str,
    /// Whether the call changes something.
    pub changes: bool,
    /// What the call is about, in words for people. The text is empty if the call changes nothing.
    pub detail: &'a str,
}

/// Receives each call of a caller before AWS does, including reads. It may delay the call, and decides whether it
/// fails.
#[async_trait]
pub trait Between: Send + Sync {
    /// Returns when the call reaches AWS, with a fault if the call fails.
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault>;
}

/// The counter. The clones of a counter share its state.
#[derive(Clone, Default)]
pub struct Faults {
    book: Arc<Mutex<Book>>,
    killed: Arc<Notify>,
    between: Option<Arc<dyn Between>>,
}

impl Faults {
    /// Returns the same counter for a caller whose calls pass through this [`Between`].
    #[must_use]
    pub fn behind(&self, between: Arc<dyn Between>) -> Self {
        Self { between: Some(between), ..self.clone() }
    }

    /// Makes the `n`th effect from now fail once. 1 is the next one.
    pub fn fail_at(&self, n: usize, fault: Fault) {
        let mut book = self.book();
        let number = book.effects.len() + n;
        book.armed.push((When::Number(number), fault));
    }

    /// Makes the next effect with this name fail once. To make the next two fail, call it twice.
    pub fn fail_next(&self, name: &'static str, fault: Fault) {
        self.book().armed.push((When::Name(name), fault));
    }

    /// Makes every call with this name to this Region fail, including reads, until [`Faults::heal`].
    pub fn fail_always(&self, name: &'static str, region: &str, fault: Fault) {
        self.book().armed.push((When::Always { name, region: region.to_owned() }, fault));
    }

    /// Removes all faults that were set.
    pub fn heal(&self) {
        self.book().armed.clear();
    }

    /// Returns all reads so far: each operation with its Region.
    #[must_use]
    pub fn reads(&self) -> BTreeSet<CallName> {
        self.book().reads.clone()
    }

    /// Returns all effects so far, including rejected ones.
    #[must_use]
    pub fn effects(&self) -> Vec<EffectRecord> {
        self.book().effects.clone()
    }

    /// Returns when a fault has killed the process, once for each kill. A test runs this together with the process in
    /// `tokio::select!`, which then drops the process at that point.
    pub async fn killed(&self) {
        self.killed.notified().await;
    }

    /// Runs `act` as one effect. `error` creates the caller's error for a fault.
    ///
    /// # Errors
    /// Returns the errors of `act`, or `error(kind)` if a fault is due.
    pub async fn around<T, E>(
        &self,
        name: &'static str,
        region: &str,
        detail: impl Into<String>,
        act: impl Future<Output = Result<T, E>>,
        error: impl FnOnce(Kind) -> E,
    ) -> Result<T, E> {
        let detail = detail.into();
        let before = self.arrive(OnItsWay { name, region, changes: true, detail: &detail }).await;
        let (n, due) = self.begin(name, region, detail);
        let fault = before.or(due);
        match fault {
            Some(Fault::Refuse(kind)) => return Err(error(kind)),
            Some(Fault::KillBefore) => match self.die().await {},
            _ => {}
        }
        let result = act.await;
        if let Some(record) = self.book().effects.get_mut(n - 1) {
            record.happened = result.is_ok();
        }
        match fault {
            Some(Fault::LoseAnswer) => Err(error(Kind::Unanswered)),
            Some(Fault::KillAfter) => match self.die().await {},
            _ => result,
        }
    }

    /// Runs `act`, which changes nothing.
    ///
    /// # Errors
    /// Returns the errors of `act`, or `error(kind)` if a fault is due.
    pub async fn read<T, E>(
        &self,
        name: &'static str,
        region: &str,
        act: impl Future<Output = Result<T, E>>,
        error: impl FnOnce(Kind) -> E,
    ) -> Result<T, E> {
        let before = self.arrive(OnItsWay { name, region, changes: false, detail: "" }).await;
        let due = {
            let mut book = self.book();
            book.reads.insert((name, region.to_owned()));
            book.due(None, name, region)
        };
        let fault = before.or(due);
        match fault {
            None => act.await,
            Some(Fault::Refuse(kind)) => Err(error(kind)),
            Some(Fault::LoseAnswer) => Err(error(Kind::Unanswered)),
            Some(Fault::KillBefore | Fault::KillAfter) => match self.die().await {},
        }
    }

    async fn arrive(&self, call: OnItsWay<'_>) -> Option<Fault> {
        match &self.between {
            Some(between) => between.call(call).await,
            None => None,
        }
    }

    fn begin(&self, name: &'static str, region: &str, detail: String) -> (usize, Option<Fault>) {
        let mut book = self.book();
        let n = book.effects.len() + 1;
        book.effects.push(EffectRecord { n, name, region: region.to_owned(), detail, happened: false });
        let due = book.due(Some(n), name, region);
        (n, due)
    }

    async fn die(&self) -> Infallible {
        self.killed.notify_one();
        std::future::pending().await
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
