//! What the suites that go across crates share: the states of a definition, their outcomes, and what histories tell of them.

pub mod calls;
pub mod graph;
pub mod history;
pub mod outcomes;
pub mod record;
pub mod suite;
