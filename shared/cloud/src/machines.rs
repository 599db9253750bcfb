//! EC2 instances as builds use them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{CloudError, Kind, Result, Tags};

/// Instance metadata service options of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataOptions {
    /// `HttpTokens=required` (IMDSv2 only) if true, and `optional` otherwise.
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
    /// On demand: EC2 does not reclaim the instance.
    #[default]
    OnDemand,
    /// A spot instance of a one-time request. If EC2 needs the capacity, it terminates the instance. Such an instance
    /// cannot be stopped.
    Spot,
    /// A spot instance of a persistent request, which can be stopped. If EC2 needs the capacity, it stops the instance,
    /// and starts it again later. If the instance is terminated, the request launches another one, unless the request
    /// was cancelled before.
    StoppableSpot {
        /// When the request ends by itself, in whole seconds.
        until: Timestamp,
    },
}

impl Market {
    /// Returns whether an instance of this market is a spot instance.
    #[must_use]
    pub fn is_spot(self) -> bool {
        self != Self::OnDemand
    }
}

/// On whose hardware an instance runs (`Placement`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Hardware {
    /// As the VPC says: for almost every VPC, on hardware that accounts share.
    #[default]
    Shared,
    /// On hardware that no other account uses (`Tenancy=dedicated`).
    Dedicated,
    /// On a Dedicated Host of the account (`Tenancy=host`). If neither a host nor a group is named, EC2 chooses a host that
    /// accepts every instance of its type.
    Host {
        /// The host, `h-…`.
        id: Option<String>,
        /// ARN of the host resource group whose hosts EC2 may use.
        group: Option<String>,
    },
}

/// What instances of a type can be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TypeTraits {
    /// The architectures, in EC2's names for the architectures of images.
    pub architectures: Vec<String>,
    /// `legacy-bios` and `uefi`, as far as the type supports them. Empty if EC2 has returned none.
    pub boot_modes: Vec<String>,
    /// Whether they can have a TPM (NitroTPM).
    pub has_tpm: bool,
    /// Whether they can run on Dedicated Hosts.
    pub runs_on_hosts: bool,
}

/// A request for one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// `ClientToken` of at most 64 ASCII characters. A repeated token returns the same instance.
    pub token: String,
    /// AMI id.
    pub image: String,
    /// Instance type, such as `t3.small`.
    pub instance_type: String,
    /// Subnet id. With `None`, EC2 chooses a subnet of the default VPC.
    pub subnet: Option<String>,
    /// Availability Zone. `None` stands for the subnet's zone, or for EC2's choice.
    pub zone: Option<String>,
    /// On whose hardware the instance runs.
    pub hardware: Hardware,
    /// How EC2 sells the instance.
    pub market: Market,
    /// Name of the key pair whose public key the instance gets.
    pub key_pair: Option<String>,
    /// Security group ids. If the list is empty, the VPC's default group is used.
    pub security_groups: Vec<String>,
    /// Name of the instance profile.
    pub instance_profile: Option<String>,
    /// IMDS options.
    pub metadata: MetadataOptions,
    /// Tags of the instance, its volumes and its spot request, set in the creating call.
    pub tags: Tags,
    /// Block devices to change. If the list is empty, the instance gets the image's own devices. If a setting of a
    /// device is not given, the image's setting applies.
    pub block_devices: Vec<BlockDevice>,
    /// What cloud-init runs at the first boot, at most 16 KiB.
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
    /// Returns whether the instance is terminated or about to be.
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
    /// The current state.
    pub state: InstanceState,
    /// EC2's reason for the last change, such as `Server.SpotInstanceTermination: …`, or an empty text if there is
    /// none.
    pub state_reason: String,
    /// The AMI from which the instance was launched.
    pub image: String,
    /// Instance type, such as `t3.small`.
    pub instance_type: String,
    /// Its tags.
    pub tags: Tags,
    /// When the instance was launched or last started.
    pub launched: Option<Timestamp>,
    /// Client token of the call that launched the instance, or an empty text if the call had none. It cannot be
    /// changed.
    pub token: String,
    /// Ids of the instance's EBS volumes, `vol-…`.
    pub volumes: Vec<String>,
    /// Id of the spot request that launched the instance, `sir-…`, or `None` for an instance on demand. It cannot be
    /// changed.
    pub spot_request: Option<String>,
}

/// A request for a spot instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpotRequest {
    /// `sir-…`
    pub id: String,
    /// The instance that the request has launched last, or `None` if there is none at the moment.
    pub instance: Option<String>,
    /// The AMI from which the request launches. It cannot be changed.
    pub image: String,
    /// When the request was made. It cannot be changed.
    pub created: Option<Timestamp>,
    /// When the request ends by itself, or `None` if it does not. It cannot be changed.
    pub valid_until: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// An EBS volume that is attached to no instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// `vol-…`
    pub id: String,
    /// When the volume was created.
    pub created: Option<Timestamp>,
    /// Its tags.
    pub tags: Tags,
}

