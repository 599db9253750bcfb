//! Pages of Systems Manager's lists.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::api::ApiError;

/// The allowed sizes of a page of commands.
pub(super) const OF_COMMANDS: RangeInclusive<usize> = 1..=50;
/// The allowed sizes of a page of instances.
pub(super) const OF_INSTANCES: RangeInclusive<usize> = 5..=50;
/// The allowed sizes of a page of parameters.
pub(super) const OF_PARAMETERS: RangeInclusive<usize> = 1..=10;

/// Returns one page of values under their name, and the token of the next page. The page has the largest allowed size
/// if the caller gives none.
pub(super) fn page(
    name: &str,
    values: Vec<Value>,
    bounds: RangeInclusive<usize>,
    size: Option<usize>,
    token: Option<&str>,
) -> Result<Value, ApiError> {
    let size = size.unwrap_or(*bounds.end());
    if !bounds.contains(&size) {
        let (least, most) = bounds.into_inner();
        let message = format!("Value {size} at 'maxResults' failed to satisfy constraint: {least} to {most}");
        return Err(ApiError::new("ValidationException", message));
    }
    let start: usize = match token {
        None => 0,
        Some(token) => token.parse().map_err(|_| ApiError::new("InvalidNextToken", "The token is not valid."))?,
    };
    let next = (values.len() > start.saturating_add(size)).then(|| (start + size).to_string());
    let page: Vec<Value> = values.into_iter().skip(start).take(size).collect();
    Ok(json!({name: page, "NextToken": next}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hands_out_all_of_it_page_by_page() {
        let values = || (0..5).map(|number| json!(number)).collect::<Vec<_>>();
        let page = |size, token| page("Numbers", values(), 1..=50, size, token);
        assert_eq!(page(Some(3), None).unwrap(), json!({"Numbers": [0, 1, 2], "NextToken": "3"}));
        assert_eq!(page(Some(3), Some("3")).unwrap(), json!({"Numbers": [3, 4], "NextToken": null}));
        assert_eq!(page(Some(3), Some("x")).unwrap_err().code, "InvalidNextToken");
        assert_eq!(page(Some(51), None).unwrap_err().code, "ValidationException");
    }
}
