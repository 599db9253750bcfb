//! The keys of components and image recipes.

use super::{DESCRIPTION, Form, Key, Limits, NAME, VERSION};

/// The limits of `volumeSize`, in GiB.
pub(in crate::definitions) const VOLUME_SIZE: Limits = Limits::new(1, 65_536);
/// The limits of `iops`.
pub(in crate::definitions) const IOPS: Limits = Limits::new(100, 256_000);
/// The limits of `throughput`, in MiB/s.
pub(in crate::definitions) const THROUGHPUT: Limits = Limits::new(125, 2_000);

pub(super) const COMPONENT: &[Key] = &[
    NAME,
    VERSION,
    DESCRIPTION,
    Key::optional("platform", Form::Word(&["Linux"]), "`Linux`", "The platform of the document."),
    Key::optional("changeDescription", Form::Text, "", "A remark for people, as in Image Builder."),
    Key::optional(
        "uri",
        Form::Text,
        "",
        "Path of the document, in this file's folder or below it. A component has `uri` or `data`. A document has at \
         most 64 KiB.",
    ),
    Key::optional("data", Form::Text, "", "The document itself, as a block of text."),
];

pub(super) const RECIPE: &[Key] = &[
    NAME,
    VERSION,
    Key::optional(
        "description",
        Form::Text,
        "",
        "A description for people, at most 255 characters. It is the AMI's description too, unless the distribution \
         has one.",
    ),
    Key::required(
        "parentImage",
        Form::TextOrMap(FILTER),
        "The source image: an AMI id of the home Region, `ssm:NAME` for a parameter that has an AMI id, \
         `pipeline:NAME` for the newest image of another pipeline, or owners and a name.",
    ),
    Key::optional(
        "parentImageOwners",
        Form::Texts,
        "the account itself and Amazon",
        "For `ssm:` only: the owners whose AMI the parameter may name, as account ids, `self`, `amazon` or \
         `aws-marketplace`.",
    ),
    Key::optional(
        "components",
        Form::Maps(COMPONENT_REF),
        "the image is a copy of its source",
        "The components that a build runs, in this order: at most 20.",
    ),
    Key::optional("workingDirectory", Form::Text, "`/tmp`", "Absolute path of the folder in which steps start."),
    Key::optional(
        "bootMode",
        Form::Word(&["legacy-bios", "uefi", "uefi-preferred"]),
        "that of the source image",
        "How instances of the image boot: by the BIOS, only by UEFI, or by UEFI on each instance type that supports it. \
         The disk must be able to boot in this way: EC2 does not check it. Images for arm64 boot only by UEFI.",
    ),
    Key::optional(
        "tpmSupport",
        Form::Word(&["v2.0"]),
        "that of the source image",
        "`v2.0` gives each instance of the image a TPM (NitroTPM). It needs an image that boots only by UEFI, and instance \
         types that support NitroTPM.",
    ),
    Key::optional(
        "uefiData",
        Form::Text,
        "the variables of the source image",
        "Path of a file with the UEFI variables of the image, such as your own keys for Secure Boot, in this file's folder \
         or below it. The file has the Base64 text that `aws ec2 get-instance-uefi-data` prints, at most 64,000 \
         characters. It needs an image that boots only by UEFI.",
    ),
    Key::optional(
        "blockDeviceMappings",
        Form::Maps(DEVICE),
        "the devices of the source image",
        "Changes to the source image's volumes, and additional volumes.",
    ),
    Key::optional(
        "tags",
        Form::Pairs,
        "",
        "Tags of every AMI that is built, and of its snapshots. Their values may contain the placeholders of `name` in \
         a distribution.",
    ),
];

const FILTER: &[Key] = &[
    Key::required(
        "owners",
        Form::Texts,
        "Who may own the AMI: account ids, `self`, `amazon` or `aws-marketplace`. Anyone can publish an AMI under any \
         name.",
    ),
    Key::required(
        "name",
        Form::Text,
        "Name of the AMI, in which `*` and `?` are wildcards. The newest available AMI is used.",
    ),
];

const COMPONENT_REF: &[Key] = &[
    Key::required("name", Form::Text, "Name of the component."),
    Key::required(
        "version",
        Form::Text,
        "Version of the component, or a pattern such as `1.x.x`, which resolves to the highest matching version when a \
         build is planned.",
    ),
    Key::optional(
        "parameters",
        Form::Pairs,
        "the document's defaults",
        "Values for the document's parameters, at most 1,024 characters each. A secret belongs in a parameter of the \
         Parameter Store.",
    ),
    Key::optional(
        "checkpoint",
        Form::Flag,
        "`false`",
        "Whether a build keeps the disk as it is after this component, for a week. The next build begins there if nothing \
         before it has changed. At most one component can be the checkpoint, and not the last one.",
    ),
];

const DEVICE: &[Key] = &[
    Key::required("deviceName", Form::Text, "Device name, as in the source image, such as `/dev/xvda`."),
    Key::optional("ebs", Form::Map(EBS), "", "The volume. Settings that are absent are those of the source image."),
];

const EBS: &[Key] = &[
    Key::optional(
        "volumeSize",
        Form::Number(VOLUME_SIZE),
        "",
        "Size in GiB, from 1 to 65,536, and at least the size of the snapshot.",
    ),
    Key::optional(
        "volumeType",
        Form::Word(&["gp3", "gp2", "io1", "io2", "st1", "sc1", "standard"]),
        "",
        "Type of the volume.",
    ),
    Key::optional("iops", Form::Number(IOPS), "", "IOPS, from 100 to 256,000, for the types that have this setting."),
    Key::optional(
        "throughput",
        Form::Number(THROUGHPUT),
        "",
        "Throughput in MiB/s, from 125 to 2,000, for `gp3` only.",
    ),
    Key::optional("encrypted", Form::Flag, "", "Whether the volume, and with it the image, is encrypted."),
    Key::optional("kmsKeyId", Form::Text, "the account's key for EBS", "Id, ARN or alias of the KMS key."),
    Key::optional(
        "deleteOnTermination",
        Form::True,
        "",
        "Only `true` is accepted. The volumes of a build's instances are always deleted with the instances. The image has \
         the setting of its source.",
    ),
];
