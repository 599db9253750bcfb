//! The world of one seed: table, AWS, Step Functions, Lambda and the event bus, on the scheduler's clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use goldsmith_cloud::fake::{FakeCloud, Fault as Verdict, HOME, OnItsWay, Outcome};
use goldsmith_cloud::{Cloud, Execution, ExecutionStatus, Kind as Refusal, Parameter};
use goldsmith_states::{Config, Context, SsmAgent};
use goldsmith_store::{MemoryTable, Store, Write};
use serde_json::{Value, json};

use crate::account::AWAY;
use crate::definition::Machine;
use crate::engine::{Engine, Slot};
use crate::execution::{Failure, Scene, run};
use crate::faults::{Kind, Plan, Refused, fits_call};
use crate::lambda;
use crate::rng::Rng;
use crate::wire::{Mortal, READ, WRITE, Wire, WiredTable};

/// `TimeoutSeconds` of the definition, in milliseconds.
const EXECUTION_LIMIT: i64 = 604_800_000;
/// Name of the stack.
pub const STACK: &str = "goldsmith";
/// ARN of its state machine.
pub const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:goldsmith-image-build";

/// How a call goes on its way.
pub struct Way {
    /// Milliseconds until it arrives.
    pub takes: i64,
    /// What happens to it then.
    pub fault: Option<Verdict>,
}

