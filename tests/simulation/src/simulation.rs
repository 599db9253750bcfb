//! The world of one seed: table, AWS, Step Functions, Lambda and the event bus, on the scheduler's clock.

mod book;
mod calls;
mod executions;
mod functions;
mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use goldsmith_cloud::fake::FakeCloud;
use goldsmith_store::MemoryTable;
use serde_json::Value;

pub use book::Book;
pub use calls::Way;
pub use people::let_builds_vary;

use crate::definition::Machine;
use crate::engine::{Engine, Slot};
use crate::execution::Failure;
use crate::faults::{Kind, Plan};
use crate::rng::Rng;

/// Name of the stack.
pub const STACK: &str = "goldsmith";
/// ARN of its state machine.
pub const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:goldsmith-image-build";

#[derive(Default)]
struct Touched {
    starts: bool,
    wakes: bool,
    answers: bool,
    pointers: bool,
    puts: bool,
    builds: bool,
}

struct State {
    rng: Rng,
    plan: Plan,
    book: Book,
    invocations: u64,
    tokens: u64,
    nonces: u64,
    version: u32,
    open: BTreeMap<String, (String, Slot<Result<Value, Failure>>)>,
    running: BTreeMap<String, Slot<()>>,
    known: BTreeSet<String>,
    finishing: BTreeSet<String>,
    wakes: usize,
    answers: usize,
    touched: Touched,
}

/// The world; invocations and executions share it.
pub struct Simulation {
    /// Scheduler and clock.
    pub engine: Engine,
    /// AWS.
    pub cloud: FakeCloud,
    /// The table.
    pub table: MemoryTable,
    machine: Arc<Machine>,
    agents: PathBuf,
    state: Mutex<State>,
}

impl Simulation {
    /// A world of a seed, with nothing in it.
    #[must_use]
    pub fn new(seed: u64, plan: Plan, machine: Arc<Machine>, agents: PathBuf, is_told: bool) -> Self {
        let engine = Engine::default();
        let book = Book { history: is_told.then(Vec::new), active_at: engine.now(), ..Book::default() };
        let state = State {
            rng: Rng::new(seed, 2),
            plan,
            book,
            invocations: 0,
            tokens: 0,
            nonces: 0,
            version: 1,
            open: BTreeMap::new(),
            running: BTreeMap::new(),
            known: BTreeSet::new(),
            finishing: BTreeSet::new(),
            wakes: 0,
            answers: 0,
            touched: Touched::default(),
        };
        let (cloud, table) = (FakeCloud::new(), MemoryTable::new());
        let time = engine.clone();
        cloud.tell_time(move || time.time(0));
        Self { engine, cloud, table, machine, agents, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something random.
    pub fn random<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.state().rng)
    }

    /// Looks into the book.
    pub fn book<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.state().book)
    }

    /// Looks at the plan of faults.
    pub fn plan<T>(&self, look: impl FnOnce(&mut Plan) -> T) -> T {
        look(&mut self.state().plan)
    }

    fn take(&self, of: &[Kind]) -> Option<(usize, Kind, u64)> {
        let mut state = self.state();
        let number = state.book.calls;
        state.plan.take(number, "", |kind| of.contains(&kind))
    }
}
