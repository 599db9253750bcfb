//! Writes the Tasks of the definition from the table of states: resource, time-out, payload and Retry of each, and the
//! Catch of those outside of a Map. The rest of a Task, and all other states, are written by hand.

use goldsmith_states::error_names::ErrorName;
use goldsmith_states::{Spec, State, spec};
use goldsmith_tests::graph::{Level, levels};
use serde_json::Value;

/// A field of a Task: its name, and its text with the name.
type Field = (String, String);

/// Returns the definition with each Task written anew.
pub(crate) fn rewritten(text: &str) -> String {
    let definition: Value = serde_json::from_str(text).expect("the definition is JSON");
    let levels = levels(&definition);
    let (mut written, mut lines) = (String::new(), text.lines());
    while let Some(line) = lines.next() {
        written.push_str(&format!("{line}\n"));
        let Some((indent, state)) = begins(line) else { continue };
        let (close, indent) = (format!("{indent}}}"), format!("{indent}  "));
        let mut fields: Vec<Field> = Vec::new();
        let last = loop {
            let line = lines.next().expect("a state ends");
            if line.starts_with(&close) {
                break line;
            }
            match line.strip_prefix(&indent).and_then(|rest| rest.strip_prefix('"')?.split_once('"')) {
                Some((name, _)) => fields.push((name.to_owned(), line.to_owned())),
                None => fields.last_mut().expect("a state begins with a field").1.push_str(&format!("\n{line}")),
            }
        };
        let level = levels.iter().find(|level| level.states.contains_key(state.name())).expect("its level");
        let fields = task(spec(state), level, &indent, fields);
        written.push_str(&format!("{}\n{last}\n", fields.join(",\n")));
    }
    written
}

/// The Catch of a Task outside of a Map.
const CATCH: &str = r#""Catch": [{"ErrorEquals": ["States.ALL"], "Output": {"error": "{% $states.errorOutput %}"}, "Next": "FinishFailed"}]"#;
/// The Catch of a Task without which the build goes on as well.
const CATCH_OPTIONAL: &str =
    r#""Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.input %}", "Next": "Test"}]"#;
/// The Catch of a Task after which the build starts again if EC2 has taken its instance back, or has not started it again.
const CATCH_INTERRUPTED: &str = r#""Catch": [
  {
    "ErrorEquals": ["Goldsmith.Interrupted"],
    "Output": {
      "regions": "{% $states.input.regions %}",
      "tests": "{% $states.input.tests %}",
      "attest": "{% $states.input.attest = true %}",
      "beginCopies": "{% $states.input.beginCopies = true %}",
      "error": "{% $states.errorOutput %}"
    },
    "Next": "LaunchAgain"
  },
  {"ErrorEquals": ["States.ALL"], "Output": {"error": "{% $states.errorOutput %}"}, "Next": "FinishFailed"}
]"#;

/// Returns the indentation and the state of a line that begins a Task.
fn begins(line: &str) -> Option<(&str, State)> {
    let name = line.trim_start().strip_prefix('"')?.strip_suffix("\": {")?;
    Some((&line[..line.len() - line.trim_start().len()], name.parse().ok()?))
}

