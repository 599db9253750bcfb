//! Tests the real binary on documents in a separate folder: the exact output and the documented exit code, without AWS.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod events;
mod failures;
mod folder;
mod import;
mod manual;
mod reference;
mod run;
mod schema;
mod validate;
