//! What nobody of the stack has sent: the account's other events, and calls of its functions by strangers.

use goldsmith_cloud::ExecutionStatus;
use goldsmith_store::ImageStatus;
use serde_json::{Value, json};

use super::Case;
use super::starts::while_held;
use crate::definitions::Pipeline;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("the_rules_take_only_what_may_concern_the_stack", rules),
    ("calls_of_finish_or_publish_during_a_build_have_no_effect", strangers),
];

fn event(source: &str, detail_type: &str, detail: &Value) -> String {
    json!({
        "version": "0", "id": "1", "detail-type": detail_type, "source": source, "account": "000000000000",
        "time": "2026-11-24T03:00:00Z", "region": "eu-west-1", "resources": [], "detail": detail,
    })
    .to_string()
}

/// Events as AWS documents them, each with the rules that take it.
fn events() -> Vec<(String, Vec<&'static str>)> {
    let image = |state: &str| {
        event(
            "aws.ec2",
            "EC2 AMI State Change",
            &json!({"RequestId": "r", "ImageId": "ami-1", "State": state, "ErrorMessage": ""}),
        )
    };
    let instance = |state: &str| {
        event("aws.ec2", "EC2 Instance State-change Notification", &json!({"instance-id": "i-1", "state": state}))
    };
    let command = |document: &str, status: &str| {
        let detail = json!({
            "command-id": "c-1", "document-name": document, "instance-id": "i-1",
            "requested-date-time": "2026-11-24T03:00:00Z", "status": status,
        });
        event("aws.ssm", "EC2 Command Invocation Status-change Notification", &detail)
    };
    let parameter = |name: &str, operation: &str| {
        event("aws.ssm", "Parameter Store Change", &json!({"operation": operation, "name": name, "type": "String"}))
    };
    let mut events = vec![
        (image("available"), vec!["SignalFunctionImage", "TriggerFunctionImage"]),
        (image("failed"), vec!["SignalFunctionImage"]),
        (image("deregistered"), vec![]),
        (image("disabled"), vec![]),
        (instance("stopped"), vec!["SignalFunctionInstance"]),
        (instance("running"), vec!["SignalFunctionInstance"]),
        (instance("pending"), vec![]),
        (command("AWS-RunPatchBaseline", "Success"), vec![]),
        (parameter("/images/web", "Update"), vec!["TriggerFunctionParameter"]),
        (parameter("/images/web", "Create"), vec!["TriggerFunctionParameter"]),
        (parameter("/images/web", "Delete"), vec![]),
        (parameter("/imagesque", "Update"), vec![]),
        (parameter("/team/password", "Update"), vec![]),
        (parameter("/goldsmith/examples/source", "Update"), vec!["TriggerFunctionParameter"]),
        (parameter("/goldsmith/build/e2e/secret", "Update"), vec![]),
    ];
    for status in ["Success", "Failed", "TimedOut", "Cancelled"] {
        events.push((command("AWS-RunShellScript", status), vec!["SignalFunctionCommand"]));
    }
    for status in ["Pending", "InProgress", "Delayed", "Cancelling"] {
        events.push((command("AWS-RunShellScript", status), vec![]));
    }
    events
}

fn rules(stack: &Stack) {
    let client = aws_sdk_eventbridge::Client::new(stack.sdk());
    let rules = stack.block_on(client.list_rules().name_prefix(format!("{}-", crate::STACK)).send()).unwrap();
    let rules: Vec<_> = rules.rules.unwrap_or_default();
    let patterns: Vec<(&str, &str)> =
        rules.iter().filter_map(|rule| Some((rule.name()?, rule.event_pattern()?))).collect();
    assert_eq!(patterns.len(), 6, "{patterns:?}");
    for (event, expected) in events() {
        let takes = |pattern: &str| {
            let asked = client.test_event_pattern().event_pattern(pattern).event(&event);
            stack.block_on(asked.send()).unwrap().result()
        };
        let mut taken: Vec<&str> = patterns
            .iter()
            .filter(|(_, pattern)| takes(pattern))
            .map(|(name, _)| name.split('-').nth(1).unwrap_or_default())
            .collect();
        taken.sort_unstable();
        assert_eq!(taken, expected, "{event}");
    }
}

fn strangers(stack: &Stack) {
    let name = "called-by-strangers";
    stack.apply(Pipeline::quick(name, "imageTestsConfiguration: {imageTestsEnabled: false}\n").write().path());
    let (execution, ()) = while_held(stack, name, || {
        let build = format!("e2e-{name}");
        let arn = stack.block_on(stack.store().build(&build)).unwrap().unwrap().execution;
        let call = |state: &str, more: Value| {
            let mut payload = json!({"build": build, "state": state, "execution": arn});
            payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            payload
        };
        let good = |region: &str| json!({"item": region, "outcome": "succeeded"});
        let timeout = json!({"error": {"Error": "States.Timeout", "Cause": ""}});
        let all = json!({"results": [good("eu-west-1"), good("us-east-1")]});
        for (function, payload, error) in [
            // The definition itself would call again.
            ("finish", call("FinishFailed", timeout), "Goldsmith.Throttled"),
            ("finish", call("Finish", json!({})), "Goldsmith.Internal"),
            ("publish", call("Publish", all), "Goldsmith.Internal"),
        ] {
            let client = aws_sdk_lambda::Client::new(stack.sdk());
            let called = client.invoke().function_name(format!("{}-{function}", crate::STACK));
            let answer = stack.block_on(called.payload(payload.to_string().into_bytes().into()).send()).unwrap();
            let said = String::from_utf8_lossy(&answer.payload.unwrap().into_inner()).into_owned();
            assert!(answer.function_error.is_some() && said.contains(error), "{function}: {said}");
        }
    });
    assert_eq!(execution, ExecutionStatus::Succeeded);
    let images = stack.block_on(stack.store().images(name)).unwrap();
    assert_eq!(images.iter().map(|image| image.status).collect::<Vec<_>>(), [ImageStatus::Available]);
}
