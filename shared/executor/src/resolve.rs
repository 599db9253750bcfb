//! Replaces references by their values directly before a step runs. Values are inserted as they are, without quoting.
//! All references of one attempt to the same thing get the same value; the next attempt reads the value again.

mod context;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::env;
use std::io;

use goldsmith_document::{Chain, Document, Part, Reference, Side, SsmName, Template};

use crate::aws::AwsError;
use crate::place::Place;
use crate::retry::retry;
use crate::secrets::Secrets;
use crate::state::{DocumentRecord, Input, StepRecord};
use crate::{OrderDocument, Status};
pub(crate) use context::uuid;

/// The values that the references of one step can use.
pub(crate) struct Resolver<'r> {
    /// The parameters and constants.
    pub(crate) values: &'r BTreeMap<String, String>,
    pub(crate) record: &'r DocumentRecord,
    pub(crate) place: Place<'r>,
    pub(crate) scene: Scene<'r>,
    /// Receives the values that must not be shown.
    pub(crate) secrets: &'r Secrets,
    /// The number and the value of the loop's iteration.
    pub(crate) iteration: Option<(usize, &'r str)>,
    /// The values of the Parameter Store that this attempt has read.
    pub(crate) stored: &'r RefCell<BTreeMap<String, String>>,
}

/// The step that is running.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'s> {
    pub(crate) execution: &'s str,
    pub(crate) phase: &'s str,
    pub(crate) step: &'s str,
}

/// A reference without a value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error("`{{{{ {name} }}}}` has no value: the step `{step}` did not run")]
    NotRun { name: String, step: String },
    #[error("`{{{{ {name} }}}}` has no value: the step `{step}` was skipped")]
    Skipped { name: String, step: String },
    #[error("`{{{{ {name} }}}}` has no value: the step `{step}` failed")]
    Failed { name: String, step: String },
    #[error("`{{{{ {name} }}}}` has no value: the step `{step}` has no such element or key")]
    NoSuchValue { name: String, step: String },
    #[error("`{{{{ env:{name} }}}}` has no value: the variable is not set")]
    Env { name: String },
    #[error("`{{{{ {name} }}}}` has no value")]
    Aws { name: String, source: AwsError },
    #[error("`{{{{ context:uuid }}}}` has no value: the machine provides no random numbers")]
    Random(#[source] io::Error),
    #[error("`{key}` is `{text}`, which is not {expected}")]
    BadValue { key: String, text: String, expected: &'static str },
}

/// Returns the parameters and constants of a document with the order's values. A parameter without a value or a default
/// is empty.
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
    /// Returns the text with its references replaced.
    pub(crate) fn text(&self, template: &Template) -> Result<String, ResolveError> {
        template.parts.iter().try_fold(String::new(), |text, part| match part {
            Part::Text(more) => Ok(text + more),
            Part::Reference(reference) => Ok(text + &self.reference(reference)?),
        })
    }

    fn reference(&self, reference: &Reference) -> Result<String, ResolveError> {
        // The parser rejects undeclared names, and loop references outside of a loop, so no empty default below is ever
        // seen.
        Ok(match reference {
            Reference::Name(name) => self.values.get(name).cloned().unwrap_or_default(),
            Reference::Chain(chain) => self.chain(chain)?,
            Reference::LoopIndex => self.iteration.map(|(index, _)| index.to_string()).unwrap_or_default(),
            Reference::LoopValue => self.iteration.map(|(_, value)| value.to_owned()).unwrap_or_default(),
            Reference::Env(name) => env::var(name).map_err(|_| ResolveError::Env { name: name.clone() })?,
            Reference::Context(key) => context::value(*key, self.scene, &self.place)?,
            Reference::Ssm(SsmName::Given(name)) => self.stored(name)?,
            Reference::Ssm(SsmName::Declared(name)) => {
                self.stored(self.values.get(name).map(String::as_str).unwrap_or_default())?
            }
            Reference::Ssm(SsmName::Stored(name)) => self.stored(&self.stored(name)?)?,
            Reference::Imds(path) => {
                let failed = |source| ResolveError::Aws { name: format!("aws:imds:{path}"), source };
                self.place.aws.metadata(path, self.place.deadline).map_err(failed)?
            }
        })
    }

    /// Returns a parameter of the Parameter Store. If its value is a secret, it is masked in all output.
    fn stored(&self, name: &str) -> Result<String, ResolveError> {
        if let Some(known) = self.stored.borrow().get(name) {
            return Ok(known.clone());
        }
        let failed = |source| ResolveError::Aws { name: format!("aws:ssm:{name}"), source };
        let Place { aws, deadline, .. } = self.place;
        let parameter =
            retry(deadline, &mut |_| (), AwsError::may_pass, || aws.parameter(name, deadline)).map_err(failed)?;
        if parameter.is_secret() {
            self.secrets.add(name, &parameter.value);
        }
        self.stored.borrow_mut().insert(name.to_owned(), parameter.value.clone());
        Ok(parameter.value)
    }

    fn chain(&self, chain: &Chain) -> Result<String, ResolveError> {
        let Chain { phase, step, side, index, key } = chain;
        let (word, step) = (if *side == Side::Inputs { "inputs" } else { "outputs" }, format!("{phase}.{step}"));
        let name = format!("{step}.{word}[{index}].{key}");
        let Some(record) = self.record.step(phase, &chain.step) else {
            return Err(ResolveError::NotRun { name, step });
        };
        let value = match side {
            // A step has one set of inputs for each element of its list, but only one set of outputs.
            Side::Outputs if *index == 0 => record.outputs.get(key).cloned(),
            Side::Outputs => None,
            Side::Inputs => input(record, *index, key),
        };
        match (value, record.status) {
            (Some(value), _) => Ok(value),
            (None, Status::Success) => Err(ResolveError::NoSuchValue { name, step }),
            (None, Status::Skipped) => Err(ResolveError::Skipped { name, step }),
            (None, _) => Err(ResolveError::Failed { name, step }),
        }
    }
}

fn input(record: &StepRecord, index: usize, key: &str) -> Option<String> {
    match record.inputs.get(index)?.get(key)? {
        Input::Text(text) => Some(text.clone()),
        Input::Texts(_) => None,
    }
}
