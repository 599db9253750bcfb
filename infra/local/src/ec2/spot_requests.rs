//! DescribeSpotInstanceRequests and CancelSpotInstanceRequests. RunInstances makes the requests.

use super::call::{Call, Row};
use super::filters::{self, Filters};
use super::known_filters::SPOT_REQUESTS;
use super::network::zone_id;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{Instance, Network, SpotRequest, SpotState, World, iso};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("DescribeSpotInstanceRequests", describe), ("CancelSpotInstanceRequests", cancel)];

/// Describes requests by id, or all requests. The answer is as old as the endpoint's lag: it lacks newer requests.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &SPOT_REQUESTS)?;
    call.endpoint.expire_spot_requests();
    let world = call.endpoint.world();
    let ids = call.params.list("SpotInstanceRequestId");
    let seen_at = call.endpoint.seen_at();
    for id in &ids {
        visible(call, &world, id)?;
    }
    let own = world.spot_requests.values().filter(|one| one.scope == *call.scope && one.created_at <= seen_at);
    let mut meant: Vec<&SpotRequest> = own.filter(|one| ids.is_empty() || ids.contains(&one.id)).collect();
    meant.sort_by_key(|one| one.created_at);
    let network = world.network(call.scope);
    let kept = filters.keep(meant, |xml, request| item(xml, request, world.instances.get(&request.instance), &network));
    filters::answer(call, "spotInstanceRequestSet", kept)
}

/// Returns an error if the request does not exist, or is newer than the endpoint's lag.
fn visible(call: &Call<'_>, world: &World, id: &str) -> Result<(), ApiError> {
    let is_new = world.spot_request(call.scope, id)?.created_at > call.endpoint.seen_at();
    if is_new { Err(SpotRequest::missing(id)) } else { Ok(()) }
}

/// Cancels requests, all or none. A request that has ended stays as it is. A request that is newer than the endpoint's lag
/// is not known yet.
fn cancel(call: &Call<'_>) -> Result<Xml, ApiError> {
    let ids = call.params.list("SpotInstanceRequestId");
    if ids.is_empty() {
        let message = "The request must contain the parameter SpotInstanceRequestId";
        return Err(ApiError::new("MissingParameter", message));
    }
    call.endpoint.expire_spot_requests();
    for id in &ids {
        visible(call, &call.endpoint.world(), id)?;
    }
    call.check_dry_run()?;
    ids.iter().for_each(|id| call.endpoint.cancel_spot_request(id));
    let world = call.endpoint.world();
    let mut xml = Xml::new();
    let cancelled = ids.iter().filter_map(|id| world.spot_requests.get(id));
    xml.items("spotInstanceRequestSet", cancelled, |xml, request| {
        xml.text("spotInstanceRequestId", &request.id).text("state", request.state.name());
    });
    Ok(xml)
}

fn item(xml: &mut Xml, request: &SpotRequest, instance: Option<&Instance>, network: &Network) {
    // An open request has no instance.
    let shown = instance.filter(|_| request.state != SpotState::Open);
    xml.text("spotInstanceRequestId", &request.id)
        .text("type", if request.persistent { "persistent" } else { "one-time" })
        .text("state", request.state.name());
    xml.node("status", |xml| {
        xml.text("code", &request.status)
            .text("updateTime", iso(request.updated_at))
            .text("message", message(&request.status));
    });
    xml.maybe("validUntil", request.valid_until.map(iso));
    if let Some(instance) = instance {
        specification(xml, instance, network);
    }
    xml.maybe("instanceId", shown.map(|one| &one.id))
        .text("createTime", iso(request.created_at))
        .text("productDescription", "Linux/UNIX")
        .maybe("launchedAvailabilityZone", shown.map(|one| &one.zone))
        .maybe("launchedAvailabilityZoneId", shown.map(|one| zone_id(&one.zone)))
        .text("instanceInterruptionBehavior", request.interruption())
        .tags(&request.tags);
}

/// Writes what the request launches: its last instance is like the first one.
fn specification(xml: &mut Xml, instance: &Instance, network: &Network) {
    xml.node("launchSpecification", |xml| {
        xml.text("imageId", &instance.image_id)
            .maybe("keyName", instance.key_name.as_ref())
            .text("instanceType", &instance.instance_type)
            .text("subnetId", &instance.subnet_id)
            .nested("placement", "availabilityZone", &instance.zone)
            .nested("monitoring", "enabled", instance.monitored);
        xml.items("groupSet", &instance.security_groups, |xml, id| {
            let name = network.group(id).map(|group| group.name.as_str());
            xml.text("groupId", id).maybe("groupName", name.ok());
        });
        xml.items("blockDeviceMapping", &instance.devices, |xml, device| {
            xml.text("deviceName", &device.name).node("ebs", |xml| {
                xml.maybe("snapshotId", device.snapshot_id.as_ref())
                    .text("volumeSize", device.size)
                    .text("deleteOnTermination", device.delete_on_termination)
                    .text("volumeType", &device.volume_type);
            });
        });
    });
}

