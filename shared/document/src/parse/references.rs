//! Reads texts with references and checks each reference.

use super::Parse;
use super::scope::{CurrentLoop, step_key};
use crate::diagnostic::shown;
use crate::reference::{
    BadReference, Chain, ContextKey, Found, LITERAL, Part, Piece, Reference, Side, SsmName, parse, split,
};
use crate::yaml::{Node, Span};
use crate::{Template, suggestion};

impl Parse<'_> {
    /// Reads the node as a text whose references are replaced when the step runs.
    pub(crate) fn template(&mut self, node: &Node, what: &str) -> Option<Template> {
        let text = self.reader.text(node, what)?;
        let mut parts = Vec::new();
        for piece in split(self.reader.source.text, &text.value, text.span, &node.bytes) {
            match piece {
                Piece::Text(text) => push_text(&mut parts, text),
                Piece::Literal(text) => push_text(&mut parts, &format!("{{{{{text}}}}}")),
                Piece::Braces { whole, inner, span } => match self.reference(inner, span) {
                    Some(reference) => parts.push(Part::Reference(reference)),
                    // A finding was reported. After a warning the document still runs, and the braces stay in its text.
                    None => push_text(&mut parts, whole),
                },
            }
        }
        Some(Template { raw: text.value, span: text.span, parts })
    }

    /// Reads the reference between braces. Returns `None` if the text stays as it is or the reference is wrong.
    fn reference(&mut self, inner: &str, span: Span) -> Option<Reference> {
        match parse(inner.trim()) {
            Ok(Found::Loop { name, reference }) => return self.loop_reference(&name, reference, inner, span),
            Ok(Found::Reference(reference)) => {
                match &reference {
                    Reference::Name(name) | Reference::Ssm(SsmName::Declared(name)) => {
                        self.check_declared(name, inner, span);
                    }
                    Reference::Chain(chain) => self.check_chain(chain, span),
                    _ => {}
                }
                return Some(reference);
            }
            Err(BadReference::Unknown) => self.unknown(inner, span),
            Err(BadReference::Context(key)) => {
                let known = ContextKey::ALL.map(|(name, _)| name);
                let help = suggestion(&key, &known).or_else(|| Some(format!("the keys are {}", known.join(", "))));
                self.reader.error_with_help(
                    span,
                    "bad-reference",
                    format!("`context:` has no key `{}`", shown(&key)),
                    help,
                );
            }
            Err(BadReference::Metadata(path)) => {
                let message =
                    format!("the instance metadata `{}` contains credentials and cannot be read", shown(&path));
                self.reader.error(span, "forbidden-metadata", message);
            }
            Err(BadReference::Ssm) => {
                let help =
                    "write `aws:ssm:/path/name`, `aws:ssm:resolve(Name)` or `aws:ssm:resolve(aws:ssm:/path/name)`";
                let message = "this does not name a parameter of the Parameter Store";
                self.reader.error_with_help(span, "bad-reference", message, Some(help.to_owned()));
            }
        }
        None
    }

    fn unknown(&mut self, inner: &str, span: Span) {
        let inner = shown(inner);
        let help = format!(
            "a reference is `{{{{ Name }}}}` or `{{{{ phase.step.outputs.key }}}}`; to keep the text `{{{{{inner}}}}}`, write {}",
            escaped(&inner)
        );
        self.reader.error_with_help(span, "bad-reference", "this is not a reference", Some(help));
    }

    fn loop_reference(&mut self, name: &str, reference: Reference, inner: &str, span: Span) -> Option<Reference> {
        let known = name == "loop" || self.scope.loops.contains(name);
        match &self.scope.repeat {
            CurrentLoop::Some(own) if name == "loop" || own.as_deref() == Some(name) => return Some(reference),
            CurrentLoop::NotYet if known => {
                let help = Some("a loop has values only in the step's `inputs`".to_owned());
                self.reader.error_with_help(span, "loop-reference", "the loop has not begun here", help);
            }
            _ if known => {
                let help = Some(format!("if you mean this text, write {}", escaped(inner)));
                let message = format!("`{name}` is not a loop of this step, so this text is not replaced");
                self.reader.warning_with_help(span, "loop-reference", message, help);
            }
            _ => self.unknown(inner, span),
        }
        None
    }

    fn check_declared(&mut self, name: &str, inner: &str, span: Span) {
        if self.scope.names.contains_key(name) || !self.reader.takes_errors() {
            return;
        }
        let names: Vec<&str> = self.scope.names.keys().map(String::as_str).collect();
        let help = suggestion(name, &names).unwrap_or_else(|| {
            let (name, literal) = (shown(name), escaped(&shown(inner)));
            format!("declare it: `parameters: [{{{name}: {{type: string}}}}]`, or write {literal}")
        });
        let message = format!("`{}` is neither a parameter nor a constant of this document", shown(name));
        self.reader.error_with_help(span, "undeclared-reference", message, Some(help));
    }

    fn check_chain(&mut self, chain: &Chain, span: Span) {
        let name = step_key(&chain.phase, &chain.step);
        let Some(at) = self.scope.position(&chain.phase, &chain.step) else {
            if !self.reader.takes_errors() {
                return; // the search for a similar name among many takes time
            }
            let names: Vec<&str> = self.scope.by_name.keys().map(String::as_str).collect();
            let help = suggestion(&name, &names);
            self.reader.error_with_help(
                span,
                "undeclared-reference",
                format!("there is no step `{}`", shown(&name)),
                help,
            );
            return;
        };
        if at >= self.scope.reached {
            let help = Some("a step can use only values of steps that run before it".to_owned());
            self.reader.error_with_help(span, "forward-reference", format!("`{name}` has not run at this point"), help);
            return;
        }
        let known = &self.scope.steps[at];
        // An unknown action has been reported already, and nobody knows its inputs and outputs.
        let Some(module) = known.module else { return };
        let (keys, word, elements) = match chain.side {
            Side::Inputs => (module.chainable_inputs(), "input", known.elements.unwrap_or(1)),
            Side::Outputs => (module.outputs().to_vec(), "output", 1),
        };
        let (message, help) = if !keys.contains(&chain.key.as_str()) {
            let help = suggestion(&chain.key, &keys).unwrap_or_else(|| match keys[..] {
                [] => format!("its action has no {word}s that can be used"),
                _ => format!("its {word}s are {}", keys.join(", ")),
            });
            (format!("`{name}` has no {word} `{}`", shown(&chain.key)), help)
        } else if chain.index >= elements {
            let help = match elements {
                1 => "it has one element, [0]".to_owned(),
                _ => format!("it has {elements} elements, and the last one is [{}]", elements.saturating_sub(1)),
            };
            (format!("`{name}` has no {word}s[{}]", chain.index), help)
        } else {
            return self.warn_of_stage(chain, span);
        };
        self.reader.error_with_help(span, "undeclared-reference", message, Some(help));
    }
}

/// Returns how the text between braces is written if it is not a reference.
fn escaped(inner: &str) -> String {
    format!("`{{{{{LITERAL}{inner})}}}}`")
}

/// Adds text. Adjacent parts of text become one part.
fn push_text(parts: &mut Vec<Part>, more: &str) {
    match parts.last_mut() {
        Some(Part::Text(text)) => text.push_str(more),
        _ => parts.push(Part::Text(more.to_owned())),
    }
}
