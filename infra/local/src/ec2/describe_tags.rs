//! DescribeTags.

use super::call::{Call, Row};
use super::filters::{Filters, page};
use super::known_filters::TAGS;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::Tags;

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("DescribeTags", describe)];

/// Describes the tags of all resources of the account, with a row for each tag.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &TAGS)?;
    let world = call.endpoint.world();
    let mut rows: Vec<(&'static str, &str, &str, &str)> = Vec::new();
    for (kind, id, tags) in world.tagged(call.scope) {
        rows.extend(tags.iter().map(|(key, value)| (kind, id, key.as_str(), value.as_str())));
    }
    rows.retain(|(kind, id, key, value)| {
        let mut row = Xml::new();
        item(&mut row, kind, id, key, value);
        // With this, `tag:KEY` finds the row too.
        row.tags(&Tags::from([((*key).to_owned(), (*value).to_owned())]));
        filters.pass(&row)
    });
    let (rows, next) = page(call, rows)?;
    let mut xml = Xml::new();
    xml.items("tagSet", rows, |xml, (kind, id, key, value)| item(xml, kind, id, key, value));
    xml.maybe("nextToken", next);
    Ok(xml)
}

fn item(xml: &mut Xml, kind: &str, id: &str, key: &str, value: &str) {
    xml.text("resourceId", id).text("resourceType", kind).text("key", key).text("value", value);
}
