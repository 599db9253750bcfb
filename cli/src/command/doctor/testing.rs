//! Definitions for the tests of judgements.

use clap::Parser;
use goldsmith_model::{DistributionConfiguration, InfrastructureConfiguration};
use serde_json::{Value, json};

use super::definitions::Definitions;
use crate::args::Globals;
use crate::command::Cli;

/// What `goldsmith FLAGS doctor` is given.
pub(super) fn globals(flags: &str) -> Globals {
    let words = ["goldsmith"].into_iter().chain(flags.split_whitespace()).chain(["doctor"]);
    Cli::parse_from(words).globals
}

/// A distribution configuration `web` with these Regions.
pub(super) fn going_to(places: &Value) -> Definitions {
    let one = json!({"name": "web", "distributions": places});
    let one: DistributionConfiguration = serde_json::from_value(one).unwrap();
    Definitions { distributions: [(one.name.clone(), one)].into(), ..Definitions::default() }
}

/// An infrastructure configuration `small` that launches these types in these subnets.
pub(super) fn launching(types: &[&str], subnets: &[&str]) -> Definitions {
    let one = json!({"name": "small", "instanceTypes": types, "subnetIds": subnets});
    let one: InfrastructureConfiguration = serde_json::from_value(one).unwrap();
    Definitions { infrastructures: [(one.name.clone(), one)].into(), ..Definitions::default() }
}
