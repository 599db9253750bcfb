//! The names that references may use.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::Module;
use crate::yaml::{Node, Value};

/// The names that a document declares, and the position of the reader in it.
#[derive(Default)]
pub(super) struct Scope {
    /// Parameters and constants, each with the line of its declaration.
    pub(super) names: BTreeMap<String, usize>,
    /// All steps of the document, in order.
    pub(super) steps: Vec<Known>,
    /// The position of each step in that order, by [`step_key`].
    pub(super) by_name: BTreeMap<String, usize>,
    /// The number of steps before the one that is being read.
    pub(super) reached: usize,
    /// The names of all loops.
    pub(super) loops: BTreeSet<String>,
    /// The loop of the step that is being read.
    pub(super) repeat: CurrentLoop,
}

/// The parts of a step to which other steps can refer.
pub(super) struct Known {
    pub(super) phase: String,
    pub(super) module: Option<Module>,
    /// The number of elements of its `inputs`, if `inputs` is a list.
    pub(super) elements: Option<usize>,
}

/// Whether the reader is inside a loop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum CurrentLoop {
    /// The step has no loop.
    #[default]
    None,
    /// The step's loop has not begun: the reader is in the condition or in the loop itself.
    NotYet,
    /// The reader is in a loop, which may have a name.
    Some(Option<String>),
}

impl Scope {
    /// Collects the names of all steps and loops in advance, so that a reference to a later step can be distinguished
    /// from one to an unknown step.
    pub(super) fn learn(&mut self, phases: &[Node]) {
        let text = |node: &Node, key| node.get(key).and_then(Node::text).unwrap_or_default().to_owned();
        for phase in phases {
            let Some(Value::List(steps)) = phase.get("steps").map(|steps| &steps.value) else { continue };
            let phase_name = text(phase, "name");
            for step in steps {
                let elements = match step.get("inputs").map(|inputs| &inputs.value) {
                    Some(Value::List(items)) => Some(items.len()),
                    _ => None,
                };
                let (name, module) = (text(step, "name"), Module::named(&text(step, "action")));
                self.by_name.entry(step_key(&phase_name, &name)).or_insert(self.steps.len());
                self.steps.push(Known { phase: phase_name.clone(), module, elements });
                let loop_name = step.get("loop").map(|repeat| text(repeat, "name")).unwrap_or_default();
                self.loops.insert(loop_name);
            }
        }
    }

    /// Returns the position of a step in the order of all steps.
    pub(super) fn position(&self, phase: &str, step: &str) -> Option<usize> {
        self.by_name.get(&step_key(phase, step)).copied()
    }
}

/// Returns a step's name as chains and messages write it.
pub(super) fn step_key(phase: &str, step: &str) -> String {
    format!("{phase}.{step}")
}
