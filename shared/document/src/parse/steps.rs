//! Phases and steps.

use std::collections::BTreeMap;

use super::Parse;
use super::scope::CurrentLoop;
use crate::action::Module;
use crate::diagnostic::shown;
use crate::yaml::{Node, Span};
use crate::{DEFAULT_TIMEOUT, MapReader, OnFailure, Phase, Step, suggestion};

impl Parse<'_> {
    pub(super) fn phases(&mut self, node: &Node, key: Span) -> Vec<Phase> {
        let Some(items) = self.reader.list(node, "`phases`") else { return Vec::new() };
        if items.is_empty() {
            let message = "Document has 0 phases. Phases list must not be empty.";
            self.reader.error(key, "no-phases", message);
        }
        self.scope.learn(items);
        let mut seen = BTreeMap::new();
        let mut phases = Vec::new();
        for item in items {
            phases.extend(self.phase(item, &mut seen));
        }
        phases
    }

    fn phase(&mut self, node: &Node, names: &mut BTreeMap<String, usize>) -> Option<Phase> {
        let mut map = self.reader.map(node, "a phase")?;
        let name = map.required(&mut self.reader, "name").and_then(|node| self.name(node, "a phase"));
        if let Some(name) = &name {
            self.unique(names, name, "the phase");
            self.warn_of_phase(name);
        }
        let title = name.as_ref().map_or("", |name| name.value.as_str()).to_owned();
        let steps_key = map.key_span("steps").unwrap_or(node.span);
        let items = map.required(&mut self.reader, "steps").and_then(|node| self.reader.list(node, "`steps`"));
        let disable_logging = self.disable_logging(&mut map);
        map.finish(&mut self.reader);
        if items.is_some_and(<[Node]>::is_empty) {
            self.reader.warning(steps_key, "no-steps", format!("the phase `{title}` has no steps"));
        }
        let (mut seen, mut steps) = ([BTreeMap::new(), BTreeMap::new()], Vec::new());
        for item in items.unwrap_or_default() {
            steps.extend(self.step(item, &mut seen));
            self.scope.reached += 1;
        }
        Some(Phase { name: name?, steps, disable_logging })
    }

    fn step(&mut self, node: &Node, [steps, loops]: &mut [BTreeMap<String, usize>; 2]) -> Option<Step> {
        let mut map = self.reader.map(node, "a step")?;
        let name = map.required(&mut self.reader, "name").and_then(|node| self.name(node, "a step"));
        if let Some(name) = &name {
            self.unique(steps, name, "the step");
        }
        let module = map.required(&mut self.reader, "action").and_then(|node| self.module(node));
        let (timeout_seconds, max_attempts) = self.bounds(&mut map, module);
        let on_failure = map
            .optional("onFailure")
            .and_then(|node| self.reader.choice(node, "`onFailure`", &OnFailure::ALL))
            .unwrap_or_default();
        // A condition is evaluated before the loop begins, so it cannot use the loop's value.
        self.scope.repeat = CurrentLoop::NotYet;
        let condition = map.optional("if").map(|node| self.condition(node));
        let repeat = map.optional("loop").map(|node| self.repeat(node, loops));
        self.scope.repeat = match &repeat {
            None => CurrentLoop::None,
            Some(repeat) => {
                CurrentLoop::Some(repeat.as_ref().and_then(|repeat| Some(repeat.name.as_ref()?.value.clone())))
            }
        };
        let inputs_key = map.key_span("inputs").unwrap_or(node.span);
        let inputs = map.optional("inputs");
        let disable_logging = self.disable_logging(&mut map);
        map.finish(&mut self.reader);
        let action = module.and_then(|module| self.inputs(module, inputs, inputs_key))?;
        self.warn_of_script(&action, inputs_key);
        self.warn_of_commands(&action);
        let (condition, repeat) = (condition.flatten(), repeat.flatten());
        Some(Step {
            name: name?,
            action,
            timeout_seconds,
            on_failure,
            max_attempts,
            condition,
            repeat,
            disable_logging,
        })
    }

    fn module(&mut self, node: &Node) -> Option<Module> {
        let name = self.reader.text(node, "`action`")?;
        let module = Module::named(&name.value);
        match module {
            Some(module) => {
                self.check_available(module, name.span);
                self.warn_of_update(module, name.span);
            }
            None => {
                let message = format!("unknown action `{}`", shown(&name.value));
                self.reader.error_with_help(
                    name.span,
                    "unknown-action",
                    message,
                    suggestion(&name.value, &Module::names()),
                );
            }
        }
        module
    }

    fn check_available(&mut self, module: Module, span: Span) {
        if self.target.blocked.contains(&module) {
            self.reader.error(span, "blocked", format!("the action `{}` is blocked", module.name()));
        }
        if let Some(platform) = self.target.platform.filter(|platform| !module.platforms().contains(platform)) {
            let names: Vec<&str> = module.platforms().iter().map(|other| other.name()).collect();
            let message = format!("the action `{}` is not available on {}", module.name(), platform.name());
            self.reader.error_with_help(
                span,
                "platform",
                message,
                Some(format!("it is available on {}", names.join(" and "))),
            );
        }
    }

    /// Reads the time limit and the number of attempts of a step. For `ExecuteDocument`, the steps of its document are
    /// limited instead.
    fn bounds(&mut self, map: &mut MapReader<'_>, module: Option<Module>) -> (Option<u64>, u32) {
        let (timeout, attempts) = (map.optional("timeoutSeconds"), map.optional("maxAttempts"));
        if module != Some(Module::ExecuteDocument) {
            let timeout = timeout.map_or(Some(DEFAULT_TIMEOUT), |node| self.timeout(node));
            return (timeout, attempts.map_or(1, |node| self.attempts(node)));
        }
        for (node, key, only) in [(timeout, "timeoutSeconds", "-1"), (attempts, "maxAttempts", "1")] {
            if let Some(node) = node.filter(|node| node.text() != Some(only)) {
                let message = format!("`{key}` of an ExecuteDocument step can only be {only}");
                self.reader.error(node.span, "bad-number", message);
            }
        }
        (None, 1)
    }

    fn timeout(&mut self, node: &Node) -> Option<u64> {
        match self.reader.integer(node, "`timeoutSeconds`")? {
            -1 => None,
            seconds if seconds > 0 => u64::try_from(seconds).ok(),
            seconds => {
                let help = Some("give at least 1 second, or -1 for no limit".to_owned());
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
