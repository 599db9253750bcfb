//! DescribeInstanceInformation.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, epoch};
use super::page::{OF_INSTANCES, page};
use crate::api::ApiError;
use crate::settings::Settings;
use crate::world::{Instance, InstanceState};

/// The version that every agent here reports.
const AGENT_VERSION: &str = "3.3.0.0";

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

/// The older form of filters, whose key begins with a lower-case letter.
#[derive(Deserialize)]
struct OldFilter {
    key: String,
    #[serde(rename = "valueSet")]
    values: Vec<String>,
}

/// Describes the instances whose agent has registered: online ones, and stopped ones that were online.
pub(super) fn describe(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: Input = call.input()?;
    let old = input.instance_information_filter_list.into_iter().map(|old| Filter { key: old.key, values: old.values });
    let filters: Vec<Filter> = input.filters.into_iter().chain(old).collect();
    check(&filters)?;
    let world = call.endpoint.world();
    let own = world.instances.values().filter(|instance| instance.scope == *call.scope);
    // A terminated instance is not listed any more, while a stopped one is, as `ConnectionLost`.
    let known = own.filter(|one| one.online || one.last_heard.is_some() && one.state() == InstanceState::Stopped);
    let settings = call.endpoint.settings();
    let pass = |instance: &&Instance| {
        let passes =
            |filter: &Filter| values(instance, &filter.key, &settings).iter().any(|have| filter.values.contains(have));
        filters.iter().all(passes)
    };
    let found = known.filter(pass).map(|one| item(one, &settings)).collect();
    page("InstanceInformationList", found, OF_INSTANCES, input.max_results, input.next_token.as_deref())
}

/// Keys of filters, as `InstanceInformationStringFilter` documents them.
const KEYS: [&str; 11] = [
    "ActivationIds",
    "AgentVersion",
    "AssociationStatus",
    "IamRole",
    "InstanceIds",
    "PingStatus",
    "PlatformTypes",
    "ResourceType",
    "SourceIds",
    "SourceTypes",
    "tag-key",
];

fn check(filters: &[Filter]) -> Result<(), ApiError> {
    let is_tag = |filter: &Filter| filter.key == "tag-key" || filter.key.starts_with("tag:");
    let unknown = filters.iter().find(|filter| !is_tag(filter) && !KEYS.contains(&filter.key.as_str()));
    if let Some(filter) = unknown {
        return Err(ApiError::new("InvalidFilterKey", format!("Invalid filter key: {}", filter.key)));
    }
    if filters.iter().any(is_tag) && !filters.iter().all(is_tag) {
        let message = "Tag filters can't be combined with other filter types.";
        return Err(ApiError::new("InvalidInstanceInformationFilterValue", message));
    }
    Ok(())
}

/// Returns the values that an instance has under a key. Activations, associations and roles of hybrid machines do not
/// exist here.
fn values(instance: &Instance, key: &str, settings: &Settings) -> Vec<String> {
    let value = match key {
        "InstanceIds" | "SourceIds" => instance.id.as_str(),
        "PingStatus" => ping(instance, settings),
        "AgentVersion" => AGENT_VERSION,
        "PlatformTypes" => "Linux",
        "ResourceType" => "EC2Instance",
        "SourceTypes" => "AWS::EC2::Instance",
        "tag-key" => return instance.tags.keys().cloned().collect(),
        other => {
            let tag = other.strip_prefix("tag:").and_then(|name| instance.tags.get(name));
            return tag.into_iter().cloned().collect();
        }
    };
    vec![value.to_owned()]
}

/// Returns the ping status. Systems Manager notices only after a while that an agent is no longer in contact.
fn ping(instance: &Instance, settings: &Settings) -> &'static str {
    let silence = instance.last_heard.and_then(|last| Duration::try_from(Timestamp::now().duration_since(last)).ok());
    let is_lost = !instance.online || silence.is_some_and(|silence| silence >= settings.delays.connection_lost);
    if is_lost { "ConnectionLost" } else { "Online" }
}

fn item(instance: &Instance, settings: &Settings) -> Value {
    let heard = instance.last_heard.map_or_else(Timestamp::now, |last| settings.aged(last));
    json!({
        "InstanceId": instance.id,
        "PingStatus": ping(instance, settings),
        "LastPingDateTime": epoch(heard),
        "AgentVersion": AGENT_VERSION,
        "IsLatestVersion": true,
        "PlatformType": "Linux",
        "PlatformName": "Debian GNU/Linux",
        "PlatformVersion": "12",
        "ResourceType": "EC2Instance",
        "IPAddress": instance.address,
        "ComputerName": format!("ip-{}", instance.id.trim_start_matches("i-")),
    })
}
