//! The real binary on documents in a folder of its own: exact output, the documented exit code, no AWS.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod folder;
mod import;
mod manual;
mod reference;
mod run;
mod schema;
mod validate;
