//! EC2's own rules, which refuse what a looser endpoint would let through: hardly any needs an instance that boots.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;
#[path = "ec2_rules/copies.rs"]
mod copies;
#[path = "ec2_rules/freshness.rs"]
mod freshness;
#[path = "ec2_rules/handed_over.rs"]
mod handed_over;
#[path = "ec2_rules/keys.rs"]
mod keys;
#[path = "ec2_rules/networks.rs"]
mod networks;
#[path = "ec2_rules/volumes.rs"]
mod volumes;

use common::guests::source;
use common::{Client, endpoint};
use serde_json::{Value, json};

/// Hands over what exists elsewhere in the default account's eu-west-1.
fn hand_over(client: Client, what: Value) {
    let mut body = json!({"region": "eu-west-1"});
    body.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    client.admin("POST", "resources", &body);
}
