//! The scheduler: tasks on one thread, moved on by a virtual clock.
//!
//! Whoever waits waits for a time or for an answer. When nobody is ready the clock jumps to the next time that somebody
//! waits for; who is ready runs in the order of that. So the random lengths of calls decide how invocations are
//! interleaved, and a seed always gives the same order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use jiff::Timestamp;

/// A task's own future.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// When every run begins: 2026-11-24T03:00:00Z, in milliseconds.
const BEGIN: i64 = 1_795_489_200_000;

#[derive(Default)]
struct Inner {
    now: i64,
    next: u64,
    timers: BinaryHeap<Reverse<(i64, u64)>>,
    waiting: BTreeMap<u64, Waker>,
    spawned: Vec<Task>,
}

type Ready = Arc<Mutex<VecDeque<u64>>>;

/// A handle to the scheduler; clones share it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Mutex<Inner>>,
    ready: Ready,
}

impl Default for Engine {
    fn default() -> Self {
        let inner = Inner { now: BEGIN, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)), ready: Ready::default() }
    }
}

struct Ring {
    task: u64,
    ready: Ready,
}

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        lock(&self.ready).push_back(self.task);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Milliseconds since 1970.
    #[must_use]
    pub fn now(&self) -> i64 {
        lock(&self.inner).now
    }

    /// Milliseconds since the run began.
    #[must_use]
    pub fn since_begin(&self) -> i64 {
        self.now() - BEGIN
    }

    /// Now, as seen by a clock that is so many milliseconds ahead.
    #[must_use]
    pub fn time(&self, ahead: i64) -> Timestamp {
        Timestamp::from_millisecond(self.now() + ahead).unwrap_or(Timestamp::MAX)
    }

    /// Waits.
    #[must_use]
    pub fn sleep(&self, milliseconds: i64) -> Sleep {
        Sleep { engine: self.clone(), at: self.now() + milliseconds.max(0), id: None }
    }

    /// Begins a task.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        lock(&self.inner).spawned.push(Box::pin(task));
    }
}

/// Waits until a time.
pub struct Sleep {
    engine: Engine,
    at: i64,
    id: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut inner = lock(&this.engine.inner);
        if inner.now >= this.at && this.id.is_some() {
            return Poll::Ready(());
        }
        let id = match this.id {
            Some(id) => id,
            None => {
                let id = inner.next;
                inner.next += 1;
                inner.timers.push(Reverse((this.at, id)));
                this.id = Some(id);
                id
            }
        };
        inner.waiting.insert(id, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            lock(&self.engine.inner).waiting.remove(&id);
        }
    }
}

/// The tasks themselves, which only their thread has.
#[derive(Default)]
pub struct Runner {
    tasks: BTreeMap<u64, Task>,
    next: u64,
}

impl Runner {
    /// Lets tasks run up to a time; `after` is called after each step of a task, and ends the run by answering false.
    pub fn run(&mut self, engine: &Engine, until: i64, mut after: impl FnMut() -> bool) {
        loop {
            self.adopt(engine);
            let Some(task) = lock(&engine.ready).pop_front() else {
                if !forward(engine, until) {
                    return;
                }
                continue;
            };
            let Some(mut future) = self.tasks.remove(&task) else { continue };
            let waker = Waker::from(Arc::new(Ring { task, ready: Arc::clone(&engine.ready) }));
            if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                self.tasks.insert(task, future);
            }
            if !after() {
                return;
            }
        }
    }

    /// Takes in what was spawned.
    fn adopt(&mut self, engine: &Engine) {
        let spawned = std::mem::take(&mut lock(&engine.inner).spawned);
        for task in spawned {
            self.tasks.insert(self.next, task);
            lock(&engine.ready).push_back(self.next);
            self.next += 1;
        }
    }
}

/// Jumps to the next time that somebody waits for, if that is not after `until`.
fn forward(engine: &Engine, until: i64) -> bool {
    let mut inner = lock(&engine.inner);
    while let Some(Reverse((at, id))) = inner.timers.peek().copied() {
        if !inner.waiting.contains_key(&id) {
            inner.timers.pop();
            continue;
        }
        if at > until {
            break;
        }
        inner.timers.pop();
        inner.now = inner.now.max(at);
        if let Some(waker) = inner.waiting.remove(&id) {
            drop(inner);
            waker.wake();
        }
        return true;
    }
    inner.now = inner.now.max(until);
    false
}

/// One answer that somebody waits for; clones share it.
pub struct Slot<T>(Arc<Mutex<(Option<T>, Option<Waker>)>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((None, None))))
    }
}

impl<T> Slot<T> {
    /// Gives the answer.
    pub fn fill(&self, answer: T) {
        let waker = {
            let mut inner = lock(&self.0);
            inner.0 = Some(answer);
            inner.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Slot<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut inner = lock(&self.0);
        match inner.0.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                inner.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
