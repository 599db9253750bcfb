//! Nothing: this package holds the tests that go across crates, in `tests/`.
