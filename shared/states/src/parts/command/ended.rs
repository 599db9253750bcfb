//! Decides how a command ended, from what Systems Manager reports about it.

use goldsmith_cloud::{CommandStatus, Invocation};
use goldsmith_executor::{Audit, EXIT_REBOOT, FailureKind, RunResult, RunStatus};
use goldsmith_store::{AuditRecord, FailureCause};
use jiff::SignedDuration;

use super::lines::{evidence, last_lines};
use super::{CommandProgress, Look, because, stopped};
use crate::engine::drive::Scene;
use crate::error_names::ErrorName;
use crate::parts::contents;
use crate::states::launch::gone;
use crate::{Error, Result, State};

/// Exit code of a script that SIGKILL ended, or of the program that replaced the script through `exec`. The SSM agent
/// reports this exit code as `TimedOut`, as if it had sent the signal itself.
const KILLED: i32 = 137;
/// A command times out at the state's deadline. If a command is reported as timed out this long before its
/// deadline, something has killed it.
const AT_THE_DEADLINE: SignedDuration = SignedDuration::from_mins(2);

/// Decides what the end of a command means for the state.
pub(super) async fn ended(scene: &Scene<'_>, command: &str, instance: &str, invocation: &Invocation) -> Result<Look> {
    let result = result(&invocation.stderr);
    // The audit is recorded also if the command has failed, since its findings may be the reason.
    if let Some(audit) = result.as_ref().and_then(|result| result.audit.as_ref()) {
        scene.context.store.note_audit(&scene.record, &scene.scope, &noted(scene, command, audit)?).await?;
    }
    if let Some(report) = result.as_ref().and_then(|result| result.contents.as_ref()) {
        contents::note(scene, report).await?;
    }
    let limit = i32::from(EXIT_REBOOT);
    match (invocation.status, result) {
        (CommandStatus::Success, Some(result)) => Ok(Look::Progress(CommandProgress::Ended(Box::new(result)))),
        // For the clean-up the exit code is enough, since the clean-up removes the files from which its answer is read.
        (CommandStatus::Success, None) if scene.scope.state == State::Snapshot => {
            Ok(Look::Progress(CommandProgress::Ended(Box::new(RunResult::new(scene.scope.state.name())))))
        }
        (_, _) if invocation.exit_code == Some(limit) => Err(because(
            scene,
            ErrorName::RebootLimit,
            command,
            "SSM gave up on the command after 15 reboots".to_owned(),
        )),
        (_, Some(result)) => Err(failed(scene, &result)),
        (CommandStatus::TimedOut, None) if was_killed(scene, invocation) => {
            let why = format!("the agent on {instance} was killed (SIGKILL), as the kernel does when memory runs out");
            Err(with_lines(because(scene, ErrorName::CommandFailed, command, why), scene, invocation))
        }
        (CommandStatus::TimedOut, None) => {
            Err(because(scene, ErrorName::Timeout, command, format!("the command timed out ({})", invocation.detail)))
        }
        (_, None) => {
            // The instance is looked at first: if somebody has stopped it, that is the reason, and a lost command would
            // be sent again to an instance that cannot run it.
            let found = scene.context.cloud.machines.instance(scene.home(), instance).await?;
            if let Some(found) = found.filter(|found| found.state.is_gone() || stopped(found.state)) {
                let cause = because(scene, ErrorName::CommandFailed, command, gone(&found));
                return Err(with_lines(cause, scene, invocation));
            }
            if is_lost(invocation) {
                return lost(scene, command, instance).await;
            }
            let why = format!("the command ended with status {}, and its agent left no result", invocation.detail);
            Err(with_lines(because(scene, ErrorName::CommandFailed, command, why), scene, invocation))
        }
    }
}

/// Returns the agent's result, which is one line of standard error. Any program of the script may have written lines
/// before it, such as the loader if it does not find a library. The SSM agent adds its own lines after it.
fn result(stderr: &str) -> Option<RunResult> {
    stderr.lines().rev().find_map(|line| serde_json::from_str(line).ok())
}

/// Returns an audit in the form in which the table keeps it.
fn noted(scene: &Scene<'_>, command: &str, audit: &Audit) -> Result<AuditRecord> {
    let unkept = |error| because(scene, ErrorName::Internal, command, format!("the audit cannot be recorded: {error}"));
    AuditRecord::of(audit).map_err(unkept)
}

fn was_killed(scene: &Scene<'_>, invocation: &Invocation) -> bool {
    invocation.exit_code == Some(KILLED) && scene.context.clock.now() + AT_THE_DEADLINE < scene.deadline
}

