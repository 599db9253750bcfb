//! What references may name.

use std::collections::{BTreeMap, BTreeSet};

use crate::action::Module;
use crate::yaml::{Node, Value};

/// The names that a document declares, and where in it the reader is.
#[derive(Default)]
pub(super) struct Scope {
    /// Parameters and constants, each with the line of its declaration.
    pub(super) names: BTreeMap<String, usize>,
    /// All steps of the document, in order.
    pub(super) steps: Vec<Known>,
    /// Where a step is in that order, by [`step_key`].
    pub(super) by_name: BTreeMap<String, usize>,
    /// How many of them are before the one that is read now.
    pub(super) reached: usize,
    /// Names of all loops.
    pub(super) loops: BTreeSet<String>,
    /// The loop of the step that is read now.
    pub(super) repeat: CurrentLoop,
}

/// A step as far as others can refer to it.
pub(super) struct Known {
    pub(super) phase: String,
    pub(super) module: Option<Module>,
    /// Number of elements of its `inputs`, if that is a list.
    pub(super) elements: Option<usize>,
}

/// Whether there is a loop where the reader is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum CurrentLoop {
    /// The step has none.
    #[default]
    None,
    /// The step's loop has not begun: in its condition and in the loop itself.
    NotYet,
    /// A loop and its name.
    Some(Option<String>),
}

impl Scope {
    /// Learns the names of all steps and loops beforehand, so that a forward chain is told from an unknown one.
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

    /// Where a step is in the order of all.
    pub(super) fn position(&self, phase: &str, step: &str) -> Option<usize> {
        self.by_name.get(&step_key(phase, step)).copied()
    }
}

/// A step's name as chains and messages have it.
pub(super) fn step_key(phase: &str, step: &str) -> String {
    format!("{phase}.{step}")
}
