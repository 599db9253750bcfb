//! The course of a run: documents one after another, their selected phases in their own order, steps with attempts;
//! and how it goes on after a reboot.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use goldsmith_document::{Document, OnFailure, Phase, Step};
use jiff::Timestamp;

use crate::actions::{End, Outcome, Place, Task};
use crate::output::Output;
use crate::resolve::{ResolveError, Resolver, values};
use crate::state::{DocumentRecord, PhaseRecord, State, StepRecord};
use crate::store::{Store, StoreError};
use crate::{Event, EventKind, FailureKind, Status, WorkOrder, report};

/// Where a relative path starts if the order does not say.
const WORKING_DIRECTORY: &str = "/tmp";

/// Cause of a step that has a start and no end.
const STOPPED: &str = "the agent was stopped while this step ran; the step is not run again";

/// A run and all that it works on.
pub(crate) struct Run<'r> {
    pub(crate) order: &'r WorkOrder,
    pub(crate) documents: &'r [Document],
    pub(crate) store: &'r Store,
    pub(crate) state: State,
    pub(crate) output: Output<'r>,
}

/// What follows a step, a phase or a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    GoOn,
    Abort,
    Reboot,
}

/// Which step is meant: indices into the state's documents, phases and steps.
#[derive(Debug, Clone, Copy)]
struct At {
    document: usize,
    phase: usize,
    step: usize,
}

