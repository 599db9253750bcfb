//! What the fake keeps of an instance: how it changes from check to check, and its volumes.

use jiff::{SignedDuration, Timestamp};

use super::pace::{Looks, Pace};
use crate::{BlockDevice, Instance, InstanceState, Launch, Market, Ping, Tags};

/// An instance, and how it will change.
pub(super) struct MachineRecord {
    pub(super) instance: Instance,
    pub(super) launch: Launch,
    /// The EBS volumes with which the instance was launched.
    pub(super) devices: Vec<BlockDevice>,
    hidden: Looks,
    /// Number of checks until the instance reaches the state to which it is changing.
    left: Looks,
    online_in: Looks,
    /// The text that the instance has written to its console.
    pub(super) console: String,
    /// When SSM last heard from the instance's agent, if SSM has lost it.
    pub(super) lost: Option<Timestamp>,
    /// When SSM heard from the agent for the last time before the instance was started again.
    heard_before: Option<Timestamp>,
    /// When the instance ends by itself, and why.
    doom: Option<(Looks, String)>,
    /// Whether EC2 stops the instance at its doom, because its spot request is persistent.
    is_stopped_by_doom: bool,
}

/// An EBS volume of an instance.
pub(super) struct VolumeRecord {
    pub(super) instance: String,
    /// Whether the volume is deleted with the instance.
    pub(super) goes_with_it: bool,
    pub(super) created: Timestamp,
    pub(super) tags: Tags,
}

impl MachineRecord {
    pub(super) fn new(
        id: String,
        launch: &Launch,
        devices: Vec<BlockDevice>,
        pace: Pace,
        doom: Option<(u32, String)>,
    ) -> Self {
        let instance = Instance {
            id,
            state: InstanceState::Pending,
            state_reason: String::new(),
            image: launch.image.clone(),
            tags: launch.tags.clone(),
            instance_type: launch.instance_type.clone(),
            launched: None,
            token: launch.token.clone(),
            volumes: Vec::new(),
            spot_request: None,
        };
        let mut record = Self {
            instance,
            launch: launch.clone(),
            devices,
            hidden: Looks(pace.hide_new),
            left: Looks(0),
            online_in: Looks(pace.until_online),
            console: String::new(),
            lost: None,
            heard_before: None,
            is_stopped_by_doom: matches!(launch.market, Market::StoppableSpot { .. }),
            doom: doom.map(|(looks, reason)| (Looks(looks), reason)),
        };
        record.enter(InstanceState::Pending, pace.until_running);
        record
    }

    /// Begins to change to a state, which the instance reaches after this many checks.
    pub(super) fn enter(&mut self, state: InstanceState, looks: u32) {
        self.instance.state = state;
        self.left = Looks(looks);
        self.arrive();
    }

    /// Starts the instance again, as if it was stopped a minute ago.
    pub(super) fn start(&mut self, pace: Pace, now: Timestamp) {
        self.heard_before = now.checked_sub(SignedDuration::from_mins(1)).ok();
        self.instance.launched = Some(now);
        self.instance.state_reason = String::new();
        self.online_in = Looks(pace.until_online);
        self.enter(InstanceState::Pending, pace.until_running);
    }

    /// Changes to the next state if the number of checks until then is used up.
    fn arrive(&mut self) {
        if self.left.is_over() {
            self.instance.state = match self.instance.state {
                InstanceState::Pending => InstanceState::Running,
                InstanceState::Stopping => InstanceState::Stopped,
                InstanceState::ShuttingDown => InstanceState::Terminated,
                other => other,
            };
        }
    }

    fn advance(&mut self) {
        self.left.spend();
        self.arrive();
        let doomed = self.doom.as_mut().is_some_and(|(looks, _)| {
            looks.spend();
            looks.is_over()
        });
        if doomed && let Some((_, reason)) = self.doom.take() {
            self.doom_with(&reason);
        }
    }

    /// Ends the instance, or stops it if EC2 has interrupted a spot instance of a persistent request.
    pub(super) fn doom_with(&mut self, reason: &str) {
        if !self.is_stopped_by_doom || !reason.contains("Server.SpotInstance") {
            return self.end(reason);
        }
        if matches!(self.instance.state, InstanceState::Pending | InstanceState::Running) {
            self.instance.state_reason = reason.to_owned();
            self.enter(InstanceState::Stopping, 0);
        }
    }

    /// Returns the instance as one check shows it, or `None` while EC2 does not show it yet.
    pub(super) fn look(&mut self) -> Option<Instance> {
        if self.hidden.spend() {
            return None;
        }
        let seen = self.instance.clone();
        self.advance();
        Some(seen)
    }

    /// Returns whether SSM can reach the instance now.
    pub(super) fn is_online(&self) -> bool {
        self.instance.state == InstanceState::Running && self.online_in.is_over()
    }

    /// Returns what SSM reports about the instance's agent at one check.
    pub(super) fn ping(&mut self) -> Ping {
        let seen = match self.lost {
            None if self.is_online() => Ping::Online(self.instance.launched),
            // After a restart, SSM still knows the agent from before.
            None => self.heard_before.map_or(Ping::Unknown, |heard| Ping::Online(Some(heard))),
            since => Ping::Lost(since),
        };
        if self.instance.state == InstanceState::Running {
            self.online_in.spend();
        }
        if self.look().is_some() { seen } else { Ping::Unknown }
    }

    fn end(&mut self, reason: &str) {
        if self.instance.state != InstanceState::Terminated {
            self.instance.state = InstanceState::Terminated;
            self.instance.state_reason = reason.to_owned();
        }
    }

    pub(super) fn settle(&mut self) {
        self.hidden.settle();
        self.left.settle();
        self.online_in.settle();
        self.arrive();
    }
}
