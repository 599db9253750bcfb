//! Plays the parts of Step Functions, the tick and Lambda that a state can notice.

use goldsmith_cloud::ExecutionStatus;
use goldsmith_cloud::fake::ACCOUNT;
use goldsmith_store::Scope;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::stack::{BUILD, Stack};
use crate::error_names::ErrorName;
use crate::events::signal;
use crate::{Context, ErrorInfo, Failure, Outcome, Start, State, dispatch, spec};

/// The first attempt and the definition's `MaxAttempts`.
const ATTEMPTS: u32 = 5;
/// Minutes after which a wait without an answer fails.
const TICKS: u32 = 60;

/// How a state ended, as the definition sees it.
pub(crate) type Ended = Result<Value, ErrorInfo>;

/// One Task of an execution.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) state: State,
    pub(crate) item: Option<String>,
    pub(crate) input: Option<Value>,
    pub(crate) results: Option<Vec<Outcome>>,
    pub(crate) error: Option<ErrorInfo>,
}

impl Task {
    pub(crate) fn new(state: State) -> Self {
        let input = (state == State::Plan).then(|| json!({"pipeline": "web"}));
        Self { state, item: None, input, results: None, error: None }
    }
    pub(crate) fn item(state: State, item: &str) -> Self {
        Self { item: Some(item.to_owned()), ..Self::new(state) }
    }
    pub(crate) fn scope(&self) -> Scope {
        Scope { state: self.state, item: self.item.clone() }
    }
    /// The payload of its function.
    pub(crate) fn start(&self, token: &str) -> Start {
        Start {
            build: BUILD.to_owned(),
            state: self.state,
            item: self.item.clone(),
            token: spec(self.state).timeout().map(|_| token.to_owned()),
            execution: format!("arn:aws:states:eu-west-1:{ACCOUNT}:execution:goldsmith-image-build:{BUILD}"),
            input: self.input.clone(),
            results: self.results.clone(),
            error: self.error.clone(),
        }
    }
}

impl Stack {
    /// Runs a Task with the definition's retries. If the Task waits, runs it until its token is answered.
    pub(crate) async fn run(&self, task: &Task) -> Ended {
        self.run_as(BUILD, task).await
    }

    /// Runs a Task of another execution in the same way.
    pub(crate) async fn run_as(&self, build: &str, task: &Task) -> Ended {
        for attempt in 1..=ATTEMPTS {
            let token = format!("token-{}-{attempt}-{}", task.scope(), self.cloud.answers().len());
            self.cloud.open_token(&token);
            let execution = self.context().config.execution_arn(build);
            // The future of a state is large, and a test's thread has a small stack.
            let start = Start { build: build.to_owned(), execution, ..task.start(&token) };
            let called = Box::pin(self.invoke(start)).await;
            match called {
                Some(Err(failure)) if failure.name == ErrorName::Throttled => {}
                Some(Err(failure)) => {
                    self.cloud.close_token(&token);
                    return Err(info(&failure));
                }
                Some(Ok(value)) if spec(task.state).timeout().is_none() => return Ok(value),
                // The process died: Lambda says Runtime.ExitError, and the definition tries again.
                None if spec(task.state).timeout().is_none() => {}
                None if attempt == 1 => {}
                _ => return self.answered(&token).await,
            }
            self.clock.advance(SignedDuration::from_secs(5));
            self.cloud.close_token(&token);
        }
        Err(ErrorInfo { error: "Goldsmith.Throttled".to_owned(), cause: format!("{ATTEMPTS} attempts") })
    }

    /// Runs the whole execution to its end as the definition does, no matter what fails. Maps collect the outcomes of
    /// their items, and a Catch leads to FinishFailed. If FinishFailed fails too, the execution has failed without a
    /// record.
    pub(crate) async fn execute(&self) -> Ended {
        self.execute_as(BUILD, &Task::new(State::Plan)).await
    }