impl Run<'_> {
    /// Runs what is left. The state has the result afterwards, unless a reboot is due.
    pub(crate) fn run(&mut self) -> Result<Flow, StoreError> {
        self.state.reboot_pending = false;
        let mut flow = Flow::GoOn;
        let documents = self.documents;
        for (index, document) in documents.iter().enumerate() {
            flow = self.document(index, document)?;
            if flow != Flow::GoOn {
                break;
            }
        }
        if flow != Flow::Reboot {
            self.state.end = Some(Timestamp::now());
            self.state.result = Some(self.state.summary());
            self.store.save(&self.state)?;
        }
        report::write(&self.state);
        Ok(flow)
    }

    fn document(&mut self, index: usize, document: &Document) -> Result<Flow, StoreError> {
        let ordered = &self.order.documents[index];
        let values = values(document, ordered);
        if self.state.documents.len() == index {
            self.state.documents.push(DocumentRecord {
                name: ordered.name.clone(),
                description: document.description.clone(),
                start: Timestamp::now(),
                end: None,
                phases: Vec::new(),
            });
        }
        let phases = &self.order.phases;
        let selected = document.phases.iter().filter(|p| phases.is_empty() || phases.contains(&p.name.value));
        for (phase_index, phase) in selected.enumerate() {
            let flow = self.phase(index, phase_index, phase, &values)?;
            if flow == Flow::Reboot {
                return Ok(flow);
            }
            if flow == Flow::Abort {
                self.state.documents[index].end = Some(Timestamp::now());
                return Ok(flow);
            }
        }
        self.state.documents[index].end.get_or_insert_with(Timestamp::now);
        Ok(Flow::GoOn)
    }

    fn phase(
        &mut self,
        document: usize,
        index: usize,
        phase: &Phase,
        values: &BTreeMap<String, String>,
    ) -> Result<Flow, StoreError> {
        let at = At { document, phase: index, step: 0 };
        let phases = &mut self.state.documents[document].phases;
        if phases.len() == index {
            let name = phase.name.value.clone();
            phases.push(PhaseRecord { name, start: Timestamp::now(), end: None, reboots: 0, steps: Vec::new() });
            self.event(EventKind::PhaseStarted, at);
        }
        let mut flow = Flow::GoOn;
        for (step_index, step) in phase.steps.iter().enumerate() {
            flow = self.step(At { step: step_index, ..at }, step, values)?;
            if flow != Flow::GoOn {
                break;
            }
        }
        let record = self.phase_record(at);
        if flow != Flow::Reboot && record.end.is_none() {
            record.end = Some(Timestamp::now());
            self.event(EventKind::PhaseEnded, at);
        }
        Ok(flow)
    }

    fn step(&mut self, at: At, step: &Step, values: &BTreeMap<String, String>) -> Result<Flow, StoreError> {
        let steps = &mut self.phase_record(at).steps;
        match steps.get(at.step).map(|record| record.status) {
            None => steps.push(new_record(step)),
            Some(Status::Rebooting) => {}
            Some(Status::Running) => {
                self.finish_step(at, step, Outcome { end: End::Unknown, ..Outcome::default() }, None)?;
            }
            Some(_) => {}
        }
        while matches!(self.step_record(at).status, Status::Running | Status::Rebooting) {
            let started = Instant::now();
            self.step_record(at).status = Status::Running;
            self.store.save(&self.state)?;
            self.event(EventKind::StepStarted, at);
            let outcome = self.attempt(at, step, values);
            if matches!(outcome.end, End::Failed(_)) && self.step_record(at).attempt < step.max_attempts {
                self.note_failed_attempt(at, outcome, started);
                continue;
            }
            let flow = self.finish_step(at, step, outcome, Some(started))?;
            if flow == Flow::Reboot {
                return Ok(flow);
            }
        }
        Ok(if self.step_record(at).aborts() { Flow::Abort } else { Flow::GoOn })
    }

    /// One attempt, from references to the end of whatever was started.
    fn attempt(&mut self, at: At, step: &Step, values: &BTreeMap<String, String>) -> Outcome {
        match self.prepare(at, step, values) {
            Ok((task, working_directory, scratch)) => {
                let deadline = step.timeout_seconds.and_then(|s| Instant::now().checked_add(Duration::from_secs(s)));
                let place = Place { working_directory: &working_directory, scratch: &scratch, deadline };
                let outcome = task.perform(&place, &mut self.output);
                let _ = std::fs::remove_dir_all(&scratch); // what stays is removed before the next attempt
                outcome
            }
            Err(error) => Outcome::failed(&error),
        }
    }

    fn prepare(
        &mut self,
        at: At,
        step: &Step,
        values: &BTreeMap<String, String>,
    ) -> Result<(Task, PathBuf, PathBuf), PrepareError> {
        if step.condition.is_some() || step.repeat.is_some() {
            return Err(ResolveError::Unsupported { what: "`if` or `loop`".to_owned() }.into());
        }
        let task = Task::new(&step.action, &Resolver { values, record: &self.state.documents[at.document] })?;
        self.step_record(at).inputs = task.inputs();
        let folder = self.order.working_directory.clone().unwrap_or_else(|| WORKING_DIRECTORY.into());
        let failed = |path: &Path, source| PrepareError::Folder { path: path.to_owned(), source };
        std::fs::create_dir_all(&folder).map_err(|source| failed(&folder, source))?;
        let scratch = self.store.scratch().map_err(|source| failed(&self.order.state_directory, source))?;
        Ok((task, folder, scratch))
    }

    fn note_failed_attempt(&mut self, at: At, outcome: Outcome, started: Instant) {
        let record = self.step_record(at);
        record.exit_code = outcome.exit_code;
        record.status = Status::Failed;
        self.step_event(at, Some(started));
        let record = self.step_record(at);
        record.status = Status::Running;
        record.attempt += 1;
    }

    /// Records how a step ended and says what follows.
    fn finish_step(
        &mut self,
        at: At,
        step: &Step,
        outcome: Outcome,
        started: Option<Instant>,
    ) -> Result<Flow, StoreError> {
        let reboot = matches!(outcome.end, End::RebootAndRepeat | End::RebootAndGoOn(_));
        let refusal = if reboot { self.count_reboot(at) } else { None };
        let record = self.step_record(at);
        (record.exit_code, record.outputs, record.last_lines) =
            (outcome.exit_code, outcome.outputs, outcome.last_lines);
        record.end = Some(Timestamp::now());
        record.status = match (&outcome.end, step.on_failure) {
            _ if refusal.is_some() => Status::Failed,
            (End::Success | End::RebootAndGoOn(_), _) => Status::Success,
            (End::RebootAndRepeat, _) => Status::Rebooting,
            (End::Failed(_) | End::Unknown, OnFailure::Ignore) => Status::IgnoredFailure,
            (End::Failed(_) | End::Unknown, OnFailure::Abort | OnFailure::Continue) => Status::Failed,
        };
        let reboot = reboot && refusal.is_none();
        (record.failure, record.message) = match (refusal, &outcome.end) {
            (Some(message), _) => (FailureKind::RebootLimit, message),
            (None, End::Failed(message)) => (FailureKind::Step, message.clone()),
            (None, End::Unknown) => (FailureKind::AgentStopped, STOPPED.to_owned()),
            (None, _) => (FailureKind::Step, String::new()),
        };
        self.state.reboot_pending = reboot;
        self.store.save(&self.state)?;
        self.step_event(at, started);
        if let (true, End::RebootAndGoOn(delay)) = (reboot, outcome.end) {
            thread::sleep(delay);
        }
        Ok(if reboot { Flow::Reboot } else { Flow::GoOn })
    }

    /// Counts a wish for a reboot, or says why it cannot be granted.
    fn count_reboot(&mut self, at: At) -> Option<String> {
        let limits = self.order.limits;
        if self.state.reboots() >= limits.reboots {
            return Some(format!("the run asked for more than {} reboots", limits.reboots));
        }
        let phase = self.phase_record(at);
        if phase.reboots >= limits.reboots_per_phase {
            let (name, limit) = (&phase.name, limits.reboots_per_phase);
            return Some(format!("the phase `{name}` asked for more than {limit} reboots"));
        }
        phase.reboots += 1;
        None
    }

    fn step_event(&mut self, at: At, started: Option<Instant>) {
        let record = self.step_record(at);
        let (status, exit_code) = (record.status, record.exit_code);
        let message = format!("step {}: {status:?} {}", record.name, record.message);
        let seconds = started.map(|started| (started.elapsed().as_secs_f64() * 1000.0).round() / 1000.0);
        let event = Event { status: Some(status), seconds, exit_code, ..self.about(EventKind::StepEnded, at) };
        self.output.event(&event);
        self.output.log(message.trim_end());
    }

    fn event(&mut self, kind: EventKind, at: At) {
        let event = self.about(kind, at);
        self.output.event(&event);
    }

    /// An event with what the records know about its phase and step.
    fn about(&self, kind: EventKind, at: At) -> Event {
        let document = &self.state.documents[at.document];
        let phase = &document.phases[at.phase];
        let of_step = matches!(kind, EventKind::StepStarted | EventKind::StepEnded);
        let step = phase.steps.get(at.step).filter(|_| of_step);
        Event {
            t: Timestamp::now(),
            kind,
            document: document.name.clone(),
            phase: phase.name.clone(),
            step: step.map(|step| step.name.clone()),
            action: step.map(|step| step.action.clone()),
            attempt: step.map(|step| step.attempt),
            status: (kind == EventKind::PhaseEnded).then(|| phase.status()),
            seconds: None,
            exit_code: None,
        }
    }

    fn phase_record(&mut self, at: At) -> &mut PhaseRecord {
        &mut self.state.documents[at.document].phases[at.phase]
    }

    fn step_record(&mut self, at: At) -> &mut StepRecord {
        &mut self.phase_record(at).steps[at.step]
    }
}

/// What can go wrong before an attempt begins.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("{} cannot be created", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
}

fn new_record(step: &Step) -> StepRecord {
    StepRecord {
        name: step.name.value.clone(),
        action: step.action.name().to_owned(),
        timeout_seconds: step.timeout_seconds,
        on_failure: step.on_failure.name().to_owned(),
        max_attempts: step.max_attempts,
        status: Status::Running,
        attempt: 1,
        start: Timestamp::now(),
        end: None,
        exit_code: None,
        message: String::new(),
        inputs: Vec::new(),
        outputs: BTreeMap::new(),
        last_lines: Vec::new(),
        failure: FailureKind::Step,
    }
}
