//! Filters and pages of describe calls.

use super::Call;
use super::params::Params;
use crate::api::ApiError;
use crate::world::Tags;

/// `Filter.N`: all must match; a filter matches when one of its values does.
pub(super) struct Filters(Vec<(String, Vec<String>)>);

impl Filters {
    /// Reads them and refuses names that are not in `known` (tag filters always are).
    pub(super) fn read(params: &Params, known: &[&str]) -> Result<Self, ApiError> {
        let read = |filter: &Params| Some((filter.get("Name")?.to_owned(), filter.list("Value")));
        let filters: Vec<_> = params.structures("Filter").iter().filter_map(read).collect();
        let is_known = |name: &str| known.contains(&name) || name.starts_with("tag:") || name == "tag-key";
        match filters.iter().find(|(name, _)| !is_known(name)) {
            None => Ok(Filters(filters)),
            Some((name, _)) => Err(ApiError::new("InvalidParameterValue", format!("The filter '{name}' is invalid"))),
        }
    }

    /// Whether a resource passes. `field` gives the values that it has under a filter's name.
    pub(super) fn pass(&self, tags: &Tags, field: impl Fn(&str) -> Vec<String>) -> bool {
        self.0.iter().all(|(name, wanted)| {
            let have = match name.strip_prefix("tag:") {
                Some(key) => tags.get(key).cloned().into_iter().collect(),
                None if name == "tag-key" => tags.keys().cloned().collect(),
                None => field(name),
            };
            wanted.iter().any(|pattern| have.iter().any(|value| matches(pattern, value)))
        })
    }
}

/// EC2's wildcards: `*` for any text, `?` for one letter.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches(rest, &text[at..]))
        }
        Some(first) => text.chars().next().is_some_and(|letter| {
            (first == '?' || first == letter) && matches(&pattern[first.len_utf8()..], &text[letter.len_utf8()..])
        }),
    }
}

/// One page of values, and the token of the next.
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
    let more = values.len() > size.saturating_add(start);
    let page = values.into_iter().skip(start).take(size).collect();
    Ok((page, more.then(|| (start + size).to_string())))
}

/// EC2's bounds of `MaxResults`.
fn check_size(action: &str, asked: usize) -> Result<usize, ApiError> {
    let bounds = match action {
        "DescribeImages" => 1..=1000,
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
    use super::matches;

    #[test]
    fn knows_the_wildcards() {
        assert!(matches("debian-12-*", "debian-12-x86_64-0001"));
        assert!(matches("*12*0?", "debian-12-01"));
        assert!(!matches("debian", "debian-12"));
        assert!(!matches("a?", "a"));
    }
}
