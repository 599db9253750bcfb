//! DescribeTags.

use super::Call;
use super::filters::{Filters, page};
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::Tags;

/// Describes the tags of all resources of the account, a row for each.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &["resource-id", "resource-type", "key", "value"])?;
    let world = call.endpoint.world();
    let mut rows: Vec<(&'static str, &str, &str, &str)> = Vec::new();
    for (kind, id, tags) in world.tagged(call.scope) {
        rows.extend(tags.iter().map(|(key, value)| (kind, id, key.as_str(), value.as_str())));
    }
    rows.retain(|(kind, id, key, value)| {
        let tags = Tags::from([((*key).to_owned(), (*value).to_owned())]);
        filters.pass(&tags, |name| {
            let field = match name {
                "resource-id" => *id,
                "resource-type" => *kind,
                "key" => *key,
                _ => *value,
            };
            vec![field.to_owned()]
        })
    });
    let (rows, next) = page(call, rows)?;
    let mut xml = Xml::new();
    xml.items("tagSet", rows, |xml, (kind, id, key, value)| {
        xml.text("resourceId", id).text("resourceType", kind).text("key", key).text("value", value);
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}
