//! Conditions, as far as the defaults of parameters decide them.

use super::intrinsic::{Environment, function};
use super::tree::Node;
use crate::finding::Findings;
use crate::item::plain;

/// Most conditions within conditions.
const MAX_DEPTH: usize = 16;
/// Steps of the import's work that a condition counts as.
const STEPS: usize = 30;

impl Environment<'_> {
    /// Returns whether a condition is true with the defaults of the parameters; `None` if these do not decide it.
    pub(super) fn condition(&self, name: &str) -> Option<bool> {
        self.is_true(self.conditions?.get(name)?, 0)
    }

    fn is_true(&self, node: &Node, depth: usize) -> Option<bool> {
        let (name, argument) = function(node).filter(|_| depth < MAX_DEPTH && self.budget.spend(STEPS))?;
        let all = || argument.items().iter().map(|one| self.is_true(one, depth + 1));
        match name {
            "Equals" => {
                let [one, other] = argument.items() else { return None };
                Some(self.default(one)? == self.default(other)?)
            }
            "Not" => all().next()?.map(|is_true| !is_true),
            // One condition can decide these although another one is not known.
            "And" if all().any(|one| one == Some(false)) => Some(false),
            "And" => all().all(|one| one == Some(true)).then_some(true),
            "Or" if all().any(|one| one == Some(true)) => Some(true),
            "Or" => all().all(|one| one == Some(false)).then_some(false),
            "Condition" => self.is_true(self.conditions?.get(argument.text()?)?, depth + 1),
            _ => None,
        }
    }

    /// Returns the text of one side of a comparison. The default of a parameter may be empty.
    fn default(&self, node: &Node) -> Option<String> {
        let parameter = function(node).filter(|(name, _)| *name == "Ref");
        let parameter = parameter.and_then(|(_, argument)| self.parameters.get(argument.text()?));
        if let Some((default, kind)) = parameter {
            return default.filter(|_| !kind.starts_with("AWS::SSM::"))?.text().map(str::to_owned);
        }
        let item = self.resolve(node, "", &mut Findings::default());
        item.text().filter(|text| plain(text) == *text).map(str::to_owned)
    }
}
