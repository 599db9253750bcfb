//! Step Functions: runs an execution through the definition, with its retries, catches, tokens and time-outs.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::{Either, select};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::definition::{Does, Machine, Retry, State, names};
use crate::engine::Slot;
use crate::simulation::Simulation;

/// An error's name and cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `Error`
    pub error: String,
    /// `Cause`
    pub cause: String,
}

impl Failure {
    /// One of these.
    pub fn new(error: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { error: error.into(), cause: cause.into() }
    }
}

/// An execution as its states see it.
#[derive(Clone)]
pub struct Scene {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
}

/// Runs a machine to its end.
pub fn run<'a>(
    sim: &'a Arc<Simulation>,
    scene: &'a Scene,
    machine: &'a Machine,
    input: Value,
) -> Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>> {
    Box::pin(async move {
        let (mut name, mut input) = (machine.start.as_str(), input);
        loop {
            let state = machine.states.get(name).ok_or_else(|| Failure::new("States.Runtime", "no such state"))?;
            let entered = json!({"input": input, "context": {"Execution": {"Name": scene.name, "Id": scene.arn}}});
            sim.enter(scene, name, &input);
            let done = match &state.does {
                Does::Choice(choices, default) => {
                    let holds = |condition: &crate::jsonata::Expr| condition.value(&entered) == Some(Value::Bool(true));
                    name = choices.iter().find(|(condition, _)| holds(condition)).map_or(default, |(_, next)| next);
                    continue;
                }
                Does::Succeed => return Ok(input),
                Does::Fail { error, cause } => {
                    let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
                    return Err(match (text(error.value(&entered)), text(cause.value(&entered))) {
                        (Some(error), Some(cause)) => Failure { error, cause },
                        _ => query_failed(),
                    });
                }
                Does::Pass => Ok(input.clone()),
                Does::Task { .. } => task(sim, scene, state, name, &entered).await,
                Does::Map { items, selector, at_once, machine } => {
                    let items = items.value(&entered).and_then(|items| items.as_array().cloned()).unwrap_or_default();
                    let runs = items.into_iter().map(|item| {
                        let mut entered = entered.clone();
                        entered["context"]["Map"] = json!({"Item": {"Value": item}});
                        let input = selector.value(&entered);
                        async move {
                            match input {
                                Some(input) => run(sim, scene, machine, input).await,
                                None => Err(query_failed()),
                            }
                        }
                    });
                    let runs: Vec<_> = runs.collect();
                    let mut results = stream::iter(runs).buffered(*at_once);
                    let mut outputs = Vec::new();
                    let mut failed = None;
                    while let Some(result) = results.next().await {
                        match result {
                            Ok(output) => outputs.push(output),
                            Err(error) => {
                                failed = Some(error);
                                break;
                            }
                        }
                    }
                    failed.map_or_else(|| Ok(Value::Array(outputs)), Err)
                }
            };
            let mut states = entered;
            let done = done.and_then(|result| {
                states["result"] = result;
                match &state.output {
                    Some(output) => output.value(&states).ok_or_else(query_failed),
                    None => Ok(states["result"].take()),
                }
            });
            (name, input) = match done {
                Ok(output) => match &state.next {
                    Some(next) => (next, output),
                    None => return Ok(output),
                },
                Err(error) => {
                    let Some(catch) = state.catch.iter().find(|catch| names(&catch.errors, &error.error)) else {
                        return Err(error);
                    };
                    states["errorOutput"] = json!({"Error": error.error, "Cause": error.cause});
                    (&catch.next, catch.output.value(&states).ok_or_else(query_failed)?)
                }
            };
        }
    })
}

fn query_failed() -> Failure {
    Failure::new("States.QueryEvaluationError", "an expression came to nothing")
}

async fn task(
    sim: &Arc<Simulation>,
    scene: &Scene,
    state: &State,
    name: &str,
    entered: &Value,
) -> Result<Value, Failure> {
    let mut attempts = vec![0; state.retry.len()];
    loop {
        let done = attempt(sim, scene, state, name, entered).await;
        let Err(failure) = &done else { return done };
        let Some(which) = state.retry.iter().position(|retry| names(&retry.errors, &failure.error)) else {
            return done;
        };
        let retry = &state.retry[which];
        if attempts[which] >= retry.attempts {
            return done;
        }
        let pause = pause(sim, retry, attempts[which]);
        attempts[which] += 1;
        sim.note(|| format!("{}: {name} failed by {} and is tried again", scene.name, failure.error));
        sim.engine.sleep(pause).await;
    }
}

/// Milliseconds before the next attempt.
fn pause(sim: &Arc<Simulation>, retry: &Retry, before: u32) -> i64 {
    let exponent = i32::try_from(before).unwrap_or(0);
    let most = (retry.interval * retry.rate.powi(exponent)).min(retry.most) * 1000.0;
    i64::try_from(sim.random(|rng| rng.below(most as u64 + 1))).unwrap_or(0)
}

async fn attempt(
    sim: &Arc<Simulation>,
    scene: &Scene,
    state: &State,
    name: &str,
    entered: &Value,
) -> Result<Value, Failure> {
    let Does::Task { handler, payload, waits, timeout } = &state.does else { return Err(query_failed()) };
    if !waits {
        let payload = payload.value(entered).ok_or_else(query_failed)?;
        let answer = sim.call(handler, payload).await?;
        return Ok(json!({"Payload": answer}));
    }
    let (token, answered) = sim.open_token(scene, name);
    let mut entered = entered.clone();
    entered["context"]["Task"] = json!({"Token": token});
    let payload = payload.value(&entered).ok_or_else(query_failed)?;
    let limit = sim.engine.sleep(timeout.unwrap_or(0) * 1000);
    let both = select(Box::pin(waiting(sim, handler, payload, answered)), limit).await;
    match both {
        Either::Left((Err(Either::Left(failure)), _)) => {
            sim.close_token(&token);
            Err(failure)
        }
        Either::Left((Err(Either::Right(failure)), _)) => Err(failure),
        Either::Left((Ok(output), _)) => Ok(output),
        Either::Right(_) => {
            sim.token_timed_out(&token);
            Err(Failure::new("States.Timeout", ""))
        }
    }
}

/// Calls the function, then waits for its token. The error is the call's (left) or the token's (right).
async fn waiting(
    sim: &Arc<Simulation>,
    handler: &str,
    payload: Value,
    answered: Slot<Result<Value, Failure>>,
) -> Result<Value, Either<Failure, Failure>> {
    match select(answered, Box::pin(sim.call(handler, payload))).await {
        Either::Left((answer, _)) => answer.map_err(Either::Right),
        Either::Right((Err(failure), _)) => Err(Either::Left(failure)),
        Either::Right((Ok(_), answered)) => answered.await.map_err(Either::Right),
    }
}
