//! DescribeInstanceStatus.

use super::Call;
use super::describe_instances::{chosen, state};
use super::filters::{Filters, page};
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{Instance, InstanceState, Tags};

const FILTERS: [&str; 4] =
    ["instance-state-name", "availability-zone", "instance-status.status", "system-status.status"];

/// Describes the status of running instances, of all with `IncludeAllInstances`; as old as the endpoint's lag.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &FILTERS)?;
    let world = call.endpoint.world();
    let seen_at = call.endpoint.seen_at();
    let all = call.params.flag("IncludeAllInstances");
    let seen = chosen(call, &world)?.into_iter().filter_map(|one| Some((one, one.states.at(seen_at)?)));
    let shown = seen.filter(|(_, state)| all || *state == InstanceState::Running);
    let passed = shown.filter(|(one, state)| {
        filters.pass(&Tags::new(), |name| {
            vec![match name {
                "instance-state-name" => state.name().to_owned(),
                "availability-zone" => one.zone.clone(),
                _ => check(*state).0.to_owned(),
            }]
        })
    });
    let (found, next) = page(call, passed.collect())?;
    let mut xml = Xml::new();
    xml.items("instanceStatusSet", found, |xml, (instance, state)| item(xml, instance, state));
    xml.maybe("nextToken", next);
    Ok(xml)
}

fn item(xml: &mut Xml, instance: &Instance, shown: InstanceState) {
    xml.text("instanceId", &instance.id).text("availabilityZone", &instance.zone);
    state(xml, "instanceState", shown);
    let (status, detail) = check(shown);
    for name in ["systemStatus", "instanceStatus"] {
        xml.node(name, |xml| {
            xml.text("status", status).items("details", detail, |xml, passed| {
                xml.text("name", "reachability").text("status", passed);
            });
        });
    }
}

/// Status and reachability: there is nothing that could fail a check but not end the instance.
fn check(state: InstanceState) -> (&'static str, Option<&'static str>) {
    match state {
        InstanceState::Running => ("ok", Some("passed")),
        InstanceState::Pending => ("initializing", Some("initializing")),
        _ => ("not-applicable", None),
    }
}
