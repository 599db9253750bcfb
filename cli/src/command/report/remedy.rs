//! What helps after a failure, by the name of its error.

use goldsmith_states::error_names::ErrorName;
use goldsmith_store::FailureCause;

/// Returns what helps, in one or two sentences.
pub(super) fn remedy(cause: &FailureCause) -> String {
    let Some(name) = ErrorName::ALL.iter().find(|name| name.as_str() == cause.error) else {
        return "Look up the execution in Step Functions, and start a new build.".to_owned();
    };
    let fixed = match name {
        ErrorName::CommandFailed | ErrorName::TestFailed => return of_step(cause),
        ErrorName::Refused => "Correct in the definitions what the message names, and start a new build.",
        ErrorName::Throttled => {
            "Start a new build. If it fails too, compare the account's quotas with what runs in it at the same time."
        }
        ErrorName::Capacity => {
            "Add instance types or subnets to the infrastructure configuration, or start a new build later."
        }
        ErrorName::NotOnline => {
            "The instance must reach Systems Manager, and its agent must run: check the subnet, the instance profile and the \
             source image."
        }
        ErrorName::Interrupted => "Start a new build, or remove `spot: true` from the infrastructure configuration.",
        ErrorName::RebootLimit => {
            "Let the documents ask for fewer reboots: 10 are allowed in a phase, and 12 in all of them."
        }
        ErrorName::ImageFailed => {
            "If another AMI has the name, change the name in the distribution configuration. Otherwise, start a new build."
        }
        ErrorName::AuditFailed => {
            "Remove what the audit has found, in a step of a component. Each finding has its own remedy."
        }
        ErrorName::Vulnerable => {
            "Update the packages that the last lines name, in a step of a component, or accept a vulnerability for a time by a \
             waiver in the pipeline's `vulnerabilityPolicy`."
        }
        ErrorName::CopyFailed => "Correct what the message names for the Region, and start a new build.",
        ErrorName::Timeout => {
            "Find out why it took so long. If it needs more time, raise `timeoutMinutes` of the pipeline or of its tests."
        }
        ErrorName::Closed => "The build was ended from outside. Start a new build, unless this was intended.",
        ErrorName::AwsRefused => {
            "Correct what the message of AWS names: mostly a permission, a quota, or a resource that does not exist."
        }
        ErrorName::Internal => "Deploy the stack again. If a new build fails in the same way, report the error.",
    };
    fixed.to_owned()
}

/// Returns what helps if a step or its command has failed.
fn of_step(cause: &FailureCause) -> String {
    match (&cause.step, &cause.document) {
        (Some(step), Some(document)) => format!(
            "Correct the step {step} of the component {document}, or what it works on, and start a new build. The last lines \
             of its output say what it needs."
        ),
        _ => "Read the output of the steps, correct what it names, and start a new build.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use goldsmith_states::error_names::ErrorName;
    use goldsmith_store::FailureCause;

    use super::remedy;

    #[test]
    fn each_error_has_a_remedy_of_its_own() {
        let cause = |error: &str| FailureCause { error: error.to_owned(), ..FailureCause::default() };
        let remedies: BTreeSet<String> = ErrorName::ALL.iter().map(|name| remedy(&cause(name.as_str()))).collect();
        // A step fails in a build or in a test.
        assert_eq!(remedies.len(), ErrorName::ALL.len() - 1);
        assert!(remedies.iter().all(|one| one.ends_with('.')), "{remedies:?}");
        let of = |name: &str| Some(name.to_owned());
        let step = FailureCause { step: of("Install"), document: of("nginx"), ..cause("Goldsmith.TestFailed") };
        assert!(remedy(&step).starts_with("Correct the step Install of the component nginx, "));
        assert!(remedy(&cause("Execution.TIMED_OUT")).contains("Step Functions"));
    }
}
