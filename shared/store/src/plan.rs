//! The plan of a build: everything that could change while it runs, resolved once by Plan.

use std::collections::BTreeMap;

use goldsmith_model::{
    BlockDeviceMapping, BootMode, DeregistrationProtection, ImageAudit, ImageRef, LaunchPermission, Name, Placement,
    PublishedTemplate, S3Export, SourceImage, SsmParameter, TargetAccount, TpmSupport, Version, VulnerabilityPolicy,
    is_zero,
};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::{CheckpointRecord, ContentsRecord};

/// The frozen plan of a build.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The Region in which the image is built.
    pub home_region: String,
    /// The source image as the recipe or the start names it.
    pub source: SourceImage,
    /// The AMI that the build starts from, or that the run verifies or copies.
    pub source_image: String,
    /// The account that owns that AMI.
    pub source_owner: Option<String>,
    /// EC2's name for that account, such as `amazon`.
    pub source_owner_alias: Option<String>,
    /// Architecture of the AMI, as EC2 names it: `x86_64` or `arm64`.
    pub architecture: String,
    /// Documents of the recipe's components, in recipe order.
    pub documents: Vec<PlannedDocument>,
    /// The checkpoint of the recipe, or `None` if it has none or the start has overridden something.
    #[serde(default)]
    pub checkpoint: Option<PlannedCheckpoint>,
    /// Folder for the working files of documents on the instance, or `None` for the agent's own folder.
    pub working_directory: Option<String>,
    /// The boot mode of the image; `None` for that of the source image.
    pub boot_mode: Option<BootMode>,
    /// The TPM that the recipe gives to instances of the image; `None` for that of the source image.
    pub tpm_support: Option<TpmSupport>,
    /// SHA-256 of the recipe's UEFI data, in hexadecimal; `None` if it has none. The data itself stays in the recipe's
    /// own, immutable item.
    pub uefi_data: Option<String>,
    /// Whether the image is registered from snapshots: EC2 cannot give it all of this when it makes it of an instance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub registered: bool,
    /// How the build instance is launched.
    pub launch: PlannedLaunch,
    /// The home Region first, then every other Region of the distribution configuration.
    pub regions: Vec<PlannedRegion>,
    /// Whether one successful Region is enough (`some`). Otherwise all Regions must succeed.
    pub some_regions_suffice: bool,
    /// Whether the copies to other Regions begin before the tests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub copies_with_tests: bool,
    /// Instance types on which the image is tested. The list is empty if the image is not tested.
    pub tests: Vec<String>,
    /// The pipeline's priority while launches wait for room, from 0 to 100.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: u32,
    /// Whether the stack's bucket keeps the downloads of its documents that have a SHA-256.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache_downloads: bool,
    /// Time limit of the build's documents, or `None` for the state's own limit.
    pub timeout_minutes: Option<u32>,
    /// Time limit of the run on one test instance.
    pub test_timeout_minutes: u32,
    /// Whether the first test instance is audited, and what a finding causes.
    #[serde(default)]
    pub audit: ImageAudit,
    /// Whether the test instance exists only for the audit, or for the contents of the image: no document runs on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub audit_only: bool,
    /// Which vulnerabilities the image may have, or `None` if nothing is compared.
    #[serde(default)]
    pub vulnerabilities: Option<PlannedVulnerabilities>,
    /// ARN of the KMS key that signs the provenance of the image, or `None` if nothing is signed.
    #[serde(default)]
    pub signing_key: Option<String>,
    /// Digest of everything that goes into the image: the source, the documents, the parameters and the configuration.
    pub input_digest: String,
    /// Whether the start overrode the source or a parameter. Such an image is never published.
    #[serde(default)]
    pub overridden: bool,
    /// What the run verifies; `None` if it does something else.
    #[serde(default)]
    pub verifies: Option<VerifiedImage>,
    /// The channel that points to the image as soon as its build has succeeded.
    #[serde(default)]
    pub channel: Option<Name>,
    /// The channel whose promotion approves the image, or `None` if the build publishes it. The image is not published
    /// before its approval.
    #[serde(default)]
    pub approval: Option<Name>,
    /// What the run distributes; `None` if it does something else.
    #[serde(default)]
    pub distributes: Option<DistributedImage>,
    /// ARN of the SNS topic that is told how the run has ended, or `None` for no topic.
    #[serde(default)]
    pub topic: Option<String>,
}

