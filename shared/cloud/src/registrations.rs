//! AMIs that are registered from snapshots. Only they can have a boot mode, a TPM and UEFI variables of their own.

use std::fmt;

use async_trait::async_trait;

use crate::{BlockDevice, Result, Tags};

/// A request to register an AMI from the snapshots of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// AMI name, 3 to 128 characters.
    pub name: String,
    /// Description of at most 255 characters.
    pub description: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// Name of the root device, such as `/dev/xvda`.
    pub root_device: String,
    /// Whether instances use the Elastic Network Adapter.
    pub ena_support: bool,
    /// The boot mode in EC2's words; `None` if the instance type decides.
    pub boot_mode: Option<String>,
    /// The version of the TPM in EC2's words; `None` for no TPM.
    pub tpm_support: Option<String>,
    /// The UEFI variables, at most 64,000 characters of Base64.
    pub uefi_data: Option<UefiData>,
    /// The devices, each with the snapshot of its volume. EC2 takes the encryption from the snapshot.
    pub devices: Vec<RegisteredDevice>,
    /// Tags of the AMI, set in the creating call. The snapshots have theirs already.
    pub tags: Tags,
}

/// A device of a registered AMI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredDevice {
    /// The device and its volume.
    pub device: BlockDevice,
    /// The volume's snapshot, `snap-…`.
    pub snapshot: String,
}

/// The UEFI variables of an AMI, in Base64. EC2 treats them as sensitive, so they are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct UefiData(pub String);

impl fmt::Debug for UefiData {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "UefiData({} characters)", self.0.len())
    }
}

/// Registers AMIs.
#[async_trait]
pub trait Registrations: Send + Sync {
    /// `RegisterImage`. *Effect* without a token: if the name is taken, the error has kind `Duplicate`. The SDK's retries
    /// are off.
    async fn register(&self, region: &str, image: &Registration) -> Result<String>;
    /// `DeregisterImage`, which keeps the snapshots. *Effect*, safe to repeat. It is no error if the image does not
    /// exist.
    async fn unregister(&self, region: &str, id: &str) -> Result<()>;
    /// `DescribeImageAttribute`. Returns the UEFI variables of an image of this account; `None` if it has none of its
    /// own.
    async fn uefi_data(&self, region: &str, id: &str) -> Result<Option<UefiData>>;
}
