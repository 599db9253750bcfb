//! Events that a function cannot take: they are tried again, and kept when that does not help.

use serde_json::{Value, json};

use super::Case;
use crate::STACK;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[("an_event_that_finish_cannot_handle_is_kept_after_three_tries", kept)];

fn kept(stack: &Stack) {
    let Some(made) = stack.aws_cli(&["cloudformation", "describe-stacks", "--stack-name", STACK]) else { return };
    let outputs = made["Stacks"][0]["Outputs"].as_array().unwrap();
    let queue = outputs.iter().find(|output| output["OutputKey"] == "DeadLetters").unwrap();
    let queue = queue["OutputValue"].as_str().unwrap();

    let answer = tempfile::NamedTempFile::new().unwrap();
    let (function, event) = (format!("{STACK}-finish"), json!(["no event of Step Functions"]));
    let (payload, answer) = (event.to_string(), answer.path().to_str().unwrap());
    let invoke = ["lambda", "invoke", "--function-name", &function, "--invocation-type", "Event"];
    stack.aws_cli(&[&invoke[..], &["--payload", &payload, answer]].concat()).unwrap();

    let received = stack.wait_for("the event in the queue", || {
        let received = stack.aws_cli(&["sqs", "receive-message", "--queue-url", queue, "--wait-time-seconds", "5"]);
        received.filter(|received| received["Messages"].is_array())
    });
    let message: Value = serde_json::from_str(received["Messages"][0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(message["requestPayload"], event);
    assert_eq!(message["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(message["responsePayload"]["errorType"], "Goldsmith.Internal", "{message}");
}
