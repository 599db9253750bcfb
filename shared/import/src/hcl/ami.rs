//! Searches for an AMI, as `aws_ami` and `source_ami_filter` write them.

use crate::item::Item;

/// Returns owners and name of a search for an AMI, as JSON. `None` if they are not known, or if there are none.
pub(crate) fn search(body: &Item) -> Option<String> {
    let owners = body.get("owners").map(Item::items).unwrap_or_default();
    let owners: Vec<&str> = owners.iter().filter_map(|owner| owner.text()).collect();
    // Terraform writes a block for each filter, Packer writes one map of them.
    let mut names = Vec::new();
    for filter in ["filter", "filters"].iter().filter_map(|key| body.get(key)).flat_map(Item::items) {
        match filter.get("name").and_then(Item::text) {
            Some("name") if filter.get("values").is_some() => {
                names.extend(filter.get("values").map(Item::items).unwrap_or_default());
            }
            _ => names.extend(filter.get("name").filter(|_| filter.get("values").is_none())),
        }
    }
    let name = names.first()?.text()?;
    if owners.is_empty() || owners.iter().any(|owner| owner.contains('\u{e000}')) || name.contains('\u{e000}') {
        return None;
    }
    Some(serde_json::json!({"owners": owners, "name": name}).to_string())
}
