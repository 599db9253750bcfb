//! The problems of a planned build: what is wrong, where, what was expected, and how to fix it.

mod about;
mod cost;

pub use about::Severity;
pub use cost::Cost;

/// Something that is wrong in a planned build, or that a person should know.
///
/// The documentation of a variant is its explanation in `docs/problems.md`, and its `strum` message is the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr, strum::EnumMessage, strum::EnumIter)]
#[strum(serialize_all = "kebab-case")]
pub enum Problem {
    /// A definition names another one that was never applied, or that has no matching version.
    #[error("{by} names {kind} `{name}`, which was never applied")]
    #[strum(message = "apply that definition, or correct the name")]
    DefinitionMissing {
        /// The definition that names the missing object.
        by: String,
        /// Kind of the missing object.
        kind: String,
        /// Name of the missing object, with its version if it has one.
        name: String,
    },
    /// The distribution configuration names a key for the home Region. Only a copy can have a key. In the home Region
    /// nothing is copied, and the AMI is encrypted as the build's volumes are.
    #[error("the distribution configuration sets a kmsKeyId for {region}, the home Region, to which nothing is copied")]
    #[strum(message = "set the key in the recipe's blockDeviceMappings")]
    KeyAtHome {
        /// The home Region.
        region: String,
    },
    /// The source image does not exist: there is no such AMI or parameter in the home Region, or the pipeline that it
    /// names has no image yet.
    #[error("source image {source_image}: {reason}")]
    #[strum(message = "name a source image that exists")]
    SourceMissing {
        /// The source image as the recipe or the start names it.
        source_image: String,
        /// What does not exist.
        reason: String,
    },
    /// The source image is pending, disabled or deregistered, so no instance can be launched from it.
    #[error("source image {source_image}: {id} is not available")]
    #[strum(message = "wait until it is available, or name another source image")]
    SourceUnavailable {
        /// The source image as the recipe or the start names it.
        source_image: String,
        /// The AMI.
        id: String,
    },
    /// The stack's role may not read the parameter of the source image. It may read AWS's own parameters,
    /// those below `/goldsmith/examples/`, and those below the stack's `ImageParameterPath`.
    #[error("source image {source_image}: the stack may not read this parameter; it may read parameters below {below}")]
    #[strum(message = "name a parameter there, or allow the role of the function `plan` to read this one")]
    SourceParameterDenied {
        /// The source image as the recipe or the start names it.
        source_image: String,
        /// The paths that the stack may read.
        below: String,
    },
    /// The parameter of the source image is not below a path that the stack's role may read. Unless the
    /// role has further permissions, the build fails in Plan. Only a plan warns of this: the Plan state itself tries to
    /// read the parameter.
    #[error("source image {source_image}: according to its template, the stack may read parameters only below {below}")]
    #[strum(message = "name a parameter there, unless the role of the function `plan` was allowed to read this one")]
    SourceParameterPath {
        /// The source image as the recipe or the start names it.
        source_image: String,
        /// The paths that the stack may read.
        below: String,
    },
    /// A parameter resolves to an AMI of an owner that the recipe does not name. Without this check, anyone who may
    /// write a parameter could make any AMI the base of golden images.
    #[error("source image {source_image}: it resolves to {id}, whose owner is {owner}, but only {allowed} allowed")]
    #[strum(message = "to use it, name its owner in the recipe's `parentImageOwners`")]
    SourceOwner {
        /// The source image as the recipe or the start names it.
        source_image: String,
        /// The AMI.
        id: String,
        /// Account id of the AMI's owner.
        owner: String,
        /// The allowed owners, followed by `is` or `are`.
        allowed: String,
    },
    /// The source image was bought, for example in AWS Marketplace. Images that are made from it keep the product code:
    /// every account that launches them must subscribe to the product as well.
    #[error("the source image {id} has the product code {code}")]
    #[strum(message = "subscribe to the product in this account, and in each account that uses the image")]
    SourceProduct {
        /// The AMI.
        id: String,
        /// The product codes.
        code: String,
    },
    /// The start sets a parameter of a component that the recipe does not use.
    #[error("the field `parameters` of the input names component `{component}`, but recipe `{recipe}` does not use it")]
    #[strum(message = "name a component of the recipe")]
    ComponentUnused {
        /// The component.
        component: String,
        /// The recipe.
        recipe: String,
    },
    /// The start sets a parameter that the component does not declare.
    #[error("the field `parameters` of the input names `{name}`, but {component} has no such parameter{near}")]
    #[strum(message = "name a parameter that the component declares")]
    ParameterUnknown {
        /// The component with its version.
        component: String,
        /// The parameter.
        name: String,
        /// The parameter that was probably meant.
        near: String,
    },
    /// The start gives a parameter a value that the component does not allow.
    #[error(
        "the field `parameters` of the input sets `{name}` to a value that is not allowed: {component} allows {allowed}"
    )]
    #[strum(message = "give one of the allowed values")]
    ParameterValue {
        /// The component with its version.
        component: String,
        /// The parameter.
        name: String,
        /// The values that are allowed.
        allowed: String,
    },
    /// No instance type of the infrastructure configuration can run the architecture of the source image.
    #[error(
        "the source image {id} is for {architecture}, but no instance type of infrastructure configuration \
         `{infrastructure}` can run it: {reasons}"
    )]
    #[strum(message = "name a type of that architecture, or another source image")]
    TypeArchitecture {
        /// The AMI.
        id: String,
        /// Its architecture.
        architecture: String,
        /// The infrastructure configuration.
        infrastructure: String,
        /// Why each type cannot run the source image.
        reasons: String,
    },
    /// The infrastructure configuration names no instance type on which the build can run, and at least one that EC2 does
    /// not have in the stack's Region: it is misspelled, or of another Region.
    #[error("infrastructure configuration `{infrastructure}` names what is no instance type of {region}: {types}")]
    #[strum(message = "name a type that EC2 has there")]
    TypeUnknown {
        /// The infrastructure configuration.
        infrastructure: String,
        /// The Region.
        region: String,
        /// The types, each with one that may be meant.
        types: String,
    },
    /// Some instance types of the infrastructure configuration cannot run the source image. The build uses only the
    /// others, so it has fewer types to fall back on than the list says.
    #[error(
        "the source image {id} is for {architecture}, so a build does not use each instance type of infrastructure \
         configuration `{infrastructure}`: {reasons}"
    )]
    #[strum(message = "remove those types, or name types of that architecture instead")]
    InstanceTypeSkipped {
        /// The AMI.
        id: String,
        /// Its architecture.
        architecture: String,
        /// The infrastructure configuration.
        infrastructure: String,
        /// Why each of the types cannot run the source image.
        reasons: String,
    },
    /// The pipeline tests on an instance type that EC2 does not have in the stack's Region: it is misspelled, or of another
    /// Region.
    #[error("the pipeline tests on what is no instance type of {region}: {types}")]
    #[strum(message = "name a type that EC2 has there")]
    TestTypeUnknown {
        /// The Region.
        region: String,
        /// The types, each with one that may be meant.
        types: String,
    },
    /// The pipeline tests on an instance type that cannot run the architecture of the source image.
    #[error(
        "the source image {id} is for {architecture}, but the pipeline tests on a type that cannot run it: {reasons}"
    )]
    #[strum(message = "name test types of that architecture")]
    TestTypeArchitecture {
        /// The AMI.
        id: String,
        /// Its architecture.
        architecture: String,
        /// Why none of the types can run the source image.
        reasons: String,
    },
    /// The package of the stack's functions has no agent for the architecture of the source image.
    #[error(
        "the source image {id} is for {architecture}, but the package of this stack's functions has no {agent}, which runs \
         documents on such instances"
    )]
    #[strum(message = "deploy a release that contains it")]
    AgentMissing {
        /// The AMI.
        id: String,
        /// Its architecture.
        architecture: String,
        /// File name of the agent.
        agent: String,
    },
    /// No subnet of the infrastructure configuration is in an Availability Zone that has one of the instance types.
    #[error("no subnet is in an Availability Zone that has {types}: the subnets are in {zones}")]
    #[strum(message = "name a subnet in another zone, or another instance type")]
    TypeNotOffered {
        /// The types.
        types: String,
        /// The zones of the subnets.
        zones: String,
    },
    /// A subnet does not exist in the home Region.
    #[error("there is no subnet {id} in {region}")]
    #[strum(message = "name a subnet of that Region")]
    SubnetMissing {
        /// The subnet.
        id: String,
        /// The home Region.
        region: String,
    },
    /// The infrastructure configuration places instances in another Availability Zone than that of a subnet. EC2 rejects
    /// the launch.
    #[error("the subnet {id} is in {zone}, but the instances are placed in {placed}")]
    #[strum(message = "name subnets of that zone in `subnetIds`, or remove `placement.availabilityZone`")]
    SubnetZone {
        /// The subnet.
        id: String,
        /// Availability Zone of the subnet.
        zone: String,
        /// The Availability Zone of the infrastructure configuration.
        placed: String,
    },
    /// A security group does not exist in the home Region.
    #[error("there is no security group {id} in {region}")]
    #[strum(message = "name a security group of that Region")]
    SecurityGroupMissing {
        /// The group.
        id: String,
        /// The home Region.
        region: String,
    },
    /// A security group and a subnet are in different VPCs, so that no instance can be launched with both.
    #[error("the security group {group} is in {group_vpc}, but the subnet {subnet} is in {subnet_vpc}")]
    #[strum(message = "name subnets and security groups of one VPC")]
    SecurityGroupVpc {
        /// The group.
        group: String,
        /// Its VPC.
        group_vpc: String,
        /// The subnet.
        subnet: String,
        /// The subnet's VPC.
        subnet_vpc: String,
    },
    /// The recipe maps a device that is the root device of other images, but not of this source.
    #[error("the recipe maps {device}, but the root device of the source image {id} is {root}")]
    #[strum(message = "name the source's root device")]
    RootDevice {
        /// The device that the recipe maps.
        device: String,
        /// The AMI.
        id: String,
        /// The AMI's root device.
        root: String,
    },
    /// The recipe makes a volume smaller than the snapshot from which EC2 creates it. EC2 rejects the launch.
    #[error("the recipe makes {device} {size} GiB large, but the snapshot in the source image {id} has {least} GiB")]
    #[strum(message = "make the volume at least as large as the snapshot")]
    VolumeTooSmall {
        /// The device.
        device: String,
        /// Size in the recipe, in GiB.
        size: u32,
        /// The AMI.
        id: String,
        /// Size of the snapshot, in GiB.
        least: u32,
    },
    /// The AMI's name is taken in a Region to which the image goes: names are unique in an account and Region.
    #[error("the AMI name `{name}` is taken in {region} by {id}")]
    #[strum(message = "deregister that AMI, or put the date into the name: `{{ imagebuilder:buildDate }}`")]
    AmiNameTaken {
        /// The name.
        name: String,
        /// The Region.
        region: String,
        /// The AMI that has the name.
        id: String,
    },
    /// The tags of the definitions, together with those that Goldsmith adds, are more than AWS allows.
    #[error("{what} would have {count} tags, {own} of them from Goldsmith, but AWS allows 50")]
    #[strum(message = "remove tags from the definitions")]
    TooManyTags {
        /// The resource.
        what: String,
        /// Number of the user's tags.
        count: usize,
        /// Number of tags that Goldsmith adds.
        own: usize,
    },
    /// The image goes to a Region that is not enabled in the account.
    #[error("the image goes to {region}, which is not enabled in this account")]
    #[strum(message = "enable the Region, which takes minutes to hours, or remove it from the distribution")]
    RegionDisabled {
        /// The Region.
        region: String,
    },
    /// The image goes to a Region that EC2 does not know.
    #[error("the image goes to {region}, which EC2 does not know")]
    #[strum(message = "correct the Region in the distribution configuration")]
    RegionUnknown {
        /// The Region.
        region: String,
    },
    /// The stack's role may write parameters below one path only.
    #[error(
        "the distribution configuration names the parameter `{name}` in {region}, but this stack may write parameters only \
         below `{below}`"
    )]
    #[strum(message = "name a parameter there, or deploy the stack with another ImageParameterPath")]
    ParameterPath {
        /// The parameter.
        name: String,
        /// Its Region.
        region: String,
        /// The path.
        below: String,
    },
    /// The parameter exists with another data type, which never changes (Systems Manager user guide, "Using native
    /// parameter support for Amazon Machine Image IDs").
    #[error("the parameter `{name}` in {region} has the data type {is}, which cannot be changed to {wanted}")]
    #[strum(message = "set that `dataType` in the distribution configuration, or delete the parameter")]
    ParameterDataType {
        /// The parameter.
        name: String,
        /// Its Region.
        region: String,
        /// Data type of the parameter.
        is: String,
        /// The data type that the distribution configuration sets.
        wanted: String,
    },
    /// The recipe wants an image that boots in another way than its source. EC2 registers such an image without looking at
    /// its disk. If the disk has no boot loader for that mode, no instance of the image starts. The tests show it.
    #[error("the recipe sets the boot mode {wanted}, but the source image {id} has the boot mode {mode}")]
    #[strum(message = "make sure that a component installs a boot loader for that mode, or remove `bootMode`")]
    BootMode {
        /// The boot mode that the recipe wants.
        wanted: String,
        /// The AMI.
        id: String,
        /// Its boot mode.
        mode: String,
    },
    /// A TPM and UEFI variables need an image that boots only by UEFI (EC2 user guide, "NitroTPM for Amazon EC2 instances").
    /// With the boot mode uefi-preferred, an instance may start by the BIOS, without both. Instances for arm64 have no BIOS
    /// at all.
    #[error("{what} needs the boot mode uefi, but the image would have the boot mode {mode}")]
    #[strum(message = "set `bootMode: uefi` in the recipe, if the disk of the image can boot by UEFI")]
    UefiNeeded {
        /// What needs it: the TPM, the UEFI data, or the architecture of the image.
        what: String,
        /// The boot mode of the image.
        mode: String,
    },
    /// The image needs what a type of its tests does not have, so no instance of the image can be launched there. The
    /// builds themselves run on the source image, which may need less.
    #[error("the image needs {needs}, but it is tested on a type that has less: {reasons}")]
    #[strum(message = "name another type in the pipeline's `imageTestsConfiguration.instanceTypes`")]
    TestTypeFirmware {
        /// What instances of the image need.
        needs: String,
        /// What each type lacks.
        reasons: String,
    },
    /// The infrastructure configuration names a Dedicated Host that does not exist in the home Region.
    #[error("there is no Dedicated Host {id} in {region}")]
    #[strum(message = "name a host of this account and Region")]
    HostMissing {
        /// The host.
        id: String,
        /// The home Region.
        region: String,
    },
    /// The instances of the build or its tests cannot run on the Dedicated Host: because of its state, its zone, the
    /// types that it takes, or because they would be spot instances.
    #[error("instances cannot run on {host}: {reason}")]
    #[strum(message = "name another host in the infrastructure configuration's `placement`, or other types or subnets")]
    HostUnfit {
        /// The host, or what stands for it.
        host: String,
        /// Why.
        reason: String,
    },
    /// The Dedicated Host has no room for an instance of any type of the build now. A host does not grow, so the launch
    /// would wait in vain.
    #[error("the Dedicated Host {id} has no room for another {types}")]
    #[strum(message = "end instances that run on it, or name another host")]
    HostFull {
        /// The host.
        id: String,
        /// The types of the build that it takes.
        types: String,
    },
    /// The distribution configuration names a launch template that does not exist in that Region.
    #[error("there is no launch template {template} in {region}")]
    #[strum(message = "create the template there, or correct its id or its name")]
    LaunchTemplateMissing {
        /// The template as the distribution configuration names it.
        template: String,
        /// The Region.
        region: String,
    },
    /// The stack's role may add versions only to launch templates that have the stack's tags. The tags say that the
    /// stack may decide what is launched from the template.
    #[error(
        "the launch template {template} in {region} does not have the tags of this stack, `goldsmith:stack` with \
         the value {stack} and `goldsmith:home` with the value {home}, so the stack may not add a version to it"
    )]
    #[strum(message = "add these tags to the template, if the stack may decide what is launched from it")]
    LaunchTemplateTags {
        /// The template as the distribution configuration names it.
        template: String,
        /// Its Region.
        region: String,
        /// The stack.
        stack: String,
        /// The stack's home Region.
        home: String,
    },
    /// The distribution configuration names a license configuration that License Manager does not have in that Region.
    #[error("there is no license configuration {license} in {region}")]
    #[strum(message = "create it there, or correct its ARN")]
    LicenseMissing {
        /// Its ARN.
        license: String,
        /// The Region.
        region: String,
    },
    /// The stack's role may associate images only with the license configurations that the stack's parameter
    /// `LicenseConfigurationArns` lists. Only the Plan state sees this: a person may be allowed to read a configuration
    /// that the stack may not use.
    #[error("the stack may not use the license configuration {license}")]
    #[strum(message = "list it in the stack's parameter `LicenseConfigurationArns`")]
    LicenseDenied {
        /// Its ARN.
        license: String,
    },
    /// The image is to be public, but the account blocks public access to AMIs in that Region. New accounts do.
    #[error("the image is to be public in {region}, but the account blocks public access to AMIs there")]
    #[strum(message = "remove `userGroups`, or allow it with `aws ec2 disable-image-block-public-access`")]
    PublicAccessBlocked {
        /// The Region.
        region: String,
    },
    /// The image is to be public with its snapshots, but the account blocks public access to snapshots in that Region.
    #[error("the snapshots are to be public in {region}, but the account blocks public access to snapshots there")]
    #[strum(message = "remove `shareSnapshots`, or allow it with `aws ec2 disable-snapshot-block-public-access`")]
    PublicSnapshotsBlocked {
        /// The Region.
        region: String,
    },
    /// The image is to be public, but EC2 does not allow that for an image with encrypted snapshots or with a product
    /// code (EC2 user guide, "Make your AMI publicly available for use in Amazon EC2").
    #[error("the image is to be public in {region}, but it {obstacle}, so EC2 does not allow that")]
    #[strum(message = "remove `userGroups`, or build without encryption from a source image without a product code")]
    NeverPublic {
        /// The Region.
        region: String,
        /// What the image contains.
        obstacle: String,
    },
    /// The image is to be shared, but its snapshots would be encrypted with the key that AWS manages for the account. No
    /// other account can use that key (EBS user guide, "Share the KMS key used to encrypt a shared Amazon EBS snapshot").
    #[error("the image is to be shared in {region}, but it would be encrypted there with {key}, which AWS manages")]
    #[strum(message = "name a key of your own, or make it the default key for EBS in that Region")]
    SharedWithAwsKey {
        /// The Region.
        region: String,
        /// The key.
        key: String,
    },
    /// The stack cannot take on its role in an account that is to get a copy of its own. STS does not say whether the
    /// role is missing, or whether it does not trust this stack. The stack calls STS in its own Region, which must be
    /// enabled for STS in the other account, too.
    #[error("the image is to be copied into account {account}, but the stack's role there cannot be assumed: {error}")]
    #[strum(
        message = "deploy `target-account.yaml` in that account with this stack's name, Region and roles, activate STS there \
                   for the stack's Region, or remove the account from `targetAccounts`"
    )]
    TargetAccountClosed {
        /// The account.
        account: String,
        /// AWS's error.
        error: String,
    },
    /// The stack's own account is listed among the accounts that get their own copy. It already owns the image.
    #[error("the image is to be copied into account {account} in {region}, which is the stack's own account")]
    #[strum(message = "remove the account from `targetAccounts`")]
    TargetAccountOwn {
        /// The account.
        account: String,
        /// The Region.
        region: String,
    },
    /// The image is to be copied into another account in a Region that is not enabled in that account.
    #[error("the image is to be copied into account {account} in {region}, which is not enabled in that account")]
    #[strum(message = "enable the Region in that account, or remove the account from that Region's `targetAccounts`")]
    TargetRegionDisabled {
        /// The account.
        account: String,
        /// The Region.
        region: String,
    },
    /// The role that the stack takes on in other accounts would have a longer name than IAM allows.
    #[error("the stack would need the role {role} in other accounts, but IAM allows at most 64 characters")]
    #[strum(message = "remove `targetAccounts`, or build in a stack with a shorter name")]
    TargetRoleName {
        /// The role.
        role: String,
    },
    /// Other accounts are to get copies of their own, but the source image was bought, for example in AWS Marketplace. EC2
    /// does not let another account copy such an image, or an image that is made from it.
    #[error("other accounts are to copy the image in {region}, but the source image {id} has the product code {code}")]
    #[strum(
        message = "share the image with `launchPermission` instead, or build from a source image without a product code"
    )]
    TargetProduct {
        /// The Region.
        region: String,
        /// The AMI.
        id: String,
        /// The product codes.
        code: String,
    },
    /// Other accounts are to get copies of their own, but the platform of the source image is billed with its instances, such
    /// as Red Hat Enterprise Linux. EC2 does not let another account copy an image with a billing product code, and does
    /// not show that code (EC2 user guide, "AMI billing information fields").
    #[error("other accounts are to copy the image in {region}, but the source image {id} is billed as `{operation}`")]
    #[strum(
        message = "share the image with `launchPermission` instead, unless another account could copy such an image before"
    )]
    TargetLicense {
        /// The Region.
        region: String,
        /// The AMI.
        id: String,
        /// Its usage operation.
        operation: String,
    },
    /// The image is to be exported to S3 with a role that does not exist, or that VM Import/Export may not assume: the trust
    /// policy of the role must name `vmie.amazonaws.com`.
    #[error("the image is to be exported with the role {role}, which {reason}")]
    #[strum(message = "create the role as described in docs/deploy.md, or correct its name")]
    ExportRole {
        /// The role.
        role: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The stack's role may pass only the roles that the stack's parameter `ExportRoleArns` lists to VM Import/Export. Only
    /// the Plan state sees this: a person may be allowed to read a role that the stack may not use.
    #[error("the stack may not use the role {role} for exports")]
    #[strum(message = "list its ARN in the stack's parameter `ExportRoleArns`")]
    ExportRoleDenied {
        /// The role.
        role: String,
    },
    /// The image is to be exported to a bucket that does not exist, or that is in another Region than the image. EC2 exports
    /// only to a bucket of the same Region.
    #[error("the image in {region} is to be exported to the bucket {bucket}, which {reason}")]
    #[strum(message = "name a bucket of that Region")]
    ExportBucket {
        /// The bucket.
        bucket: String,
        /// The Region of the image.
        region: String,
        /// What is wrong with the bucket.
        reason: String,
    },
    /// The image is to be exported to S3, but it would have encrypted snapshots, because of its source image, its recipe, its
    /// `kmsKeyId`, or the encryption by default of the account. EC2 exports no such image.
    #[error("the image in {region} is to be exported, but its snapshots would be encrypted")]
    #[strum(message = "remove `s3ExportConfiguration`, or export the image in a Region in which it is not encrypted")]
    ExportEncrypted {
        /// The Region.
        region: String,
    },
    /// The image is to be exported to S3, but the source image was bought, for example in AWS Marketplace. EC2 exports neither
    /// such an image nor an image that is made from it.
    #[error("the image in {region} is to be exported, but the source image {id} has the product code {code}")]
    #[strum(message = "remove `s3ExportConfiguration`, or build from a source image without a product code")]
    ExportProduct {
        /// The Region.
        region: String,
        /// The AMI.
        id: String,
        /// The product codes.
        code: String,
    },
    /// The image is to be exported to S3, but the platform of the source image is billed with its instances. EC2 does not
    /// export an image with third-party software that AWS provides, such as SQL Server.
    #[error("the image in {region} is to be exported, but the source image {id} is billed as `{operation}`")]
    #[strum(message = "remove `s3ExportConfiguration`, unless EC2 has exported such an image before")]
    ExportLicense {
        /// The Region.
        region: String,
        /// The AMI.
        id: String,
        /// Its usage operation.
        operation: String,
    },
    /// The image is to be exported to S3, but one of its volumes is larger than 1 TiB. EC2 exports no such image.
    #[error(
        "the image in {region} is to be exported, but its volume {device} has {size} GiB, and EC2 exports at most 1024"
    )]
    #[strum(message = "make the volume smaller, or remove `s3ExportConfiguration`")]
    ExportTooLarge {
        /// The Region.
        region: String,
        /// The device.
        device: String,
        /// Size of the volume, in GiB.
        size: u32,
    },
    /// The image is to be exported to S3, and has several volumes. AWS documents one object for an export, and does not say
    /// what the object of such an image contains.
    #[error("the image in {region} is to be exported, but it has {count} volumes")]
    #[strum(message = "check what the object contains, or build the image with one volume")]
    ExportVolumes {
        /// The Region.
        region: String,
        /// Number of volumes.
        count: usize,
    },
    /// A KMS key that the definitions name does not exist in its Region: each Region has keys of its own.
    #[error("there is no KMS key {key} in {region}")]
    #[strum(message = "name a key of that Region")]
    KeyMissing {
        /// The key as the definition names it.
        key: String,
        /// The Region.
        region: String,
    },
    /// A KMS key cannot encrypt: it is disabled, is pending deletion or import, or is not a symmetric key.
    #[error("the KMS key {key} in {region} cannot encrypt the image: {reason}")]
    #[strum(message = "enable the key, or name another one")]
    KeyUnusable {
        /// The key as the definition names it.
        key: String,
        /// The Region.
        region: String,
        /// Why not.
        reason: String,
    },
    /// The image is to be shared with accounts that neither the policy of its KMS key nor a grant names. They would see the
    /// AMI but could not launch it (EBS user guide, "Share the KMS key used to encrypt a shared Amazon EBS snapshot").
    #[error("neither the policy of the KMS key {key} in {region} nor a grant names {accounts}")]
    #[strum(message = "allow those accounts to use the key in its policy")]
    KeyClosed {
        /// The key as the definition names it.
        key: String,
        /// The Region.
        region: String,
        /// The accounts.
        accounts: String,
    },
    /// A verification has nothing to run: no component of the recipe has the phase `test`, or the pipeline switches its
    /// tests off, and the pipeline has neither `audit: fail` nor a `vulnerabilityPolicy`.
    #[error("there is nothing to verify: the pipeline does not test images of recipe `{recipe}`")]
    #[strum(message = "add a component with the phase `test` to the recipe, and set `imageTestsEnabled: true`")]
    NothingToVerify {
        /// The recipe with its version.
        recipe: String,
    },
    /// The person who starts a verification chooses the AMI. This AMI would get the permissions of the instance profile
    /// that the infrastructure configuration names, so the pipeline must allow it.
    #[error(
        "the AMI would run with the permissions of the instance profile {profile}, which pipeline `{pipeline}` does \
         not allow"
    )]
    #[strum(message = "set `allowOverrides: true` in the pipeline, or verify with a pipeline that names no profile")]
    VerifiedProfile {
        /// The instance profile.
        profile: String,
        /// The pipeline.
        pipeline: String,
    },
    /// The pipeline has a `vulnerabilityPolicy`, but the stack's bucket has no advisories with which anything could be
    /// compared, or more than a build can read.
    #[error("the pipeline `{pipeline}` has a vulnerabilityPolicy, but the stack's advisories cannot be used: {reason}")]
    #[strum(
        message = "copy advisories to the stack with `goldsmith advisories --upload`, or to `advisories/` in its bucket"
    )]
    AdvisoriesUnusable {
        /// The pipeline.
        pipeline: String,
        /// Why not.
        reason: String,
    },
    /// The pipeline has a `signingKey` that cannot sign the provenance of images.
    #[error("the key {key}, which is to sign the images of the pipeline `{pipeline}`, cannot sign them: {reason}")]
    #[strum(
        message = "create a KMS key for signing with ECC_NIST_P256 in the home Region, and tag it with `goldsmith:stack`"
    )]
    SigningKeyUnusable {
        /// The key as the pipeline names it.
        key: String,
        /// The pipeline.
        pipeline: String,
        /// Why not.
        reason: String,
    },
    /// The infrastructure configuration names a topic that does not exist. A topic belongs to one Region.
    #[error("there is no SNS topic {topic}")]
    #[strum(message = "create it, or correct its ARN")]
    TopicMissing {
        /// Its ARN.
        topic: String,
    },
    /// The stack's roles may use only the topics that the stack's parameter `NotificationTopicArns` lists. The policy of a
    /// topic in another account must also let them use it. Only the Plan state sees this: a person may be allowed to read
    /// a topic that the stack may not use.
    #[error("the stack may not use the SNS topic {topic}")]
    #[strum(
        message = "list it in the stack's parameter `NotificationTopicArns`, and allow the stack's roles in its policy if it \
                   is in another account"
    )]
    TopicDenied {
        /// Its ARN.
        topic: String,
    },
    /// Something could not be checked, because AWS rejected the call, or because a Region that may fail (`mustSucceed:
    /// some`) did not answer. The build starts anyway.
    #[error("this could not be checked: {error}")]
    #[strum(message = "allow the call, or check it by hand")]
    Unchecked {
        /// AWS's error.
        error: String,
    },
}

#[cfg(test)]
mod tests;
