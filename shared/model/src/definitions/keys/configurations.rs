//! The keys of infrastructure and distribution configurations.

use super::{DESCRIPTION, Form, Key, Limits, NAME};

/// The limits of `httpPutResponseHopLimit`.
pub(in crate::definitions) const HOP_LIMIT: Limits = Limits::new(1, 64);

pub(super) const INFRASTRUCTURE: &[Key] = &[
    NAME,
    DESCRIPTION,
    Key::required(
        "instanceTypes",
        Form::Texts,
        "Instance types of the build, tried in this order until one launches. Types that cannot run the source image's \
         architecture are left out.",
    ),
    Key::optional(
        "subnetIds",
        Form::Texts,
        "the stack's subnets, or those of the default VPC",
        "Subnets of build and test instances, tried in this order with each type.",
    ),
    Key::optional(
        "securityGroupIds",
        Form::Texts,
        "the stack's own group",
        "Security groups of build and test instances. The stack's own group allows no inbound traffic.",
    ),
    Key::optional(
        "instanceProfileName",
        Form::Text,
        "the stack's own profile",
        "Name of the instance profile of build and test instances, without ARN and path.",
    ),
    Key::optional("instanceMetadataOptions", Form::Map(METADATA), "", "The instance metadata service."),
    Key::optional("placement", Form::Map(PLACEMENT), "", "Where EC2 puts build and test instances."),
    Key::optional(
        "keyPair",
        Form::Text,
        "no key",
        "Name of a key pair of the home Region. EC2 gives its public key to the build instance, for people who log in to \
         an instance that `keepOnFailure` has kept. Test instances get no key, and the clean-up removes the key from the \
         image. The stack's parameter `KeyPairArns` must list the key pair.",
    ),
    Key::optional(
        "snsTopicArn",
        Form::Text,
        "no topic",
        "ARN of an SNS topic that gets a message when a build, a verification or a distribution has ended. The topic may \
         be in another Region or account. The stack's parameter `NotificationTopicArns` must list it.",
    ),
    Key::optional(
        "spot",
        Form::Flag,
        "`false`",
        "Whether the build instance is first requested as a spot instance, of each type in each subnet. If EC2 has none, \
         the instance is launched on demand. If EC2 takes the spot instance back while documents run, the build starts \
         again on demand, from the launch. `imageTestsConfiguration` of a pipeline has the same key for test instances.",
    ),
    Key::optional("resourceTags", Form::Pairs, "", "Tags of the instances and their volumes."),
    Key::optional(
        "keepOnFailure",
        Form::Text,
        "`PT0S`",
        "How long the instance of a failed build is kept, as an ISO 8601 duration from `PT0S` to `PT168H`.",
    ),
    Key::optional(
        "terminateInstanceOnFailure",
        Form::True,
        "",
        "Only `true` is accepted, for compatibility with Image Builder. `keepOnFailure` says how long an instance is \
         kept.",
    ),
];

const PLACEMENT: &[Key] = &[
    Key::optional(
        "availabilityZone",
        Form::Text,
        "the zone of the subnet",
        "Availability Zone, such as `eu-west-1a`. Without subnets, EC2 uses the default VPC's subnet in this zone. \
         With subnets, all of them must be in this zone.",
    ),
    Key::optional(
        "tenancy",
        Form::Word(&["default", "dedicated", "host"]),
        "`default`",
        "`dedicated` launches Dedicated Instances, on hardware that no other account uses. `host` launches the instances on \
         a Dedicated Host of the account. Spot instances never run on one.",
    ),
    Key::optional(
        "hostId",
        Form::Text,
        "a host that accepts every instance of its type",
        "Id of the Dedicated Host, with `tenancy: host` only. The subnets must be in its zone.",
    ),
    Key::optional(
        "hostResourceGroupArn",
        Form::Text,
        "",
        "ARN of the host resource group on whose hosts EC2 may place the instances, with `tenancy: host` only, and not \
         together with `hostId`. EC2 launches in a group only AMIs that are associated with a core- or \
         socket-based license configuration, so the source image and the image that is tested need one. The stack's \
         parameter `LicenseConfigurationArns` must list it.",
    ),
];

