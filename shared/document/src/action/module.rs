//! The properties of an action module that are known before its inputs are read.

use strum::VariantArray;

use super::{Form, Input, Module};
use crate::Platform;

impl Module {
    /// All modules, sorted by name.
    pub const ALL: &'static [Module] = Self::VARIANTS;

    /// Returns the module with this name. The case must match.
    pub fn named(name: &str) -> Option<Module> {
        name.parse().ok()
    }

    /// Returns the module's name in a document.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns the names of all modules.
    pub fn names() -> Vec<&'static str> {
        Self::ALL.iter().map(|module| module.name()).collect()
    }

    /// Returns the platforms on which the module can run.
    pub fn platforms(self) -> &'static [Platform] {
        self.description().platforms
    }

    /// Returns how the `inputs` of the module are written.
    pub fn form(self) -> Form {
        self.description().form
    }

    /// Returns whether a step must have `inputs`.
    pub fn requires_inputs(self) -> bool {
        self.description().is_required
    }

    /// Returns the keys of one map of inputs. An expression has none: its operators are not described here.
    pub fn inputs(self) -> impl Iterator<Item = Input> {
        self.description().inputs.iter().flat_map(|input| input.keys())
    }

    /// Returns the inputs that a chain may name: the inputs that are one text.
    pub fn chainable_inputs(self) -> Vec<&'static str> {
        self.inputs().filter(Input::is_chainable).map(|input| input.key).collect()
    }

    /// Returns the outputs that a chain may name.
    pub fn outputs(self) -> &'static [&'static str] {
        self.description().outputs
    }
}
