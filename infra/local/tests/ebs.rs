//! Snapshots by blocks (EBS direct APIs): what they keep, and what EBS refuses. No instance boots.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "ebs/caller.rs"]
mod caller;
#[path = "ebs/coldsnap.rs"]
mod coldsnap;
mod common;
#[path = "ebs/files.rs"]
mod files;
#[path = "ebs/flips.rs"]
mod flips;
#[path = "ebs/images.rs"]
mod images;
#[path = "ebs/life.rs"]
mod life;
#[path = "ebs/refusals.rs"]
mod refusals;
