//! The form of an instance in every answer that shows one.

use super::instance_types;
use super::network::zone_id;
use super::xml::Xml;
use crate::api::Scope;
use crate::ids;
use crate::world::{Instance, InstanceState, Network, Reason, iso, profile_arn, profile_id};

/// An instance and the state that the answer shows.
pub(super) type Seen<'w> = (&'w Instance, InstanceState);

/// The account that sees an instance, and the network that has the names of its groups.
pub(super) struct Shown<'a> {
    pub(super) scope: &'a Scope,
    pub(super) network: &'a Network,
}

impl Shown<'_> {
    /// Returns what filters look at: the instance and its reservation.
    pub(super) fn probe(&self, one: Seen<'_>) -> Xml {
        let mut xml = Xml::new();
        xml.text("reservationId", &one.0.reservation).text("ownerId", &self.scope.account);
        self.item(&mut xml, one);
        xml
    }

    fn item(&self, xml: &mut Xml, (instance, shown): Seen<'_>) {
        xml.text("instanceId", &instance.id).text("imageId", &instance.image_id);
        state(xml, "instanceState", shown);
        // A terminated instance has no network any more.
        let gone = shown == InstanceState::Terminated;
        xml.text("privateDnsName", if gone { String::new() } else { instance.private_dns_name() })
            .text("dnsName", "")
            .maybe("keyName", instance.key_name.as_ref())
            .text("amiLaunchIndex", instance.launch_index)
            .text("instanceType", &instance.instance_type)
            .text("launchTime", iso(instance.last_launched()))
            .text("ebsOptimized", instance.ebs_optimized)
            .text("enaSupport", true)
            .maybe("instanceLifecycle", instance.spot.then_some("spot"))
            .maybe("spotInstanceRequestId", instance.spot_request.as_ref());
        xml.node("placement", |xml| {
            xml.text("availabilityZone", &instance.zone)
                .text("availabilityZoneId", zone_id(&instance.zone))
                .text("tenancy", &instance.tenancy)
                .maybe("hostId", instance.host_id.as_ref())
                .maybe("affinity", instance.host_id.as_ref().map(|_| "default"))
                .text("groupName", "");
        });
        xml.nested("monitoring", "state", if instance.monitored { "enabled" } else { "disabled" });
        if !gone {
            xml.text("vpcId", &instance.vpc_id)
                .text("subnetId", &instance.subnet_id)
                .text("privateIpAddress", &instance.address)
                .text("sourceDestCheck", instance.source_dest_check);
        }
        reasons(xml, instance);
        xml.text("architecture", &instance.architecture)
            .text("rootDeviceType", "ebs")
            .text("rootDeviceName", &instance.root_device)
            .text("virtualizationType", "hvm")
            .text("hypervisor", "xen")
            .maybe("clientToken", instance.client_token.as_ref());
        xml.items("groupSet", if gone { &[] } else { &instance.security_groups[..] }, |xml, id| self.group(xml, id));
        xml.items("networkInterfaceSet", (!gone).then_some(()), |xml, ()| self.interface(xml, instance));
        devices(xml, instance, shown);
        if let Some(profile) = &instance.profile {
            let arn = profile_arn(&instance.scope.account, profile);
            xml.node("iamInstanceProfile", |xml| {
                xml.text("id", profile_id(&arn)).text("arn", &arn);
            });
        }
        metadata(xml, "metadataOptions", instance);
        options(xml, instance);
        xml.tags(&instance.tags);
    }

    /// Writes the id and the name of a security group.
    fn group(&self, xml: &mut Xml, id: &String) {
        let name = self.network.group(id).map(|group| group.name.as_str());
        xml.text("groupId", id).maybe("groupName", name.ok());
    }

    /// Writes the one interface that the instance was launched with; its ids are derived from the instance's.
    fn interface(&self, xml: &mut Xml, instance: &Instance) {
        let name = instance.private_dns_name();
        xml.text("networkInterfaceId", ids::derived("eni", &instance.id))
            .text("subnetId", &instance.subnet_id)
            .text("vpcId", &instance.vpc_id)
            .text("description", "")
            .text("ownerId", &self.scope.account)
            .text("status", "in-use")
            .text("macAddress", mac_address(&instance.id))
            .text("privateIpAddress", &instance.address)
            .text("privateDnsName", &name)
            .text("sourceDestCheck", instance.source_dest_check)
            .text("interfaceType", "interface");
        xml.nested("operator", "managed", false);
        xml.items("groupSet", &instance.security_groups, |xml, id| self.group(xml, id));
        xml.node("attachment", |xml| {
            xml.text("attachmentId", ids::derived("eni-attach", &instance.id))
                .text("deviceIndex", 0)
                .text("networkCardIndex", 0)
                .text("status", "attached")
                .text("attachTime", iso(instance.launched_at))
                .text("deleteOnTermination", true);
        });
        xml.items("privateIpAddressesSet", [&instance.address], |xml, address| {
            xml.text("privateIpAddress", address).text("privateDnsName", &name).text("primary", true);
        });
    }
}

