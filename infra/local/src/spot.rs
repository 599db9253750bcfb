//! What becomes of spot requests and their instances after a call (EC2 user guide, "State changes for a Spot request"
//! and "Behavior of Spot Instance interruptions").

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::ec2;
use crate::endpoint::Endpoint;
use crate::events::Event;
use crate::world::{InstanceState, SpotState};

/// EC2's reason for an instance that an interruption, or the end of its request, has ended.
const TERMINATED: &str = "Server.SpotInstanceTermination";
const TERMINATED_MESSAGE: &str = "Server.SpotInstanceTermination: Spot instance termination";
/// EC2's reason for an instance that an interruption has stopped (EC2 API reference, StateReason).
const STOPPED: &str = "Server.SpotInstanceShutdown";
const STOPPED_MESSAGE: &str = "Server.SpotInstanceShutdown: Spot instance shutdown";
/// EC2's reason for a launch whose keys cannot be used.
const NO_KEY: &str = "Client.InternalError";

/// Status of a request whose instance an interruption has stopped.
const INTERRUPTED: &str = "instance-stopped-no-capacity";
/// Pause between two tries of an open request.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause between two looks at an instance that is still booting.
const LOOK: Duration = Duration::from_millis(100);

impl Endpoint {
    /// Ends the requests whose time is over. Their instances stay (EC2 user guide, "State changes for a Spot request").
    pub(crate) fn expire_spot_requests(&self) {
        let mut world = self.world();
        let now = Timestamp::now();
        let over = world.spot_requests.values().filter(|request| request.has_expired(now));
        for id in over.map(|request| request.id.clone()).collect::<Vec<_>>() {
            let Some(request) = world.spot_requests.get_mut(&id) else { continue };
            let status = match request.state {
                SpotState::Open => "schedule-expired".to_owned(),
                SpotState::Active => "request-canceled-and-instance-running".to_owned(),
                _ => request.status.clone(),
            };
            request.enter(SpotState::Cancelled, &status);
        }
    }

    /// Cancels a request. An instance that runs stays; an instance that is stopped ends (EC2 user guide, "Behavior of
    /// Spot Instance interruptions"). Does nothing to a request that has ended.
    pub(crate) fn cancel_spot_request(self: &Arc<Self>, id: &str) {
        let mut world = self.world();
        let Some(request) = world.spot_requests.get(id).filter(|request| request.is_live()) else { return };
        let (before, instance) = (request.state, request.instance.clone());
        let is_stopped = world.instances.get(&instance).is_some_and(|one| one.state() == InstanceState::Stopped);
        let status = match before {
            SpotState::Open => "canceled-before-fulfillment",
            _ if is_stopped => "instance-terminated-by-service",
            _ => "request-canceled-and-instance-running",
        };
        if let Some(request) = world.spot_requests.get_mut(id) {
            request.enter(SpotState::Cancelled, status);
        }
        drop(world);
        if is_stopped {
            self.clone().end(&instance, TERMINATED, TERMINATED_MESSAGE);
        }
    }

    /// Interrupts a spot instance as EC2 does: a warning, and two minutes later the end, or the stop if its request is
    /// persistent.
    pub(crate) fn interrupt(self: Arc<Self>, id: &str) {
        let action = self.warn(id);
        let id = id.to_owned();
        self.clone().spawn(async move {
            tokio::time::sleep(self.settings().delays.spot_warning).await;
            if action == "terminate" {
                return self.clone().end(&id, TERMINATED, TERMINATED_MESSAGE);
            }
            while self.state_of(&id) == Some(InstanceState::Pending) {
                tokio::time::sleep(LOOK).await;
            }
            self.clone().stop(&id, STOPPED, STOPPED_MESSAGE);
        });
    }

