//! Pages of Systems Manager's lists.

use serde_json::{Value, json};

use crate::api::ApiError;

/// Most values of a page, and how many it has when the caller does not say.
const LARGEST: usize = 50;

/// One page of values under their name, and the token of the next.
pub(super) fn page(
    name: &str,
    values: Vec<Value>,
    size: Option<usize>,
    token: Option<&str>,
) -> Result<Value, ApiError> {
    let size = size.unwrap_or(LARGEST);
    if !(1..=LARGEST).contains(&size) {
        let message = format!("Value {size} at 'maxResults' failed to satisfy constraint: 1 to {LARGEST}");
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
        let first = page("Numbers", values(), Some(3), None).unwrap();
        assert_eq!(first, json!({"Numbers": [0, 1, 2], "NextToken": "3"}));
        assert_eq!(
            page("Numbers", values(), Some(3), Some("3")).unwrap(),
            json!({"Numbers": [3, 4], "NextToken": null})
        );
        assert_eq!(page("Numbers", values(), Some(3), Some("x")).unwrap_err().code, "InvalidNextToken");
        assert_eq!(page("Numbers", values(), Some(51), None).unwrap_err().code, "ValidationException");
    }
}
