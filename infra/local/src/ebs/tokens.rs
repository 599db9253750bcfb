//! Tokens by which callers request a block or a page. A token contains its purpose and its time, so that a token of
//! another snapshot or of another block, and an expired token, are recognized.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::refusal::Refusal;
use crate::ids;

/// Time for which a block's token is valid (EBS user guide, "Frequently asked questions for EBS direct APIs").
const LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Time for which a page's token is valid (same source).
const LIFE_OF_PAGE: SignedDuration = SignedDuration::from_mins(60);

/// Returns the time at which the tokens of an answer expire.
pub(super) fn expiry() -> Timestamp {
    Timestamp::now().checked_add(LIFE).unwrap_or(Timestamp::MAX)
}

/// Returns the token of a block.
pub(super) fn of_block(snapshot: &str, index: u32, expiry: Timestamp) -> String {
    sealed(&format!("{}", expiry.as_second()), &format!("block {snapshot} {index}"))
}

/// Checks the token of a block.
pub(super) fn check_block(token: &str, snapshot: &str, index: u32) -> Result<(), Refusal> {
    let refused = |message| Refusal::invalid("INVALID_BLOCK_TOKEN", message);
    let second = opened(token, &format!("block {snapshot} {index}"))
        .ok_or_else(|| refused("The block token does not belong to this block of this snapshot."))?;
    match second.parse::<i64>() {
        Ok(second) if second > Timestamp::now().as_second() => Ok(()),
        _ => Err(refused("The block token has expired.")),
    }
}

/// Returns the token of the page that begins at an index. `list` identifies the list, and `now` is the time of the
/// request.
pub(super) fn of_page(list: &str, start: u32, now: Timestamp) -> String {
    sealed(&format!("{start}@{}", now.as_second()), &format!("page {list}"))
}

/// Returns the index at which a page begins.
pub(super) fn page_start(token: &str, list: &str) -> Result<u32, Refusal> {
    let refused = |message| Refusal::invalid("INVALID_PAGE_TOKEN", message);
    let value = opened(token, &format!("page {list}"));
    let (start, second) = value
        .as_deref()
        .and_then(|value| value.split_once('@'))
        .and_then(|(start, second)| Some((start.parse().ok()?, second.parse::<i64>().ok()?)))
        .ok_or_else(|| refused("The page token does not belong to this list."))?;
    if Timestamp::now().as_second() - second < LIFE_OF_PAGE.as_secs() {
        Ok(start)
    } else {
        Err(refused("The page token has expired."))
    }
}

fn sealed(value: &str, purpose: &str) -> String {
    STANDARD.encode(format!("{value} {}", ids::digest(&format!("{purpose} {value}"))))
}

fn opened(token: &str, purpose: &str) -> Option<String> {
    let text = String::from_utf8(STANDARD.decode(token).ok()?).ok()?;
    let value = text.split_once(' ')?.0;
    (sealed(value, purpose) == token).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_token_is_for_one_block_and_a_week() {
        let reason = |token: &str| check_block(token, "snap-1", 7).map_err(|refusal| refusal.reason);
        assert_eq!(reason(&of_block("snap-1", 7, expiry())), Ok(()));
        for token in [&of_block("snap-1", 8, expiry()), &of_block("snap-2", 7, expiry()), "AAAA", "%"] {
            assert_eq!(reason(token), Err(Some("INVALID_BLOCK_TOKEN")), "{token}");
        }
        assert_eq!(reason(&of_block("snap-1", 7, Timestamp::now())), Err(Some("INVALID_BLOCK_TOKEN")), "expired");
        assert!(of_block("snap-0123456789abcdef0", u32::MAX, expiry()).len() <= 256);
    }

    #[test]
    fn a_page_token_is_for_one_list_and_an_hour() {
        let now = Timestamp::now();
        let reason = |token: &str, list: &str| page_start(token, list).map_err(|refusal| refusal.reason);
        assert_eq!(reason(&of_page("a", 100, now), "a"), Ok(100));
        assert_eq!(reason(&of_page("a", 100, now), "b"), Err(Some("INVALID_PAGE_TOKEN")));
        assert_eq!(reason(&of_page("a", 100, now - LIFE_OF_PAGE), "a"), Err(Some("INVALID_PAGE_TOKEN")), "expired");
    }
}