/// Returns whether the command ended with exit code 1 and without output. A command ends like this if its machine, or
/// the part of the SSM agent that ran it, goes down.
fn is_lost(invocation: &Invocation) -> bool {
    let is_silent = invocation.stdout.is_empty() && invocation.stderr.is_empty();
    invocation.status == CommandStatus::Failed && invocation.exit_code == Some(1) && is_silent
}

async fn lost(scene: &Scene<'_>, command: &str, instance: &str) -> Result<Look> {
    let said = scene.context.cloud.commands.said(scene.home(), command, instance).await?;
    let said = match said.trim() {
        "" => String::new(),
        said => format!(" (its SSM agent says: {said})"),
    };
    Ok(Look::Lost(format!(
        "{instance} or its SSM agent went down while the command ran, but no step asked for it{said}; to reboot, use a \
         Reboot step, or end a step with exit code 194"
    )))
}

fn with_lines(error: Error, scene: &Scene<'_>, invocation: &Invocation) -> Error {
    let mut cause = error.cause(&scene.scope);
    cause.last_lines = last_lines(&format!("{}\n{}", invocation.stdout, invocation.stderr));
    Error::because(error.name(), cause)
}

/// Returns a failed step, or a failed start of the agent, as the recorded cause.
fn failed(scene: &Scene<'_>, result: &RunResult) -> Error {
    let context = result.failure_context.clone().unwrap_or_default();
    let place = match (&context.phase, &context.step) {
        (Some(phase), Some(step)) => format!("{} / {phase} / {step}: ", context.document),
        _ => String::new(),
    };
    let message = match (result.status, context.message.as_str()) {
        (RunStatus::BootstrapFailed, _) | (_, "") => result.failure_message.clone(),
        (_, message) => format!("{place}{message}"),
    };
    let cause = FailureCause {
        state: scene.scope.state.to_string(),
        item: scene.scope.item.clone(),
        message,
        document: Some(context.document).filter(|name| !name.is_empty()),
        phase: context.phase,
        step: context.step,
        action: context.action,
        exit_code: context.exit_code,
        last_lines: match (context.kind, &result.audit) {
            (FailureKind::Audit, Some(audit)) => audit.lines(),
            _ => context.last_lines,
        },
        evidence: evidence(&context.evidence),
        ..FailureCause::default()
    };
    let name = match context.kind {
        FailureKind::RebootLimit => ErrorName::RebootLimit,
        FailureKind::Audit => ErrorName::AuditFailed,
        _ => ErrorName::CommandFailed,
    };
    Error::because(name, cause)
}

#[cfg(test)]
mod tests {
    use goldsmith_executor::{Audit, Finding, FindingKind};
    use goldsmith_store::{AuditFinding, AuditKind, AuditRecord};

    /// Returns the table's kind for one of the agent's kinds. A new kind must be added to both enums.
    fn kept_kind(kind: FindingKind) -> AuditKind {
        match kind {
            FindingKind::PrivateKey => AuditKind::PrivateKey,
            FindingKind::PackageSecret => AuditKind::PackageSecret,
            FindingKind::Identity => AuditKind::Identity,
            FindingKind::Credential => AuditKind::Credential,
            FindingKind::History => AuditKind::History,
            FindingKind::AuthorizedKeys => AuditKind::AuthorizedKeys,
        }
    }

    /// Compares every field, so that no field is lost under another name.
    #[test]
    fn what_is_kept_of_an_audit_is_the_agents_field_by_field() {
        let finding = |kind| Finding {
            path: "/etc/bind/rndc.key".to_owned(),
            kind,
            what: "control key of BIND".to_owned(),
            package: Some("bind9".to_owned()),
            size: 77,
            fingerprint: Some("00".to_owned()),
            remedy: "remove it".to_owned(),
        };
        for kind in [
            FindingKind::PrivateKey,
            FindingKind::PackageSecret,
            FindingKind::Identity,
            FindingKind::Credential,
            FindingKind::History,
            FindingKind::AuthorizedKeys,
        ] {
            let audit = Audit {
                findings: vec![finding(kind)],
                left_out: 2,
                shipped: vec![finding(kind)],
                notes: vec!["could not be read: /x".to_owned()],
                files: 9,
                is_incomplete: true,
            };
            let kept = AuditFinding {
                path: "/etc/bind/rndc.key".to_owned(),
                kind: kept_kind(kind),
                what: "control key of BIND".to_owned(),
                package: Some("bind9".to_owned()),
                remedy: "remove it".to_owned(),
            };
            let expected = AuditRecord {
                findings: vec![kept],
                left_out: 2,
                notes: vec!["could not be read: /x".to_owned()],
                files: 9,
                is_incomplete: true,
            };
            assert_eq!(AuditRecord::of(&audit).unwrap(), expected);
        }
    }
}
