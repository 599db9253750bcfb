//! What the definition is held against: the names and numbers that definition, template and functions share.

/// A state that runs a function.
pub(crate) struct Task {
    /// Name of the state, which the payload repeats.
    pub(crate) state: &'static str,
    /// `Handler` of the function that it runs.
    pub(crate) handler: &'static str,
    /// Hard limit of a state that waits for its token, in seconds; none for a state that ends with its function.
    pub(crate) wait: Option<u64>,
}

const fn task(state: &'static str, handler: &'static str, wait: Option<u64>) -> Task {
    Task { state, handler, wait }
}

/// Every Task of the state machine.
pub(crate) const TASKS: &[Task] = &[
    task("Plan", "plan", None),
    task("Launch", "launch", Some(3_600)),
    task("Build", "execute-phase", Some(172_800)),
    task("Snapshot", "snapshot", Some(43_200)),
    task("LaunchTest", "launch", Some(3_600)),
    task("ExecuteTest", "execute-phase", Some(172_800)),
    task("EndTest", "test", None),
    task("JudgeTests", "test", None),
    task("DistributeRegion", "distribute", Some(86_400)),
    task("Publish", "publish", None),
    task("Finish", "finish", None),
    task("FinishFailed", "finish", None),
];

/// Functions that events start, not states.
pub(crate) const EVENT_HANDLERS: &[&str] = &["signal"];

/// Every error name that a Retry or a Catch may list.
pub(crate) const ERRORS: &[&str] = &[
    "States.ALL",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.Unknown",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "Goldsmith.Refused",
    "Goldsmith.Throttled",
    "Goldsmith.Capacity",
    "Goldsmith.NotOnline",
    "Goldsmith.CommandFailed",
    "Goldsmith.RebootLimit",
    "Goldsmith.ImageFailed",
    "Goldsmith.TestFailed",
    "Goldsmith.CopyFailed",
    "Goldsmith.Timeout",
    "Goldsmith.Closed",
];

/// Environment of every function.
pub(crate) const ENVIRONMENT: &[&str] = &[
    "GOLDSMITH_STACK",
    "GOLDSMITH_TABLE",
    "GOLDSMITH_BUCKET",
    "GOLDSMITH_LOG_GROUP",
    "GOLDSMITH_INSTANCE_PROFILE",
    "GOLDSMITH_SECURITY_GROUP",
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
