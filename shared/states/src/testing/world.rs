//! A whole account over months, for the property test of starts. Schedules, releases, redeliveries, stops, crashes and
//! failures come in random order, and the real trigger, plan, launch, publish, finish and reap handle them.
//!
//! The rest of a build is not simulated here, because it has its own tests. After the last step, everything that is
//! still pending runs to its end. Then no two builds of a pipeline have ever overlapped, and no pipeline has started
//! automatically twice within an hour. Every delivered cause is served, and no cause was published twice or tried too
//! often. Every wait is answered.

mod rest;

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_cloud::ExecutionStatus;
use goldsmith_cloud::fake::{AMAZON, Fault, HOME};
use goldsmith_model::{Cause, ExecutionInput, Name};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::stack::Stack;
use super::step_functions::info;
use crate::error_names::ErrorName;
use crate::events::reap;
use crate::events::signal;
use crate::events::trigger;
use crate::states::finish;
use crate::{ErrorInfo, Outcome, Start, State, dispatch};

/// The step that happens next.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// A schedule of this pipeline fires.
    Schedule(usize),
    /// An old schedule event is delivered again.
    Redeliver(usize),
    /// The source image has a new release, and a check notices it at once.
    Release,
    /// The periodic check of sources.
    Check,
    /// A person starts a build.
    Manual(usize),
    /// An execution advances by one state.
    Advance(usize),
    /// A state of an execution fails.
    Fail(usize),
    /// An execution is stopped, and its event is delivered.
    Stop(usize),
    /// An execution is stopped, and its event is lost.
    StopQuietly(usize),
    /// The next effect kills the process that makes it, before or after the effect is made.
    Crash(bool),
    /// Lambda delivers the invocations that functions asked for.
    Deliver,
    /// The last invocation that functions asked for is lost.
    Lose,
    /// The tick: signal and reap.
    Tick,
    /// Time passes.
    Days(i64),
}

/// The position of an execution in the definition.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Plan,
    Launch,
    Publish,
    Finish,
    Failing(ErrorInfo),
}

pub(crate) struct World {
    stack: Stack,
    pipelines: [Name; 2],
    running: BTreeMap<String, Place>,
    delivered: Vec<(Name, String)>,
    lost_up_to: usize,
    tokens: BTreeSet<String>,
    builds_per_cause: BTreeMap<(Name, String), BTreeSet<String>>,
    releases: u32,
}

impl World {
    pub(crate) async fn new() -> Self {
        let stack = Stack::new().await;
        let pipelines = ["web".parse().unwrap(), "api".parse().unwrap()];
        let mut other = stack.store().pipeline(&pipelines[0]).await.unwrap().unwrap();
        other.name = pipelines[1].clone();
        stack.put_pipeline(other).await;
        let source = goldsmith_model::SourceImage::Parameter("/source".to_owned());
        for pipeline in &pipelines {
            stack.store().subscribe(pipeline, &source, goldsmith_model::RebuildOn::SourceUpdate).await.unwrap();
        }
        Self {
            stack,
            pipelines,
            running: BTreeMap::new(),
            delivered: vec![],
            lost_up_to: 0,
            tokens: BTreeSet::new(),
            builds_per_cause: BTreeMap::new(),
            releases: 0,
        }
    }

    pub(crate) async fn step(&mut self, step: Step) {
        match step {
            Step::Schedule(which) => {
                self.stack.clock.advance(SignedDuration::from_mins(7));
                let time = crate::Clock::now(&self.stack.clock).to_string();
                let pipeline = self.pipelines[which % 2].clone();
                self.delivered.push((pipeline.clone(), time.clone()));
                self.fire(&pipeline, &time).await;
            }
            Step::Redeliver(which) => {
                if let Some((pipeline, time)) = self.delivered.get(which % self.delivered.len().max(1)).cloned() {
                    self.fire(&pipeline, &time).await;
                }
            }
            Step::Release => {
                self.releases += 1;
                let image = self.stack.cloud.add_image(HOME, AMAZON, &format!("debian-12.{}", self.releases));
                // The vendor's own call: a crash that was armed for us must not hit it for ever.
                while self.stack.until_killed(self.stack.point_source_to(&image)).await.is_none() {}
                self.trigger(json!({"check": "sources"})).await;
            }
            Step::Check => self.trigger(json!({"check": "sources"})).await,
            Step::Manual(which) => self.manual(which).await,
            Step::Advance(which) => self.advance(which, false).await,
            Step::Fail(which) => self.advance(which, true).await,
            Step::Stop(which) => self.stop(which, true).await,
            Step::StopQuietly(which) => self.stop(which, false).await,
            Step::Crash(after) => {
                self.stack.cloud.fail_at(1, if after { Fault::KillAfter } else { Fault::KillBefore });
            }
            Step::Deliver => self.deliver().await,
            Step::Lose => self.lost_up_to = self.stack.cloud.wakes().len(),
            Step::Tick => self.tick().await,
            Step::Days(days) => {
                self.stack.clock.advance(SignedDuration::from_hours(24 * days));
                if days > 90 {
                    self.stack.cloud.forget_closed_executions();
                }
            }
        }
        self.find_new_executions().await;
        self.assert_no_overlap().await;
    }