const METADATA: &[Key] = &[
    Key::optional("httpTokens", Form::Word(&["required"]), "`required`", "Instances always require IMDSv2."),
    Key::optional(
        "httpPutResponseHopLimit",
        Form::Number(HOP_LIMIT),
        "`1`",
        "Network hops of a token, from 1 to 64. Containers need 2.",
    ),
];

pub(super) const DISTRIBUTION: &[Key] = &[
    NAME,
    DESCRIPTION,
    Key::optional(
        "mustSucceed",
        Form::Word(&["all", "some"]),
        "`all`",
        "Whether all Regions, or only at least one, must have their copy before the image is published.",
    ),
    Key::optional(
        "start",
        Form::Word(&["after-tests", "with-tests"]),
        "`after-tests`",
        "When the copies to other Regions begin. With `with-tests`, EC2 copies the image while it is tested, so the build \
         ends earlier. If the image is rejected by a test, the audit or the `vulnerabilityPolicy`, its copies are removed, \
         and you pay for their transfer, and for their storage until then. No copy is shared, and no other account gets \
         one, before the image has passed. A pipeline without tests, or with the home Region only, copies nothing earlier.",
    ),
    Key::optional(
        "approval",
        Form::Map(APPROVAL),
        "each build publishes its image",
        "The approval by a person that an image needs before it is published. Until then, only the account itself can use \
         the image, and no parameter without a channel, nor another pipeline, uses it.",
    ),
    Key::required(
        "distributions",
        Form::Maps(REGION),
        "The Regions of the image, with one entry for each. The image is always in the home Region too.",
    ),
];

const APPROVAL: &[Key] = &[Key::required(
    "channel",
    Form::Text,
    "The channel that approves: `goldsmith promote IMAGE --to CHANNEL` publishes the image.",
)];

const REGION: &[Key] = &[
    Key::required("region", Form::Text, "Name of the Region, such as `eu-west-1`."),
    Key::optional("amiDistributionConfiguration", Form::Map(AMI), "", "The AMI in this Region."),
    Key::optional(
        "ssmParameterConfigurations",
        Form::Maps(PARAMETER),
        "",
        "Parameters of this Region that get the AMI's id when the image is published.",
    ),
    Key::optional(
        "launchTemplateConfigurations",
        Form::Maps(TEMPLATE),
        "",
        "Launch templates of this Region that get a version with the AMI when the image is published. The version is \
         based on the default version. It keeps the snapshots of that version's volumes, except those of devices that the \
         AMI has itself. Each template must have the tags `goldsmith:stack`, with the name of the stack, and \
         `goldsmith:home`, with the stack's Region.",
    ),
    Key::optional(
        "licenseConfigurationArns",
        Form::Texts,
        "",
        "ARNs of the license configurations of License Manager that the AMI is associated with, at most 50. They must be \
         in this Region, and the stack's parameter `LicenseConfigurationArns` must list them. Copies that other accounts \
         own are not associated.",
    ),
    Key::optional(
        "s3ExportConfiguration",
        Form::Map(EXPORT),
        "not exported",
        "Where EC2 exports the AMI to as a disk image, once the AMI is available in this Region \
         ([how](deploy.md#disk-images-in-s3)). Not with `approval`.",
    ),
];

const EXPORT: &[Key] = &[
    Key::required(
        "roleName",
        Form::Text,
        "Name of the role with which VM Import/Export writes the object, without ARN and path. The role must trust \
         `vmie.amazonaws.com`, and the stack's parameter `ExportRoleArns` must list it.",
    ),
    Key::required(
        "diskImageFormat",
        Form::Word(&["VMDK", "RAW", "VHD"]),
        "Format of the disk image: a stream-optimized VMDK, the disk itself, or a Virtual Hard Disk.",
    ),
    Key::required(
        "s3Bucket",
        Form::Text,
        "Bucket of the same account in this Region, without encryption by a KMS key.",
    ),
    Key::optional(
        "s3Prefix",
        Form::Text,
        "no prefix",
        "Beginning of the object's key, at most 960 bytes. EC2 adds `export-ami-ID.FORMAT`, so the prefix of a folder ends \
         with a slash.",
    ),
];

const TEMPLATE: &[Key] = &[
    Key::optional("launchTemplateId", Form::Text, "", "Id of the template. Each template needs an id or a name."),
    Key::optional("launchTemplateName", Form::Text, "", "Name of the template, instead of its id."),
    Key::optional(
        "setDefaultVersion",
        Form::Flag,
        "`true`",
        "Whether the new version becomes the default version, which is launched if a launch names no version.",
    ),
];

