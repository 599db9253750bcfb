//! Filters of the describe calls about images, snapshots, volumes, tags, keys and launch templates.

use super::super::filters::Known;

/// Filters of DescribeImages. A filter on a property that no image here has (a kernel of its own, a product code)
/// matches nothing.
pub(crate) const IMAGES: Known = Known {
    fields: &[
        ("architecture", "architecture"),
        ("block-device-mapping.delete-on-termination", "blockDeviceMapping/item/ebs/deleteOnTermination"),
        ("block-device-mapping.device-name", "blockDeviceMapping/item/deviceName"),
        ("block-device-mapping.encrypted", "blockDeviceMapping/item/ebs/encrypted"),
        ("block-device-mapping.snapshot-id", "blockDeviceMapping/item/ebs/snapshotId"),
        ("block-device-mapping.volume-size", "blockDeviceMapping/item/ebs/volumeSize"),
        ("block-device-mapping.volume-type", "blockDeviceMapping/item/ebs/volumeType"),
        ("boot-mode", "bootMode"),
        ("creation-date", "creationDate"),
        ("description", "description"),
        ("ena-support", "enaSupport"),
        ("hypervisor", "hypervisor"),
        ("image-id", "imageId"),
        ("image-type", "imageType"),
        ("is-public", "isPublic"),
        ("kernel-id", "kernelId"),
        ("manifest-location", "imageLocation"),
        ("name", "name"),
        ("owner-alias", "imageOwnerAlias"),
        ("owner-id", "imageOwnerId"),
        ("platform", "platform"),
        ("product-code", "productCodes/item/productCode"),
        ("product-code.type", "productCodes/item/type"),
        ("ramdisk-id", "ramdiskId"),
        ("root-device-name", "rootDeviceName"),
        ("root-device-type", "rootDeviceType"),
        ("source-image-id", "sourceImageId"),
        ("source-image-region", "sourceImageRegion"),
        ("source-instance-id", "sourceInstanceId"),
        ("sriov-net-support", "sriovNetSupport"),
        ("state", "imageState"),
        ("state-reason-code", "stateReason/code"),
        ("state-reason-message", "stateReason/message"),
        ("virtualization-type", "virtualizationType"),
    ],
    unanswered: "free-tier-eligible image-allowed image-watermark.source-image-creation-time \
        image-watermark.source-image-id image-watermark.source-image-region \
        image-watermark.watermark-creation-time image-watermark.watermark-key \
        instance-type-specification.supported-instance-type \
        instance-type-specification.unsupported-instance-type public-ssm-parameter-name \
        scan-result.critical-fix-available-since scan-result.finding-scan-date \
        scan-result.high-fix-available-since scan-result.highest-finding-severity-label \
        scan-result.informational-fix-available-since scan-result.low-fix-available-since \
        scan-result.medium-fix-available-since",
    tags: true,
};

/// Filters of DescribeExportImageTasks.
pub(crate) const EXPORTS: Known = Known { fields: &[("task-state", "status")], unanswered: "", tags: false };

/// Filters of DescribeSnapshots.
pub(crate) const SNAPSHOTS: Known = Known {
    fields: &[
        ("description", "description"),
        ("encrypted", "encrypted"),
        ("owner-alias", "ownerAlias"),
        ("owner-id", "ownerId"),
        ("progress", "progress"),
        ("snapshot-id", "snapshotId"),
        ("start-time", "startTime"),
        ("status", "status"),
        ("storage-tier", "storageTier"),
        ("transfer-type", "transferType"),
        ("volume-id", "volumeId"),
        ("volume-size", "volumeSize"),
    ],
    unanswered: "",
    tags: true,
};

/// Filters of DescribeVolumes.
pub(crate) const VOLUMES: Known = Known {
    fields: &[
        ("attachment.attach-time", "attachmentSet/item/attachTime"),
        ("attachment.delete-on-termination", "attachmentSet/item/deleteOnTermination"),
        ("attachment.device", "attachmentSet/item/device"),
        ("attachment.instance-id", "attachmentSet/item/instanceId"),
        ("attachment.status", "attachmentSet/item/status"),
        ("availability-zone", "availabilityZone"),
        ("availability-zone-id", "availabilityZoneId"),
        ("create-time", "createTime"),
        ("encrypted", "encrypted"),
        ("fast-restored", "fastRestored"),
        ("multi-attach-enabled", "multiAttachEnabled"),
        ("operator.managed", "operator/managed"),
        ("operator.principal", "operator/principal"),
        ("size", "size"),
        ("snapshot-id", "snapshotId"),
        ("status", "status"),
        ("volume-id", "volumeId"),
        ("volume-type", "volumeType"),
    ],
    unanswered: "",
    tags: true,
};

/// Filters of DescribeTags; each looks at one row of the answer.
pub(crate) const TAGS: Known = Known {
    fields: &[("key", "key"), ("resource-id", "resourceId"), ("resource-type", "resourceType"), ("value", "value")],
    unanswered: "",
    tags: true,
};

/// Filters of DescribeKeyPairs.
pub(crate) const KEYS: Known = Known {
    fields: &[("fingerprint", "keyFingerprint"), ("key-name", "keyName"), ("key-pair-id", "keyPairId")],
    unanswered: "",
    tags: true,
};

/// Filters of DescribeLaunchTemplates.
pub(crate) const TEMPLATES: Known = Known {
    fields: &[("create-time", "createTime"), ("launch-template-name", "launchTemplateName")],
    unanswered: "",
    tags: true,
};

/// Filters of DescribeLaunchTemplateVersions.
pub(crate) const VERSIONS: Known = Known {
    fields: &[
        ("create-time", "createTime"),
        ("ebs-optimized", "launchTemplateData/ebsOptimized"),
        ("http-endpoint", "launchTemplateData/metadataOptions/httpEndpoint"),
        ("http-tokens", "launchTemplateData/metadataOptions/httpTokens"),
        ("iam-instance-profile", "launchTemplateData/iamInstanceProfile/arn"),
        ("image-id", "launchTemplateData/imageId"),
        ("instance-type", "launchTemplateData/instanceType"),
        ("is-default-version", "defaultVersion"),
        ("kernel-id", "launchTemplateData/kernelId"),
        ("ram-disk-id", "launchTemplateData/ramDiskId"),
    ],
    unanswered: "host-resource-group-arn http-protocol-ipv4 license-configuration-arn network-card-index",
    tags: false,
};