/// Writes the content of a reservation. Its own groups are those of EC2-Classic, which no longer exists.
pub(super) fn reservation(xml: &mut Xml, shown: &Shown<'_>, instances: &[Seen<'_>]) {
    let id = instances.first().map(|(instance, _)| instance.reservation.as_str()).unwrap_or_default();
    xml.text("reservationId", id).text("ownerId", &shown.scope.account).node("groupSet", |_| {});
    xml.items("instancesSet", instances, |xml, one| shown.item(xml, *one));
}

/// Writes `code` and `name` of a state.
pub(super) fn state(xml: &mut Xml, name: &str, state: InstanceState) {
    xml.node(name, |xml| {
        xml.text("code", state.code()).text("name", state.name());
    });
}

/// Writes why the instance is in its state: the transition in words with its time, empty if there was none, and code
/// and message.
fn reasons(xml: &mut Xml, instance: &Instance) {
    xml.text("reason", instance.reason.as_ref().map(transition).unwrap_or_default());
    if let Some(reason) = &instance.reason {
        xml.node("stateReason", |xml| {
            xml.text("code", &reason.code).text("message", &reason.message);
        });
    }
}

/// Returns `User initiated (2026-11-27 10:00:00 GMT)` for the result of a call, and the message for any other reason.
fn transition(reason: &Reason) -> String {
    match (reason.code.as_str(), reason.at) {
        ("Client.UserInitiatedShutdown", Some(time)) => {
            format!("User initiated ({})", time.strftime("%Y-%m-%d %H:%M:%S GMT"))
        }
        _ => reason.message.clone(),
    }
}

/// Writes the `blockDeviceMapping` of an instance.
pub(super) fn devices(xml: &mut Xml, instance: &Instance, shown: InstanceState) {
    // A terminated instance has no volumes any more.
    let attached = instance.devices.iter().filter(|_| shown != InstanceState::Terminated);
    xml.items("blockDeviceMapping", attached, |xml, device| {
        xml.text("deviceName", &device.name).node("ebs", |xml| {
            xml.maybe("volumeId", device.volume_id.as_ref())
                .text("status", "attached")
                .text("attachTime", iso(instance.launched_at))
                .text("deleteOnTermination", device.delete_on_termination);
        });
    });
}

/// Writes the options that are the same for all instances here.
fn options(xml: &mut Xml, instance: &Instance) {
    let cpus = instance_types::cpus_of(&instance.instance_type);
    let threads = if cpus > 1 && instance.architecture == "x86_64" { 2 } else { 1 };
    xml.node("cpuOptions", |xml| {
        xml.text("coreCount", cpus / threads).text("threadsPerCore", threads);
    });
    xml.nested("capacityReservationSpecification", "capacityReservationPreference", "open");
    xml.nested("hibernationOptions", "configured", false);
    xml.nested("enclaveOptions", "enabled", false);
    xml.node("maintenanceOptions", |xml| {
        xml.text("autoRecovery", "default").text("rebootMigration", "default");
    });
    xml.node("privateDnsNameOptions", |xml| {
        xml.text("hostnameType", "ip-name")
            .text("enableResourceNameDnsARecord", false)
            .text("enableResourceNameDnsAAAARecord", false);
    });
    xml.nested("networkPerformanceOptions", "bandwidthWeighting", "default");
    xml.nested("operator", "managed", false);
    xml.text("platformDetails", "Linux/UNIX")
        .text("usageOperation", "RunInstances")
        .text("usageOperationUpdateTime", iso(instance.launched_at))
        .maybe("bootMode", instance.boot_mode.as_ref())
        .maybe("tpmSupport", instance.tpm_support.as_ref())
        .text("currentInstanceBootMode", instance.current_boot_mode());
}

/// Writes the options of an instance's metadata service.
pub(super) fn metadata(xml: &mut Xml, name: &str, instance: &Instance) {
    xml.node(name, |xml| {
        xml.text("state", "applied")
            .text("httpTokens", &instance.metadata.http_tokens)
            .text("httpPutResponseHopLimit", instance.metadata.hop_limit)
            .text("httpEndpoint", &instance.metadata.http_endpoint)
            .text("httpProtocolIpv6", "disabled")
            .text("instanceMetadataTags", &instance.metadata.tags);
    });
}

/// Returns a locally administered address that is derived from the instance's id.
fn mac_address(id: &str) -> String {
    let hex = ids::digest(id);
    let pairs: Vec<&str> = (0..5).map(|at| &hex[2 * at..2 * at + 2]).collect();
    format!("02:{}", pairs.join(":"))
}
