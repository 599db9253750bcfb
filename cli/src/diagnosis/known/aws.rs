//! Causes that AWS names: capacity, quotas, keys and permissions.

use goldsmith_states::error_names::ErrorName;

use super::{Known, ROW};

pub(super) const ROWS: &[Known] = &[
    Known {
        id: "vcpu-limit",
        said: &["vcpulimitexceeded", "maxspotinstancecountexceeded", "instancelimitexceeded", "more vcpu capacity"],
        title: "the account's quota of vCPUs is used up",
        helps: &[
            "Ask for a larger quota in {region}: Service Quotas, EC2, \"Running On-Demand … instances\" or \"All … Spot Instance \
             Requests\".",
            "Until then, end instances that are no longer needed, use smaller instance types in the infrastructure configuration, \
             or spread the schedules of the pipelines. Unless the quota is too small for the type, a launch waits for six hours before it fails.",
        ],
        outside: "The cause is in the account: what runs in it at the same time counts.",
        suspects: &["instanceTypes"],
        ..ROW
    },
    Known {
        id: "capacity",
        errors: &[ErrorName::Capacity],
        title: "EC2 had no capacity for any of the instance types and subnets",
        helps: &[
            "Add instance types of other families and subnets in other zones to the infrastructure configuration.",
            "Or start a new build later: the launch has waited for six hours, unless EC2 has no such types in the zones at all.",
        ],
        outside: "The cause is outside of the plan: EC2's capacity in the zones of the subnets.",
        suspects: &["instanceTypes", "subnets", "placement", "spot"],
        ..ROW
    },
    Known {
        id: "kms-key",
        said: &[
            "key id is not accessible",
            "invalidkmskey",
            "kmskeynotaccessible",
            "kms.disabledexception",
            "kms.notfoundexception",
            "kmsinvalidstate",
            "pending deletion",
            "client.internalerror: client error on launch",
        ],
        title: "EC2 may not use the KMS key that encrypts the volume or the copy",
        helps: &[
            "Look up the key in {region}: `aws --region {region} ec2 get-ebs-default-kms-key-id`, then `aws --region {region} kms \
             describe-key --key-id KEY` and `kms get-key-policy`. It must exist, be enabled, and let this account use it.",
            "Or name another key for the Region as `kmsKeyId` in the distribution configuration. A key of another account must \
             also be in the stack's parameter KmsKeyArns.",
            "Then start a new build: the AMIs of this one are not published.",
        ],
        outside: "The cause is in the account: the key of {region} or its policy.",
        suspects: &["{region}: kmsKeyId", "Region", "blockDevices", "source image"],
        ..ROW
    },
    Known {
        id: "copy-quota",
        said: &[
            "resourcelimitexceeded",
            "snapshotlimitexceeded",
            "concurrentsnapshotlimitexceeded",
            "amiquotaexceeded",
            "too many snapshot copies",
            "servicequotaexceeded",
            "volumelimitexceeded",
            "max storage",
        ],
        title: "a quota of the account is used up",
        helps: &[
            "Ask for a larger quota in {region} (Service Quotas, EC2 or EBS), or remove images that are no longer needed: \
             `goldsmith retention` shows what a pipeline keeps.",
            "If the quota limits how many copies run at the same time, start a new build when fewer builds run.",
        ],
        outside: "The cause is in the account: what it has already in {region}.",
        suspects: &["Region"],
        ..ROW
    },
    Known {
        id: "name-taken",
        said: &["invalidaminame.duplicate", "is taken by ami-", "already in use by ami"],
        title: "another AMI has the name",
        helps: &[
            "Let the name in the distribution configuration contain `{{ goldsmith:buildVersion }}` or a date, or remove the AMI \
             that has the name.",
        ],
        outside: "The cause is in the account: an AMI that was there before.",
        ..ROW
    },
    Known {
        id: "image-failed",
        errors: &[ErrorName::ImageFailed],
        title: "EC2 could not make the AMI",
        helps: &[
            "Start a new build. If it fails again, look at the state of the AMI's snapshots in {region} and at the keys of the \
             volumes.",
        ],
        outside: "The cause is outside of the plan: EC2, its snapshots, or a key.",
        suspects: &["blockDevices", "source image"],
        ..ROW
    },
    Known {
        id: "aws-denied",
        said: &[
            "unauthorizedoperation",
            "accessdenied",
            "not authorized to perform",
            "authfailure",
            "you are not authorized",
        ],
        errors: &[
            ErrorName::AwsRefused,
            ErrorName::CopyFailed,
            ErrorName::Refused,
            ErrorName::Capacity,
            ErrorName::NotOnline,
        ],
        title: "a permission is missing: {permission}",
        helps: &[
            "Allow {permission}. Look at the policies of the stack's role, at its permissions boundary, at the service \
             control policies of the organization, and at the policy of the resource itself.",
            "`goldsmith doctor` compares the roles of the stack with what this version needs; `goldsmith deploy` renews them.",
        ],
        outside: "The cause is in the account: a policy has changed, or the stack's roles are not those of its version.",
        suspects: &["instanceProfile", "Region", "source image"],
        ..ROW
    },
    Known {
        id: "role-denied",
        said: &[
            "(accessdenied",
            "<code>accessdenied",
            "accessdenied:",
            "unauthorizedoperation",
            "not authorized to perform",
        ],
        title: "the role of the instance lacks a permission: {permission}",
        helps: &[
            "Allow {permission} to the role of the build's instance profile, or name another profile as `instanceProfileName` \
             in the infrastructure configuration. For an object in S3, the bucket's policy and its key must allow it, too.",
        ],
        outside: "The cause is in the account: the policies of the instance's role, or those of the resource.",
        suspects: &["instanceProfile", "component"],
        words: &["s3://", "aws ", "arn:"],
        ..ROW
    },
    Known {
        id: "parameter-missing",
        said: &["parameternotfound", "resourcenotfoundexception: secrets manager"],
        title: "a parameter or secret that a step reads does not exist",
        helps: &["Create it in {region}, or correct its name in the document."],
        outside: "The cause is in the account: somebody has removed or renamed it.",
        words: &["ssm", "secret"],
        ..ROW
    },
    Known {
        id: "parameter-label",
        said: &["parametermaxversionlimitexceeded"],
        title: "the oldest of the 100 versions of the image's parameter has a label",
        helps: &[
            "Move the label to a newer version, or remove it with `aws --region {region} ssm unlabel-parameter-version`: Systems \
             Manager deletes the oldest version for a new one only if it has no label.",
            "Then start a new build: the AMIs of this one are not published.",
        ],
        outside: "The cause is in the account: somebody has given the version a label.",
        ..ROW
    },
    Known {
        id: "throttled",
        errors: &[ErrorName::Throttled],
        title: "AWS has limited the rate of calls, or did not answer",
        helps: &[
            "Start a new build. If it fails too, compare the account's quotas with what runs in it at the same time.",
        ],
        outside: "The cause is outside of the plan: the load of the account, or AWS.",
        ..ROW
    },
    Known {
        id: "copy-failed",
        errors: &[ErrorName::CopyFailed],
        is_general: true,
        title: "the image could not be copied to {region}",
        helps: &[
            "Correct what the message names for {region}, and start a new build: the AMIs of this one are not published.",
            "To publish without this Region meanwhile, remove it from the distribution configuration.",
        ],
        outside: "The cause is outside of the plan: the account in {region}.",
        suspects: &["Region"],
        ..ROW
    },
    Known {
        id: "aws-refused",
        errors: &[ErrorName::AwsRefused],
        is_general: true,
        title: "AWS has rejected a call",
        helps: &[
            "Correct what the message of AWS names: mostly a permission, a quota, or a resource that does not exist.",
        ],
        outside: "The cause is outside of the plan: the account.",
        ..ROW
    },
];
