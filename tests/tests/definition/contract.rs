//! What the definition is held against: the names and numbers that definition, template and functions share.

use std::collections::BTreeSet;

use goldsmith_states::error_names::ErrorName;

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
