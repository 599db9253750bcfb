//! The gate's judge as its callers use it: folders of advisories, packages, policies, and the judgement.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod broken;
mod folder;
mod foreign;
mod hostile;
mod large;
mod planted;
mod policy;