/// Returns all fields of a Task: those that follow from its row, between those that are written by hand.
fn task(spec: &Spec, level: &Level<'_>, indent: &str, by_hand: Vec<Field>) -> Vec<String> {
    let waits = if spec.timeout().is_some() { ".waitForTaskToken" } else { "" };
    let mut fields = vec![
        r#""Type": "Task""#.to_owned(),
        format!(r#""Resource": "arn:${{Partition}}:states:::lambda:invoke{waits}""#),
    ];
    fields.extend(spec.timeout().map(|limit| format!(r#""TimeoutSeconds": {}"#, limit.as_secs())));
    let payload = payload(spec, level).into_iter().map(|(key, value)| format!(r#"    "{key}": "{value}""#));
    fields.push(format!(
        "\"Arguments\": {{\n  \"FunctionName\": \"${{{}FunctionArn}}\",\n  \"Payload\": {{\n{}\n  }}\n}}",
        pascal_case(spec.function),
        payload.collect::<Vec<_>>().join(",\n")
    ));
    fields.push(retry(spec, level));
    // FinishFailed is where the others lead. In a Map, each Task has a state of its own to lead to.
    if level.map.is_none() && spec.state != State::FinishFailed {
        let catch = match spec.state {
            State::BeginCopies => CATCH_OPTIONAL,
            _ if spec.raises.contains(&ErrorName::Interrupted) => CATCH_INTERRUPTED,
            _ => CATCH,
        };
        fields.push(catch.to_owned());
    }
    let mut fields: Vec<String> =
        fields.iter().map(|field| format!("{indent}{}", field.replace('\n', &format!("\n{indent}")))).collect();
    let is_ours = |name: &str| {
        ["Type", "Resource", "TimeoutSeconds", "Arguments", "Retry"].contains(&name)
            || (name == "Catch" && level.map.is_none())
    };
    for (name, text) in by_hand.into_iter().filter(|(name, _)| !is_ours(name)) {
        let text = text.trim_end_matches(',').to_owned();
        fields.insert(if name == "Comment" { 0 } else { fields.len() }, text);
    }
    fields
}

/// Returns the keys of a Task's payload with their expressions.
fn payload(spec: &Spec, level: &Level<'_>) -> Vec<(&'static str, &'static str)> {
    let name = spec.state.name();
    let follows_an_error = level.caught().contains(name);
    let keys = [
        ("build", "{% $states.context.Execution.Name %}", true),
        ("state", name, true),
        ("item", "{% $states.input.item %}", level.map.is_some()),
        ("token", "{% $states.context.Task.Token %}", spec.timeout().is_some()),
        ("input", "{% $states.input %}", name == level.start && level.map.is_none()),
        ("results", "{% $states.input.results %}", level.after_map().contains(name)),
        // After an error or without one: null says that there was none.
        (
            "error",
            "{% $exists($states.input.error) ? $states.input.error : null %}",
            follows_an_error && level.reached_normally().contains(name),
        ),
        ("error", "{% $states.input.error %}", follows_an_error && !level.reached_normally().contains(name)),
        ("execution", "{% $states.context.Execution.Id %}", true),
    ];
    keys.into_iter().filter_map(|(key, value, is_needed)| is_needed.then_some((key, value))).collect()
}

/// Returns the Retry of a Task. Lambda's own errors and throttling pass. A state at the end has hours of work to lose,
/// so it is tried again for more than an hour; a state that waits has the tick to go on with it.
fn retry(spec: &Spec, level: &Level<'_>) -> String {
    let is_last = spec.timeout().is_none() && spec.state.name() != level.start && spec.state != State::BeginCopies;
    let (attempts, longest) = if is_last { (20, 300) } else { (4, 30) };
    format!(
        r#""Retry": [
  {{
    "ErrorEquals": ["Lambda.ServiceException", "Lambda.AWSLambdaException", "Lambda.SdkClientException",
      "Lambda.ClientExecutionTimeoutException", "Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout", "Goldsmith.Throttled"],
    "IntervalSeconds": 2, "BackoffRate": 2, "MaxAttempts": {attempts}, "MaxDelaySeconds": {longest}, "JitterStrategy": "FULL"
  }},
  {{
    "ErrorEquals": ["Lambda.TooManyRequestsException"],
    "IntervalSeconds": 2, "BackoffRate": 2, "MaxAttempts": 10, "MaxDelaySeconds": 60, "JitterStrategy": "FULL"
  }}
]"#
    )
}

/// Returns `ExecutePhase` for `execute-phase`.
fn pascal_case(function: &str) -> String {
    let words = function.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect()
}
