//! Numbers that are not stored if they are 0.

/// Returns whether a number is 0. For `skip_serializing_if`, which gives a reference.
#[must_use]
pub fn is_zero(number: &u32) -> bool {
    *number == 0
}
