//! A step from its condition to its end: its attempts, and what follows its failure or its request for a reboot.
//!
//! After a reboot, the count of attempts continues, and the time limit starts again.

use std::thread;
use std::time::Instant;

use goldsmith_document::{OnFailure, Verdict};
use jiff::Timestamp;

use super::{Flow, Run, Scope};
use crate::evidence::{self, Before, Failure};
use crate::modules::{End, Outcome, is_killed};
use crate::process::end_marked;
use crate::state::{At, StepRecord};
use crate::store::{Entry, StoreError};
use crate::{EventKind, FailureKind, Status, condition};

/// The cause of a step that has a start but no end.
const STOPPED: &str = "the agent was stopped while this step ran; the step is not run again";
/// The same cause if the machine went down.
const WENT_DOWN: &str = "the machine was restarted while this step ran, but no step asked for it; to reboot, use a \
                         Reboot step or end the step with exit code 194";
/// The cause of a step that has no start but may have begun.
const RESTARTED: &str = "the machine was restarted, but no step asked for it; it is not known whether this step had \
                         begun, so it is not run";

impl Run<'_, '_> {
    pub(super) fn step(&mut self, at: At, scope: Scope<'_>) -> Result<Flow, StoreError> {
        self.around.output.muted = scope.muted;
        match self.phase_record(at).steps.get(at.step).map(|record| record.status) {
            None => self.open_step(at, scope)?,
            Some(Status::Running) => {
                // The earlier start of the agent is gone, but the step's processes may still be running.
                end_marked(&self.mark(at));
                let why = if self.rebooted { WENT_DOWN } else { STOPPED };
                self.finish_step(at, scope, Outcome { end: End::Unknown(why), ..Outcome::default() }, None)?;
            }
            Some(_) => {}
        }
        while matches!(self.step_record(at).status, Status::Running | Status::Rebooting) {
            let started = Instant::now();
            self.before = Before::now();
            self.step_record(at).status = Status::Running;
            self.note_step(at)?;
            self.event(EventKind::StepStarted, at);
            // The start is in the journal before anything happens: if this process ends now, the next start does not
            // run the step again.
            let outcome = self.attempt(at, scope)?;
            if matches!(outcome.end, End::Failed(_)) && self.step_record(at).attempt < scope.step.max_attempts {
                self.end_attempt(at, outcome, started);
                continue;
            }
            if self.finish_step(at, scope, outcome, Some(started))? == Flow::Reboot {
                return Ok(Flow::Reboot);
            }
        }
        Ok(if self.step_record(at).aborts() { Flow::Abort } else { Flow::GoOn })
    }

    /// Makes the record of a step. If the step does not run, the record is already complete.
    fn open_step(&mut self, at: At, scope: Scope<'_>) -> Result<(), StoreError> {
        let verdict = match &scope.step.condition {
            None => Ok(Verdict::Execute),
            Some(condition) => self.prepare(at, scope).and_then(|room| {
                let resolver = self.resolver(at, scope, &room, None);
                let holds =
                    condition::holds(&condition.expression, &resolver).map_err(|error| Outcome::failed(&error))?;
                Ok(if holds { condition.then } else { condition.otherwise })
            }),
        };
        self.phase_record(at).steps.push(StepRecord::new(scope.step, scope.muted));
        let failed = |end| Outcome { end, ..Outcome::default() };
        let outcome = match verdict {
            // Only the first step after the restart may already have begun.
            _ if std::mem::take(&mut self.restarted) => failed(End::Unknown(RESTARTED)),
            Ok(Verdict::Execute) => return Ok(()),
            Ok(Verdict::Skip) => return self.skip_step(at),
            Ok(Verdict::Abort) => failed(End::Failed("the step's condition says Abort".to_owned())),
            Err(outcome) => outcome,
        };
        self.finish_step(at, scope, outcome, None).map(drop)
    }

    fn skip_step(&mut self, at: At) -> Result<(), StoreError> {
        let record = self.step_record(at);
        record.status = Status::Skipped;
        record.end = Some(Timestamp::now());
        self.note_step(at)?;
        self.step_event(at, None);
        Ok(())
    }

    fn end_attempt(&mut self, at: At, outcome: Outcome, started: Instant) {
        let message = match &outcome.end {
            End::Failed(message) => self.around.output.secrets.masked(&self.numbered(at, message)).into_owned(),
            _ => String::new(),
        };
        let record = self.step_record(at);
        // The event shows that the attempt failed. The step itself continues and is then running again.
        (record.exit_code, record.status, record.message) = (outcome.exit_code, Status::Failed, message);
        self.step_event(at, Some(started));
        self.tell_reason(at);
        let record = self.step_record(at);
        record.status = Status::Running;
        record.message.clear();
        record.nested.clear();
        record.attempt += 1;
    }