/// EC2 instances, and the volumes with which they were launched.
#[async_trait]
pub trait Machines: Send + Sync {
    /// Calls `RunInstances` for one instance. *Effect*, safe to repeat with the same token. A capacity error has kind
    /// `Capacity`.
    async fn launch(&self, region: &str, launch: &Launch) -> Result<Instance>;
    /// Returns the instance, or `None` if EC2 does not know the id (yet).
    async fn instance(&self, region: &str, id: &str) -> Result<Option<Instance>>;
    /// Returns all instances with this tag that are not terminated.
    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Instance>>;
    /// `DescribeInstanceTypes`. Returns what instances of each of these types can be. A type that the Region does not know
    /// is left out.
    async fn type_traits(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, TypeTraits>>;
    /// `GetConsoleOutput`. Returns the text that the instance has written to its console, at most 64 KiB. It is empty
    /// if there is nothing yet, which may take minutes on AWS.
    async fn console(&self, region: &str, id: &str) -> Result<String>;
    /// `StopInstances`. *Effect*. It is no error if the instance is stopped or stopping.
    async fn stop(&self, region: &str, id: &str) -> Result<()>;
    /// `StartInstances`. *Effect*. It is no error if the instance is running or about to be. A capacity error has kind
    /// `Capacity`, and the error of an instance that is still stopping has kind `WrongState`.
    async fn start(&self, region: &str, id: &str) -> Result<()>;
    /// `TerminateInstances`. *Effect*. It is no error if the instance is terminated or unknown. The spot request of an
    /// instance must be cancelled before: [`Machines::end`] does both.
    async fn terminate(&self, region: &str, id: &str) -> Result<()>;
    /// Returns all spot requests with this tag that may still launch or start an instance (`open`, `active` and
    /// `disabled`).
    async fn spot_requests(&self, region: &str, key: &str, value: &str) -> Result<Vec<SpotRequest>>;
    /// Returns the spot request, even if it has ended, or `None` if EC2 does not know the id (yet).
    async fn spot_request(&self, region: &str, id: &str) -> Result<Option<SpotRequest>>;
    /// `CancelSpotInstanceRequests`. *Effect*. Returns whether EC2 knows the request. An instance of the request that is
    /// running goes on; an instance that is stopped ends. It is no error if the request has ended.
    async fn cancel_spot_request(&self, region: &str, id: &str) -> Result<bool>;
    /// Cancels the spot request of an instance. *Effect*, safe to repeat. Returns false if EC2 knows neither of them.
    ///
    /// EC2 deletes a request only hours after it was cancelled and its instance was terminated (EC2 API reference,
    /// DescribeSpotInstanceRequests), when the instance cannot be seen any more. So if EC2 shows the instance and does not
    /// know the request, the request is too new, and the call fails with an error that passes.
    async fn release(&self, region: &str, id: &str, spot_request: &str) -> Result<bool> {
        if self.cancel_spot_request(region, spot_request).await? {
            return Ok(true);
        }
        match self.instance(region, id).await? {
            Some(_) => Err(unknown_request(region, id, spot_request)),
            None => Ok(false),
        }
    }
    /// Ends an instance for good. *Effect*, safe to repeat. A persistent spot request would launch another instance, so
    /// the request is cancelled first, and the instance stays if that fails. A new instance that cannot be seen yet stays
    /// too if EC2 does not know its request, and is found by its tags later.
    async fn end(&self, region: &str, id: &str, spot_request: Option<&str>) -> Result<()> {
        if let Some(request) = spot_request
            && !self.release(region, id, request).await?
        {
            return Ok(());
        }
        self.terminate(region, id).await
    }
    /// Returns all volumes with this tag that are not attached to an instance (`available`).
    async fn volumes_left(&self, region: &str, key: &str, value: &str) -> Result<Vec<Volume>>;
    /// `DeleteVolume`. *Effect*. It is no error if the volume does not exist. The error has kind `WrongState` if it is
    /// attached to an instance.
    async fn delete_volume(&self, region: &str, id: &str) -> Result<()>;
}

/// Returns the error for an instance whose spot request EC2 does not know yet.
fn unknown_request(region: &str, instance: &str, request: &str) -> CloudError {
    CloudError {
        operation: "CancelSpotInstanceRequests",
        region: region.to_owned(),
        code: "InvalidSpotInstanceRequestID.NotFound".to_owned(),
        message: format!("EC2 does not know the spot request {request} of {instance} yet"),
        kind: Kind::Unanswered,
        source: None,
    }
}
