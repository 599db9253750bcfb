//! Definitions for the tests of verdicts.

use goldsmith_model::{DistributionConfiguration, InfrastructureConfiguration};
use serde_json::{Value, json};

use super::definitions::Definitions;
pub(super) use crate::testing::globals;

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
