//! Changes all parameters that name a pipeline's image together.

use std::time::Duration;

use anyhow::Result;
use goldsmith_cloud::{Parameter, Parameters};
use goldsmith_model::{ImagePipeline, placeholder};
use serde::Serialize;

use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::output;

/// How often a parameter is read until it has its new value, and the pause between two reads. Systems Manager checks
/// the value of an `aws:ec2:image` only after it has answered the call.
const LOOKS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(300);

/// A parameter that names an AMI.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Pointer {
    pub(super) region: String,
    pub(super) name: String,
    /// The current value.
    #[serde(skip)]
    pub(super) now: String,
    /// The value to restore if the change fails. After an interrupted rollback, this is the value before that rollback.
    #[serde(skip)]
    pub(super) from: Parameter,
    /// The values that interrupted rollbacks may have written, or may still write.
    #[serde(skip)]
    pub(super) earlier: Vec<String>,
    /// The AMI that the parameter will name.
    pub(super) to: String,
}

impl Pointer {
    /// Returns a parameter with this value. The field `to` is empty.
    pub(super) fn new(region: String, name: String, from: Parameter) -> Self {
        Self { region, name, now: from.value.clone(), from, earlier: Vec::new(), to: String::new() }
    }

    pub(super) fn row(&self) -> Vec<String> {
        vec![self.region.clone(), self.name.clone(), self.now.clone(), "→".to_owned(), self.to.clone()]
    }

    /// Returns whether a rollback may have given the parameter this value.
    fn is_own(&self, value: &String) -> bool {
        [&self.to, &self.now, &self.from.value].contains(&value) || self.earlier.contains(value)
    }
}

/// Returns the parameters that the pipeline writes, with their current values. The field `to` of each is empty.
pub(super) async fn pointers(connection: &Connection, pipeline: &ImagePipeline) -> Result<Vec<Pointer>> {
    let Some(distribution) = &pipeline.distribution_configuration else { return Ok(Vec::new()) };
    let distribution = connection.store.distribution(distribution).await?;
    let mut pointers = Vec::new();
    for to in distribution.into_iter().flat_map(|one| one.distributions) {
        for parameter in to.ssm_parameter_configurations {
            let (region, name) = (to.region.clone(), parameter.parameter_name);
            // Each image has its own parameter of this kind, which names it for good.
            if placeholder::differs(&name) {
                continue;
            }
            let Some(from) = connection.cloud.parameters.get(&region, &name).await? else {
                return Err(invalid(format!("the parameter {name} does not exist in {region}: a build makes it")));
            };
            pointers.push(Pointer::new(region, name, from));
        }
    }
    Ok(pointers)
}

/// The reason why the parameters were not changed.
pub(super) struct Failed {
    pub(super) error: anyhow::Error,
    /// Whether all parameters have their old values back.
    pub(super) are_restored: bool,
}

/// Changes all parameters, or none. If one change fails, the other parameters get their old values back, if
/// `may_restore` then returns true. Safe to repeat.
pub(super) async fn point(
    connection: &Connection,
    pointers: &[Pointer],
    may_restore: impl AsyncFnOnce() -> bool,
) -> Result<(), Failed> {
    let parameters = connection.cloud.parameters.as_ref();
    for (at, pointer) in pointers.iter().enumerate() {
        let to = Parameter { value: pointer.to.clone(), ..pointer.from.clone() };
        if let Err(error) = put(parameters, pointer, &to).await {
            if !may_restore().await {
                return Err(Failed { error, are_restored: false });
            }
            // The failed one is among them: its call may have been made although the answer was lost. Those behind it may
            // have been changed by a rollback that was interrupted.
            let changed = pointers.iter().enumerate().filter(|(n, one)| *n <= at || one.now != one.from.value);
            return Err(restore(parameters, changed.map(|(_, one)| one), error).await);
        }
    }
    Ok(())
}

/// Gives the parameters their old values back, and returns the error.
async fn restore<'p>(
    parameters: &dyn Parameters,
    changed: impl Iterator<Item = &'p Pointer>,
    error: anyhow::Error,
) -> Failed {
    let mut left = Vec::new();
    for pointer in changed {
        // Whoever has changed it in the meantime, for example a build, has meant it.
        let found = parameters.get(&pointer.region, &pointer.name).await;
        if found.is_ok_and(|found| found.is_some_and(|found| !pointer.is_own(&found.value))) {
            continue;
        }
        if let Err(error) = put(parameters, pointer, &pointer.from).await {
            output::say(&format!("{} in {} cannot be restored: {error:#}", pointer.name, pointer.region));
            left.push(format!("{} in {} to {}", pointer.name, pointer.region, pointer.from.value));
        }
    }
    if left.is_empty() {
        return Failed { error: error.context("the parameters were not changed"), are_restored: true };
    }
    let left = left.join(", ");
    let message = format!("{error:#}; call the command again, or set these parameters by hand: {left}");
    Failed { error: Stop { exit: Exit::Aws, message }.into(), are_restored: false }
}

/// Writes a parameter, and waits until it has the new value.
async fn put(parameters: &dyn Parameters, pointer: &Pointer, value: &Parameter) -> Result<()> {
    let Pointer { region, name, .. } = pointer;
    parameters.put(region, name, value).await?;
    for _ in 0..LOOKS {
        if parameters.get(region, name).await?.is_some_and(|found| found.value == value.value) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    let message =
        format!("Systems Manager accepted {} for {name} in {region}, but {name} does not have that value", value.value);
    Err(Stop { exit: Exit::Aws, message }.into())
}