const AMI: &[Key] = &[
    Key::optional(
        "name",
        Form::Text,
        "the recipe's name and the version with the build number",
        "Name of the AMI, with `{{ imagebuilder:buildDate }}` or `{{ imagebuilder:buildVersion }}` in it, because \
         names are unique.",
    ),
    Key::optional(
        "description",
        Form::Text,
        "the recipe's",
        "Description of the AMI, at most 255 characters, with the same placeholders as the name.",
    ),
    Key::optional(
        "amiTags",
        Form::Pairs,
        "",
        "Tags of the AMI, in addition to the recipe's. Their values may contain the same placeholders as the name. At \
         most 50 tags are allowed, including Goldsmith's own.",
    ),
    Key::optional(
        "launchPermission",
        Form::Map(PERMISSION),
        "the account itself only",
        "Who else may launch the AMI. An image that is encrypted with AWS's own key cannot be shared.",
    ),
    Key::optional(
        "shareSnapshots",
        Form::Flag,
        "`false`",
        "Whether the accounts in `userIds` and `userGroups` may also use the image's snapshots, and therefore copy the \
         image.",
    ),
    Key::optional(
        "targetAccounts",
        Form::Maps(TARGET_ACCOUNT),
        "",
        "Accounts that get their own copy in this Region. First deploy `target-account.yaml` in each of them \
         ([how](deploy.md#copies-that-other-accounts-own)).",
    ),
    Key::optional(
        "deprecateAfter",
        Form::Text,
        "never",
        "Time from the build until the AMI becomes deprecated, as a number of days or weeks from `P1D` to `P3650D`, \
         such as `P90D`; at most `P730D` for a public AMI. A deprecated AMI can still be launched, but EC2 no longer \
         lists it for other accounts.",
    ),
    Key::optional(
        "deregistrationProtection",
        Form::FlagOrMap(PROTECTION),
        "`false`",
        "Whether the published AMI is protected from deregistration. `goldsmith delete` and `goldsmith retention` \
         switch the protection off first, if the image's own build or a later distribution of the image has switched it \
         on. The stack itself never switches it off.",
    ),
    Key::optional(
        "kmsKeyId",
        Form::Text,
        "encrypted as the source image is",
        "Id, ARN or alias of the KMS key of the copy in this Region.",
    ),
];

const TARGET_ACCOUNT: &[Key] = &[
    Key::required("account", Form::Text, "Account id of 12 digits, in quotes."),
    Key::optional(
        "kmsKey",
        Form::Text,
        "encrypted as this Region's AMI is, with that account's default key",
        "Id, ARN or alias of a KMS key of that account in this Region.",
    ),
];

const PROTECTION: &[Key] = &[Key::optional(
    "withCooldown",
    Form::Flag,
    "`false`",
    "Whether the AMI stays protected for 24 hours after the protection was switched off.",
)];

const PERMISSION: &[Key] = &[
    Key::optional("userIds", Form::Texts, "", "Account ids of 12 digits."),
    Key::optional("userGroups", Form::Words(&["all"]), "", "`[all]` makes the AMI public."),
    Key::optional("organizationArns", Form::Texts, "", "ARNs of organizations."),
    Key::optional("organizationalUnitArns", Form::Texts, "", "ARNs of organizational units."),
];

const PARAMETER: &[Key] = &[
    Key::required(
        "parameterName",
        Form::Text,
        "Name of the parameter, such as `/images/web-server`, below the stack's `ImageParameterPath`. With \
         `{{ imagebuilder:buildDate }}` or `{{ imagebuilder:buildVersion }}` in it, each image has its own parameter, which \
         no later build and no rollback changes.",
    ),
    Key::optional(
        "dataType",
        Form::Word(&["aws:ec2:image", "text"]),
        "`aws:ec2:image`",
        "Data type of the parameter, which decides whether Systems Manager checks that the AMI exists. The type of a \
         parameter cannot be changed later.",
    ),
    Key::optional(
        "channel",
        Form::Text,
        "every new image is written into it",
        "The channel that the parameter follows, such as `stable`: it gets the AMI's id when the channel is moved.",
    ),
];
