//! DescribeInstanceInformation.

use serde::Deserialize;
use serde_json::{Value, json};

use super::page::{OF_INSTANCES, page};
use super::{Call, epoch};
use crate::api::ApiError;
use crate::world::{Instance, InstanceState};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Input {
    filters: Vec<Filter>,
    instance_information_filter_list: Vec<OldFilter>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    key: String,
    values: Vec<String>,
}

/// The older form of filters, with a lower-case key.
#[derive(Deserialize)]
struct OldFilter {
    key: String,
    #[serde(rename = "valueSet")]
    values: Vec<String>,
}

/// Instances whose agent has registered: online ones, and stopped ones that were.
pub(super) fn describe(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: Input = call.input()?;
    let old = input.instance_information_filter_list.into_iter().map(|old| Filter { key: old.key, values: old.values });
    let filters: Vec<Filter> = input.filters.into_iter().chain(old).collect();
    if let Some(filter) = filters.iter().find(|filter| !matches!(filter.key.as_str(), "InstanceIds" | "PingStatus")) {
        return Err(ApiError::new("InvalidFilterKey", format!("Invalid filter key: {}", filter.key)));
    }
    let world = call.endpoint.world();
    let own = world.instances.values().filter(|instance| instance.scope == *call.scope);
    let known = own.filter(|one| one.has_agent && (one.online || one.state() == InstanceState::Stopped));
    let pass = |instance: &&Instance| {
        filters.iter().all(|filter| match filter.key.as_str() {
            "InstanceIds" => filter.values.contains(&instance.id),
            _ => filter.values.iter().any(|status| status == ping(instance)),
        })
    };
    let found = known.filter(pass).map(item).collect();
    page("InstanceInformationList", found, OF_INSTANCES, input.max_results, input.next_token.as_deref())
}

fn ping(instance: &Instance) -> &'static str {
    if instance.online { "Online" } else { "ConnectionLost" }
}

fn item(instance: &Instance) -> Value {
    json!({
        "InstanceId": instance.id,
        "PingStatus": ping(instance),
        "LastPingDateTime": epoch(jiff::Timestamp::now()),
        "AgentVersion": "3.3.0.0",
        "IsLatestVersion": true,
        "PlatformType": "Linux",
        "PlatformName": "Debian GNU/Linux",
        "PlatformVersion": "12",
        "ResourceType": "EC2Instance",
        "IPAddress": instance.address,
        "ComputerName": format!("ip-{}", instance.id.trim_start_matches("i-")),
    })
}
