//! What the definition is held against: the names and numbers that definition, template and functions share.

use std::collections::BTreeSet;

use goldsmith_states::error_names::{ErrorName, Handling};
use goldsmith_states::{State, spec};

/// Errors of Lambda and of an invocation that a second attempt may mend; all of them are retried.
const PASSING: &[&str] = &[
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
];

/// The Task of this name.
pub(crate) fn task(name: &str) -> Option<State> {
    name.parse().ok()
}

/// Hard limit of a state that waits, in seconds; none for a state that ends with its function.
pub(crate) fn limit(state: State) -> Option<i64> {
    spec(state).timeout().map(|limit| limit.as_secs())
}

/// Every error name that a Retry lists.
pub(crate) fn retried() -> BTreeSet<&'static str> {
    let ours = ErrorName::ALL.iter().filter(|name| name.handling() == Handling::Retried).map(|name| name.as_str());
    ours.chain(PASSING.iter().copied()).collect()
}

/// Every error name that a Catch may list.
pub(crate) fn catchable() -> BTreeSet<&'static str> {
    ErrorName::ALL.iter().map(|name| name.as_str()).chain(["States.ALL"]).collect()
}

/// Environment of every function.
pub(crate) const ENVIRONMENT: &[&str] = &[
    "GOLDSMITH_STACK",
    "GOLDSMITH_TABLE",
    "GOLDSMITH_BUCKET",
    "GOLDSMITH_LOG_GROUP",
    "GOLDSMITH_INSTANCE_PROFILE",
    "GOLDSMITH_TEST_INSTANCE_PROFILE",
    "GOLDSMITH_SECURITY_GROUP",
    "GOLDSMITH_SUBNETS",
    "GOLDSMITH_IMAGE_PARAMETER_PATH",
    "GOLDSMITH_SSM_AGENT_URL",
    "GOLDSMITH_SSM_AGENT_KEY",
    "GOLDSMITH_STATE_MACHINE",
];

/// The expression that a payload's key must have; `state` is a literal instead.
pub(crate) fn payload_expression(key: &str, waits_for_error: bool) -> Option<&'static str> {
    Some(match key {
        "build" => "{% $states.context.Execution.Name %}",
        "execution" => "{% $states.context.Execution.Id %}",
        "token" => "{% $states.context.Task.Token %}",
        "item" => "{% $states.input.item %}",
        "input" => "{% $states.input %}",
        "results" => "{% $states.input.results %}",
        // Reached with and without an error: the key is there, and null when there was none.
        "error" if !waits_for_error => "{% $exists($states.input.error) ? $states.input.error : null %}",
        "error" => "{% $states.input.error %}",
        _ => return None,
    })
}

/// The fields that a state of this type may have.
pub(crate) fn fields(kind: &str) -> &'static [&'static str] {
    match kind {
        "Task" => {
            &["Comment", "Type", "Resource", "TimeoutSeconds", "Arguments", "Retry", "Catch", "Output", "Next", "End"]
        }
        "Map" => &[
            "Comment",
            "Type",
            "Items",
            "ItemSelector",
            "MaxConcurrency",
            "ItemProcessor",
            "Catch",
            "Output",
            "Next",
            "End",
        ],
        "Choice" => &["Comment", "Type", "Choices", "Default"],
        "Pass" => &["Comment", "Type", "Output", "Next", "End"],
        "Succeed" => &["Comment", "Type"],
        "Fail" => &["Comment", "Type", "Error", "Cause"],
        _ => &[],
    }
}

/// The fields in which JSONata means the same on AWS and on the local AWS.
pub(crate) const EXPRESSION_FIELDS: &[&str] =
    &["Arguments", "Output", "Condition", "Items", "ItemSelector", "Error", "Cause"];
