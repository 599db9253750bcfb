//! The parameters that name a pipeline's image, changed together.

use std::time::Duration;

use anyhow::Result;
use goldsmith_cloud::{Parameter, Parameters};
use goldsmith_model::{ImagePipeline, placeholder};
use serde::Serialize;

use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::output;

/// How often a parameter is looked at until it holds its value, and the pause between two looks. Systems Manager checks
/// the value of an `aws:ec2:image` after its answer.
const LOOKS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(300);

/// A parameter that names an AMI.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Pointer {
    pub(super) region: String,
    pub(super) name: String,
    /// What it holds now.
    #[serde(skip)]
    pub(super) from: Parameter,
    /// The AMI that it is to name.
    pub(super) to: String,
}

impl Pointer {
    pub(super) fn row(&self) -> Vec<String> {
        vec![self.region.clone(), self.name.clone(), self.from.value.clone(), "→".to_owned(), self.to.clone()]
    }
}

/// Returns the parameters that the pipeline writes, with what they hold. Their `to` is empty.
pub(super) async fn pointers(connection: &Connection, pipeline: &ImagePipeline) -> Result<Vec<Pointer>> {
    let none = || invalid(format!("the pipeline `{}` writes no parameters", pipeline.name));
    let distribution = pipeline.distribution_configuration.as_ref().ok_or_else(none)?;
    let distribution = connection.store.distribution(distribution).await?.ok_or_else(none)?;
    let mut pointers = Vec::new();
    for to in distribution.distributions {
        for parameter in to.ssm_parameter_configurations {
            let (region, name) = (to.region.clone(), parameter.parameter_name);
            // Each image has its own parameter of this kind, which names it for good.
            if placeholder::differs(&name) {
                continue;
            }
            let Some(from) = connection.cloud.parameters.get(&region, &name).await? else {
                return Err(invalid(format!("the parameter {name} does not exist in {region}: a build makes it")));
            };
            pointers.push(Pointer { region, name, from, to: String::new() });
        }
    }
    if pointers.is_empty() { Err(none()) } else { Ok(pointers) }
}

/// Changes all parameters or none. Safe to repeat.
pub(super) async fn point(connection: &Connection, pointers: &[Pointer]) -> Result<()> {
    let parameters = connection.cloud.parameters.as_ref();
    for (at, pointer) in pointers.iter().enumerate() {
        let to = Parameter { value: pointer.to.clone(), ..pointer.from.clone() };
        if let Err(error) = put(parameters, pointer, &to).await {
            // The failed one is among them: its call may have been made although the answer was lost.
            return Err(restore(parameters, &pointers[..=at], error).await);
        }
    }
    Ok(())
}

/// Gives the parameters their values back, and returns why.
async fn restore(parameters: &dyn Parameters, changed: &[Pointer], error: anyhow::Error) -> anyhow::Error {
    let mut left = Vec::new();
    for pointer in changed {
        // Whoever has changed it in the meantime, for example a build, has meant it.
        let found = parameters.get(&pointer.region, &pointer.name).await;
        if found
            .is_ok_and(|found| found.is_some_and(|found| ![&pointer.to, &pointer.from.value].contains(&&found.value)))
        {
            continue;
        }
        if let Err(error) = put(parameters, pointer, &pointer.from).await {
            output::say(&format!("{} in {} cannot be restored: {error:#}", pointer.name, pointer.region));
            left.push(format!("{} in {} to {}", pointer.name, pointer.region, pointer.from.value));
        }
    }
    if left.is_empty() {
        return error.context("the parameters were not changed");
    }
    let message = format!("{error:#}; set these parameters by hand: {}", left.join(", "));
    Stop { exit: Exit::Aws, message }.into()
}

/// Puts a parameter, and waits until it holds the value.
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
        format!("Systems Manager accepted {} for {name} in {region}, but {name} does not hold it", value.value);
    Err(Stop { exit: Exit::Aws, message }.into())
}
