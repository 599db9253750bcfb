//! What people do, EC2 does by itself, and builds come to, without any fault of Goldsmith or AWS.

use std::sync::Arc;

use futures_util::FutureExt as _;
use goldsmith_cloud::fake::{HOME, Outcome};
use goldsmith_cloud::{Cloud, Parameter};
use goldsmith_store::Store;
use serde_json::Value;

use super::{MACHINE, Simulation};
use crate::account::AWAY;

/// EC2's reason for a spot instance that it has stopped.
const TAKEN_BACK: &str = "Server.SpotInstanceShutdown: Spot instance shutdown";

impl Simulation {
    /// AWS as a person has it: nothing goes wrong, and nothing takes time.
    #[must_use]
    pub fn person(&self) -> Cloud {
        self.cloud.cloud()
    }

    /// The store as a person has it.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::new(Arc::new(self.table.clone()))
    }

    /// Starts an execution by hand.
    pub fn start(self: &Arc<Self>, name: &str, input: &Value) {
        let cloud = self.person();
        let _ = cloud.executions.start(MACHINE, name, &input.to_string()).now_or_never();
        self.begin_executions();
    }

    /// The vendor publishes another source image.
    pub fn release(&self, image: &str) {
        self.note(|| format!("the source image is {image} now"));
        let value = Parameter { value: image.to_owned(), data_type: "aws:ec2:image".to_owned() };
        let _ = self.person().parameters.put(HOME, "/source", &value).now_or_never();
        self.cloud.settle_parameters();
    }

    pub(super) fn end_instance(&self, amount: u64) {
        let alive = self.cloud.inventory();
        let has_request = !alive.region(HOME).spot_requests.is_empty();
        let ids: Vec<String> = alive.region(HOME).instances.into_keys().collect();
        let which = usize::try_from(amount % ids.len().max(1) as u64).unwrap_or(0);
        if let Some(id) = ids.get(which) {
            // Only a spot instance is taken back.
            let is_spot = has_request && (amount / 1_000).is_multiple_of(2);
            let reason = if is_spot { TAKEN_BACK } else { "Server.InternalError" };
            self.note(|| format!("EC2 ends {id}: {reason}"));
            self.cloud.end_instance(HOME, id, reason);
        }
    }
}

/// Scenarios of the build itself, none of which is a fault of Goldsmith or AWS.
pub fn let_builds_vary(sim: &Simulation) {
    let draw = sim.random(|rng| (rng.below(14), rng.below(6), rng.between(1, 6)));
    let failed = r#"{"status":"failed","failureMessage":"exit status 1","executedStepCount":1}"#;
    match draw.0 {
        0 => sim.cloud.next_command(Outcome::failed(1, failed)),
        1 => sim.cloud.next_command_where(|command| command.comment.contains("Test"), Outcome::failed(1, failed)),
        2 => sim.cloud.next_command(Outcome::lost()),
        3 => sim.cloud.next_command(Outcome::endless()),
        4 => sim.cloud.next_image_fails(HOME, "Client.InternalError"),
        5 => sim.cloud.next_image_fails(AWAY, "Client.InvalidKMSKey"),
        6 => sim.cloud.no_capacity("t3.small", None),
        7 => {
            let reason = if draw.1.is_multiple_of(2) { TAKEN_BACK } else { "Server.InternalError" };
            sim.cloud.next_instance_ends(u32::try_from(draw.2).unwrap_or(1), reason);
        }
        _ => {}
    }
    let few = |sim: &Simulation, most: u64| u32::try_from(sim.random(|rng| rng.below(most + 1))).unwrap_or(0);
    sim.cloud.pace(|pace| {
        pace.until_running = few(sim, 2);
        pace.until_online = few(sim, 2);
        pace.until_stopped = few(sim, 2);
        pace.until_image = few(sim, 3);
        pace.until_command = few(sim, 3);
        pace.hide_new = if draw.1 < 3 { few(sim, 4) } else { 0 };
        pace.hide_new_command = few(sim, 4);
        pace.until_parameter = few(sim, 2);
        pace.copies_at_once = if draw.1 == 5 { 1 } else { 20 };
        pace.refuse_repeated_start = draw.1 == 4;
    });
}
