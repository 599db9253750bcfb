//! Replaces references by their values just before a step runs. Values are put in as they are, without any quoting.

use std::collections::BTreeMap;

use goldsmith_document::{Chain, Document, Literal, Part, Reference, Setting, Side, Template};

use crate::state::{DocumentRecord, Input, StepRecord};
use crate::{OrderDocument, Status};

/// What the references of one document can see.
pub(crate) struct Resolver<'r> {
    pub(crate) values: &'r BTreeMap<String, String>,
    pub(crate) record: &'r DocumentRecord,
}

/// A chain without a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("`{{{{ {name} }}}}` has no value: the step `{step}` did not run")]
    NotRun { name: String, step: String },
    #[error("`{{{{ {name} }}}}` has no value: the step `{step}` failed")]
    Failed { name: String, step: String },
    #[error("`{{{{ {name} }}}}` has no value: the step `{step}` has no such element or key")]
    NoSuchValue { name: String, step: String },
    #[error("`{text}` is not {expected}")]
    NotOne { text: String, expected: &'static str },
    #[error("{what} is not supported by this agent yet")]
    Unsupported { what: String },
}

/// Parameters and constants of a document with the order's values; a parameter without value or default is empty.
pub(crate) fn values(document: &Document, order: &OrderDocument) -> BTreeMap<String, String> {
    let parameters = document.parameters.iter().map(|parameter| {
        let name = &parameter.name.value;
        let value = order.parameters.get(name).or(parameter.default.as_ref());
        (name.clone(), value.cloned().unwrap_or_default())
    });
    let constants = document.constants.iter().map(|constant| (constant.name.value.clone(), constant.value.clone()));
    parameters.chain(constants).collect()
}

impl Resolver<'_> {
    /// The text with its references replaced.
    pub(crate) fn text(&self, template: &Template) -> Result<String, ResolveError> {
        template.parts.iter().try_fold(String::new(), |text, part| match part {
            Part::Text(more) => Ok(text + more),
            Part::Reference(Reference::Name(name)) => {
                Ok(text + self.values.get(name).map(String::as_str).unwrap_or_default())
            }
            Part::Reference(Reference::Chain(chain)) => Ok(text + &self.chain(chain)?),
            Part::Reference(_) => Err(ResolveError::Unsupported { what: "this kind of reference".to_owned() }),
        })
    }

    /// The value of an input that may have references.
    pub(crate) fn value<T: Literal + Clone>(&self, setting: &Setting<T>) -> Result<T, ResolveError> {
        if let Some(value) = &setting.value {
            return Ok(value.clone());
        }
        let text = self.text(&setting.text)?;
        T::read(&text).ok_or(ResolveError::NotOne { text, expected: T::EXPECTED })
    }

    /// The text of an input that may be absent.
    pub(crate) fn optional(&self, template: Option<&Template>) -> Result<Option<String>, ResolveError> {
        template.map(|template| self.text(template)).transpose()
    }

    fn chain(&self, chain: &Chain) -> Result<String, ResolveError> {
        let Chain { phase, step, side, index, key } = chain;
        let (word, step) = (if *side == Side::Inputs { "inputs" } else { "outputs" }, format!("{phase}.{step}"));
        let name = format!("{step}.{word}[{index}].{key}");
        let Some(record) = self.record.step(phase, &chain.step) else {
            return Err(ResolveError::NotRun { name, step });
        };
        let value = match side {
            Side::Outputs if *index == 0 => record.outputs.get(key).cloned(),
            Side::Outputs => None,
            Side::Inputs => input(record, *index, key),
        };
        match value {
            Some(value) => Ok(value),
            None if record.status != Status::Success => Err(ResolveError::Failed { name, step }),
            None => Err(ResolveError::NoSuchValue { name, step }),
        }
    }
}

fn input(record: &StepRecord, index: usize, key: &str) -> Option<String> {
    match record.inputs.get(index)?.get(key)? {
        Input::Text(text) => Some(text.clone()),
        Input::Texts(_) => None,
    }
}