    /// Adds the number of the attempt to the message of a step that has several.
    fn numbered(&self, at: At, message: &str) -> String {
        let record = &self.state.documents[at.document].phases[at.phase].steps[at.step];
        match record.max_attempts {
            ..=1 => message.to_owned(),
            all => format!("{message} (attempt {} of {all})", record.attempt),
        }
    }

    /// Returns facts within their limits and without secrets.
    fn masked(&self, facts: Vec<String>) -> Vec<String> {
        let secrets = &self.around.output.secrets;
        evidence::limited(facts.iter().map(|fact| secrets.masked(fact).into_owned()).collect())
    }

    /// Records how a step ended and returns what follows.
    fn finish_step(
        &mut self,
        at: At,
        scope: Scope<'_>,
        outcome: Outcome,
        started: Option<Instant>,
    ) -> Result<Flow, StoreError> {
        let wish = match outcome.end {
            End::Reboot { delay, .. } => Some(delay),
            _ => None,
        };
        let refusal = if wish.is_some() { self.count_reboot(at)? } else { None };
        let reboot = wish.filter(|_| refusal.is_none());
        let status = status(&outcome.end, refusal.is_some(), scope.step.on_failure);
        let evidence = match &outcome.end {
            End::Failed(message) => {
                // On a machine that is no instance of a build, failed units have nothing to do with the step.
                let is_checked =
                    self.order.on_instance && matches!(scope.phase.name.value.as_str(), "validate" | "test");
                let (is_killed, before) = (is_killed(message), self.before.take());
                let found = outcome.watch.explain(&Failure { message, is_killed, is_checked, before });
                self.masked([outcome.evidence, found].concat())
            }
            _ => Vec::new(),
        };
        let (failure, message) = match (refusal, outcome.end) {
            (Some(message), _) => (FailureKind::RebootLimit, message),
            (None, End::Failed(message)) => {
                // A condition that fails the step is not an attempt.
                let message = if started.is_some() { self.numbered(at, &message) } else { message };
                (FailureKind::Step, message)
            }
            (None, End::Unknown(why)) => (FailureKind::AgentStopped, why.to_owned()),
            (None, _) => (FailureKind::Step, String::new()),
        };
        let message = self.around.output.secrets.masked(&message).into_owned();
        let record = self.step_record(at);
        (record.status, record.failure, record.message) = (status, failure, message);
        (record.exit_code, record.outputs, record.last_lines) =
            (outcome.exit_code, outcome.outputs, outcome.last_lines);
        record.evidence = evidence;
        record.end = Some(Timestamp::now());
        self.note_end(at, reboot.is_some())?;
        self.step_event(at, started);
        self.tell_reason(at);
        // The pause comes last: if the machine restarts during it, the journal already says that this was requested.
        reboot.into_iter().for_each(thread::sleep);
        Ok(if reboot.is_some() { Flow::Reboot } else { Flow::GoOn })
    }

    fn note_end(&mut self, at: At, reboot: bool) -> Result<(), StoreError> {
        let secrets = self.around.output.secrets.names();
        if secrets != self.state.secrets {
            self.store.note(&Entry::Secrets(secrets.clone()))?;
            self.state.secrets = secrets;
        }
        self.note_step(at)?;
        if reboot {
            self.state.reboot_pending = true;
            self.store.note(&Entry::RebootPending(true))?;
            self.store.sync()?;
        }
        Ok(())
    }

    /// Counts a request for a reboot. If the request cannot be granted, returns why.
    fn count_reboot(&mut self, at: At) -> Result<Option<String>, StoreError> {
        let limits = self.order.limits;
        if self.state.reboots() >= limits.reboots {
            return Ok(Some(format!("the run asked for more reboots than its limit of {}", limits.reboots)));
        }
        let phase = self.phase_record(at);
        if phase.reboots >= limits.reboots_per_phase {
            let (name, limit) = (&phase.name, limits.reboots_per_phase);
            return Ok(Some(format!("the phase `{name}` asked for more reboots than its limit of {limit}")));
        }
        phase.reboots += 1;
        let reboots = phase.reboots;
        self.store.note(&Entry::Reboots(at, reboots))?;
        Ok(None)
    }
}

fn status(end: &End, refused: bool, on_failure: OnFailure) -> Status {
    match (end, on_failure) {
        _ if refused => Status::Failed,
        (End::Success | End::Reboot { again: false, .. }, _) => Status::Success,
        (End::Reboot { again: true, .. }, _) => Status::Rebooting,
        (End::Failed(_) | End::Unknown(_), OnFailure::Ignore) => Status::IgnoredFailure,
        (End::Failed(_) | End::Unknown(_), OnFailure::Abort | OnFailure::Continue) => Status::Failed,
    }
}