/// The disk after the first components of a recipe, which the next build need not make again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedCheckpoint {
    /// How many of the plan's documents it contains: at least one, and not all.
    pub documents: usize,
    /// Digest of everything before it.
    pub digest: String,
    /// The checkpoint of an earlier build with which this build begins, or `None` if this build makes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<CheckpointRecord>,
}

/// Which vulnerabilities an image may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedVulnerabilities {
    /// The policy.
    pub policy: VulnerabilityPolicy,
    /// Where the contents of the source image are, if it is an image of this stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ContentsRecord>,
}

/// A published image that a run distributes. The run removes nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DistributedImage {
    /// Which image.
    pub image: ImageRef,
    /// The AMIs that it had before the run, by Region: the one in the home Region, from which the run copies, and those
    /// of the Regions in which the run changes something.
    pub amis: BTreeMap<String, String>,
}

/// An AMI that a run only tests. The run neither changes nor removes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedImage {
    /// Its id.
    pub ami: String,
    /// When the AMI was created, as EC2 returns it (RFC 3339). An older file belongs to the AMI.
    pub created: String,
}

impl Plan {
    /// Returns the plan for one Region.
    #[must_use]
    pub fn region(&self, region: &str) -> Option<&PlannedRegion> {
        self.regions.iter().find(|planned| planned.region == region)
    }

    /// Returns the AMI that a Region had before the run; `None` if the run makes one there.
    #[must_use]
    pub fn existing_ami(&self, region: &str) -> Option<&str> {
        self.distributes.as_ref()?.amis.get(region).map(String::as_str)
    }

    /// Returns the checkpoint that this build makes, or `None` if it makes none.
    #[must_use]
    pub fn makes_checkpoint(&self) -> Option<&PlannedCheckpoint> {
        self.checkpoint.as_ref().filter(|planned| planned.found.is_none())
    }

    /// Returns the AMI from which the build instance is launched: that of the checkpoint with which the build begins,
    /// or else the source.
    #[must_use]
    pub fn launched_image(&self) -> &str {
        let found = self.checkpoint.as_ref().and_then(|planned| planned.found.as_ref());
        found.map_or(&self.source_image, |found| &found.image)
    }

    /// Returns the documents that the checkpoint contains, and those after it. Without a checkpoint, all are after it.
    #[must_use]
    pub fn documents_around_checkpoint(&self) -> (&[PlannedDocument], &[PlannedDocument]) {
        let contained = self.checkpoint.as_ref().map_or(0, |planned| planned.documents);
        self.documents.split_at(contained.min(self.documents.len()))
    }

    /// Returns the documents that an instance of [`Plan::launched_image`] still has to run.
    #[must_use]
    pub fn documents_to_run(&self) -> &[PlannedDocument] {
        match self.checkpoint.as_ref().and_then(|planned| planned.found.as_ref()) {
            Some(_) => self.documents_around_checkpoint().1,
            None => &self.documents,
        }
    }

    /// Returns whether the image is copied to another Region while it is tested.
    #[must_use]
    pub fn begins_copies(&self) -> bool {
        self.is_build() && self.copies_with_tests && !self.tests.is_empty() && self.regions.len() > 1
    }

    /// Returns whether this is the plan of a build, which makes an image.
    #[must_use]
    pub fn is_build(&self) -> bool {
        self.verifies.is_none() && self.distributes.is_none()
    }
}

