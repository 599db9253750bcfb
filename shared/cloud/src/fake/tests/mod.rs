//! The fake's own rules, one test each.
