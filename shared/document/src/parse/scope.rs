//! What references may name, and the check of each reference.

use super::Parse;
use crate::action::Kind;
use crate::reference::{BadReference, Chain, Reference, Side, split};
use crate::yaml::{Node, Span, Value};
use crate::{Spanned, Template, suggestion};

/// The names that a document declares.
#[derive(Default)]
pub(super) struct Scope {
    /// Parameters and constants.
    pub(super) names: Vec<Spanned<String>>,
    /// All steps of the document, in order.
    steps: Vec<Known>,
    /// How many of them are before the one that is read now.
    pub(super) reached: usize,
}

struct Known {
    phase: String,
    step: String,
    kind: Option<Kind>,
}

impl Scope {
    /// Learns the names of all steps beforehand, so that a forward chain is told from an unknown one.
    pub(super) fn learn(&mut self, phases: &[Node]) {
        for phase in phases {
            let Some(Value::List(steps)) = phase.get("steps").map(|steps| &steps.value) else { continue };
            for step in steps {
                let text = |node: &Node, key| node.get(key).and_then(Node::text).unwrap_or_default().to_owned();
                let (phase, kind) = (text(phase, "name"), Kind::named(&text(step, "action")));
                self.steps.push(Known { phase, step: text(step, "name"), kind });
            }
        }
    }
}

impl Parse<'_> {
    /// The node as a text in which references are replaced when the step runs.
    pub(super) fn template(&mut self, node: &Node, what: &str) -> Option<Template> {
        let text = self.reader.text(node, what)?;
        let (template, found) = split(&self.reader.source, &text.value, text.span);
        for (reference, span) in found {
            match reference {
                Ok(Reference::Name(name)) => self.check_declared(&name, span),
                Ok(Reference::Chain(chain)) => self.check_chain(&chain, span),
                Err(BadReference::Unsupported(what)) => {
                    self.reader.error(span, "unsupported", format!("references to `{what}` are not supported yet"));
                }
                Err(BadReference::Unknown) => {
                    let help = "a reference is `{{ Name }}` or `{{ phase.step.outputs.key }}`; the language has no way to \
                                write other text in double braces";
                    let message = "this is not a reference";
                    self.reader.error_with_help(span, "bad-reference", message, Some(help.to_owned()));
                }
            }
        }
        Some(template)
    }

    fn check_declared(&mut self, name: &str, span: Span) {
        if self.scope.names.iter().any(|known| known.value == name) {
            return;
        }
        let names: Vec<&str> = self.scope.names.iter().map(|known| known.value.as_str()).collect();
        let help = suggestion(name, &names)
            .unwrap_or_else(|| format!("declare it: `parameters: [{{{name}: {{type: string}}}}]`"));
        let message = format!("`{name}` is neither a parameter nor a constant of this document");
        self.reader.error_with_help(span, "undeclared-reference", message, Some(help));
    }

    fn check_chain(&mut self, chain: &Chain, span: Span) {
        let steps = &self.scope.steps;
        let name = format!("{}.{}", chain.phase, chain.step);
        let Some(at) = steps.iter().position(|known| known.phase == chain.phase && known.step == chain.step) else {
            let names: Vec<String> = steps.iter().map(|known| format!("{}.{}", known.phase, known.step)).collect();
            let help = suggestion(&name, &names.iter().map(String::as_str).collect::<Vec<_>>());
            self.reader.error_with_help(span, "undeclared-reference", format!("there is no step `{name}`"), help);
            return;
        };
        if at >= self.scope.reached {
            let help = Some("a step can only use what has run before it".to_owned());
            self.reader.error_with_help(span, "forward-reference", format!("`{name}` has not run here yet"), help);
            return;
        }
        let Some(kind) = steps[at].kind else { return };
        let (keys, word) = match chain.side {
            Side::Inputs => (kind.inputs(), "input"),
            Side::Outputs => (kind.outputs(), "output"),
        };
        if !keys.contains(&chain.key.as_str()) {
            let help = suggestion(&chain.key, keys).or_else(|| match keys {
                [] => Some(format!("its action has no {word}s that can be used")),
                _ => Some(format!("its {word}s are {}", keys.join(", "))),
            });
            let message = format!("`{name}` has no {word} `{}`", chain.key);
            self.reader.error_with_help(span, "undeclared-reference", message, help);
        }
    }
}