/// A component of the recipe with its version resolved. The document itself stays in the component's own, immutable
/// item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedDocument {
    /// Component name.
    pub name: Name,
    /// The resolved version of the component.
    pub version: Version,
    /// SHA-256 of the document, in hexadecimal.
    pub digest: String,
    /// Whether `test` is the only phase of the document.
    pub test_only: bool,
    /// Parameters that the recipe sets.
    pub parameters: BTreeMap<String, String>,
}

/// How instances of this build are launched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedLaunch {
    /// Instance types, in the order of the attempts. All of them can run the source's architecture.
    pub instance_types: Vec<String>,
    /// Subnets, which are tried in order for each type. If the list is empty, EC2 chooses a subnet of the default VPC.
    pub subnets: Vec<String>,
    /// Security groups. If the list is empty, the stack's own group is used.
    pub security_groups: Vec<String>,
    /// Instance profile. `None` stands for the stack's own profile, which is a different one for tests.
    pub instance_profile: Option<String>,
    /// The hop limit of the instance metadata service. Tokens (IMDSv2) are always required.
    pub metadata_hop_limit: u8,
    /// Where EC2 puts the instances.
    #[serde(default, skip_serializing_if = "Placement::is_default")]
    pub placement: Placement,
    /// Key pair of the build instance, or `None` for no key pair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_pair: Option<String>,
    /// Whether the build instance is first requested as a spot instance.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spot_build: bool,
    /// Whether test instances are first requested as spot instances.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spot_tests: bool,
    /// The user's tags for everything that the build makes.
    pub tags: BTreeMap<String, String>,
    /// Block devices of the recipe. If the list is empty, the source's own devices are used.
    pub block_devices: Vec<BlockDeviceMapping>,
    /// Devices of the source that the recipe does not map, and whose volumes outlive their instance. During the build,
    /// these volumes are deleted with their instance. The new image has the source's setting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outliving_devices: Vec<String>,
    /// How long a failed instance is kept, in seconds, or 0 if it is not kept.
    pub keep_on_failure_seconds: u64,
}

/// The plan for one Region.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedRegion {
    /// Region name.
    pub region: String,
    /// Name of the AMI, with its placeholders replaced.
    pub name: String,
    /// AMI description.
    pub description: String,
    /// The user's tags for the AMI.
    pub tags: BTreeMap<String, String>,
    /// KMS key that encrypts the copy.
    pub kms_key_id: Option<String>,
    /// Who may launch the AMI.
    pub launch_permission: LaunchPermission,
    /// Whether the accounts that may launch the AMI may also use its snapshots.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub share_snapshots: bool,
    /// Accounts that get their own copies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_accounts: Vec<TargetAccount>,
    /// Those of these accounts to which an earlier plan has given the permission for the snapshots of this AMI. They
    /// keep it when their copies are made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keeps_snapshots: Vec<String>,
    /// When the AMI becomes deprecated, in the form of RFC 3339, or `None` if it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecate_at: Option<String>,
    /// Whether the published AMI is protected from deregistration, or `None` if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protection: Option<DeregistrationProtection>,
    /// SSM parameters that receive the id of the AMI.
    pub parameters: Vec<SsmParameter>,
    /// Launch templates that get a version with the AMI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub launch_templates: Vec<PublishedTemplate>,
    /// ARNs of the license configurations of the AMI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub license_configurations: Vec<String>,
    /// Where the AMI is exported to, or `None` if it is not exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<S3Export>,
}

impl PlannedRegion {
    /// Returns whether an account may use the snapshots of the AMI for good, also after it has copied them.
    #[must_use]
    pub fn shares_snapshots_with(&self, account: &str) -> bool {
        let is_named = |accounts: &[String]| accounts.iter().any(|one| one == account);
        self.share_snapshots && is_named(&self.launch_permission.user_ids) || is_named(&self.keeps_snapshots)
    }
}
