//! What Step Functions makes of a case: a small model of its rules, against which the histories are held.

use goldsmith_tests::graph::{Level, levels, list};
use goldsmith_tests::history::{Run, Step};
use serde_json::Value;

use crate::cases::Case;

/// The run that a case should take.
pub(crate) fn expected(definition: &Value, case: &Case) -> Run {
    let levels = levels(definition);
    let mut run = Run::default();
    run.error = walk(&levels, &levels[0], case, &mut run.steps);
    run
}

/// Walks one level; the error that it ends with.
fn walk(levels: &[Level<'_>], level: &Level<'_>, case: &Case, steps: &mut Vec<Step>) -> Option<String> {
    let (mut name, mut caught) = (level.start, None);
    loop {
        let state = &level.states[name];
        let error = case.failures.get(name);
        let kind = state["Type"].as_str();
        let branch = (kind == Some("Choice")).then(|| case.branch(name, state));
        let is_task = kind == Some("Task");
        steps.push(Step {
            state: name.to_owned(),
            attempts: if is_task { error.map_or(1, |error| attempts(state, error)) } else { 0 },
            errors: error.filter(|_| is_task).cloned().into_iter().collect(),
            outcome: Some(branch.or(error.map(String::as_str)).unwrap_or("ok").to_owned()),
        });
        if let (Some("Map"), None) = (kind, error) {
            let inner = levels.iter().find(|inner| inner.map == Some(name)).expect("a Map has states");
            assert_eq!(walk(levels, inner, case, steps), None, "no error leaves a Map");
        }
        let next = match error {
            Some(error) => {
                let Some(target) = catcher(state, error) else { return Some(error.clone()) };
                caught = Some(error.clone());
                Some(target)
            }
            None => branch.or(state["Next"].as_str()),
        };
        match next {
            Some(next) => name = next,
            // Fail passes on what FinishFailed was told.
            None => return caught.filter(|_| kind == Some("Fail")),
        }
    }
}

/// Calls of a function that always fails: the first Retry that lists the error decides.
fn attempts(state: &Value, error: &str) -> u32 {
    let retrier = list(&state["Retry"]).iter().find(|retrier| lists(retrier, error));
    let more = retrier.map_or(0, |retrier| retrier["MaxAttempts"].as_u64().unwrap_or(3));
    1 + u32::try_from(more).expect("few attempts")
}

/// Where the first Catch that takes the error leads.
fn catcher<'a>(state: &'a Value, error: &str) -> Option<&'a str> {
    list(&state["Catch"]).iter().find(|catcher| lists(catcher, error))?["Next"].as_str()
}

fn lists(handler: &Value, error: &str) -> bool {
    list(&handler["ErrorEquals"]).iter().any(|name| name == error || name == "States.ALL")
}