    /// Starts an execution with this name and this input, as anyone who may start executions can, and runs it to its
    /// end.
    pub(crate) async fn start_and_execute(&self, name: &str, input: Value) -> Ended {
        let config = self.context().config;
        let executions = self.cloud.cloud().executions;
        executions.start(&config.state_machine, name, &input.to_string()).await.unwrap();
        let plan = Task { input: Some(input), ..Task::new(State::Plan) };
        let ended = Box::pin(self.execute_as(name, &plan)).await;
        let failed = ended.as_ref().map_or(true, |answer| answer.get("error").is_some());
        self.cloud.edit_execution(&config.execution_arn(name), |execution| {
            execution.status = if failed { ExecutionStatus::Failed } else { ExecutionStatus::Succeeded };
            let answer = ended.clone().unwrap_or_default();
            execution.error = answer["error"].as_str().map(str::to_owned);
            execution.output = Some(answer.to_string());
        });
        ended
    }

    async fn execute_as(&self, name: &str, plan: &Task) -> Ended {
        let ended = match self.until_publish(name, plan).await {
            Ok(answer) if begins(&answer).is_some() => self.run_as(name, &Task::new(State::Finish)).await,
            ended => ended,
        };
        match ended {
            Err(error) => self.run_as(name, &Task { error: Some(error), ..Task::new(State::FinishFailed) }).await,
            done => done,
        }
    }

    /// Runs the tasks up to and including Publish, and returns the answer of Plan.
    async fn until_publish(&self, name: &str, plan: &Task) -> Ended {
        let planned = self.run_as(name, plan).await?;
        let Some(first) = begins(&planned) else { return Ok(planned) };
        let items = |field: &str| -> Vec<String> { serde_json::from_value(planned[field].clone()).unwrap() };
        let mut results = Vec::new();
        let is_distributed = !items("regions").is_empty();
        for state in State::ALL.iter().copied().skip_while(|state| *state != first) {
            match state {
                State::Finish => break,
                State::DistributeRegion | State::Publish if !is_distributed => {}
                State::LaunchTest => {
                    for item in items("tests") {
                        let mut tested = Ok(json!({}));
                        for state in [State::LaunchTest, State::ExecuteTest] {
                            if tested.is_ok() {
                                tested = self.run_as(name, &Task::item(state, &item)).await;
                            }
                        }
                        let test_ended = self.run_as(name, &Task::item(State::EndTest, &item)).await;
                        results.push(outcome(item, tested.and(test_ended)));
                    }
                }
                State::ExecuteTest | State::EndTest | State::LaunchAgain | State::BuildAgain => {}
                State::Checkpoint | State::BuildRest => {}
                State::Attest if planned["attest"] != true => {}
                State::BeginCopies if planned["beginCopies"] != true => {}
                // The build goes on without it.
                State::BeginCopies => _ = self.run_as(name, &Task::new(state)).await,
                State::Build => match self.build_as(name, planned["checkpoint"] == true).await {
                    Err(error) if error.error == ErrorName::Interrupted.as_str() => {
                        for state in [State::LaunchAgain, State::BuildAgain] {
                            self.run_as(name, &Task::new(state)).await?;
                        }
                    }
                    built => built?,
                },
                State::DistributeRegion => {
                    for item in items("regions") {
                        let copied = self.run_as(name, &Task::item(state, &item)).await;
                        results.push(outcome(item, copied));
                    }
                }
                State::JudgeTests | State::Publish => {
                    let results = Some(std::mem::take(&mut results));
                    self.run_as(name, &Task { results, ..Task::new(state) }).await?;
                }
                _ => drop(self.run_as(name, &Task::new(state)).await?),
            }
        }
        Ok(planned)
    }

    /// Runs the documents on the build instance, with or without a checkpoint between them.
    async fn build_as(&self, name: &str, makes_checkpoint: bool) -> Result<(), ErrorInfo> {
        let states = [State::Build, State::Checkpoint, State::BuildRest];
        for state in states.iter().take(if makes_checkpoint { 3 } else { 1 }) {
            self.run_as(name, &Task::new(*state)).await?;
        }
        Ok(())
    }

    /// Runs tasks until a fault kills a function, which also ends the execution.
    pub(crate) async fn run_until_killed(&self, tasks: &[Task]) {
        for task in tasks {
            let token = format!("token-{}", task.scope());
            self.cloud.open_token(&token);
            match self.invoke(task.start(&token)).await {
                None => return self.cloud.close_token(&token),
                Some(called) => assert!(called.is_ok(), "{}: {called:?}", task.scope()),
            }
        }
    }

