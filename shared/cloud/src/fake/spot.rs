//! Spot requests: what becomes of them when their instance ends.

use jiff::Timestamp;

use super::machine_record::MachineRecord;
use super::pace::Looks;
use super::world::{Region, World};
use crate::{Launch, Market, SpotRequest, Tags};

/// A request for one spot instance.
pub(super) struct SpotRecord {
    /// The instance that the request has launched last.
    pub(super) instance: Option<String>,
    launch: Launch,
    created: Timestamp,
    pub(super) tags: Tags,
    /// Whether the request was cancelled or has ended with its instance.
    pub(super) is_over: bool,
    /// Number of checks and cancellations that do not find the request yet.
    pub(super) hidden: Looks,
}

impl SpotRecord {
    /// Returns the request that has just launched an instance.
    pub(super) fn of(launch: &Launch, instance: &str, created: Timestamp, hidden: Looks) -> Self {
        let instance = Some(instance.to_owned());
        Self { instance, launch: launch.clone(), created, tags: launch.tags.clone(), is_over: false, hidden }
    }

    fn until(&self) -> Option<Timestamp> {
        match self.launch.market {
            Market::StoppableSpot { until } => Some(until),
            Market::Spot | Market::OnDemand => None,
        }
    }

    /// Returns whether the request launches again if its instance ends.
    pub(super) fn is_persistent(&self) -> bool {
        self.until().is_some()
    }

    /// Returns whether the request may still launch or start an instance.
    pub(super) fn is_live(&self, now: Timestamp) -> bool {
        !self.is_over && self.until().is_none_or(|until| now < until)
    }

    /// Returns the request as EC2 describes it.
    pub(super) fn seen(&self, id: &str) -> SpotRequest {
        SpotRequest {
            id: id.to_owned(),
            instance: self.instance.clone(),
            image: self.launch.image.clone(),
            created: Some(self.created),
            valid_until: self.until(),
            tags: self.tags.clone(),
        }
    }
}

impl Region {
    /// Returns whether an instance with this spot request may be stopped: only if the request is persistent, and was
    /// not cancelled.
    pub(super) fn can_stop(&self, request: Option<&str>) -> bool {
        let Some(request) = request.and_then(|id| self.spot_requests.get(id)) else { return true };
        !request.is_over && request.is_persistent()
    }
}

impl World {
    /// Ends the request of an instance that was terminated, or launches another instance if the request is persistent.
    /// The new instance has no tags and no token: the call has given them to the first instance.
    pub(super) fn launch_again(&mut self, region: &str, instance: &str) {
        let (now, pace) = (self.now(), self.pace);
        let is_of = |one: &&mut SpotRecord| one.instance.as_deref() == Some(instance);
        let Some(request) = self.region(region).spot_requests.values_mut().find(is_of) else { return };
        if !request.is_persistent() || !request.is_live(now) {
            request.is_over = true;
            return;
        }
        // EC2 takes longer to launch again than to show a new request.
        request.hidden.settle();
        let launch = Launch { tags: Tags::new(), token: String::new(), ..request.launch.clone() };
        let id = self.ec2_id("i");
        let mut machine = MachineRecord::new(id.clone(), &launch, Vec::new(), pace, None);
        let requests = &mut self.region(region).spot_requests;
        let found = requests.iter_mut().find(|(_, one)| one.instance.as_deref() == Some(instance));
        if let Some((request, record)) = found {
            machine.instance.spot_request = Some(request.clone());
            record.instance = Some(id.clone());
        }
        self.region(region).machines.insert(id, machine);
    }
}
