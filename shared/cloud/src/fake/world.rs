//! Everything that exists in the fake account.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;

use super::account::AccountSettings;
use super::ami::{AmiRecord, SnapshotRecord};
use super::commands::CommandRecord;
use super::events::EmittedEvent;
use super::executions::{ExecutionBook, TokenAnswer};
use super::exports::ExportRecord;
use super::functions::Wakeup;
use super::launch_templates::TemplateRecord;
use super::machine_record::{MachineRecord, VolumeRecord};
use super::objects::ObjectRecord;
use super::outcome::CommandScript;
use super::pace::{Looks, Pace};
use super::spot::SpotRecord;
use super::topics::PublishedMessage;
use crate::{Command, ImageCopy, Launch, LogLine, NewImage, Parameter, Registration, Schedule};

/// 2026-01-01T00:00:00Z.
const BEGINNING: i64 = 1_767_225_600;

/// The whole account.
#[derive(Default)]
pub(super) struct World {
    pub(super) pace: Pace,
    pub(super) account: AccountSettings,
    pub(super) regions: BTreeMap<String, Region>,
    pub(super) objects: BTreeMap<String, ObjectRecord>,
    pub(super) executions: ExecutionBook,
    pub(super) answers: Vec<TokenAnswer>,
    pub(super) wakes: Vec<Wakeup>,
    pub(super) events: Vec<EmittedEvent>,
    /// Messages of topics, in order.
    pub(super) messages: Vec<PublishedMessage>,
    /// Schedules by group and name.
    pub(super) schedules: BTreeMap<(String, String), Schedule>,
    /// Outcomes of the next commands.
    pub(super) command_script: CommandScript,
    /// Instance types that cannot be launched in a subnet, with EC2's code.
    pub(super) no_capacity: BTreeMap<(String, Option<String>), &'static str>,
    /// How many instances may run in a Region at once, or `None` if their number is not limited.
    pub(super) most_instances: Option<usize>,
    /// Whether there is no capacity for spot instances.
    pub(super) no_spot: bool,
    /// The number of checks after which the next instances end, and the reason.
    pub(super) doomed: VecDeque<(u32, String)>,
    /// The text that instances write to their consoles, and the time of their launch.
    pub(super) boots: Option<(String, Timestamp)>,
    pub(super) requests: Requests,
    /// The clock, or `None` if the time never changes.
    pub(super) clock: Option<Box<dyn Fn() -> Timestamp + Send>>,
    /// How often the versions of a launch template were read.
    pub(super) template_looks: usize,
    counters: BTreeMap<&'static str, u64>,
}

/// The requests that created a resource, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Requests {
    /// Launches with their Regions. A repeated token is not listed again.
    pub launches: Vec<(String, Launch)>,
    /// Images that were created from instances.
    pub images: Vec<(String, NewImage)>,
    /// Images that were registered from snapshots.
    pub registrations: Vec<(String, Registration)>,
    /// Copies with their destinations. A repeated token is not listed again.
    pub copies: Vec<(String, ImageCopy)>,
    /// Commands sent.
    pub commands: Vec<(String, Command)>,
}

/// One Region.
#[derive(Default)]
pub(super) struct Region {
    pub(super) machines: BTreeMap<String, MachineRecord>,
    pub(super) spot_requests: BTreeMap<String, SpotRecord>,
    /// All volumes with which instances were launched, including those that were deleted with their instance.
    pub(super) volumes: BTreeMap<String, VolumeRecord>,
    pub(super) images: BTreeMap<String, AmiRecord>,
    pub(super) snapshots: BTreeMap<String, SnapshotRecord>,
    pub(super) launch_templates: BTreeMap<String, TemplateRecord>,
    pub(super) commands: BTreeMap<String, CommandRecord>,
    pub(super) parameters: BTreeMap<String, Parameter>,
    /// Values that were written and that SSM still checks.
    pub(super) unchecked: BTreeMap<String, (Looks, Parameter)>,
    /// Newest version of each parameter that was ever written.
    pub(super) versions: BTreeMap<String, u64>,
    /// Versions of parameters that have a label.
    pub(super) labelled: BTreeSet<(String, u64)>,
    /// Lines by group and stream.
    pub(super) logs: BTreeMap<(String, String), Vec<LogLine>>,
    /// Reasons for which the next images that are created in this Region fail.
    pub(super) failing_images: VecDeque<String>,
    pub(super) exports: BTreeMap<String, ExportRecord>,
    /// Messages with which the next exports in this Region fail.
    pub(super) failing_exports: VecDeque<String>,
}

impl World {
    pub(super) fn region(&mut self, name: &str) -> &mut Region {
        self.regions.entry(name.to_owned()).or_default()
    }

    /// Returns the time of the clock that a test has set, or 2026-01-01T00:00:00Z otherwise.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.as_ref().map_or_else(|| Timestamp::from_second(BEGINNING).unwrap_or_default(), |clock| clock())
    }

    /// Returns the next number for a kind of id, from 1. In every run that makes the same resources, the ids are the
    /// same.
    pub(super) fn number(&mut self, kind: &'static str) -> u64 {
        let counter = self.counters.entry(kind).or_default();
        *counter += 1;
        *counter
    }

    /// Returns an EC2 id such as `i-00000000000000001`.
    pub(super) fn ec2_id(&mut self, prefix: &'static str) -> String {
        format!("{prefix}-{:017x}", self.number(prefix))
    }

    /// Finishes everything that can finish.
    pub(super) fn settle(&mut self) {
        for region in self.regions.values_mut() {
            region.machines.values_mut().for_each(MachineRecord::settle);
            region.images.values_mut().for_each(AmiRecord::settle);
            region.exports.values_mut().for_each(ExportRecord::settle);
            region.spot_requests.values_mut().for_each(|request| request.hidden.settle());
            region.snapshots.values_mut().for_each(|snapshot| snapshot.hidden.settle());
            let machines = &region.machines;
            region.commands.values_mut().for_each(|command| command.settle(command.runs_on(machines)));
        }
    }
}
