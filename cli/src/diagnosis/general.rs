//! What helps after a failure whose cause is none of the known ones, by the name of its error.

use goldsmith_states::error_names::ErrorName;
use goldsmith_store::FailureCause;

/// Returns what helps, in one or two sentences.
pub(super) fn remedy(cause: &FailureCause) -> String {
    let Some(name) = ErrorName::ALL.iter().find(|name| name.as_str() == cause.error) else {
        return "Look up the execution in Step Functions, and start a new build.".to_owned();
    };
    match (name, &cause.step, &cause.document) {
        (ErrorName::CommandFailed | ErrorName::TestFailed, Some(step), Some(document)) => format!(
            "Read the last lines of step {step} of component {document}: they say what it needs. Correct the step, or what it \
             works on, and start a new build."
        ),
        (ErrorName::CommandFailed | ErrorName::TestFailed, ..) => {
            "Read the output of the steps, correct what it names, and start a new build.".to_owned()
        }
        _ => "Correct what the message names, and start a new build.".to_owned(),
    }
}
