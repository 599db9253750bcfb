//! GetConsoleOutput.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::call::{Call, Row};
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::iso;

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("GetConsoleOutput", output)];

/// Returns what an instance's console shows: the output of its first boot. An instance has no kernel of its own that
/// could add more.
fn output(call: &Call<'_>) -> Result<Xml, ApiError> {
    let id = call.params.require("InstanceId")?;
    let world = call.endpoint.world();
    let instance = world.instance(call.scope, id)?;
    call.check_dry_run()?;
    let mut xml = Xml::new();
    xml.text("instanceId", id)
        // AWS may return output that is minutes old. Here it is always that of now.
        .text("timestamp", iso(Timestamp::now()))
        .text("output", STANDARD.encode(&instance.console));
    Ok(xml)
}
