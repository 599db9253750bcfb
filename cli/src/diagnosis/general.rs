//! What helps after a failure whose cause is none of the known ones, by the name of its error.

use goldsmith_states::error_names::ErrorName;
use goldsmith_store::FailureCause;

use super::output;

/// Returns what helps, in one or two sentences.
pub(super) fn remedy(cause: &FailureCause) -> String {
    let Some(name) = ErrorName::ALL.iter().find(|name| name.as_str() == cause.error) else {
        return "Look up the execution in Step Functions, and start a new build.".to_owned();
    };
    match (name, &cause.step, &cause.document) {
        (ErrorName::CommandFailed | ErrorName::TestFailed, Some(step), Some(_)) if has_said_nothing(cause) => format!(
            "Step {step} has printed nothing. Let it say what it does, such as with `set -x`, and start a new build: under `set -e`, \
             any command can end a script without a word."
        ),
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

/// Returns whether the step has ended with an exit code and without a word.
fn has_said_nothing(cause: &FailureCause) -> bool {
    cause.last_lines.is_empty() && cause.exit_code.is_some() && output::is_bare(output::bare_message(cause))
}
