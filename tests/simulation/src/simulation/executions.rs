//! Step Functions: executions, their task tokens, and who stops one.

use std::sync::Arc;

use futures_util::future::{Either, select};
use goldsmith_cloud::fake::HOME;
use goldsmith_cloud::{Execution, ExecutionStatus};
use serde_json::{Value, json};

use super::{MACHINE, Simulation};
use crate::engine::Slot;
use crate::execution::{Failure, Scene, run};

/// `TimeoutSeconds` of the definition, in milliseconds.
const EXECUTION_LIMIT: i64 = 604_800_000;
/// Calls without which no token is answered that a first invocation has left to the tick.
const TO_ANSWER: [&str; 3] = ["Invoke", "SendTaskSuccess", "SendTaskFailure"];

impl Simulation {
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
            // A run that builds no image takes in no cause.
            if !["already-running", "verify", "distribute"].contains(&outcome) {
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

    /// Nobody has answered a token. Only where owners could not be woken for long, or could not answer, that may be: whatever
    /// else is refused, a wait ends before its state does.
    pub fn token_timed_out(&self, token: &str) {
        self.note(|| format!("{token} was not answered in time"));
        let mut state = self.state();
        let mut refused = state.plan.refused.iter().chain(&state.plan.past);
        if !refused.any(|refused| refused.name.is_some_and(|name| TO_ANSWER.contains(&name))) {
            state.book.unanswered.push(token.to_owned());
        }
        drop(state);
        self.close_token(token);
    }

    pub(super) fn hand_answers_on(&self) {
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

    pub(super) fn stop_one(&self, amount: u64) {
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
}
