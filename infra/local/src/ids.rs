//! Identifiers in AWS's forms.

use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Returns the lower-case hex of the SHA-256 of `text`.
pub(crate) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// Returns a new id such as `i-0123456789abcdef0`: prefix, dash, `0` and 16 hex digits.
pub(crate) fn resource(prefix: &str) -> String {
    format!("{prefix}-0{}", &fresh()[..16])
}

/// Returns an id that is always the same for the same seed: `ami-0…` of the source image in a Region.
pub(crate) fn derived(prefix: &str, seed: &str) -> String {
    format!("{prefix}-0{}", &digest(seed)[..16])
}

/// Returns a new id in the form of a UUID, for commands and requests.
pub(crate) fn uuid() -> String {
    in_form(&fresh())
}

/// Returns an id in the form of a UUID that is always the same for the same seed, for keys.
pub(crate) fn derived_uuid(seed: &str) -> String {
    in_form(&digest(seed))
}

fn in_form(hex: &str) -> String {
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..32])
}

/// Returns 64 hex digits that no other call of this or another process gets.
fn fresh() -> String {
    let now = jiff::Timestamp::now().as_nanosecond();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    digest(&format!("{now} {count} {}", std::process::id()))
}
