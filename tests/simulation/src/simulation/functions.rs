//! Lambda: functions that are called, invoked, and sent events.

use std::sync::Arc;

use futures_util::future::{Either, select};
use goldsmith_cloud::fake::HOME;
use goldsmith_states::{Config, Context, Nonce, Nonces, SsmAgent};
use goldsmith_store::Store;
use serde_json::Value;

use super::{MACHINE, STACK, Simulation};
use crate::engine::Slot;
use crate::execution::Failure;
use crate::faults::Kind;
use crate::lambda;
use crate::wire::{Mortal, Wire, WiredTable};

impl Simulation {
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

    /// Returns a new context for one invocation, as in Lambda.
    fn context(self: &Arc<Self>, wire: &Arc<Wire>) -> Context {
        let version = self.state().version;
        let table = WiredTable { table: self.table.clone(), wire: Arc::clone(wire) };
        let between: Arc<dyn goldsmith_cloud::fake::Between> = Arc::clone(wire) as _;
        Context {
            store: Store::new(Arc::new(table)),
            cloud: self.cloud.behind(between).cloud(),
            clock: Arc::clone(wire) as _,
            nonces: self.nonces(),
            config: config(&self.agents, version),
        }
    }

    /// Nonces that are the same each time that a seed is run, and another for each order.
    fn nonces(self: &Arc<Self>) -> Nonces {
        let sim = Arc::clone(self);
        Arc::new(move || {
            let mut state = sim.state();
            state.nonces += 1;
            Ok(Nonce::new(format!("{:064x}", state.nonces)))
        })
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

    pub(super) fn deliver_wakes(self: &Arc<Self>) {
        let wakes = self.cloud.wakes();
        let from = std::mem::replace(&mut self.state().wakes, wakes.len());
        for wake in wakes.into_iter().skip(from) {
            let handler = wake.function.strip_prefix("goldsmith-").unwrap_or(&wake.function).to_owned();
            let payload = serde_json::from_str(&wake.payload).unwrap_or_default();
            self.send(&handler, payload);
        }
    }
}

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
