//! Changes the parameters that name an image, all together.

use std::time::Duration;

use anyhow::Result;
use goldsmith_cloud::{CloudError, ImageState, Kind, Parameter, Parameters};
use goldsmith_model::{ImagePipeline, Name, placeholder};
use goldsmith_store::ImageRecord;
use serde::Serialize;

use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::output;

/// How often a parameter is checked until it holds its value, and the pause between two checks. Systems Manager checks
/// the value of an `aws:ec2:image` after its answer.
const LOOKS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(300);

/// A parameter that names an AMI.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Pointer {
    pub(crate) region: String,
    pub(crate) name: String,
    /// The current value, or `None` if the parameter does not exist.
    #[serde(skip)]
    pub(crate) now: Option<String>,
    /// The value that the parameter gets if the change fails, or `None` if the parameter is then deleted. After an
    /// interrupted rollback, this is what it held before that one.
    #[serde(skip)]
    pub(crate) from: Option<String>,
    /// What interrupted rollbacks may have given it, or may give it yet.
    #[serde(skip)]
    pub(crate) earlier: Vec<String>,
    /// Its data type.
    #[serde(skip)]
    pub(crate) data_type: String,
    /// The AMI that it is to name.
    pub(crate) to: String,
}

impl Pointer {
    /// Returns a parameter that holds this. Its `to` is empty.
    pub(crate) fn new(region: String, name: String, found: Option<Parameter>, data_type: &str) -> Self {
        // The data type of a parameter never changes, whatever the definition says now.
        let data_type = found.as_ref().map_or(data_type, |found| &found.data_type).to_owned();
        let now = found.map(|found| found.value);
        Self { region, name, from: now.clone(), now, earlier: Vec::new(), data_type, to: String::new() }
    }

    /// Returns its row of a table for people.
    pub(crate) fn row(&self) -> Vec<String> {
        let now = self.now.as_deref().unwrap_or("new");
        vec![self.region.clone(), self.name.clone(), now.to_owned(), "→".to_owned(), self.to.clone()]
    }

    /// Returns whether a change may have set this value or created the parameter.
    fn is_own(&self, value: Option<&String>) -> bool {
        [Some(&self.to), self.now.as_ref(), self.from.as_ref()].contains(&value)
            || value.is_some_and(|value| self.earlier.contains(value))
    }

    /// Returns whether the parameter must get its old value again even if this change has not reached it, because an
    /// interrupted rollback has changed it.
    fn was_changed_before(&self) -> bool {
        self.now != self.from
    }
}

/// Returns the parameters that the pipeline writes and that follow this channel, or no channel, with their values.
/// Their `to` is empty.
pub(crate) async fn pointers(
    connection: &Connection,
    pipeline: &ImagePipeline,
    channel: Option<&Name>,
) -> Result<Vec<Pointer>> {
    let Some(distribution) = &pipeline.distribution_configuration else { return Ok(Vec::new()) };
    let distribution = connection.store.distribution(distribution).await?;
    let mut pointers = Vec::new();
    for (distribution, to) in distribution.iter().flat_map(|one| one.distributions.iter().map(move |to| (one, to))) {
        for parameter in &to.ssm_parameter_configurations {
            let (region, name) = (to.region.clone(), parameter.parameter_name.clone());
            // Each image has its own parameter with a placeholder, which names it for good.
            if distribution.channel_of(parameter) != channel || placeholder::differs(&name) {
                continue;
            }
            let found = connection.cloud.parameters.get(&region, &name).await?;
            pointers.push(Pointer::new(region, name, found, parameter.data_type.as_str()));
        }
    }
    Ok(pointers)
}

/// Returns the parameters, each with the AMI of the image that it will name, or an error if one of the AMIs is missing
/// or cannot be launched.
pub(crate) async fn aimed(
    connection: &Connection,
    pointers: Vec<Pointer>,
    image: &ImageRecord,
) -> Result<Vec<Pointer>> {
    let mut aimed = Vec::new();
    for pointer in pointers {
        let Pointer { region, name, .. } = &pointer;
        let Some(ami) = image.amis.get(region) else {
            return Err(invalid(format!("{} has no AMI in {region}, so {name} cannot name it", image.image)));
        };
        let found = connection.cloud.images.image(region, ami).await?;
        if found.is_none_or(|found| found.state != ImageState::Available) {
            return Err(invalid(format!("{ami} in {region} cannot be launched, so {name} cannot name it")));
        }
        aimed.push(Pointer { to: ami.clone(), ..pointer });
    }
    Ok(aimed)
}

/// The reason why not all parameters name the new image.
pub(crate) enum Unchanged<'p> {
    /// Another call has taken over the change, and this call leaves the parameters to that call.
    TakenOver,
    /// One parameter could not be changed.
    Failed(Failed<'p>),
}