/// Returns the status in words for people.
fn message(status: &str) -> &'static str {
    match status {
        "fulfilled" => "Your Spot request is fulfilled.",
        "pending-evaluation" => "Your Spot request has been submitted for review, and is pending evaluation.",
        "constraint-not-fulfillable" => "The Spot request can't be fulfilled with these parameters.",
        "marked-for-stop" => "The Spot Instance is marked for stopping.",
        "instance-stopped-by-user" => "The Spot Instance was stopped because it was stopped by the user.",
        "instance-stopped-no-capacity" => "The Spot Instance was stopped because there is no Spot capacity available.",
        "canceled-before-fulfillment" => "Your Spot request was canceled before it was fulfilled.",
        "request-canceled-and-instance-running" => {
            "Your Spot request has been canceled, but your Spot Instance is still running."
        }
        "schedule-expired" => "Your Spot request expired before it was fulfilled.",
        "instance-terminated-by-user" => "The Spot Instance was terminated due to user-initiated termination.",
        _ => "The Spot Instance was terminated.",
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::testing::Scene;
    use crate::world::{SpotAsk, SpotRequest, SpotState};

    fn add(scene: &Scene, id: &str, ask: &SpotAsk) {
        let tags = [("goldsmith:build".to_owned(), id.to_owned())].into();
        let request = SpotRequest::fulfilled(id.to_owned(), &scene.scope, "i-00000000000000001", ask, tags);
        scene.endpoint.world().spot_requests.insert(id.to_owned(), request);
    }

    const ONE: &str = "sir-00000000000000001";
    const TWO: &str = "sir-00000000000000002";

    #[tokio::test]
    async fn requests_are_described_by_id_state_and_tag() {
        let scene = Scene::new();
        add(&scene, ONE, &SpotAsk { persistent: true, valid_until: None });
        add(&scene, TWO, &SpotAsk::default());
        let found = |parameters: &[(&str, &str)]| {
            let answer = scene.call("DescribeSpotInstanceRequests", parameters).unwrap();
            [ONE, TWO].map(|id| answer.contains(&format!("<spotInstanceRequestId>{id}</spotInstanceRequestId>")))
        };
        assert_eq!(found(&[]), [true, true]);
        assert_eq!(found(&[("SpotInstanceRequestId.1", TWO)]), [false, true]);
        let filter = |name, value| [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        assert_eq!(found(&filter("type", "persistent")), [true, false]);
        assert_eq!(found(&filter("tag:goldsmith:build", TWO)), [false, true]);
        assert_eq!(found(&filter("state", "open")), [false, false]);
        scene.call("CancelSpotInstanceRequests", &[("SpotInstanceRequestId.1", ONE)]).unwrap();
        assert_eq!(found(&filter("state", "cancelled")), [true, false]);
        for (id, code) in [
            ("sir-x", "InvalidSpotInstanceRequestID.Malformed"),
            ("sir-00000000000000009", "InvalidSpotInstanceRequestID.NotFound"),
        ] {
            for action in ["DescribeSpotInstanceRequests", "CancelSpotInstanceRequests"] {
                assert_eq!(scene.refused(action, &[("SpotInstanceRequestId.1", id)]), code, "{action}");
            }
        }
        assert_eq!(scene.refused("CancelSpotInstanceRequests", &[]), "MissingParameter");
    }

    #[tokio::test]
    async fn a_new_request_is_visible_once_the_lag_is_over() {
        let scene = Scene::new();
        add(&scene, ONE, &SpotAsk { persistent: true, valid_until: None });
        scene.endpoint.change_settings().lag = std::time::Duration::from_secs(60);
        let all = scene.call("DescribeSpotInstanceRequests", &[]).unwrap();
        assert!(!all.contains(ONE), "{all}");
        let by_id = [("SpotInstanceRequestId.1", ONE)];
        let code = "InvalidSpotInstanceRequestID.NotFound";
        for action in ["DescribeSpotInstanceRequests", "CancelSpotInstanceRequests"] {
            assert_eq!(scene.refused(action, &by_id), code, "{action}");
        }
        scene.endpoint.change_settings().lag = std::time::Duration::ZERO;
        scene.call("CancelSpotInstanceRequests", &by_id).unwrap();
    }

    #[tokio::test]
    async fn one_unknown_request_keeps_all_from_being_cancelled() {
        let scene = Scene::new();
        add(&scene, ONE, &SpotAsk { persistent: true, valid_until: None });
        let both = [("SpotInstanceRequestId.1", ONE), ("SpotInstanceRequestId.2", "sir-00000000000000009")];
        scene.refused("CancelSpotInstanceRequests", &both);
        let dry = [("SpotInstanceRequestId.1", ONE), ("DryRun", "true")];
        assert_eq!(scene.refused("CancelSpotInstanceRequests", &dry), "DryRunOperation");
        assert_eq!(scene.endpoint.world().spot_requests[ONE].state, SpotState::Active);
    }

    #[tokio::test]
    async fn a_request_ends_when_its_time_is_over() {
        let scene = Scene::new();
        let valid_until = Some(Timestamp::now());
        add(&scene, ONE, &SpotAsk { persistent: true, valid_until });
        add(&scene, TWO, &SpotAsk { persistent: true, valid_until: Some("2999-01-01T00:00:00Z".parse().unwrap()) });
        scene.call("DescribeSpotInstanceRequests", &[]).unwrap();
        let world = scene.endpoint.world();
        assert_eq!(world.spot_requests[ONE].state, SpotState::Cancelled);
        assert_eq!(world.spot_requests[TWO].state, SpotState::Active);
    }
}
