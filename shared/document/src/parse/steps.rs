//! Phases and steps.

use super::Parse;
use crate::action::{Action, Kind, UNSUPPORTED};
use crate::yaml::{Node, Span};
use crate::{OnFailure, Phase, Spanned, Step, suggestion};

/// Seconds that an attempt may take where the document does not say.
const DEFAULT_TIMEOUT: u64 = 7_200;

impl Parse<'_> {
    pub(super) fn phases(&mut self, node: &Node, key: Span) -> Vec<Phase> {
        let Some(items) = self.reader.list(node, "`phases`") else { return Vec::new() };
        if items.is_empty() {
            let message = "Document has 0 phases. Phases list must not be empty.";
            self.reader.error(key, "no-phases", message);
        }
        self.scope.learn(items);
        let mut seen = Vec::new();
        let mut phases = Vec::new();
        for item in items {
            phases.extend(self.phase(item, &mut seen));
        }
        phases
    }

    fn phase(&mut self, node: &Node, names: &mut Vec<Spanned<String>>) -> Option<Phase> {
        let mut map = self.reader.map(node, "a phase")?;
        let name = map.required(&mut self.reader, "name").and_then(|node| self.name(node, "a phase"));
        if let Some(name) = &name {
            self.unique(names, name, "the phase");
        }
        let title = name.as_ref().map_or("", |name| name.value.as_str()).to_owned();
        let steps_key = map.key_span("steps").unwrap_or(node.span);
        let items = map.required(&mut self.reader, "steps").and_then(|node| self.reader.list(node, "`steps`"));
        map.unsupported(&mut self.reader, "disableLogging");
        map.finish(&mut self.reader);
        if items.is_some_and(<[Node]>::is_empty) {
            self.reader.warning(steps_key, "no-steps", format!("the phase `{title}` has no steps"));
        }
        let (mut seen, mut steps) = (Vec::new(), Vec::new());
        for item in items.unwrap_or_default() {
            steps.extend(self.step(item, &mut seen));
            self.scope.reached += 1;
        }
        Some(Phase { name: name?, steps })
    }

    fn step(&mut self, node: &Node, seen: &mut Vec<Spanned<String>>) -> Option<Step> {
        let mut map = self.reader.map(node, "a step")?;
        let name = map.required(&mut self.reader, "name").and_then(|node| self.name(node, "a step"));
        if let Some(name) = &name {
            self.unique(seen, name, "the step");
        }
        let kind = map.required(&mut self.reader, "action").and_then(|node| self.kind(node));
        let timeout_seconds = match map.optional("timeoutSeconds") {
            Some(node) => self.timeout(node),
            None => Some(DEFAULT_TIMEOUT),
        };
        let on_failure = map
            .optional("onFailure")
            .and_then(|node| self.reader.choice(node, "`onFailure`", &OnFailure::ALL))
            .unwrap_or_default();
        let max_attempts = map.optional("maxAttempts").map_or(1, |node| self.attempts(node));
        map.unsupported(&mut self.reader, "if");
        map.unsupported(&mut self.reader, "loop");
        let inputs_key = map.key_span("inputs").unwrap_or(node.span);
        let inputs = map.optional("inputs");
        map.unsupported(&mut self.reader, "disableLogging");
        map.finish(&mut self.reader);
        let action: Option<Action> = kind.and_then(|kind| self.inputs(kind, inputs, inputs_key));
        Some(Step { name: name?, action: action?, timeout_seconds, on_failure, max_attempts })
    }

    fn kind(&mut self, node: &Node) -> Option<Kind> {
        let name = self.reader.text(node, "`action`")?;
        let kind = Kind::named(&name.value);
        if kind.is_none() && UNSUPPORTED.contains(&name.value.as_str()) {
            self.reader.error(name.span, "unsupported", format!("the action `{}` is not supported yet", name.value));
        } else if kind.is_none() {
            let known: Vec<&str> = Kind::ALL.iter().map(|(name, _)| *name).chain(UNSUPPORTED).collect();
            let help = suggestion(&name.value, &known);
            self.reader.error_with_help(name.span, "unknown-action", format!("unknown action `{}`", name.value), help);
        }
        kind
    }

    fn timeout(&mut self, node: &Node) -> Option<u64> {
        match self.reader.integer(node, "`timeoutSeconds`")? {
            -1 => None,
            seconds if seconds > 0 => u64::try_from(seconds).ok(),
            seconds => {
                let help = Some("seconds from 1 on, or -1 for no limit".to_owned());
                let message = format!("`timeoutSeconds` cannot be {seconds}");
                self.reader.error_with_help(node.span, "bad-number", message, help);
                None
            }
        }
    }

    fn attempts(&mut self, node: &Node) -> u32 {
        let Some(number) = self.reader.integer(node, "`maxAttempts`") else { return 1 };
        u32::try_from(number).ok().filter(|attempts| *attempts > 0).unwrap_or_else(|| {
            self.reader.error(node.span, "bad-number", format!("`maxAttempts` must be at least 1, not {number}"));
            1
        })
    }
}
