//! The content of an instance's metadata, as a tree of names.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::json;

use crate::world::{Instance, Network, profile_arn, profile_id};

/// The folder with the name of the instance's role.
pub(super) const CREDENTIALS: &str = "meta-data/iam/security-credentials/";

/// Returns the values by their path below `/latest/`. The role's own value is not included.
pub(super) fn of(instance: &Instance, network: &Network, role: Option<&str>) -> BTreeMap<String, String> {
    let host = instance.private_dns_name();
    let groups = instance.security_groups.iter().filter_map(|id| network.group(id).ok());
    let groups: Vec<&str> = groups.map(|group| group.name.as_str()).collect();
    let mut tree: BTreeMap<String, String> = [
        ("ami-id", instance.image_id.as_str()),
        ("ami-launch-index", &instance.launch_index.to_string()),
        ("hostname", &host),
        ("instance-action", "none"),
        ("instance-id", &instance.id),
        ("instance-life-cycle", if instance.spot { "spot" } else { "on-demand" }),
        ("instance-type", &instance.instance_type),
        ("local-hostname", &host),
        ("local-ipv4", &instance.address),
        ("placement/availability-zone", &instance.zone),
        ("placement/region", &instance.scope.region),
        ("reservation-id", &instance.reservation),
        ("security-groups", &groups.join("\n")),
        ("services/domain", "amazonaws.com"),
        ("services/partition", "aws"),
    ]
    .map(|(name, value)| (format!("meta-data/{name}"), value.to_owned()))
    .into();
    tree.insert("dynamic/instance-identity/document".to_owned(), identity(instance));
    if let Some(profile) = &instance.profile {
        let arn = profile_arn(&instance.scope.account, profile);
        let info = json!({"Code": "Success", "LastUpdated": time(instance.launched_at), "InstanceProfileId": profile_id(&arn),
            "InstanceProfileArn": arn});
        tree.insert("meta-data/iam/info".to_owned(), info.to_string());
    }
    tree.extend(role.map(|role| (format!("{CREDENTIALS}{role}"), String::new())));
    if instance.metadata.tags == "enabled" {
        let tags = instance.tags.iter();
        tree.extend(tags.map(|(key, value)| (format!("meta-data/tags/instance/{key}"), value.clone())));
    }
    // It is listed among the others, although it is requested by itself.
    tree.extend(instance.user_data.as_ref().map(|_| ("user-data".to_owned(), String::new())));
    tree
}

fn identity(instance: &Instance) -> String {
    let document = json!({
        "accountId": instance.scope.account,
        "architecture": instance.architecture,
        "availabilityZone": instance.zone,
        "billingProducts": null,
        "devpayProductCodes": null,
        "marketplaceProductCodes": null,
        "imageId": instance.image_id,
        "instanceId": instance.id,
        "instanceType": instance.instance_type,
        "kernelId": null,
        "pendingTime": time(instance.last_launched()),
        "privateIp": instance.address,
        "ramdiskId": null,
        "region": instance.scope.region,
        "version": "2017-09-30",
    });
    document.to_string()
}

/// Returns a time in the metadata's form: `2026-11-24T22:06:19Z`.
pub(super) fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Returns the value at a path without slashes around it, or the names in a folder. Names of folders end in a slash.
pub(super) fn look(tree: &BTreeMap<String, String>, path: &str) -> Option<String> {
    if let Some(value) = tree.get(path) {
        return Some(value.clone());
    }
    let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
    let inside = tree.keys().filter_map(|path| path.strip_prefix(&folder));
    let names: BTreeSet<&str> = inside.map(|rest| rest.split_inclusive('/').next().unwrap_or_default()).collect();
    (!names.is_empty()).then(|| names.into_iter().collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_lists_its_names() {
        let tree = ["meta-data/iam/info", "meta-data/instance-id", "meta-data/placement/region"];
        let tree = tree.map(|path| (path.to_owned(), format!("value of {path}"))).into();
        let look = |path| look(&tree, path);
        assert_eq!(look("meta-data").as_deref(), Some("iam/\ninstance-id\nplacement/"));
        assert_eq!(look("meta-data/placement").as_deref(), Some("region"));
        assert_eq!(look("").as_deref(), Some("meta-data/"));
        assert_eq!(look("meta-data/instance-id").as_deref(), Some("value of meta-data/instance-id"));
        assert_eq!(look("meta-data/instance-id/x"), None);
        assert_eq!(look("meta-data/inst"), None);
    }
}
