//! Parts of requests and answers that instances and images share.

use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{BlockDeviceMapping, EbsBlockDevice, Filter, ResourceType, Tag, TagSpecification, VolumeType};
use goldsmith_cloud::{BlockDevice, Tags};
use jiff::Timestamp;

pub(crate) fn filter(name: impl Into<String>, values: &[&str]) -> Filter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

pub(crate) fn tag_filter(key: &str, value: &str) -> Filter {
    filter(format!("tag:{key}"), &[value])
}

pub(crate) fn to_sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Returns the same tags for each kind of resource that a call creates, or `None` if there are no tags, because EC2
/// rejects an empty list.
pub(crate) fn tag_specifications(kinds: &[ResourceType], tags: &Tags) -> Option<Vec<TagSpecification>> {
    let of_kind = |kind: &ResourceType| {
        TagSpecification::builder().resource_type(kind.clone()).set_tags(Some(to_sdk_tags(tags))).build()
    };
    (!tags.is_empty()).then(|| kinds.iter().map(of_kind).collect())
}

pub(crate) fn from_sdk_tags(tags: &[Tag]) -> Tags {
    let pair = |tag: &Tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()));
    tags.iter().filter_map(pair).collect()
}

/// Converts a time from EC2, which has whole seconds.
pub(crate) fn to_time(time: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(time.secs()).ok()
}

/// Converts block devices. Returns `None` if there are none: EC2 then uses the devices of the image or the instance.
pub(crate) fn block_device_mappings(devices: &[BlockDevice]) -> Option<Vec<BlockDeviceMapping>> {
    (!devices.is_empty()).then(|| devices.iter().map(block_device_mapping).collect())
}

fn block_device_mapping(device: &BlockDevice) -> BlockDeviceMapping {
    let ebs = EbsBlockDevice::builder()
        .set_volume_size(device.volume_size.map(number))
        .set_volume_type(device.volume_type.as_deref().map(VolumeType::from))
        .set_iops(device.iops.map(number))
        .set_throughput(device.throughput.map(number))
        .set_encrypted(device.encrypted)
        .set_kms_key_id(device.kms_key_id.clone())
        .delete_on_termination(device.delete_on_termination)
        .build();
    BlockDeviceMapping::builder().device_name(&device.device_name).ebs(ebs).build()
}

/// Returns the mappings that have an EBS volume. Instance stores and mappings that remove a device are left out.
pub(crate) fn from_sdk_block_devices(mappings: &[BlockDeviceMapping]) -> Vec<BlockDevice> {
    mappings.iter().filter_map(from_sdk_block_device).collect()
}

fn from_sdk_block_device(mapping: &BlockDeviceMapping) -> Option<BlockDevice> {
    let ebs = mapping.ebs()?;
    let number = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    Some(BlockDevice {
        device_name: mapping.device_name()?.to_owned(),
        volume_size: number(ebs.volume_size()),
        volume_type: ebs.volume_type().map(|kind| kind.as_str().to_owned()),
        iops: number(ebs.iops()),
        throughput: number(ebs.throughput()),
        encrypted: ebs.encrypted(),
        kms_key_id: ebs.kms_key_id().map(str::to_owned),
        // EC2 always sets this field. Without it, the volume is treated as one that stays.
        delete_on_termination: ebs.delete_on_termination().unwrap_or_default(),
    })
}

/// Converts a number to a signed number, as EC2 expects it. A number that is too large exceeds every limit of EC2, and
/// EC2 reports that.
pub(crate) fn number(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
