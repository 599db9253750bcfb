//! Filters and pages of describe calls: one mechanism for all calls.
//!
//! A filter looks at the answer: for each filter's name, the table of a call has the path of its values in an item of
//! the answer. So a filter can never contradict the answer.

use goldsmith_glob::filter_matches;

use super::call::Call;
use super::params::Params;
use super::xml::Xml;
use crate::api::ApiError;

/// The filters of one call.
pub(super) struct Known {
    /// Names, each with the path of its values in an item of the answer. A path that leads nowhere belongs to a field
    /// that no item here has (a public address): nothing matches, as on AWS.
    pub(super) fields: &'static [(&'static str, &'static str)],
    /// Documented names of fields that the endpoint does not know, separated by spaces.
    pub(super) unanswered: &'static str,
    /// Whether `tag:KEY` and `tag-key` are among them.
    pub(super) tags: bool,
}

/// `Filter.N`: all filters must match; a filter matches if one of its values does.
pub(super) struct Filters(Vec<(Source, Vec<String>)>);

/// The place of a filter's values.
enum Source {
    Field(&'static str),
    Tag(String),
    TagKey,
    TagValue,
}

impl Known {
    fn source(&self, name: &str) -> Result<Source, ApiError> {
        match name.strip_prefix("tag:") {
            Some(key) if self.tags => return Ok(Source::Tag(key.to_owned())),
            None if self.tags && name == "tag-key" => return Ok(Source::TagKey),
            // EC2 still accepts it, although it is no longer documented.
            None if self.tags && name == "tag-value" => return Ok(Source::TagValue),
            _ => {}
        }
        if let Some((_, path)) = self.fields.iter().find(|(known, _)| *known == name) {
            return Ok(Source::Field(path));
        }
        if self.unanswered.split_whitespace().any(|known| known == name) {
            let message = format!("The filter '{name}' exists in EC2, but this local endpoint does not support it");
            return Err(ApiError::new("InvalidParameterValue", message));
        }
        Err(ApiError::new("InvalidParameterValue", format!("The filter '{name}' is invalid")))
    }
}

impl Source {
    fn values(&self, item: &Xml) -> Vec<String> {
        let texts = |item: &Xml, path: &str| item.at(path).into_iter().map(Xml::own_text).collect::<Vec<_>>();
        match self {
            Source::Field(path) => texts(item, path),
            Source::TagKey => texts(item, "tagSet/item/key"),
            Source::TagValue => texts(item, "tagSet/item/value"),
            Source::Tag(key) => {
                let tags = item.at("tagSet/item").into_iter();
                tags.filter(|tag| texts(tag, "key") == [key.as_str()]).flat_map(|tag| texts(tag, "value")).collect()
            }
        }
    }
}

impl Filters {
    /// Reads the filters and rejects names that the call does not know.
    pub(super) fn read(params: &Params, known: &Known) -> Result<Self, ApiError> {
        let read = |filter: &Params| {
            // EC2 writes this for a filter without a name.
            let source = known.source(filter.get("Name").unwrap_or("null"))?;
            Ok((source, filter.raw_list("Value")))
        };
        params.structures("Filter").iter().map(read).collect::<Result<_, _>>().map(Filters)
    }

    /// Returns whether an item of the answer passes.
    pub(super) fn pass(&self, item: &Xml) -> bool {
        self.0.iter().all(|(source, wanted)| {
            let have = source.values(item);
            // Values of one filter are alternatives, and different filters are conditions that all hold. An item with
            // several values matches if one of them does (EC2 user guide, "Filter Amazon EC2 resources").
            wanted.iter().any(|pattern| have.iter().any(|value| filter_matches(pattern, value)))
        })
    }

    /// Writes values, and keeps those that pass.
    pub(super) fn keep<T>(&self, values: impl IntoIterator<Item = T>, mut item: impl FnMut(&mut Xml, T)) -> Vec<Xml> {
        let written = values.into_iter().map(|value| {
            let mut xml = Xml::new();
            item(&mut xml, value);
            xml
        });
        written.filter(|item| self.pass(item)).collect()
    }
}

/// Returns the answer of a describe call: the page of its items under their name, and the token of the next page.
pub(super) fn answer(call: &Call<'_>, name: &str, items: Vec<Xml>) -> Result<Xml, ApiError> {
    let (items, next) = page(call, items)?;
    let mut xml = Xml::new();
    xml.node(name, |xml| {
        for item in items {
            xml.push("item", item);
        }
    });
    xml.maybe("nextToken", next);
    Ok(xml)
}

/// Returns one page of values, and the token of the next page.
pub(super) fn page<T>(call: &Call<'_>, values: Vec<T>) -> Result<(Vec<T>, Option<String>), ApiError> {
    let start = match call.params.get("NextToken") {
        None => 0,
        Some(token) => token
            .parse()
            .map_err(|_| ApiError::new("InvalidParameterValue", "Unable to parse pagination token".to_owned()))?,
    };
    let size = match call.params.number("MaxResults")? {
        None => usize::MAX,
        Some(asked) => check_size(call.params.get("Action").unwrap_or_default(), asked)?,
    };
    // AWS may return a page with fewer items than MaxResults, or none at all, together with a token. Here every page
    // but the last is full.
    let more = values.len() > size.saturating_add(start);
    let page = values.into_iter().skip(start).take(size).collect();
    Ok((page, more.then(|| (start + size).to_string())))
}

/// Checks EC2's bounds of `MaxResults`.
fn check_size(action: &str, asked: usize) -> Result<usize, ApiError> {
    let bounds = match action {
        "DescribeImages" => 1..=1000,
        "DescribeExportImageTasks" => 1..=500,
        "DescribeLaunchTemplates" | "DescribeLaunchTemplateVersions" => 1..=200,
        "DescribeInstanceTypes" => 5..=100,
        _ => 5..=1000,
    };
    if bounds.contains(&asked) {
        return Ok(asked);
    }
    let message = format!(
        "Value ( {asked} ) for parameter maxResults is invalid. Expecting a value between {} and {}.",
        bounds.start(),
        bounds.end()
    );
    Err(ApiError::new("InvalidParameterValue", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_what_the_answer_shows() {
        let known = Known { fields: &[("zone", "placement/zone")], unanswered: "host-id", tags: true };
        let pass = |name: &str, value: &str| {
            let form = form_urlencoded::Serializer::new(String::new())
                .append_pair("Filter.1.Name", name)
                .append_pair("Filter.1.Value.1", value)
                .finish();
            let filters = Filters::read(&Params::parse(None, form.as_bytes()), &known)?;
            Ok::<_, ApiError>(
                filters
                    .keep([("a", "blue"), ("b", "")], |xml, (zone, color)| {
                        xml.nested("placement", "zone", zone);
                        xml.tags(&[("color".to_owned(), color.to_owned())].into());
                    })
                    .len(),
            )
        };
        assert_eq!(pass("zone", "b"), Ok(1));
        assert_eq!(pass("tag:color", "blue"), Ok(1));
        assert_eq!(pass("tag:color", ""), Ok(1));
        assert_eq!(pass("tag-key", "c*"), Ok(2));
        assert_eq!(pass("tag-value", "blue"), Ok(1));
        assert!(pass("host-id", "h").unwrap_err().message.contains("does not support it"));
        assert_eq!(pass("nonsense", "x").unwrap_err().message, "The filter 'nonsense' is invalid");
    }
}
