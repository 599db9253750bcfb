//! DescribeInstanceStatus.

use super::call::{Call, Row};
use super::describe_instances::chosen;
use super::filters::{self, Filters};
use super::instance_item::state;
use super::known_filters::STATUS;
use super::network::zone_id;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{Instance, InstanceState};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("DescribeInstanceStatus", describe)];

/// Describes the status of running instances, or of all instances with `IncludeAllInstances`. The answer is as old as the
/// endpoint's lag.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &STATUS)?;
    let world = call.endpoint.world();
    let seen_at = call.endpoint.seen_at();
    let all = call.params.flag("IncludeAllInstances");
    let seen = chosen(call, &world)?.into_iter().filter_map(|one| Some((one, one.states.at(seen_at)?)));
    // Without IncludeAllInstances, EC2 shows running instances only, so a waiter that polls this call sees nothing at
    // first instead of `pending`.
    let shown = seen.filter(|(_, state)| all || *state == InstanceState::Running);
    let kept = filters.keep(shown, |xml, (instance, state)| item(xml, instance, state));
    filters::answer(call, "instanceStatusSet", kept)
}

fn item(xml: &mut Xml, instance: &Instance, shown: InstanceState) {
    xml.text("instanceId", &instance.id).text("availabilityZone", &instance.zone);
    xml.text("availabilityZoneId", zone_id(&instance.zone));
    xml.nested("operator", "managed", false);
    state(xml, "instanceState", shown);
    let (status, detail) = check(shown);
    for name in ["systemStatus", "instanceStatus", "attachedEbsStatus"] {
        xml.node(name, |xml| {
            xml.text("status", status).items("details", detail, |xml, passed| {
                xml.text("name", "reachability").text("status", passed);
            });
        });
    }
}

/// Returns the status and the reachability: here, nothing fails a check without ending the instance.
fn check(state: InstanceState) -> (&'static str, Option<&'static str>) {
    match state {
        InstanceState::Running => ("ok", Some("passed")),
        InstanceState::Pending => ("initializing", Some("initializing")),
        _ => ("not-applicable", None),
    }
}