    async fn fire(&mut self, pipeline: &Name, time: &str) {
        let event = json!({"schedule": {"pipeline": pipeline, "scheduledTime": time}});
        self.trigger(event).await;
    }

    /// Calls trigger as Lambda does: up to three times, until a call succeeds.
    async fn trigger(&mut self, event: Value) {
        for _ in 0..3 {
            let context = self.stack.context();
            if let Some(Ok(_)) = self.stack.until_killed(trigger::handle(&context, event.clone())).await {
                return;
            }
        }
    }

    async fn manual(&mut self, which: usize) {
        let pipeline = self.pipelines[which % 2].clone();
        let cause = Cause::Manual { id: format!("{}", self.stack.cloud.effects().len()) };
        let name = goldsmith_model::execution_name(&pipeline, &cause, 1);
        let input = serde_json::to_string(&ExecutionInput::new(pipeline, cause)).unwrap();
        let context = self.stack.context();
        let machine = context.config.state_machine.clone();
        let start = context.cloud.executions.start(&machine, &name, &input);
        let _ = self.stack.until_killed(start).await;
    }

    async fn deliver(&mut self) {
        let wakes = self.stack.cloud.wakes();
        let from = self.lost_up_to.max(self.stack.delivered.get());
        self.stack.delivered.set(wakes.len());
        for wake in wakes.into_iter().skip(from) {
            let payload: Value = serde_json::from_str(&wake.payload).unwrap();
            if wake.function.ends_with("-trigger") {
                self.trigger(payload).await;
            } else {
                let context = self.stack.context();
                let _ = self.stack.until_killed(dispatch(&context, "launch", payload)).await;
            }
        }
    }

    async fn tick(&mut self) {
        self.stack.clock.advance(SignedDuration::from_mins(1));
        let context = self.stack.context();
        let _ = self.stack.until_killed(signal::handle(&context, json!({}))).await;
        let context = self.stack.context();
        let _ = self.stack.until_killed(reap::handle(&context, json!({}))).await;
        self.deliver().await;
    }

    /// Executions that functions have started in the meantime.
    async fn find_new_executions(&mut self) {
        for execution in self.stack.cloud.executions() {
            if execution.status == ExecutionStatus::Running && !self.running.contains_key(&execution.name) {
                self.running.insert(execution.name, Place::Plan);
            }
        }
    }

    async fn advance(&mut self, which: usize, fails: bool) {
        let Some(name) = self.nth(which) else { return };
        let Some(place) = self.running.get(&name).cloned() else { return };
        let next = if fails && place != Place::Plan && !matches!(place, Place::Failing(_) | Place::Finish) {
            let token = format!("token-{name}");
            self.stack.cloud.close_token(&token);
            self.tokens.remove(&token);
            Some(Place::Failing(ErrorInfo {
                error: "Goldsmith.CommandFailed".to_owned(),
                cause: "it failed".to_owned(),
            }))
        } else {
            self.run_state(&name, place).await
        };
        match next {
            Some(next) => drop(self.running.insert(name, next)),
            None => drop(self.running.remove(&name)),
        }
    }

    /// Runs one state, and returns the next state, or `None` at the end.
    async fn run_state(&mut self, name: &str, place: Place) -> Option<Place> {
        match place {
            Place::Plan => self.plan(name).await,
            Place::Launch => Some(self.launch(name).await),
            Place::Publish => {
                let good =
                    |region: &str| Outcome { item: region.to_owned(), outcome: "succeeded".to_owned(), cause: None };
                let results = Some(vec![good(HOME), good(super::AWAY)]);
                self.pass_what_is_left_out(name).await;
                let start = Start { results, ..self.start(name, State::Publish) };
                Some(match self.retried(&start).await {
                    Ok(_) => Place::Finish,
                    Err(error) => Place::Failing(error),
                })
            }
            Place::Finish => self.end(name, self.start(name, State::Finish)).await,
            Place::Failing(error) => {
                let start = Start { error: Some(error), ..self.start(name, State::FinishFailed) };
                self.end(name, start).await
            }
        }
    }

