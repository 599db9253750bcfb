//! The course of a run: documents one after another, their selected phases in their own order, and steps with attempts.
//! A run also resumes after a reboot.

mod iterate;
mod nested;
mod step;
mod tell;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;

use goldsmith_document::{Document, Phase, Step};
use jiff::Timestamp;

use crate::aws::Aws;
use crate::evidence::Before;
use crate::output::Output;
use crate::resolve::values;
use crate::state::{At, DocumentRecord, PhaseRecord, State, StepRecord};
use crate::store::{Entry, Store, StoreError};
use crate::{EventKind, WorkOrder, report};

/// The folder at which a relative path starts if the order does not give one.
pub(crate) const WORKING_DIRECTORY: &str = "/tmp";

/// A run and everything that it works on.
pub(crate) struct Run<'r, 'o> {
    order: &'r WorkOrder,
    documents: &'r [Document],
    store: &'r mut Store,
    pub(crate) state: State,
    around: Around<'r, 'o>,
    /// Whether the machine restarted although no step asked for it, while no step was running as far as is known. The
    /// next step may still have begun.
    restarted: bool,
    /// Whether the machine has restarted since the last start of the agent.
    rebooted: bool,
    /// The machine at the beginning of the running attempt.
    before: Option<Before>,
}

/// The data that a run shares with the run that it is a part of.
pub(crate) struct Around<'r, 'o> {
    pub(crate) output: &'r mut Output<'o>,
    pub(crate) aws: &'r Aws,
    /// The digests of the documents whose `ExecuteDocument` led to this run, starting with the outermost.
    pub(crate) ancestors: Vec<String>,
    /// The `disableLogging` of a step that led to this run.
    pub(crate) muted: bool,
    /// The beginning of the marks of all its processes.
    pub(crate) mark: String,
}

/// What follows a step, a phase or a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    GoOn,
    Abort,
    Reboot,
}

/// A step and the data that it can use.
#[derive(Clone, Copy)]
struct Scope<'s> {
    phase: &'s Phase,
    step: &'s Step,
    values: &'s BTreeMap<String, String>,
    muted: bool,
}

/// Returns the id of the machine's current boot. Without this file (on another kernel), the id is always the same.
pub(crate) fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

impl<'r, 'o> Run<'r, 'o> {
    /// Resumes from a state, which may be a new one, and begins its journal.
    pub(crate) fn new(
        order: &'r WorkOrder,
        documents: &'r [Document],
        store: &'r mut Store,
        state: State,
        around: Around<'r, 'o>,
    ) -> Result<Self, StoreError> {
        let boot = boot();
        let is_new = state.documents.is_empty();
        let rebooted = !is_new && state.boot != boot;
        let restarted = rebooted && !state.reboot_pending && !state.has_running_step();
        // The new journal begins with the boot's id, so that the next start can recognize a reboot that happens from
        // now on.
        let state = State { boot, reboot_pending: false, early_starts: 0, ..state };
        store.begin(&state)?;
        Ok(Self { order, documents, store, state, around, restarted, rebooted, before: None })
    }

    /// Runs what is left. Afterwards the state contains the result, unless a reboot is due.
    pub(crate) fn run(&mut self) -> Result<Flow, StoreError> {
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
        }
        // The report is made from the records, which `close` drops.
        report::write(&self.state, &self.around.output.secrets);
        if flow != Flow::Reboot {
            self.close()?;
        }
        Ok(flow)
    }

    /// Keeps only the result: no input or output of a step outlives the run here.
    fn close(&mut self) -> Result<(), StoreError> {
        let state = &self.state;
        let kept = State {
            end: state.end,
            result: state.result.clone(),
            boot: state.boot.clone(),
            ..State::new(&state.execution, state.start, state.log_folder.clone())
        };
        self.store.begin(&kept)?;
        self.store.forget();
        Ok(())
    }

    fn document(&mut self, index: usize, document: &'r Document) -> Result<Flow, StoreError> {
        let ordered = &self.order.documents[index];
        let values = values(document, ordered);
        // After a reboot, the record already exists.
        if self.state.documents.len() == index {
            self.state.documents.push(DocumentRecord::new(&ordered.name, &document.description));
            self.note_document(index)?;
        }
        let muted = self.around.muted || document.disable_logging;
        let phases = &self.order.phases;
        let selected = document.phases.iter().filter(|p| phases.is_empty() || phases.contains(&p.name.value));
        for (phase_index, phase) in selected.enumerate() {
            let at = At { document: index, phase: phase_index, step: 0 };
            match self.phase(at, phase, &values, muted || phase.disable_logging)? {
                Flow::GoOn => {}
                Flow::Reboot => return Ok(Flow::Reboot),
                Flow::Abort => {
                    self.state.documents[index].end = Some(Timestamp::now());
                    return Ok(Flow::Abort);
                }
            }
        }
        self.state.documents[index].end.get_or_insert_with(Timestamp::now);
        Ok(Flow::GoOn)
    }

    fn phase(
        &mut self,
        at: At,
        phase: &Phase,
        values: &BTreeMap<String, String>,
        muted: bool,
    ) -> Result<Flow, StoreError> {
        let phases = &mut self.state.documents[at.document].phases;
        if phases.len() == at.phase {
            phases.push(PhaseRecord::new(&phase.name.value));
            self.note_phase(at)?;
            self.event(EventKind::PhaseStarted, at);
        }
        let mut flow = Flow::GoOn;
        for (index, step) in phase.steps.iter().enumerate() {
            let scope = Scope { phase, step, values, muted: muted || step.disable_logging };
            flow = self.step(At { step: index, ..at }, scope)?;
            if flow != Flow::GoOn {
                break;
            }
        }
        let record = self.phase_record(at);
        // A phase that ended before a reboot is walked through again and must not end twice.
        if flow != Flow::Reboot && record.end.is_none() {
            record.end = Some(Timestamp::now());
            self.note_phase(at)?;
            self.event(EventKind::PhaseEnded, at);
        }
        Ok(flow)
    }

    fn note_document(&self, index: usize) -> Result<(), StoreError> {
        self.store.note(&Entry::Document(index, Cow::Borrowed(&self.state.documents[index])))
    }

    fn note_phase(&self, at: At) -> Result<(), StoreError> {
        let record = &self.state.documents[at.document].phases[at.phase];
        self.store.note(&Entry::Phase(at, Cow::Borrowed(record)))
    }

    fn note_step(&self, at: At) -> Result<(), StoreError> {
        let record = &self.state.documents[at.document].phases[at.phase].steps[at.step];
        self.store.note(&Entry::Step(at, Cow::Borrowed(record)))
    }

    /// Returns the mark of a step's processes. It is the same in every start of the agent.
    fn mark(&self, at: At) -> String {
        format!("{}-{}-{}-{}", self.around.mark, at.document, at.phase, at.step)
    }

    fn phase_record(&mut self, at: At) -> &mut PhaseRecord {
        &mut self.state.documents[at.document].phases[at.phase]
    }

    fn step_record(&mut self, at: At) -> &mut StepRecord {
        &mut self.phase_record(at).steps[at.step]
    }
}