/// A change that has failed at one parameter. Those before it name the new image.
#[must_use]
pub(crate) struct Failed<'p> {
    /// Why the parameter could not be changed.
    pub(crate) error: anyhow::Error,
    /// The parameters that may have changed.
    changed: Vec<&'p Pointer>,
}

/// What has become of the parameters of a change that has failed, with the reason.
pub(crate) enum Restored {
    /// All have their old values again.
    All(anyhow::Error),
    /// Some could not be restored.
    NotAll(anyhow::Error),
}

/// Changes the parameters one after another, until one cannot be changed. `is_ours` returns whether this call still
/// decides what the parameters name. Safe to repeat.
pub(crate) async fn point<'p>(
    connection: &Connection,
    pointers: &'p [Pointer],
    is_ours: impl AsyncFn() -> bool,
) -> Result<(), Unchanged<'p>> {
    let parameters = connection.cloud.parameters.as_ref();
    for (at, pointer) in pointers.iter().enumerate() {
        // Whoever has taken over may have changed this parameter already.
        if !is_ours().await {
            return Err(Unchanged::TakenOver);
        }
        let to = Parameter { value: pointer.to.clone(), data_type: pointer.data_type.clone() };
        let Err(Unput { error, may_be_put }) = put(parameters, pointer, &to).await else { continue };
        if !is_ours().await {
            return Err(Unchanged::TakenOver);
        }
        let is_changed = |(n, one): &(usize, &Pointer)| *n < at || *n == at && may_be_put || one.was_changed_before();
        let changed = pointers.iter().enumerate().filter(is_changed).map(|(_, one)| one).collect();
        return Err(Unchanged::Failed(Failed { error, changed }));
    }
    Ok(())
}

impl Failed<'_> {
    /// Restores the values of the parameters. Safe to repeat.
    pub(crate) async fn restore(self, connection: &Connection) -> Restored {
        let Self { error, changed } = self;
        let mut left = Vec::new();
        for pointer in changed {
            if let Err(error) = restore_one(connection.cloud.parameters.as_ref(), pointer).await {
                let Pointer { region, name, from, .. } = pointer;
                output::say(&format!("{name} in {region} cannot be restored: {error:#}"));
                left.push(match from {
                    Some(from) => format!("set {name} in {region} to {from}"),
                    None => format!("delete {name} in {region}"),
                });
            }
        }
        if left.is_empty() {
            return Restored::All(error.context("the parameters were not changed"));
        }
        let message = format!("{error:#}; call the command again, or do this by hand: {}", left.join(", "));
        Restored::NotAll(Stop { exit: Exit::Aws, message }.into())
    }
}

async fn restore_one(parameters: &dyn Parameters, pointer: &Pointer) -> Result<()> {
    let Pointer { region, name, from, data_type, .. } = pointer;
    // A parameter that cannot be read may have our value. A value that somebody else, for example a build, has written
    // in the meantime stays.
    if parameters.get(region, name).await.is_ok_and(|found| !pointer.is_own(found.map(|found| found.value).as_ref())) {
        return Ok(());
    }
    match from {
        Some(from) => {
            let value = Parameter { value: from.clone(), data_type: data_type.clone() };
            put(parameters, pointer, &value).await.map_err(|unput| unput.error)
        }
        None => Ok(parameters.delete(region, name).await?),
    }
}

/// The reason why a parameter does not have the value that was written.
struct Unput {
    error: anyhow::Error,
    /// Whether the parameter may have the value nevertheless, or get it later.
    may_be_put: bool,
}

impl Unput {
    fn after_the_put(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), may_be_put: true }
    }
}

/// Puts a parameter, and waits until it holds the value.
async fn put(parameters: &dyn Parameters, pointer: &Pointer, value: &Parameter) -> Result<(), Unput> {
    let Pointer { region, name, .. } = pointer;
    parameters
        .put(region, name, value)
        .await
        .map_err(|error| Unput { may_be_put: !is_rejected(&error), error: error.into() })?;
    for _ in 0..LOOKS {
        let found = parameters.get(region, name).await.map_err(Unput::after_the_put)?;
        if found.is_some_and(|found| found.value == value.value) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    let message =
        format!("Systems Manager accepted {} for {name} in {region}, but {name} does not hold it", value.value);
    Err(Unput::after_the_put(Stop { exit: Exit::Aws, message }))
}

/// Returns whether AWS has certainly not made the change. The SDK repeats a call whose answer was lost, so a call that is
/// throttled in the end may have been made before.
fn is_rejected(error: &CloudError) -> bool {
    matches!(error.kind, Kind::Denied | Kind::Invalid)
}
