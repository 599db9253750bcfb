//! Filters of DescribeInstanceTypes, DescribeInstanceTypeOfferings and DescribeHosts.

use super::super::filters::Known;

/// Filters of DescribeInstanceTypes: the fields that are derived from a type's name. The rest are properties of AWS's
/// hardware.
pub(crate) const TYPES: Known = Known {
    fields: &[
        ("bare-metal", "bareMetal"),
        ("burstable-performance-supported", "burstablePerformanceSupported"),
        ("current-generation", "currentGeneration"),
        ("dedicated-hosts-supported", "dedicatedHostsSupported"),
        ("hypervisor", "hypervisor"),
        ("instance-type", "instanceType"),
        ("memory-info.size-in-mib", "memoryInfo/sizeInMiB"),
        ("network-info.ena-support", "networkInfo/enaSupport"),
        ("nitro-tpm-info.supported-versions", "nitroTpmInfo/supportedVersions/item"),
        ("nitro-tpm-support", "nitroTpmSupport"),
        ("processor-info.supported-architecture", "processorInfo/supportedArchitectures/item"),
        ("supported-boot-mode", "supportedBootModes/item"),
        ("supported-root-device-type", "supportedRootDeviceTypes/item"),
        ("supported-usage-class", "supportedUsageClasses/item"),
        ("supported-virtualization-type", "supportedVirtualizationTypes/item"),
        ("vcpu-info.default-vcpus", "vCpuInfo/defaultVCpus"),
    ],
    unanswered: "auto-recovery-supported ebs-info.attachment-limit-type \
        ebs-info.ebs-optimized-info.baseline-bandwidth-in-mbps ebs-info.ebs-optimized-info.baseline-iops \
        ebs-info.ebs-optimized-info.baseline-throughput-in-mbps \
        ebs-info.ebs-optimized-info.maximum-bandwidth-in-mbps ebs-info.ebs-optimized-info.maximum-iops \
        ebs-info.ebs-optimized-info.maximum-throughput-in-mbps ebs-info.ebs-optimized-support \
        ebs-info.encryption-support ebs-info.maximum-ebs-attachments ebs-info.nvme-support \
        free-tier-eligible hibernation-supported instance-storage-info.disk.count \
        instance-storage-info.disk.size-in-gb instance-storage-info.disk.type \
        instance-storage-info.encryption-support instance-storage-info.nvme-support \
        instance-storage-info.total-size-in-gb instance-storage-supported \
        network-info.bandwidth-weightings network-info.efa-info.maximum-efa-interfaces \
        network-info.efa-supported network-info.encryption-in-transit-supported \
        network-info.flexible-ena-queues-support network-info.ipv4-addresses-per-interface \
        network-info.ipv6-addresses-per-interface network-info.ipv6-supported \
        network-info.maximum-network-cards network-info.maximum-network-interfaces \
        network-info.network-performance nitro-enclaves-support \
        processor-info.supported-features processor-info.sustained-clock-speed-in-ghz \
        reboot-migration-support vcpu-info.default-cores \
        vcpu-info.default-threads-per-core vcpu-info.valid-cores vcpu-info.valid-threads-per-core",
    tags: false,
};

/// Filters of DescribeInstanceTypeOfferings.
pub(crate) const OFFERINGS: Known =
    Known { fields: &[("instance-type", "instanceType"), ("location", "location")], unanswered: "", tags: false };

/// Filters of DescribeHosts. Nothing here has a reservation.
pub(crate) const HOSTS: Known = Known {
    fields: &[
        ("auto-placement", "autoPlacement"),
        ("availability-zone", "availabilityZone"),
        ("client-token", "clientToken"),
        ("host-reservation-id", "hostReservationId"),
        ("instance-type", "hostProperties/instanceType"),
        ("state", "state"),
    ],
    unanswered: "",
    tags: true,
};