/// What a run came to know of itself.
#[derive(Default)]
pub struct Book {
    /// What happened, if that is written down.
    pub history: Option<Vec<String>>,
    /// States that executions have entered.
    pub reached: BTreeSet<String>,
    /// How executions have ended.
    pub endings: BTreeMap<&'static str, u64>,
    /// What must never be, and was.
    pub violations: Vec<String>,
    /// Calls so far.
    pub calls: u64,
    /// When something last happened that is no tick.
    pub active_at: i64,
    /// Tokens that nobody answered in time, and whether anything lasted meanwhile.
    pub unanswered: Vec<(String, bool)>,
    /// Pipelines of Plans that opened a build or found nothing to do, and when, in milliseconds.
    pub planned: Vec<(String, i64)>,
    /// Whether anything was refused for longer.
    pub had_lasting: bool,
}

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

    /// Writes down what happens, if that is wanted.
    pub fn note(&self, text: impl FnOnce() -> String) {
        let mut state = self.state();
        if state.book.history.is_none() {
            return;
        }
        let at = self.engine.since_begin();
        if let Some(history) = &mut state.book.history {
            let (seconds, rest) = (at / 1000, at % 1000);
            let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
            history.push(format!("{days}d {hours:02}:{minutes:02}:{:02}.{rest:03}  {}", seconds % 60, text()));
        }
    }

    /// Notes what must never be.
    pub fn violate(&self, what: String) {
        self.note(|| format!("VIOLATION: {what}"));
        self.state().book.violations.push(what);
    }

    fn take(&self, of: &[Kind]) -> Option<(usize, Kind, u64)> {
        let mut state = self.state();
        let number = state.book.calls;
        state.plan.take(number, "", |kind| of.contains(&kind))
    }

    fn fault(&self, number: usize, kind: Kind, what: impl FnOnce() -> String) {
        self.note(|| format!("FAULT {number} ({kind:?}): {}", what()));
        let now = self.engine.now();
        self.state().book.active_at = now;
    }

    /// Writes in words, if the history is wanted.
    #[must_use]
    pub fn describe(&self, writes: &[Write]) -> String {
        let keys = || writes.iter().map(in_words).collect::<Vec<_>>().join(", ");
        let changes = |write: &Write| !matches!(write, Write::Verify { .. });
        let touches = |what: &str| writes.iter().any(|write| changes(write) && write.key().sk == what);
        let mut state = self.state();
        if touches("META") || touches("LEASE") {
            state.touched.builds = true;
        }
        if state.book.history.is_some() { keys() } else { String::new() }
    }

    // ---- calls --------------------------------------------------------------------------------------------------

    /// How long a call takes, and what goes wrong with it.
    pub fn way(&self, wire: &Wire, call: &OnItsWay<'_>) -> Way {
        let mut state = self.state();
        state.book.calls += 1;
        let number = state.book.calls;
        let mut takes = i64::try_from(state.rng.between(3, 60)).unwrap_or(20);
        let has_running = !state.running.is_empty();
        let fits = |kind: Kind| match kind {
            Kind::Stop => has_running,
            kind => fits_call(kind, call.name, call.changes),
        };
        let Some((n, kind, amount)) = state.plan.take(number, call.name, fits) else {
            return Way { takes, fault: None };
        };
        drop(state);
        self.fault(n, kind, || format!("{} at {} in {} {}", wire.label, call.name, call.region, call.detail));
        let fault = match kind {
            Kind::CrashBefore => Some(Verdict::KillBefore),
            Kind::CrashAfter => Some(Verdict::KillAfter),
            Kind::Throttled => Some(Verdict::Refuse(Refusal::Throttled)),
            Kind::NoAnswer => Some(Verdict::Refuse(Refusal::Unanswered)),
            Kind::AnswerLost => Some(Verdict::LoseAnswer),
            Kind::Denied => Some(Verdict::Refuse(Refusal::Denied)),
            Kind::NotYetKnown => Some(Verdict::Refuse(Refusal::NotFound)),
            Kind::Held => {
                takes += i64::try_from(amount % 180_000).unwrap_or(0);
                None
            }
            Kind::Lasting | Kind::RegionRefuses | Kind::TableBusy => {
                self.refuse(kind, call, amount);
                None
            }
            Kind::Stop => {
                self.stop_one(amount);
                None
            }
            Kind::Update => {
                self.state().version += 1;
                None
            }
            Kind::InstanceEnds => {
                self.end_instance(amount);
                None
            }
            _ => None,
        };
        Way { takes, fault }
    }

    fn refuse(&self, kind: Kind, call: &OnItsWay<'_>, amount: u64) {
        let now = self.engine.now();
        let mut state = self.state();
        if kind == Kind::TableBusy {
            state.plan.busy_until = now + i64::try_from(amount % 600_000).unwrap_or(0);
            return;
        }
        state.book.had_lasting = true;
        let lasts = [Some(20), Some(180), Some(1_440), Some(4_320), None][usize::try_from(amount % 5).unwrap_or(0)];
        let with = [Refusal::Denied, Refusal::Denied, Refusal::Invalid, Refusal::Throttled, Refusal::Unanswered];
        let with = with[usize::try_from(amount / 5 % 5).unwrap_or(0)];
        let name = (kind == Kind::Lasting).then_some(call.name);
        let region = call.region.to_owned();
        let until = lasts.map(|minutes: i64| now + minutes * 60_000);
        state.plan.refused.push(Refused { name, region, with, until });
    }

    /// What happens to a call that arrives.
    pub fn arrive(&self, wire: &Wire, call: &OnItsWay<'_>, fault: Option<Verdict>) -> Option<Verdict> {
        let now = self.engine.now();
        let is_table = call.name == READ || call.name == WRITE;
        let fault = fault.or_else(|| {
            let state = self.state();
            if is_table {
                return (now < state.plan.busy_until).then_some(Verdict::Refuse(Refusal::Throttled));
            }
            let is_refused = |refused: &&Refused| {
                let lasts = refused.until.is_none_or(|until| now < until);
                let is_of_region = || OF_REGIONS.iter().any(|part| call.name.contains(part));
                lasts
                    && refused.region == call.region
                    && refused.name.map_or_else(is_of_region, |name| name == call.name)
            };
            state.plan.refused.iter().find(is_refused).map(|refused| Verdict::Refuse(refused.with))
        });
        match fault {
            Some(Verdict::KillBefore) => {
                wire.die();
                return fault;
            }
            Some(Verdict::KillAfter) => wire.die(),
            _ => {}
        }
        if call.changes {
            let said = fault.map_or_else(String::new, |fault| format!(" [{}]", in_short(fault)));
            self.note(|| format!("{}: {} {}{said}", wire.label, place(call), call.detail));
        } else if let Some(Verdict::Refuse(kind)) = fault {
            self.note(|| format!("{}: {} is refused: {kind:?}", wire.label, place(call)));
        }
        if call.name == "RunInstances" {
            self.cloud.consoles_say("", self.engine.time(0));
        }
        let mut state = self.state();
        let touched = &mut state.touched;
        match call.name {
            "StartExecution" => touched.starts = true,
            "Invoke" => touched.wakes = true,
            "SendTaskSuccess" | "SendTaskFailure" => touched.answers = true,
            "PutParameter" => (touched.pointers, touched.puts) = (true, true),
            "DeleteParameter" | "DeregisterImage" => touched.pointers = true,
            _ => {}
        }
        fault
    }

    /// What a step of a task has brought about.
    pub fn after_step(self: &Arc<Self>) {
        let touched = std::mem::take(&mut self.state().touched);
        if touched.starts {
            self.begin_executions();
        }
        if touched.wakes {
            self.deliver_wakes();
        }
        if touched.answers {
            self.hand_answers_on();
        }
        if touched.puts {
            // AWS checks for some seconds that there is such an AMI.
            let sim = Arc::clone(self);
            self.engine.spawn(async move {
                sim.engine.sleep(3_000).await;
                sim.cloud.settle_parameters();
                crate::invariants::check_pointers(&sim);
            });
        }
        if touched.pointers {
            crate::invariants::check_pointers(self);
        }
        if touched.builds {
            crate::invariants::check_overlap(self);
        }
    }

    // ---- Step Functions -----------------------------------------------------------------------------------------

    /// Lets executions begin that were started.
    pub fn begin_executions(self: &Arc<Self>) {
        for execution in self.cloud.executions() {
            if execution.status == ExecutionStatus::Running && self.state().known.insert(execution.name.clone()) {
                self.begin_execution(execution);
            }
        }
    }

    fn begin_execution(self: &Arc<Self>, execution: Execution) {
        let stop = Slot::default();
        let now = self.engine.now();
        {
            let mut state = self.state();
            state.running.insert(execution.name.clone(), stop.clone());
            state.book.active_at = now;
        }
        self.note(|| format!("execution {} begins: {}", execution.name, execution.input));
        let sim = Arc::clone(self);
        self.engine.spawn(async move {
            let scene = Scene { name: execution.name, arn: execution.arn };
            let input = serde_json::from_str(&execution.input).unwrap_or_default();
            let machine = Arc::clone(&sim.machine);
            let limit = sim.engine.sleep(EXECUTION_LIMIT);
            let ended = {
                let work = run(&sim, &scene, &machine, input);
                let work = select(work, stop);
                match select(work, limit).await {
                    Either::Left((Either::Left((Ok(output), _)), _)) => (ExecutionStatus::Succeeded, Ok(output)),
                    Either::Left((Either::Left((Err(failure), _)), _)) => (ExecutionStatus::Failed, Err(failure)),
                    Either::Left((Either::Right(_), _)) => (ExecutionStatus::Aborted, Err(Failure::new("", ""))),
                    Either::Right(_) => (ExecutionStatus::TimedOut, Err(Failure::new("", ""))),
                }
            };
            sim.end_execution(&scene, ended);
        });
    }

    fn end_execution(self: &Arc<Self>, scene: &Scene, (status, result): (ExecutionStatus, Result<Value, Failure>)) {
        let word = match status {
            ExecutionStatus::Succeeded | ExecutionStatus::Running => "SUCCEEDED",
            ExecutionStatus::Failed => "FAILED",
            ExecutionStatus::TimedOut => "TIMED_OUT",
            ExecutionStatus::Aborted => "ABORTED",
        };
        self.note(|| format!("execution {} ends {word}: {result:?}", scene.name));
        let gone: Vec<String> = {
            let mut state = self.state();
            *state.book.endings.entry(word).or_default() += 1;
            state.book.active_at = self.engine.now();
            state.running.remove(&scene.name);
            let gone = state.open.iter().filter(|(_, (of, _))| *of == scene.name).map(|(token, _)| token.clone());
            gone.collect()
        };
        gone.iter().for_each(|token| self.close_token(token));
        self.cloud.edit_execution(&scene.arn, |execution| {
            execution.status = status;
            match &result {
                Ok(output) => execution.output = Some(output.to_string()),
                Err(failure) => {
                    execution.error = Some(failure.error.clone()).filter(|error| !error.is_empty());
                    execution.cause = Some(failure.cause.clone()).filter(|cause| !cause.is_empty());
                }
            }
        });
        if status != ExecutionStatus::Succeeded {
            let detail = json!({
                "executionArn": scene.arn, "stateMachineArn": MACHINE, "name": scene.name, "status": word,
            });
            let event = json!({
                "version": "0", "id": scene.name, "source": "aws.states", "region": HOME, "account": "111122223333",
                "detail-type": "Step Functions Execution Status Change", "detail": detail,
            });
            self.send("finish", event);
        }
    }

    /// Notes that an execution enters a state.
    pub fn enter(&self, scene: &Scene, name: &str, input: &Value) {
        self.note(|| format!("{}: state {name}", scene.name));
        let now = self.engine.now();
        let mut state = self.state();
        state.book.active_at = now;
        if !state.book.reached.contains(name) {
            state.book.reached.insert(name.to_owned());
        }
        if name.starts_with("Finish") {
            state.finishing.insert(scene.name.clone());
        }
        if name == "Skip?" {
            let outcome = input["outcome"].as_str().unwrap_or_default();
            if outcome != "already-running" {
                state.book.planned.push((scene.name.clone(), now));
            }
        }
    }

    /// A new task token, and its answer.
    pub fn open_token(&self, scene: &Scene, name: &str) -> (String, Slot<Result<Value, Failure>>) {
        let mut state = self.state();
        state.tokens += 1;
        let token = format!("token-{}-{name}", state.tokens);
        let slot = Slot::default();
        state.open.insert(token.clone(), (scene.name.clone(), slot.clone()));
        drop(state);
        self.cloud.open_token(&token);
        (token, slot)
    }

    /// Nobody waits on a token any more.
    pub fn close_token(&self, token: &str) {
        self.state().open.remove(token);
        self.cloud.close_token(token);
    }

    /// Nobody has answered a token.
    pub fn token_timed_out(&self, token: &str) {
        self.note(|| format!("{token} was not answered in time"));
        let mut state = self.state();
        let lasting = state.book.had_lasting;
        state.book.unanswered.push((token.to_owned(), lasting));
        drop(state);
        self.close_token(token);
    }

    fn hand_answers_on(&self) {
        let answers = self.cloud.answers();
        let from = std::mem::replace(&mut self.state().answers, answers.len());
        for answer in answers.into_iter().skip(from) {
            let open = self.state().open.remove(&answer.token);
            if let Some((_, slot)) = open {
                slot.fill(match answer.result {
                    Ok(output) => Ok(serde_json::from_str(&output).unwrap_or_default()),
                    Err((error, cause)) => Err(Failure { error, cause }),
                });
            }
        }
    }

    fn stop_one(&self, amount: u64) {
        let state = self.state();
        let count = state.running.len().max(1) as u64;
        let which = usize::try_from(amount % count).unwrap_or(0);
        let found = state.running.iter().nth(which).map(|(name, slot)| (name.clone(), slot.clone()));
        drop(state);
        if let Some((name, slot)) = found {
            self.note(|| format!("somebody stops execution {name}"));
            slot.fill(());
        }
    }

    /// Whether an execution runs and has not come to its end.
    #[must_use]
    pub fn goes_on(&self, name: &str) -> bool {
        let state = self.state();
        state.running.contains_key(name) && !state.finishing.contains(name)
    }

    /// Whether an execution runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.state().running.is_empty()
    }

    // ---- Lambda -------------------------------------------------------------------------------------------------

    /// What Step Functions hears of a function that it calls.
    ///
    /// # Errors
    /// The function's, or Lambda's.
    pub async fn call(self: &Arc<Self>, handler: &str, payload: Value) -> Result<Value, Failure> {
        let fault = self.take(&[Kind::InvocationLost, Kind::InvocationUnheard, Kind::InvocationThrottled]);
        if let Some((n, kind, _)) = fault {
            self.fault(n, kind, || format!("of {handler}"));
        }
        match fault.map(|(_, kind, amount)| (kind, amount)) {
            Some((Kind::InvocationLost, _)) => {
                self.engine.sleep(500).await;
                Err(Failure::new("Lambda.ServiceException", "the function was not called"))
            }
            Some((Kind::InvocationThrottled, _)) => {
                Err(Failure::new("Lambda.TooManyRequestsException", "Rate Exceeded."))
            }
            Some((_, amount)) => {
                let unheard = self.invoke(handler, payload);
                let after = self.engine.sleep(i64::try_from(amount % 8_000).unwrap_or(0));
                match select(unheard, after).await {
                    Either::Left((heard, _)) => heard,
                    Either::Right(_) => Err(Failure::new("Lambda.SdkClientException", "the connection was closed")),
                }
            }
            None => self.invoke(handler, payload).await,
        }
    }

    /// Lets a function run by itself; its answer comes into the slot.
    pub fn invoke(self: &Arc<Self>, handler: &str, payload: Value) -> Slot<Result<Value, Failure>> {
        let mut state = self.state();
        state.invocations += 1;
        let label = format!("{handler}#{}", state.invocations);
        let (begins, number) = (i64::try_from(state.rng.between(2, 40)).unwrap_or(5), state.book.calls);
        let skew = state.plan.take(number, "", |kind| kind == Kind::Skew);
        drop(state);
        let mut ahead = 0;
        if let Some((n, kind, amount)) = skew {
            ahead = i64::try_from(amount % 20_001).unwrap_or(0) - 10_000;
            self.fault(n, kind, || format!("the clock of {label} is {ahead} ms ahead"));
        }
        let is_tick = matches!(handler, "signal" | "reap");
        if !is_tick {
            self.note(|| format!("{label} is called: {payload}"));
        }
        let wire = Arc::new(Wire::new(Arc::clone(self), label, ahead));
        let context = self.context(&wire);
        let (sim, slot, handler) = (Arc::clone(self), Slot::default(), handler.to_owned());
        let answer = slot.clone();
        self.engine.spawn(async move {
            sim.engine.sleep(begins).await;
            let limit = sim.engine.sleep(lambda::TIMEOUT);
            let ended = {
                let work = Mortal { work: Box::pin(lambda::run(&handler, &context, payload)), wire: Arc::clone(&wire) };
                match select(work, limit).await {
                    Either::Left((Some(done), _)) => done,
                    Either::Left((None, _)) => Err(Failure::new("Runtime.ExitError", "the process ended")),
                    Either::Right(_) => Err(Failure::new("Sandbox.Timedout", "Task timed out after 120.00 seconds")),
                }
            };
            if !is_tick || ended.is_err() {
                sim.note(|| match &ended {
                    Ok(value) => format!("{} answers {value}", wire.label),
                    Err(failure) => format!("{} fails: {} {}", wire.label, failure.error, failure.cause),
                });
            }
            answer.fill(ended);
        });
        slot
    }

    /// The context of one invocation, built anew as in Lambda.
    fn context(&self, wire: &Arc<Wire>) -> Context {
        let version = self.state().version;
        let table = WiredTable { table: self.table.clone(), wire: Arc::clone(wire) };
        let between: Arc<dyn goldsmith_cloud::fake::Between> = Arc::clone(wire) as _;
        Context {
            store: Store::new(Arc::new(table)),
            cloud: self.cloud.behind(between).cloud(),
            clock: Arc::clone(wire) as _,
            config: config(&self.agents, version),
        }
    }

    /// An event or an asynchronous invocation, which may come never, late or twice.
    pub fn send(self: &Arc<Self>, handler: &str, payload: Value) {
        let fault = self.take(&[Kind::EventLost, Kind::EventDoubled, Kind::EventLate]);
        let soon = i64::try_from(self.random(|rng| rng.between(5, 900))).unwrap_or(100);
        if let Some((n, kind, _)) = fault {
            self.fault(n, kind, || format!("to {handler}: {payload}"));
        }
        match fault.map(|(_, kind, amount)| (kind, i64::try_from(amount).unwrap_or(0))) {
            None => self.deliver(handler, payload, soon),
            Some((Kind::EventLost, _)) => {}
            Some((Kind::EventDoubled, amount)) => {
                self.deliver(handler, payload.clone(), soon);
                self.deliver(handler, payload, soon + if amount % 2 == 0 { amount % 300 } else { amount % 900_000 });
            }
            Some((_, amount)) => self.deliver(handler, payload, soon + amount * 10),
        }
    }

    fn deliver(self: &Arc<Self>, handler: &str, payload: Value, after: i64) {
        let (sim, handler) = (Arc::clone(self), handler.to_owned());
        self.engine.spawn(async move {
            sim.engine.sleep(after).await;
            for again in 0..=lambda::retries(&handler) {
                if sim.invoke(&handler, payload.clone()).await.is_ok() {
                    return;
                }
                sim.engine.sleep(60_000 * i64::from(again + 1)).await;
            }
        });
    }

    fn deliver_wakes(self: &Arc<Self>) {
        let wakes = self.cloud.wakes();
        let from = std::mem::replace(&mut self.state().wakes, wakes.len());
        for wake in wakes.into_iter().skip(from) {
            let handler = wake.function.strip_prefix("goldsmith-").unwrap_or(&wake.function).to_owned();
            let payload = serde_json::from_str(&wake.payload).unwrap_or_default();
            self.send(&handler, payload);
        }
    }

    // ---- people and EC2 -----------------------------------------------------------------------------------------

    /// AWS as a person has it: nothing goes wrong, and nothing takes time.
    #[must_use]
    pub fn person(&self) -> Cloud {
        self.cloud.cloud()
    }

    /// The store as a person has it.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::new(Arc::new(self.table.clone()))
    }

    /// Starts an execution by hand.
    pub fn start(self: &Arc<Self>, name: &str, input: &Value) {
        let cloud = self.person();
        let _ = cloud.executions.start(MACHINE, name, &input.to_string()).now_or_never();
        self.begin_executions();
    }

    /// The vendor publishes another source image.
    pub fn release(&self, image: &str) {
        self.note(|| format!("the source image is {image} now"));
        let value = Parameter { value: image.to_owned(), data_type: "aws:ec2:image".to_owned() };
        let _ = self.person().parameters.put(HOME, "/source", &value).now_or_never();
        self.cloud.settle_parameters();
    }

    fn end_instance(&self, amount: u64) {
        let alive = self.cloud.inventory();
        let ids: Vec<String> = alive.region(HOME).instances.into_keys().collect();
        let which = usize::try_from(amount % ids.len().max(1) as u64).unwrap_or(0);
        if let Some(id) = ids.get(which) {
            self.note(|| format!("EC2 ends {id}"));
            self.cloud.end_instance(HOME, id, "Server.InternalError");
        }
    }
}