    /// Warns of an interruption. Returns what the interruption does to the instance.
    fn warn(&self, id: &str) -> &'static str {
        let mut world = self.world();
        let action = match world.change_spot_request_of(id) {
            Some(request) if request.persistent => {
                request.enter(request.state, "marked-for-stop");
                request.interruption()
            }
            _ => "terminate",
        };
        if let Some(instance) = world.instances.get(id) {
            self.emit(Event::of_interruption(instance, action));
        }
        action
    }

    /// Marks the request of an instance that is going to stop.
    pub(crate) fn spot_stops(&self, id: &str) {
        let mut world = self.world();
        if let Some(request) = world.change_spot_request_of(id).filter(|request| request.is_live()) {
            request.enter(request.state, "marked-for-stop");
        }
    }

    /// Disables the request of an instance that has stopped. After an interruption, EC2 starts the instance again when
    /// it has capacity.
    pub(crate) fn spot_stopped(self: &Arc<Self>, id: &str) {
        let mut world = self.world();
        let is_interrupted = world.instances.get(id).and_then(|one| one.reason.as_ref()?.code.strip_prefix(STOPPED));
        let is_interrupted = is_interrupted.is_some();
        let Some(request) = world.change_spot_request_of(id) else { return };
        if !request.is_live() {
            // It was cancelled while the instance was stopping.
            drop(world);
            return self.clone().end(id, TERMINATED, TERMINATED_MESSAGE);
        }
        request.enter(SpotState::Disabled, if is_interrupted { INTERRUPTED } else { "instance-stopped-by-user" });
        drop(world);
        if is_interrupted {
            self.return_later(id);
        }
    }

    /// Fulfils the request of an instance that is started again.
    pub(crate) fn spot_started(&self, id: &str) {
        let mut world = self.world();
        let Some(request) = world.change_spot_request_of(id).filter(|request| request.is_live()) else { return };
        request.enter(SpotState::Active, "fulfilled");
        let request = request.id.clone();
        if let Some(instance) = world.instances.get(id) {
            self.emit(Event::of_fulfillment(instance, &request));
        }
    }

    /// Decides what becomes of the request of an instance that has ended: a request for one launch is closed, and a
    /// persistent request launches again.
    pub(crate) fn spot_ended(self: &Arc<Self>, id: &str) {
        let mut world = self.world();
        let code = world.instances.get(id).and_then(|one| one.reason.as_ref()).map(|reason| reason.code.clone());
        let code = code.unwrap_or_default();
        let Some(request) = world.change_spot_request_of(id) else { return };
        let by_whom =
            if code == TERMINATED { "instance-terminated-no-capacity" } else { "instance-terminated-by-user" };
        let request = match request.state {
            SpotState::Cancelled if code == TERMINATED => return,
            SpotState::Cancelled => return request.enter(SpotState::Cancelled, by_whom),
            _ if !request.persistent => return request.enter(SpotState::Closed, by_whom),
            // An own rule: AWS does not say how often it tries a launch whose key it cannot use.
            _ if code == NO_KEY => return request.enter(SpotState::Open, "constraint-not-fulfillable"),
            _ => request,
        };
        request.enter(SpotState::Open, "pending-evaluation");
        let request = request.id.clone();
        drop(world);
        self.launch_again(&request);
    }

    /// Continues what an earlier endpoint has begun.
    pub(crate) fn resume_spot_requests(self: &Arc<Self>) {
        let requests: Vec<_> = self.world().spot_requests.values().cloned().collect();
        for request in requests {
            match request.state {
                SpotState::Open if request.status != "constraint-not-fulfillable" => self.launch_again(&request.id),
                SpotState::Disabled if request.status == INTERRUPTED => self.return_later(&request.instance),
                _ => {}
            }
        }
    }

    /// Launches another instance for an open request.
    fn launch_again(self: &Arc<Self>, id: &str) {
        let (endpoint, id) = (self.clone(), id.to_owned());
        self.spawn(async move {
            tokio::time::sleep(endpoint.settings().delays.boot).await;
            loop {
                endpoint.expire_spot_requests();
                let is_open = endpoint.world().spot_requests.get(&id).is_some_and(|one| one.state == SpotState::Open);
                match is_open.then(|| ec2::launch_for_request(&endpoint, &id)) {
                    None => return,
                    Some(Ok(instance)) => return endpoint.clone().come_up(&instance),
                    Some(Err(error)) => tracing::warn!(request = id, error = error.message, "cannot launch again yet"),
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Starts an interrupted instance again after some time, unless its request has ended by then.
    fn return_later(self: &Arc<Self>, id: &str) {
        let (endpoint, id) = (self.clone(), id.to_owned());
        self.spawn(async move {
            tokio::time::sleep(endpoint.settings().delays.spot_return).await;
            endpoint.expire_spot_requests();
            let is_interrupted = |endpoint: &Endpoint| {
                let world = endpoint.world();
                world.spot_request_of(&id).is_some_and(|one| one.is_live() && one.status == INTERRUPTED)
            };
            if is_interrupted(&endpoint) {
                endpoint.clone().start(&id);
            }
        });
    }
}
