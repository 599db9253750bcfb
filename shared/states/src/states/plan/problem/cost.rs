//! What would happen in a build if nothing checked for a problem. The end-to-end suite makes each of these calls.

use std::fmt;

use goldsmith_model::State;

use super::Problem;

/// What would happen in a build if nothing checked for a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// AWS rejects a call, and the build ends.
    Rejected {
        /// The state in which the build ends.
        state: State,
        /// The API operation, such as `CopyImage`.
        call: &'static str,
        /// AWS's error code.
        error: &'static str,
    },
    /// AWS rejects no call. What happens instead, in a sentence.
    Otherwise(&'static str),
}

impl fmt::Display for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { state, call, error } => {
                write!(out, "The build would end in {state}: AWS rejects {call} with `{error}`.")
            }
            Self::Otherwise(what) => out.write_str(what),
        }
    }
}

impl Problem {
    /// Returns what would happen in a build without the check.
    #[must_use]
    pub fn cost(&self) -> Cost {
        use State::{DistributeRegion, Launch, LaunchTest, Plan, Publish, Snapshot};
        let rejected = |state, call, error| Cost::Rejected { state, call, error };
        match self {
            Self::SourceMissing { .. } => rejected(Launch, "RunInstances", "InvalidAMIID.NotFound"),
            Self::SourceUnavailable { .. } => rejected(Launch, "RunInstances", "InvalidAMIID.Unavailable"),
            Self::SourceParameterDenied { .. } | Self::SourceParameterPath { .. } => {
                rejected(Plan, "GetParameter", "AccessDeniedException")
            }
            Self::SourceProduct { .. } => rejected(Launch, "RunInstances", "OptInRequired"),
            Self::TypeArchitecture { .. } | Self::TypeUnknown { .. } => {
                rejected(Launch, "RunInstances", "InvalidParameterValue")
            }
            Self::TypeNotOffered { .. } => rejected(Launch, "RunInstances", "Unsupported"),
            Self::SubnetMissing { .. } => rejected(Launch, "RunInstances", "InvalidSubnetID.NotFound"),
            Self::SubnetZone { .. } => rejected(Launch, "RunInstances", "InvalidParameterValue"),
            Self::SecurityGroupMissing { .. } => rejected(Launch, "RunInstances", "InvalidGroup.NotFound"),
            Self::SecurityGroupVpc { .. } => rejected(Launch, "RunInstances", "InvalidParameter"),
            Self::VolumeTooSmall { .. } => rejected(Launch, "RunInstances", "InvalidBlockDeviceMapping"),
            Self::UefiNeeded { .. } => rejected(Snapshot, "RegisterImage", "InvalidParameterCombination"),
            Self::TestTypeFirmware { .. } => rejected(LaunchTest, "RunInstances", "InvalidParameterValue"),
            Self::HostMissing { .. } => rejected(Launch, "RunInstances", "InvalidHostID.NotFound"),
            Self::HostFull { .. } => rejected(Launch, "RunInstances", "InsufficientCapacityOnHost"),
            Self::TooManyTags { .. } => rejected(Snapshot, "CreateImage", "TagLimitExceeded"),
            Self::TestTypeArchitecture { .. } | Self::TestTypeUnknown { .. } => {
                rejected(LaunchTest, "RunInstances", "InvalidParameterValue")
            }
            Self::AmiNameTaken { .. } => rejected(DistributeRegion, "CopyImage", "InvalidAMIName.Duplicate"),
            Self::RegionDisabled { .. } => rejected(DistributeRegion, "CopyImage", "AuthFailure"),
            Self::TargetAccountClosed { .. } => rejected(DistributeRegion, "AssumeRole", "AccessDenied"),
            Self::TargetRegionDisabled { .. } => rejected(DistributeRegion, "CopyImage", "AuthFailure"),
            Self::TargetProduct { .. } | Self::TargetLicense { .. } => {
                rejected(DistributeRegion, "CopyImage", "InvalidRequest")
            }
            Self::ExportRole { .. } | Self::ExportEncrypted { .. } => {
                rejected(DistributeRegion, "ExportImage", "InvalidParameter")
            }
            Self::ExportRoleDenied { .. } => rejected(DistributeRegion, "ExportImage", "UnauthorizedOperation"),
            Self::ExportProduct { .. } | Self::ExportLicense { .. } | Self::ExportTooLarge { .. } => {
                rejected(DistributeRegion, "ExportImage", "NotExportable")
            }
            Self::PublicAccessBlocked { .. } => {
                rejected(DistributeRegion, "ModifyImageAttribute", "OperationNotPermitted")
            }
            Self::PublicSnapshotsBlocked { .. } => {
                rejected(DistributeRegion, "ModifySnapshotAttribute", "OperationNotPermitted")
            }
            Self::NeverPublic { .. } => rejected(DistributeRegion, "ModifyImageAttribute", "UnsupportedOperation"),
            Self::SharedWithAwsKey { .. } => rejected(DistributeRegion, "ModifyImageAttribute", "InvalidParameter"),
            Self::LaunchTemplateMissing { .. } => {
                rejected(Publish, "DescribeLaunchTemplates", "InvalidLaunchTemplateId.NotFound")
            }
            Self::LaunchTemplateTags { .. } => {
                rejected(Publish, "CreateLaunchTemplateVersion", "UnauthorizedOperation")
            }
            Self::LicenseMissing { .. } => {
                rejected(DistributeRegion, "UpdateLicenseSpecificationsForResource", "InvalidParameterValueException")
            }
            Self::LicenseDenied { .. } => {
                rejected(DistributeRegion, "UpdateLicenseSpecificationsForResource", "AccessDeniedException")
            }
            Self::ParameterPath { .. } => rejected(Publish, "PutParameter", "AccessDeniedException"),
            Self::ParameterDataType { .. } => rejected(Publish, "PutParameter", "ValidationException"),
            _ => Cost::Otherwise(self.otherwise()),
        }
    }

