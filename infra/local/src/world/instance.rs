//! Instances as EC2 describes them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{BlockDevice, Tags, Timeline};
use crate::api::Scope;

/// States of an instance, in EC2's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InstanceState {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl InstanceState {
    /// Returns EC2's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            InstanceState::Pending => "pending",
            InstanceState::Running => "running",
            InstanceState::ShuttingDown => "shutting-down",
            InstanceState::Terminated => "terminated",
            InstanceState::Stopping => "stopping",
            InstanceState::Stopped => "stopped",
        }
    }

    /// Returns EC2's number.
    pub(crate) fn code(self) -> u8 {
        match self {
            InstanceState::Pending => 0,
            InstanceState::Running => 16,
            InstanceState::ShuttingDown => 32,
            InstanceState::Terminated => 48,
            InstanceState::Stopping => 64,
            InstanceState::Stopped => 80,
        }
    }
}

/// The options of an instance's metadata service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MetadataOptions {
    pub(crate) http_tokens: String,
    pub(crate) hop_limit: u32,
    pub(crate) http_endpoint: String,
    pub(crate) tags: String,
}

/// Why an instance is in its state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub(crate) code: String,
    pub(crate) message: String,
    /// The time of the reason; `None` in a journal that was written before times were stored.
    #[serde(default)]
    pub(crate) at: Option<Timestamp>,
}

impl Reason {
    /// Returns a reason with the current time.
    pub(crate) fn now(code: &str, message: &str) -> Self {
        Reason { code: code.to_owned(), message: message.to_owned(), at: Some(Timestamp::now()) }
    }
}

/// An instance. Its processes and disk are in `guest`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// Id of the launch that it came from.
    pub(crate) reservation: String,
    pub(crate) scope: Scope,
    pub(crate) image_id: String,
    /// Layers of the image. They are stored here because an image may be removed while its instance runs.
    pub(crate) layers: Vec<String>,
    pub(crate) instance_type: String,
    pub(crate) subnet_id: String,
    pub(crate) vpc_id: String,
    pub(crate) zone: String,
    pub(crate) security_groups: Vec<String>,
    pub(crate) profile: Option<String>,
    pub(crate) metadata: MetadataOptions,
    pub(crate) devices: Vec<BlockDevice>,
    pub(crate) tags: Tags,
    pub(crate) volume_tags: Tags,
    /// When it was launched for the first time.
    pub(crate) launched_at: Timestamp,
    pub(crate) states: Timeline<InstanceState>,
    /// Whether its agent has registered since the instance was started. The value stays true over a reboot, as on AWS.
    pub(crate) online: bool,
    /// When its agent registered.
    #[serde(default)]
    pub(crate) online_since: Option<Timestamp>,
    /// When its agent was last in contact, if it has ended; `None` while it runs.
    #[serde(default)]
    pub(crate) last_heard: Option<Timestamp>,
    /// Whether a fault prevents any contact between Systems Manager and an agent.
    #[serde(default)]
    pub(crate) silent: bool,
    pub(crate) reason: Option<Reason>,
    pub(crate) architecture: String,
    /// The boot mode of its image.
    #[serde(default)]
    pub(crate) boot_mode: Option<String>,
    /// The version of its TPM, which its image has set.
    #[serde(default)]
    pub(crate) tpm_support: Option<String>,
    /// The UEFI variables of its image.
    #[serde(default)]
    pub(crate) uefi_data: Option<String>,
    pub(crate) root_device: String,
    pub(crate) client_token: Option<String>,
    pub(crate) address: String,
    /// Whether a shutdown from inside terminates the instance (`InstanceInitiatedShutdownBehavior`).
    pub(crate) terminate_on_shutdown: bool,
    pub(crate) key_name: Option<String>,
    /// In Base64, as it was given.
    pub(crate) user_data: Option<String>,
    /// Whether a spot request launched it (`InstanceMarketOptions`).
    pub(crate) spot: bool,
    /// The id of that request; `None` in a journal that was written before requests were stored.
    #[serde(default)]
    pub(crate) spot_request: Option<String>,
    /// On whose hardware it runs: `default`, `dedicated` or `host`.
    #[serde(default = "shared_hardware")]
    pub(crate) tenancy: String,
    /// The Dedicated Host on which it runs.
    #[serde(default)]
    pub(crate) host_id: Option<String>,
    /// Whether its type supports UEFI.
    #[serde(default = "yes")]
    pub(crate) has_uefi: bool,
    /// Whether its image contains a Systems Manager agent.
    pub(crate) has_agent: bool,
    /// Whether TerminateInstances is rejected (`DisableApiTermination`).
    pub(crate) keep_from_terminate: bool,
    /// Whether StopInstances is rejected (`DisableApiStop`).
    pub(crate) keep_from_stop: bool,
    pub(crate) ebs_optimized: bool,
    /// Whether detailed monitoring was requested. Nothing is measured here.
    #[serde(default)]
    pub(crate) monitored: bool,
    /// Its position among the instances of one launch.
    #[serde(default)]
    pub(crate) launch_index: usize,
    /// Stored and shown; nothing is routed here.
    #[serde(default = "yes")]
    pub(crate) source_dest_check: bool,
    /// The text on its console.
    pub(crate) console: String,
    /// Whether its first boot is over. Key and user data are only for that boot.
    pub(crate) initialized: bool,
}

fn yes() -> bool {
    true
}

fn shared_hardware() -> String {
    "default".to_owned()
}

impl Instance {
    /// Returns when it was launched or started for the last time (EC2 API reference, Instance).
    pub(crate) fn last_launched(&self) -> Timestamp {
        self.states.returned(InstanceState::Pending).unwrap_or(self.launched_at)
    }

    /// Returns the boot mode in which it runs. Types for arm64 support nothing but UEFI (EC2 user guide, "Instance launch
    /// behavior with Amazon EC2 boot modes").
    pub(crate) fn current_boot_mode(&self) -> &'static str {
        match self.boot_mode.as_deref() {
            Some("uefi" | "uefi-preferred") if self.has_uefi => "uefi",
            _ if self.architecture == "arm64" => "uefi",
            _ => "legacy-bios",
        }
    }

    /// Returns its name inside the VPC, which EC2 derives from the address. us-east-1 has a domain of its own.
    pub(crate) fn private_dns_name(&self) -> String {
        // Host names are ASCII labels, so the address is written with hyphens.
        let host = self.address.replace('.', "-");
        match self.scope.region.as_str() {
            "us-east-1" => format!("ip-{host}.ec2.internal"),
            region => format!("ip-{host}.{region}.compute.internal"),
        }
    }

    pub(crate) fn state(&self) -> InstanceState {
        self.states.now()
    }

    /// Returns the ARN of the instance.
    pub(crate) fn arn(&self) -> String {
        format!("arn:aws:ec2:{}:{}:instance/{}", self.scope.region, self.scope.account, self.id)
    }
}