    /// Starts a waiting Task once and answers its token.
    pub(crate) async fn start(&self, task: &Task) -> String {
        let token = format!("token-{}", task.scope());
        self.start_with(task, &token).await;
        token
    }

    /// Starts a waiting Task with this token. The Task's build may be closed.
    pub(crate) async fn start_with(&self, task: &Task, token: &str) {
        self.cloud.open_token(token);
        let started = self.invoke(task.start(token)).await.unwrap();
        let name = started.as_ref().err().map(|failure| failure.name);
        assert!(matches!(name, None | Some(ErrorName::Closed)), "{started:?}");
    }

    /// The answer to a token.
    pub(crate) fn answer(&self, token: &str) -> Option<Ended> {
        let answer = self.cloud.answers().into_iter().find(|answer| answer.token == token)?;
        Some(match answer.result {
            Ok(output) => Ok(serde_json::from_str(&output).unwrap()),
            Err((error, cause)) => Err(ErrorInfo { error, cause }),
        })
    }

    /// Runs a Task's function once, in its own context. If the Task waits, its token is empty.
    pub(crate) async fn run_in(&self, context: &Context, task: &Task) -> Ended {
        call(context, &task.start("")).await.map_err(|failure| info(&failure))
    }

    /// Waits, tick by tick, until the token is answered.
    async fn answered(&self, token: &str) -> Ended {
        for _ in 0..TICKS {
            if let Some(ended) = self.answer(token) {
                return ended;
            }
            self.tick_after(SignedDuration::from_mins(1)).await;
        }
        self.cloud.close_token(token);
        Err(ErrorInfo { error: "States.Timeout".to_owned(), cause: String::new() })
    }

    /// Runs the tick after some time.
    pub(crate) async fn tick_after(&self, time: SignedDuration) {
        self.clock.advance(time);
        let context = self.context();
        let _ = self.until_killed(signal::handle(&context, json!({}))).await;
        self.deliver_wakes().await;
    }

    /// Invokes the functions for which `signal` has asked Lambda, and those for which these functions ask.
    pub(crate) async fn deliver_wakes(&self) {
        while let Some(wake) = self.cloud.wake(self.delivered.get()) {
            self.delivered.set(self.delivered.get() + 1);
            let function = wake.function.strip_prefix("goldsmith-").unwrap();
            let payload = serde_json::from_str(&wake.payload).unwrap();
            let context = self.context();
            let _ = self.until_killed(dispatch(&context, function, payload)).await;
        }
    }

    /// Calls the function of a state. Returns `None` if a fault killed the process of the function.
    pub(crate) async fn invoke(&self, start: Start) -> Option<Result<Value, Failure>> {
        let context = self.context();
        self.until_killed(call(&context, &start)).await
    }

    /// Runs a function. Returns `None` if a fault killed the process of the function.
    pub(crate) async fn until_killed<T>(&self, function: impl Future<Output = T>) -> Option<T> {
        let faults = self.cloud.faults();
        tokio::select! {
            biased;
            () = faults.killed() => None,
            done = function => Some(done),
        }
    }
}

/// Returns the state at which the definition continues after this answer of Plan, or `None` if the execution ends
/// there.
fn begins(planned: &Value) -> Option<State> {
    match planned["outcome"].as_str() {
        Some("build") => Some(State::Launch),
        Some("verify") => Some(State::LaunchTest),
        Some("distribute") => Some(State::DistributeRegion),
        _ => None,
    }
}

async fn call(context: &Context, start: &Start) -> Result<Value, Failure> {
    dispatch(context, spec(start.state).function, json!(start)).await
}

/// The output of an item of a Map.
fn outcome(item: String, ended: Ended) -> Outcome {
    let cause = ended.err().map(|error| json!(error.cause));
    let outcome = if cause.is_none() { "succeeded" } else { "failed" };
    Outcome { item, outcome: outcome.to_owned(), cause }
}

/// An error in the form in which Lambda and Step Functions pass it to a Catch.
pub(crate) fn info(failure: &Failure) -> ErrorInfo {
    let error = failure.name.as_str();
    let cause = json!({"errorType": error, "errorMessage": failure.message()});
    ErrorInfo { error: error.to_owned(), cause: cause.to_string() }
}
