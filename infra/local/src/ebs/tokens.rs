//! Tokens: what a block or a page is asked for by. They say what they are for, so that one of another snapshot, of another
//! block, or of a week ago is known.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

use super::refusal::Refusal;
use crate::ids;

/// For how long a block can be asked for by its token (EBS user guide, "Read Amazon EBS snapshots with EBS direct APIs").
const LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// When the tokens of an answer expire.
pub(super) fn expiry() -> Timestamp {
    Timestamp::now().checked_add(LIFE).unwrap_or(Timestamp::MAX)
}

/// The token of a block.
pub(super) fn of_block(snapshot: &str, index: u32, expiry: Timestamp) -> String {
    sealed(&format!("{}", expiry.as_second()), &format!("block {snapshot} {index}"))
}

/// Checks the token of a block.
pub(super) fn check_block(token: &str, snapshot: &str, index: u32) -> Result<(), Refusal> {
    let refused = |message| Refusal::invalid("INVALID_BLOCK_TOKEN", message);
    let second = opened(token, &format!("block {snapshot} {index}"))
        .ok_or_else(|| refused("The block token is not one of this block of this snapshot."))?;
    match second.parse::<i64>() {
        Ok(second) if second > Timestamp::now().as_second() => Ok(()),
        _ => Err(refused("The block token has expired.")),
    }
}

/// The token of the page that begins at an index; `list` says what it is a page of.
pub(super) fn of_page(list: &str, start: u32) -> String {
    sealed(&start.to_string(), &format!("page {list}"))
}

/// The index that a page begins at.
pub(super) fn page_start(token: &str, list: &str) -> Result<u32, Refusal> {
    let start = opened(token, &format!("page {list}")).and_then(|start| start.parse().ok());
    start.ok_or_else(|| Refusal::invalid("INVALID_PAGE_TOKEN", "The page token is not one of this list."))
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
    fn a_page_token_is_for_one_list() {
        assert_eq!(page_start(&of_page("a", 100), "a"), Ok(100));
        assert_eq!(page_start(&of_page("a", 100), "b").unwrap_err().reason, Some("INVALID_PAGE_TOKEN"));
    }
}