    /// Returns what happens if AWS rejects no call, or an empty text for every other problem.
    fn otherwise(&self) -> &'static str {
        match self {
            Self::DefinitionMissing { .. } => "There would be nothing to build from or to run.",
            Self::ComponentUnused { .. } | Self::ParameterUnknown { .. } => {
                "The value would have no effect, and no message would say so."
            }
            Self::ParameterValue { .. } => {
                "The build would end in Build: the agent rejects the document on the running instance."
            }
            Self::SourceOwner { .. } => "The instance would start: AWS does not ask whose image a parameter names.",
            Self::NothingToVerify { .. } => "The run would launch nothing, test nothing, and succeed.",
            Self::VerifiedProfile { .. } => "The AMI would run with the permissions of the instance profile.",
            Self::AgentMissing { .. } => "The build would end in Build: no document can run on the running instance.",
            Self::RootDevice { .. } => {
                "The instance would start with a second, empty volume, and its root volume would keep its size."
            }
            Self::BootMode { .. } => {
                "EC2 would register the image. Its test would end in LaunchTest if the disk cannot boot in that mode: no \
                 agent comes online."
            }
            Self::InstanceTypeSkipped { .. } => {
                "The build would use only the other types, and no message would say so: if EC2 has no capacity for these, it \
                 ends in Launch."
            }
            Self::HostUnfit { .. } => "The build would end in Launch or LaunchTest: EC2 launches no such instance.",
            Self::KeyAtHome { .. } => {
                "The AMI would have the key of the build's volumes instead: CreateImage accepts no key."
            }
            Self::TargetAccountOwn { .. } => {
                "The build would end in DistributeRegion: the account owns the AMI, and has no role for copies of it."
            }
            Self::TargetRoleName { .. } => {
                "The build would end in DistributeRegion: no account can have a role of that name."
            }
            Self::ExportBucket { .. } => {
                "The build would end in DistributeRegion: EC2 begins the export, which gets the status `deleted` later."
            }
            Self::ExportVolumes { .. } => "The object might not contain all volumes of the image.",
            Self::RegionUnknown { .. } => {
                "The build would end in DistributeRegion: there is no endpoint that answers CopyImage."
            }
            Self::KeyMissing { .. } | Self::KeyUnusable { .. } => {
                "AWS would accept the call, and the build would end later: in Launch, when the instance does not \
                 start, or in DistributeRegion, when the copy gets the state `failed`."
            }
            Self::AdvisoriesUnusable { .. } => {
                "The build would end in JudgeTests, after all its tests: nothing could be compared."
            }
            Self::SigningKeyUnusable { .. } => {
                "The build would end in Attest, after all its tests: nothing could be signed."
            }
            Self::TopicMissing { .. } => {
                "The build would end as always, but SNS would reject its message with `NotFound`, and nobody would be told."
            }
            Self::TopicDenied { .. } => {
                "The build would end as always, but SNS would reject its message with `AuthorizationError`, and nobody would \
                 be told."
            }
            Self::KeyClosed { .. } => "The accounts would see the AMI, but could neither launch nor copy it.",
            Self::Unchecked { .. } => "The build starts, and may end later for a reason that a plan could have named.",
            _ => "",
        }
    }
}