    async fn plan(&mut self, name: &str) -> Option<Place> {
        let input: Value = serde_json::from_str(&self.execution(name).input).unwrap();
        let parsed = ExecutionInput::parse(&input).unwrap();
        let start = Start { input: Some(input), ..self.start(name, State::Plan) };
        match self.retried(&start).await {
            Ok(answer) if answer["outcome"] == "build" => {
                let cause = serde_json::to_string(&parsed.cause).unwrap();
                self.builds_per_cause.entry((parsed.pipeline, cause)).or_default().insert(name.to_owned());
                Some(Place::Launch)
            }
            Ok(answer) => {
                self.close(name, ExecutionStatus::Succeeded, Some(answer.to_string()));
                None
            }
            Err(error) => Some(Place::Failing(error)),
        }
    }

    /// For a waiting state, the token is answered now or by a later tick.
    async fn launch(&mut self, name: &str) -> Place {
        let token = format!("token-{name}");
        let answer = self.stack.answer(&token);
        match answer {
            Some(Ok(_)) => return Place::Publish,
            Some(Err(error)) => return Place::Failing(error),
            None => {}
        }
        if self.tokens.insert(token.clone()) {
            self.stack.cloud.open_token(&token);
            let start = Start { token: Some(token.clone()), ..self.start(name, State::Launch) };
            // A process that dies is woken by the tick, if it got as far as its wait; otherwise the definition retries.
            if self.stack.invoke(start).await.is_none() {
                let begun =
                    self.stack.store().states(name).await.unwrap().iter().any(|state| state.state == State::Launch);
                if !begun {
                    self.tokens.remove(&token);
                }
            }
        }
        Place::Launch
    }

    async fn end(&mut self, name: &str, start: Start) -> Option<Place> {
        let failed = start.error.is_some();
        let place = start.error.clone().map_or(Place::Finish, Place::Failing);
        match self.retried(&start).await {
            Ok(answer) => {
                let status = if failed { ExecutionStatus::Failed } else { ExecutionStatus::Succeeded };
                self.close(name, status, Some(answer.to_string()));
                let arn = self.stack.context().config.execution_arn(name);
                let error = answer["error"].as_str().map(str::to_owned);
                self.stack.cloud.edit_execution(&arn, |execution| execution.error = error);
                None
            }
            Err(_) => Some(place),
        }
    }

    async fn stop(&mut self, which: usize, delivered: bool) {
        let Some(name) = self.nth(which) else { return };
        self.running.remove(&name);
        self.close(&name, ExecutionStatus::Aborted, None);
        let token = format!("token-{name}");
        if self.tokens.remove(&token) {
            self.stack.cloud.close_token(&token);
        }
        if delivered {
            let detail = json!({"name": name, "status": "ABORTED"});
            let context = self.stack.context();
            let _ = self.stack.until_killed(finish::handle_event(&context, detail)).await;
        }
    }

    /// Retries as the definition does: a function whose process has ended or that was throttled is called again.
    async fn retried(&self, start: &Start) -> Result<Value, ErrorInfo> {
        for _ in 0..4 {
            match self.stack.invoke(start.clone()).await {
                Some(Ok(value)) => return Ok(value),
                Some(Err(failure)) if failure.name != ErrorName::Throttled => return Err(info(&failure)),
                _ => {}
            }
        }
        Err(ErrorInfo { error: "Runtime.ExitError".to_owned(), cause: "it died again and again".to_owned() })
    }

    fn start(&self, name: &str, state: State) -> Start {
        Start {
            build: name.to_owned(),
            state,
            item: None,
            token: None,
            execution: self.stack.context().config.execution_arn(name),
            input: None,
            results: None,
            error: None,
        }
    }

    fn nth(&self, which: usize) -> Option<String> {
        let count = self.running.len();
        (count > 0).then(|| self.running.keys().nth(which % count).cloned())?
    }

    fn execution(&self, name: &str) -> goldsmith_cloud::Execution {
        self.stack.cloud.executions().into_iter().find(|execution| execution.name == name).unwrap()
    }

    fn close(&self, name: &str, status: ExecutionStatus, output: Option<String>) {
        let arn = self.stack.context().config.execution_arn(name);
        self.stack.cloud.edit_execution(&arn, |execution| {
            execution.status = status;
            execution.output = output;
        });
    }
}