/// Operations that a Region refuses whose services are switched off.
const OF_REGIONS: [&str; 9] =
    ["Instance", "Image", "Snapshot", "Volume", "Parameter", "Command", "CreateTags", "Console", "Invocation"];

fn config(agents: &std::path::Path, version: u32) -> Config {
    let numbered = |name: &str| if version == 1 { name.to_owned() } else { format!("{name}-{version}") };
    Config {
        stack: STACK.to_owned(),
        region: HOME.to_owned(),
        log_group: "/goldsmith/goldsmith/builds".to_owned(),
        instance_profile: numbered("goldsmith-build"),
        test_instance_profile: numbered("goldsmith-test"),
        security_group: numbered("sg-1"),
        state_machine: MACHINE.to_owned(),
        agents: agents.to_owned(),
        image_parameter_path: "images".to_owned(),
        subnets: Vec::new(),
        ssm_agent: SsmAgent { base_url: numbered("https://s3.eu-west-1.amazonaws.com/agents"), key: String::new() },
    }
}

fn place(call: &OnItsWay<'_>) -> String {
    if call.region == HOME { call.name.to_owned() } else { format!("{} in {}", call.name, call.region) }
}

fn in_short(fault: Verdict) -> String {
    match fault {
        Verdict::Refuse(kind) => format!("refused: {kind:?}"),
        Verdict::LoseAnswer => "its answer is lost".to_owned(),
        Verdict::KillBefore => "the process ends before it".to_owned(),
        Verdict::KillAfter => "the process ends after it".to_owned(),
    }
}

