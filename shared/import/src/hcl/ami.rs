//! Searches for an AMI, as `aws_ami` and `source_ami_filter` write them.

use crate::item::{Item, Mark, first_unknown};

/// How a search that lacks something is called.
pub(crate) const SEARCH: &str = "a search for an AMI";

/// Returns the image that a search finds: owners and name of the search, or that it is Windows, or what is not known of it.
pub(crate) fn image(body: &Item) -> String {
    let owners = body.get("owners").map(Item::items).unwrap_or_default();
    let owners: Vec<&str> = owners.iter().filter_map(|owner| owner.text()).collect();
    let name = filtered(body, "name").into_iter().next().unwrap_or_default();
    let is_windows = |text: &str| text.to_lowercase().contains("windows");
    let systems = ["platform", "platform-details"].map(|key| filtered(body, key)).concat();
    if is_windows(name) || systems.into_iter().any(is_windows) {
        return Mark::Windows.text(name);
    }
    if let Some(label) = owners.iter().copied().chain([name]).find_map(first_unknown) {
        return Mark::Unknown.text(label);
    }
    match (owners.is_empty(), name.is_empty()) {
        (_, true) => Mark::Unknown.text(&format!("{SEARCH} without a name")),
        (true, _) => Mark::Unknown.text(&format!("{SEARCH} without owners")),
        _ => Mark::Search.text(&format!("{} {name}", owners.join(","))),
    }
}

/// Returns the values of a filter. Terraform writes a block for each filter, Packer writes one map of them.
fn filtered<'i>(body: &'i Item, wanted: &str) -> Vec<&'i str> {
    let mut values = Vec::new();
    for filter in ["filter", "filters"].iter().filter_map(|key| body.get(key)).flat_map(Item::items) {
        let items = match (filter.get("name").and_then(Item::text), filter.get("values")) {
            (Some(name), Some(values)) if name == wanted => values.items(),
            (Some(_), Some(_)) => Vec::new(),
            _ => filter.get(wanted).map(Item::items).unwrap_or_default(),
        };
        values.extend(items.into_iter().filter_map(Item::text));
    }
    values
}
