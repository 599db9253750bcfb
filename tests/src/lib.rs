//! What the suites that go across crates share.

pub mod suite;
