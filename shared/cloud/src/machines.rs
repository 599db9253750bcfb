//! EC2 instances as builds use them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{Result, Tags};

/// Instance metadata service options of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataOptions {
    /// `HttpTokens=required` (IMDSv2 only) if true, else `optional`.
    pub tokens_required: bool,
    /// `HttpPutResponseHopLimit`, 1 to 64.
    pub hop_limit: u8,
}

/// One block device mapping with an EBS volume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockDevice {
    /// Device name, such as `/dev/xvda`.
    pub device_name: String,
    /// Size in GiB.
    pub volume_size: Option<u32>,
    /// Volume type: `gp3`, `io2`, …
    pub volume_type: Option<String>,
    /// IOPS, for the types that have this setting.
    pub iops: Option<u32>,
    /// Throughput in MiB/s, for gp3 only.
    pub throughput: Option<u32>,
    /// EBS encryption.
    pub encrypted: Option<bool>,
    /// KMS key for encryption.
    pub kms_key_id: Option<String>,
    /// Whether the volume is deleted with its instance.
    pub delete_on_termination: bool,
}

/// How EC2 sells an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Market {
    /// On demand: EC2 does not take it back.
    #[default]
    OnDemand,
    /// A spot instance of a one-time request. If EC2 needs the capacity, it terminates the instance. Such an instance
    /// cannot be stopped.
    Spot,
}

/// A request for one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// `ClientToken` of at most 64 ASCII characters. The same token gives the same instance.
    pub token: String,
    /// AMI id.
    pub image: String,
    /// Instance type, such as `t3.small`.
    pub instance_type: String,
    /// Subnet id; `None` for the default VPC's choice.
    pub subnet: Option<String>,
    /// Availability Zone; `None` for the subnet's, or for EC2's choice.
    pub zone: Option<String>,
    /// Whether the instance runs on hardware that no other account uses (`Tenancy=dedicated`).
    pub is_dedicated: bool,
    /// How EC2 sells it.
    pub market: Market,
    /// Name of the key pair whose public key the instance gets.
    pub key_pair: Option<String>,
    /// Security group ids; empty for the VPC's default group.
    pub security_groups: Vec<String>,
    /// Name of the instance profile.
    pub instance_profile: Option<String>,
    /// IMDS options.
    pub metadata: MetadataOptions,
    /// Tags of the instance, its volumes and its spot request, set in the creating call.
    pub tags: Tags,
    /// Changed block devices; empty for the image's own. Settings that are not given for a device of the image stay as
    /// the image has them.
    pub block_devices: Vec<BlockDevice>,
    /// What cloud-init runs at the first boot; at most 16 KiB.
    pub user_data: Option<String>,
}

/// EC2's instance states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceState {
    /// `pending`
    Pending,
    /// `running`
    Running,
    /// `stopping`
    Stopping,
    /// `stopped`
    Stopped,
    /// `shutting-down`
    ShuttingDown,
    /// `terminated`
    Terminated,
}

impl InstanceState {
    /// Returns whether the instance is ending or has ended for good.
    #[must_use]
    pub fn is_gone(self) -> bool {
        matches!(self, Self::ShuttingDown | Self::Terminated)
    }
}

/// An instance as EC2 describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// `i-…`
    pub id: String,
    /// Its state now.
    pub state: InstanceState,
    /// EC2's reason for the last change, such as `Server.SpotInstanceTermination: …`; empty if there is none.
    pub state_reason: String,
    /// The AMI that it was launched from.
    pub image: String,
    /// Instance type, such as `t3.small`.
    pub instance_type: String,
    /// Its tags.
    pub tags: Tags,
    /// When it was launched or last started.
    pub launched: Option<Timestamp>,
    /// Client token of the call that launched it; empty if the call had none. It cannot be changed.
    pub token: String,
    /// Ids of its EBS volumes, `vol-…`.
    pub volumes: Vec<String>,
}

/// An EBS volume that is attached to no instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// `vol-…`
    pub id: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// EC2 instances, and the volumes that they were launched with.
#[async_trait]
pub trait Machines: Send + Sync {
    /// `RunInstances` for one instance. *Effect*, safe to repeat with the same token; a capacity error has kind
    /// `Capacity`.
    async fn launch(&self, region: &str, launch: &Launch) -> Result<Instance>;
    /// Returns the instance; `None` if EC2 does not know the id (yet).
    async fn instance(&self, region: &str, id: &str) -> Result<Option<Instance>>;
    /// Returns all instances with this tag that are not terminated.
    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Instance>>;
    /// `DescribeInstanceTypes`. Returns the architectures that each of these types runs, as EC2 names those of images.
    /// A type that the Region does not know is left out.
    async fn architectures(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, Vec<String>>>;
    /// `GetConsoleOutput`. Returns what the instance has written to its console, at most 64 KiB; empty if there is
    /// nothing yet, which may take minutes on AWS.
    async fn console(&self, region: &str, id: &str) -> Result<String>;
    /// `StopInstances`. *Effect*; no error if it is stopped or stopping.
    async fn stop(&self, region: &str, id: &str) -> Result<()>;
    /// `TerminateInstances`. *Effect*; no error if the instance is terminated or unknown.
    async fn terminate(&self, region: &str, id: &str) -> Result<()>;
    /// Returns all volumes with this tag that are attached to no instance (`available`).
    async fn volumes_left(&self, region: &str, key: &str, value: &str) -> Result<Vec<Volume>>;
    /// `DeleteVolume`. *Effect*; no error if the volume does not exist; kind `WrongState` if it is attached to an
    /// instance.
    async fn delete_volume(&self, region: &str, id: &str) -> Result<()>;
}
