//! Reads the inputs of a step as the description of its action says.

mod fields;

use super::Parse;
use crate::action::{Action, Element, Form, Module};
use crate::yaml::{Node, Span};

pub(crate) use fields::Fields;

/// The `inputs` of a step, and the place of their key.
pub(crate) struct Given<'n> {
    module: Module,
    pub(crate) node: &'n Node,
    key: Span,
}

impl Given<'_> {
    /// Returns the name in messages of one map of inputs.
    pub(crate) fn what(&self) -> String {
        let begin = if self.module.form() == Form::List { "an input" } else { "the inputs" };
        format!("{begin} of {}", self.module.name())
    }
}

impl Parse<'_> {
    /// Reads the inputs of a step. `key` is the place where they are or should be.
    pub(super) fn inputs(&mut self, module: Module, inputs: Option<&Node>, key: Span) -> Option<Action> {
        if let Some(node) = inputs {
            return Action::read(module, self, &Given { module, node, key });
        }
        if module.requires_inputs() {
            let message = format!("Action {} has no inputs; it requires an 'inputs'", module.name());
            self.reader.error(key, "missing-key", message);
            return None;
        }
        Action::read(module, self, &Given { module, node: &Node::empty_map(key), key })
    }

    /// Reads inputs that are a map.
    pub(crate) fn one<T: Element>(&mut self, given: &Given<'_>) -> Option<T> {
        self.element(given.node, given.what())
    }

    /// Reads inputs that are a list of maps. The list must not be empty.
    pub(crate) fn each<T: Element>(&mut self, given: &Given<'_>) -> Option<Vec<T>> {
        let items = self.reader.list(given.node, &format!("`inputs` of {}", given.module.name()))?;
        if items.is_empty() {
            self.reader.error(given.key, "empty", "`inputs` must not be empty");
        }
        Some(items.iter().filter_map(|item| self.element(item, given.what())).collect())
    }

    fn element<T: Element>(&mut self, node: &Node, what: String) -> Option<T> {
        let mut fields = Fields { map: self.reader.map(node, what)?, node };
        let inputs = T::from_map(self, &mut fields);
        fields.map.finish(&mut self.reader);
        inputs
    }
}
