//! The work of each Lambda function, with the store and the cloud: one module per state, and the engine that the states
//! share.
//!
//! A state that waits looks at its resources, does the first thing that is not done yet, and parks (`engine::drive`). A
//! state that does not wait is one function. Both kinds may run any number of times, because everything that they make
//! is recorded before it is made (`engine::effect`).

mod dispatch;
mod engine;
mod error;
pub mod error_names;
mod events;
pub mod life;
pub mod own_events;
mod parts;
mod states;
#[cfg(test)]
mod testing;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use goldsmith_cloud::{Cloud, Tags};
use goldsmith_store::{BuildRecord, Store};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

pub use dispatch::{EVENT_FUNCTIONS, Failure, dispatch, figures, has_figures, is_function};
pub use engine::LATE;
pub use engine::invocation::{ErrorInfo, Invocation, Outcome, Start, Wake, WokenBy};
pub use error::{Error, Result};
pub use goldsmith_executor::Nonce;
pub use goldsmith_model::State;
pub use parts::advisories::{PREFIX as ADVISORIES, too_much as too_many_advisories};
pub use parts::volume::{LARGEST_READING, Reading, SnapshotBlocks};
pub use states::plan::{
    Chosen, Cost, Difference, DistributionPreview, Estimate, Existing, Finding, InstanceTime, MissingInRegion, Place,
    Preview, PreviewedCheckpoint, PreviewedFirmware, PreviewedRegion, PreviewedSource, Problem, Severity, StateTime,
    Verdict, between_builds, preview, preview_distribution,
};
pub use states::test::vulnerabilities::judgement_key;
pub use states::{STATES, Spec, spec};

/// Tag that names the stack that made a resource. The permissions of the functions depend on it.
pub const TAG_STACK: &str = "goldsmith:stack";
/// Tag that names the build that made a resource.
pub const TAG_BUILD: &str = "goldsmith:build";
/// Tag that names the image that a resource belongs to.
pub const TAG_IMAGE: &str = "goldsmith:image";
/// Tag with the home Region of the stack. Two stacks with the same name in two Regions may copy images into each
/// other's Region, and this tag tells the copies apart.
pub const TAG_HOME: &str = "goldsmith:home";
/// Tag with the time (RFC 3339) from which a kept resource may be removed.
pub const TAG_EXPIRES: &str = "goldsmith:expires";
/// Tag with the time (RFC 3339) at which a resource was found that carries the stack's tags, but that nothing ties to a
/// build.
pub const TAG_LEFTOVER: &str = "goldsmith:leftover-since";

/// The settings that the stack passes to its functions. A function reads them once when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Stack name.
    pub stack: String,
    /// The Region of the stack.
    pub region: String,
    /// CloudWatch Logs group of the instances' output.
    pub log_group: String,
    /// Instance profile of build instances whose infrastructure configuration names none.
    pub instance_profile: String,
    /// Instance profile of test instances whose infrastructure configuration names none. This profile has fewer
    /// permissions.
    pub test_instance_profile: String,
    /// Security group of build and test instances.
    pub security_group: String,
    /// ARN of the stack's state machine.
    pub state_machine: String,
    /// Folder with `agent-x86_64` and `agent-aarch64`.
    pub agents: PathBuf,
    /// The only path below which the stack may write SSM parameters, without slashes at its ends.
    pub image_parameter_path: String,
    /// Subnets of instances whose infrastructure configuration names none. If the list is empty, the subnets of the
    /// default VPC are used.
    pub subnets: Vec<String>,
    /// The source of the SSM agent for instances whose image has none.
    pub ssm_agent: SsmAgent,
}

/// URL of the packages of the SSM agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SsmAgent {
    /// Folder with `debian_amd64/amazon-ssm-agent.deb`, its `.sig`, and so on, as in AWS's buckets.
    pub base_url: String,
    /// Public key that signs the packages: OpenPGP packets in Base64, or empty for the keys of AWS.
    pub key: String,
}

impl Config {
    /// Returns the account of the stack.
    #[must_use]
    pub fn account(&self) -> &str {
        self.state_machine.split(':').nth(4).unwrap_or_default()
    }

    /// Returns the ARN of an execution of the stack's state machine.
    #[must_use]
    pub fn execution_arn(&self, name: &str) -> String {
        format!("{}:{name}", self.state_machine.replacen(":stateMachine:", ":execution:", 1))
    }
}

/// A clock that tests can replace to avoid real waits.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;
    /// Waits for this long.
    async fn sleep(&self, time: Duration);
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
#[expect(clippy::disallowed_methods, reason = "this is the clock that everything else goes through")]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

impl Config {
    /// Returns the path of the agent for an architecture. The architecture has EC2's name, such as `arm64`.
    #[must_use]
    pub fn agent_for(&self, architecture: &str) -> PathBuf {
        let machine = if architecture == "arm64" { "aarch64" } else { "x86_64" };
        self.agents.join(format!("agent-{machine}"))
    }

    /// Returns whether these tags name this very stack as the maker of a resource.
    #[must_use]
    pub fn owns(&self, tags: &Tags) -> bool {
        tags.get(TAG_STACK) == Some(&self.stack) && tags.get(TAG_HOME) == Some(&self.region)
    }
}

/// Makes a new nonce each time, or returns the reason if the machine has no random bytes.
pub type Nonces = Arc<dyn Fn() -> io::Result<Nonce> + Send + Sync>;

/// Everything that a state works with.
#[derive(Clone)]
pub struct Context {
    /// The table.
    pub store: Store,
    /// AWS.
    pub cloud: Cloud,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The nonces of orders: `Nonce::random`, or nonces that a test has chosen.
    pub nonces: Nonces,
    /// The stack.
    pub config: Config,
}

impl Context {
    /// Returns the record that Plan wrote for a build.
    ///
    /// # Errors
    /// Fails with [`error_names::ErrorName::Internal`] if there is no such record, or if a call to the table fails.
    pub(crate) async fn planned(&self, build: &str) -> Result<BuildRecord> {
        let record = self.store.build(build).await?;
        record.ok_or_else(|| Error::internal("Plan has written no record of this build"))
    }

    /// Has Lambda invoke another function of the stack, without waiting for its end.
    ///
    /// # Errors
    /// Fails if Lambda does not accept the call.
    pub(crate) async fn wake(&self, function: &str, payload: &impl Serialize) -> Result<()> {
        let function = format!("{}-{function}", self.config.stack);
        Ok(self.cloud.functions.wake(&function, &json!(payload).to_string()).await?)
    }

    /// Returns the tags of everything that this build creates. The call that creates a resource also sets these tags.
    #[must_use]
    pub fn tags(&self, record: &BuildRecord) -> Tags {
        let mut tags: Tags = record.plan.launch.tags.clone();
        tags.insert(TAG_STACK.to_owned(), self.config.stack.clone());
        tags.insert(TAG_HOME.to_owned(), self.config.region.clone());
        tags.insert(TAG_BUILD.to_owned(), record.build.clone());
        // What a later distribution makes belongs to the image that it distributes.
        let image = record.plan.distributes.as_ref().map_or(&record.image, |distributed| &distributed.image);
        tags.insert(TAG_IMAGE.to_owned(), image.to_string());
        tags
    }
}