fn in_words(write: &Write) -> String {
    let key = write.key();
    let key = format!("{}/{}", key.pk, key.sk);
    match write {
        Write::Put { item, .. } => {
            let words = ["status", "id", "refused", "token", "attempt", "build"];
            let words = words.iter().filter_map(|word| Some(format!("{word}={}", item.get(*word)?)));
            format!("put {key} {{{}}}", words.collect::<Vec<_>>().join(" "))
        }
        Write::Update { set, remove, .. } => {
            let short = |(name, value): (&String, &Value)| match value.to_string() {
                long if long.len() > 60 => format!("{name}=…"),
                short => format!("{name}={short}"),
            };
            let set: Vec<String> = set.iter().map(short).collect();
            let without = if remove.is_empty() { String::new() } else { format!(" without {}", remove.join(" ")) };
            format!("set {key} {{{}}}{without}", set.join(" "))
        }
        Write::Delete { .. } => format!("delete {key}"),
        Write::Verify { .. } => format!("check {key}"),
    }
}

/// Scenarios of the build itself, none of which is a fault of Goldsmith or AWS.
pub fn let_builds_vary(sim: &Simulation) {
    let draw = sim.random(|rng| (rng.below(14), rng.below(6), rng.between(1, 6)));
    let failed = r#"{"status":"failed","failureMessage":"exit status 1","executedStepCount":1}"#;
    match draw.0 {
        0 => sim.cloud.next_command(Outcome::failed(1, failed)),
        1 => sim.cloud.next_command_where(|command| command.comment.contains("Test"), Outcome::failed(1, failed)),
        2 => sim.cloud.next_command(Outcome::lost()),
        3 => sim.cloud.next_command(Outcome::endless()),
        4 => sim.cloud.next_image_fails(HOME, "Client.InternalError"),
        5 => sim.cloud.next_image_fails(AWAY, "Client.InvalidKMSKey"),
        6 => sim.cloud.no_capacity("t3.small", None),
        7 => sim.cloud.next_instance_ends(u32::try_from(draw.2).unwrap_or(1), "Server.InternalError"),
        _ => {}
    }
    let few = |sim: &Simulation, most: u64| u32::try_from(sim.random(|rng| rng.below(most + 1))).unwrap_or(0);
    sim.cloud.pace(|pace| {
        pace.until_running = few(sim, 2);
        pace.until_online = few(sim, 2);
        pace.until_stopped = few(sim, 2);
        pace.until_image = few(sim, 3);
        pace.until_command = few(sim, 3);
        pace.hide_new = if draw.1 < 3 { few(sim, 4) } else { 0 };
        pace.hide_new_command = few(sim, 2);
        pace.until_parameter = few(sim, 2);
        pace.copies_at_once = if draw.1 == 5 { 1 } else { 20 };
        pace.refuse_repeated_start = draw.1 == 4;
    });
}
