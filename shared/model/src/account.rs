//! Ids of AWS accounts.

/// Returns whether a text is the id of an AWS account: 12 digits.
pub(crate) fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
