//! Instances: `pending` → `running` → `stopping` → `stopped`, and `terminated`, which is final.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::FakeCloud;
use super::ami::changed;
use super::call::Call;
use super::machine_record::{MachineRecord, VolumeRecord};
use super::pace::Looks;
use super::spot::SpotRecord;
use super::types::{check_type, traits_of};
use super::world::{Region, World};
use crate::{
    BlockDevice, Hardware, Instance, InstanceState, Kind, Launch, Machines, Result, SpotRequest, Tags, TypeTraits,
    Volume,
};

fn launch(world: &mut World, call: Call<'_>, request: &Launch) -> Result<Instance> {
    if request.token.is_empty() || request.token.len() > 64 || !request.token.is_ascii() {
        return Err(call.error(Kind::Invalid, "InvalidParameterValue", "ClientToken: 1 to 64 ASCII characters"));
    }
    if let Some(known) = launched_before(world, call, request)? {
        return Ok(known);
    }
    let image = world.region(call.region).usable_image(call, &request.image)?;
    let devices = changed(&image.block_devices, &request.block_devices);
    check_type(call, &request.instance_type, image)?;
    check_capacity(world, call, request)?;
    let doom = world.doomed.pop_front();
    let (id, now) = (world.ec2_id("i"), world.now());
    let volumes = make_volumes(world, call, request, &id, &devices);
    let mut machine = MachineRecord::new(id.clone(), request, devices, world.pace, doom);
    machine.instance.volumes = volumes;
    if request.market.is_spot() {
        let spot_request = world.ec2_id("sir");
        machine.instance.spot_request = Some(spot_request.clone());
        let record = SpotRecord::of(request, &id, now, Looks(world.pace.hide_new));
        world.region(call.region).spot_requests.insert(spot_request, record);
    }
    if let Some((console, launched)) = &world.boots {
        machine.console.clone_from(console);
        machine.instance.launched = Some(*launched);
    }
    let instance = machine.instance.clone();
    world.region(call.region).machines.insert(instance.id.clone(), machine);
    world.requests.launches.push((call.region.to_owned(), request.clone()));
    Ok(instance)
}

/// Returns the instance that an earlier request with the same token has launched. A token is valid in its zone, and each
/// subnet of the fake is a zone of its own.
fn launched_before(world: &mut World, call: Call<'_>, request: &Launch) -> Result<Option<Instance>> {
    let is_same = |one: &&MachineRecord| one.launch.token == request.token && one.launch.subnet == request.subnet;
    match world.region(call.region).machines.values().find(is_same) {
        Some(machine) if machine.launch != *request => {
            let message = "the token was used for another request";
            Err(call.error(Kind::Duplicate, "IdempotentParameterMismatch", message))
        }
        known => Ok(known.map(|machine| machine.instance.clone())),
    }
}

/// Checks that there is room for the instance: in its zone, on its host and in its market.
fn check_capacity(world: &World, call: Call<'_>, request: &Launch) -> Result<()> {
    let instance_type = &request.instance_type;
    if let Some(code) = world.no_capacity.get(&(instance_type.clone(), request.subnet.clone())) {
        return Err(call.error(Kind::Capacity, code, format!("no {instance_type} here now")));
    }
    if let Hardware::Host { id: Some(id), .. } = &request.hardware
        && !world.account.hosts.iter().any(|host| host.id == *id && host.takes(instance_type))
    {
        let message = format!("the host {id} takes no {instance_type}");
        return Err(call.error(Kind::NotFound, "InvalidHostID.NotFound", message));
    }
    if request.market.is_spot() && world.no_spot {
        let message = "Max spot instance count exceeded";
        return Err(call.error(Kind::Capacity, "MaxSpotInstanceCountExceeded", message));
    }
    check_quota(world, call)
}

/// Checks the quota of vCPUs, of which each instance of the fake uses two until it is stopped or terminated.
fn check_quota(world: &World, call: Call<'_>) -> Result<()> {
    let Some(most) = world.most_instances else { return Ok(()) };
    let machines = world.regions.get(call.region).into_iter().flat_map(|region| region.machines.values());
    let uses_some = |state: InstanceState| !state.is_gone() && state != InstanceState::Stopped;
    if machines.filter(|machine| uses_some(machine.instance.state)).count() < most {
        return Ok(());
    }
    let message = format!(
        "You have requested more vCPU capacity than your current vCPU limit of {} allows for the instance bucket that the \
         specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an \
         adjustment to this limit.",
        2 * most
    );
    Err(call.error(Kind::Capacity, "VcpuLimitExceeded", message))
}

/// Makes the volumes with which an instance is launched, and returns their ids.
fn make_volumes(
    world: &mut World,
    call: Call<'_>,
    request: &Launch,
    instance: &str,
    devices: &[BlockDevice],
) -> Vec<String> {
    let created = world.now();
    let mut volumes = Vec::new();
    for device in devices {
        let id = world.ec2_id("vol");
        let volume = VolumeRecord {
            instance: instance.to_owned(),
            goes_with_it: device.delete_on_termination,
            created,
            tags: request.tags.clone(),
        };
        world.region(call.region).volumes.insert(id.clone(), volume);
        volumes.push(id);
    }
    volumes
}

impl Region {
    pub(super) fn known_machine(&mut self, call: Call<'_>, id: &str) -> Result<&mut MachineRecord> {
        self.machines.get_mut(id).ok_or_else(|| {
            call.error(Kind::NotFound, "InvalidInstanceID.NotFound", format!("there is no instance {id}"))
        })
    }
}

#[async_trait]
impl Machines for FakeCloud {
    async fn launch(&self, region: &str, request: &Launch) -> Result<Instance> {
        let call = Call::new("RunInstances", region);
        let subnet = request.subnet.as_deref().unwrap_or("the default subnet");
        let detail = format!("{} of {} in {subnet}, token {}", request.instance_type, request.image, request.token);
        self.effect(call, detail, |world| launch(world, call, request)).await
    }

    async fn instance(&self, region: &str, id: &str) -> Result<Option<Instance>> {
        let call = Call::new("DescribeInstances", region);
        self.read(call, |world| Ok(world.region(region).machines.get_mut(id).and_then(MachineRecord::look))).await
    }

    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Instance>> {
        self.read(Call::new("DescribeInstances", region), |world| {
            let machines = world.region(region).machines.values_mut();
            let alive = machines.filter(|machine| machine.instance.state != InstanceState::Terminated);
            let ours = alive.filter(|machine| machine.instance.tags.get(key).is_some_and(|found| found == value));
            Ok(ours.filter_map(MachineRecord::look).collect())
        })
        .await
    }

    async fn type_traits(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, TypeTraits>> {
        let traits = |name: &String| Some((name.clone(), traits_of(name)?));
        let call = Call::new("DescribeInstanceTypes", region);
        self.read(call, |_| Ok(types.iter().filter_map(traits).collect())).await
    }

    async fn console(&self, region: &str, id: &str) -> Result<String> {
        let call = Call::new("GetConsoleOutput", region);
        let console = |machine: &MachineRecord| machine.console.clone();
        self.read(call, |world| Ok(world.region(region).machines.get(id).map(console).unwrap_or_default())).await
    }

    async fn stop(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("StopInstances", region);
        self.effect(call, id, |world| {
            let looks = world.pace.until_stopped;
            let machine = world.region(region).known_machine(call, id)?;
            let request = machine.instance.spot_request.clone();
            if machine.instance.state == InstanceState::Running && !world.region(region).can_stop(request.as_deref()) {
                let message = format!("the spot request of {id} does not allow a stop");
                return Err(call.error(Kind::Invalid, "UnsupportedOperation", message));
            }
            let machine = world.region(region).known_machine(call, id)?;
            match machine.instance.state {
                InstanceState::Running => machine.enter(InstanceState::Stopping, looks),
                InstanceState::Stopping | InstanceState::Stopped => {}
                InstanceState::Pending | InstanceState::ShuttingDown | InstanceState::Terminated => {
                    let message = format!("{id} is not in a state from which it can be stopped");
                    return Err(call.error(Kind::WrongState, "IncorrectInstanceState", message));
                }
            }
            Ok(())
        })
        .await
    }

    async fn start(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("StartInstances", region);
        self.effect(call, id, |world| {
            let (pace, now) = (world.pace, world.now());
            let machine = world.region(region).known_machine(call, id)?;
            if machine.instance.state == InstanceState::Stopped {
                let launch = machine.launch.clone();
                check_capacity(world, call, &launch)?;
            }
            let machine = world.region(region).known_machine(call, id)?;
            match machine.instance.state {
                InstanceState::Stopped => {
                    machine.start(pace, now);
                    Ok(())
                }
                InstanceState::Pending | InstanceState::Running => Ok(()),
                InstanceState::Stopping | InstanceState::ShuttingDown | InstanceState::Terminated => {
                    let message = format!("{id} is not in a state from which it can be started");
                    Err(call.error(Kind::WrongState, "IncorrectInstanceState", message))
                }
            }
        })
        .await
    }

    async fn terminate(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("TerminateInstances", region);
        self.effect(call, id, |world| {
            let looks = world.pace.until_stopped;
            if let Some(machine) = world.region(region).machines.get_mut(id)
                && !machine.instance.state.is_gone()
            {
                machine.instance.state_reason = "Client.UserInitiatedShutdown: User initiated shutdown".to_owned();
                machine.enter(InstanceState::ShuttingDown, looks);
            }
            world.launch_again(region, id);
            Ok(())
        })
        .await
    }

    async fn spot_requests(&self, region: &str, key: &str, value: &str) -> Result<Vec<SpotRequest>> {
        self.read(Call::new("DescribeSpotInstanceRequests", region), |world| {
            let now = world.now();
            let live = world.region(region).spot_requests.iter_mut().filter(|(_, one)| one.is_live(now));
            let ours = live.filter(|(_, one)| one.tags.get(key).is_some_and(|found| found == value));
            Ok(ours.filter_map(|(id, one)| (!one.hidden.spend()).then(|| one.seen(id))).collect())
        })
        .await
    }

    async fn spot_request(&self, region: &str, id: &str) -> Result<Option<SpotRequest>> {
        self.read(Call::new("DescribeSpotInstanceRequests", region), |world| {
            let found = world.region(region).spot_requests.get_mut(id);
            Ok(found.and_then(|one| (!one.hidden.spend()).then(|| one.seen(id))))
        })
        .await
    }

    async fn cancel_spot_request(&self, region: &str, id: &str) -> Result<bool> {
        let call = Call::new("CancelSpotInstanceRequests", region);
        self.effect(call, id, |world| {
            let looks = world.pace.until_stopped;
            let now = world.now();
            let region = world.region(region);
            let Some(request) = region.spot_requests.get_mut(id) else { return Ok(false) };
            if request.hidden.spend() {
                return Ok(false);
            }
            if !request.is_live(now) {
                return Ok(true);
            }
            request.is_over = true;
            // EC2 terminates an instance that is stopped together with its request.
            if let Some(machine) = request.instance.as_ref().and_then(|instance| region.machines.get_mut(instance))
                && machine.instance.state == InstanceState::Stopped
            {
                machine.enter(InstanceState::ShuttingDown, looks);
            }
            Ok(true)
        })
        .await
    }

    async fn volumes_left(&self, region: &str, key: &str, value: &str) -> Result<Vec<Volume>> {
        self.read(Call::new("DescribeVolumes", region), |world| {
            let region = world.region(region);
            let left = region.volumes.iter().filter(|(_, volume)| region.has_left(volume));
            let ours = left.filter(|(_, volume)| volume.tags.get(key).is_some_and(|found| found == value));
            let seen = |(id, volume): (&String, &VolumeRecord)| Volume {
                id: id.clone(),
                created: Some(volume.created),
                tags: volume.tags.clone(),
            };
            Ok(ours.map(seen).collect())
        })
        .await
    }

    async fn delete_volume(&self, region: &str, id: &str) -> Result<()> {
        let call = Call::new("DeleteVolume", region);
        self.effect(call, id, |world| {
            let region = world.region(region);
            if region.volumes.get(id).is_some_and(|volume| !region.has_left(volume)) {
                return Err(call.error(Kind::WrongState, "VolumeInUse", format!("the volume {id} is attached")));
            }
            region.volumes.remove(id);
            Ok(())
        })
        .await
    }
}

impl Region {
    /// Returns whether the volume still exists after its instance.
    pub(super) fn has_left(&self, volume: &VolumeRecord) -> bool {
        let lives = self.machines.get(&volume.instance).is_some_and(|machine| !machine.instance.state.is_gone());
        !volume.goes_with_it && !lives
    }
}

impl FakeCloud {
    /// Adds a volume that is not attached to an instance to a Region. Returns the id of the volume.
    pub fn add_volume(&self, region: &str, tags: &Tags) -> String {
        let mut world = self.world();
        let id = world.ec2_id("vol");
        let created = world.now();
        let volume = VolumeRecord { instance: String::new(), goes_with_it: false, created, tags: tags.clone() };
        world.region(region).volumes.insert(id.clone(), volume);
        id
    }

    /// Removes the capacity for this type in this subnet (`None` stands for the default subnet), until
    /// [`FakeCloud::restore_capacity`].
    pub fn no_capacity(&self, instance_type: &str, subnet: Option<&str>) {
        self.refuse_type(instance_type, subnet, "InsufficientInstanceCapacity");
    }

    /// Makes EC2 reject this type in this subnet because its zone does not have the type, until
    /// [`FakeCloud::restore_capacity`].
    pub fn no_such_type(&self, instance_type: &str, subnet: Option<&str>) {
        self.refuse_type(instance_type, subnet, "Unsupported");
    }

    fn refuse_type(&self, instance_type: &str, subnet: Option<&str>, code: &'static str) {
        self.world().no_capacity.insert((instance_type.to_owned(), subnet.map(str::to_owned)), code);
    }

    /// Sets the quota of vCPUs so that at most this many instances run in a Region at once, until
    /// [`FakeCloud::restore_capacity`]. A launch beyond it fails with `VcpuLimitExceeded`. With 0 instances, the quota is 0.
    pub fn room_for(&self, instances: usize) {
        self.world().most_instances = Some(instances);
    }

    /// Removes the capacity for spot instances.
    pub fn no_spot_capacity(&self) {
        self.world().no_spot = true;
    }

    /// Restores capacity for everything.
    pub fn restore_capacity(&self) {
        let mut world = self.world();
        world.no_capacity.clear();
        world.most_instances = None;
        world.no_spot = false;
    }

    /// Makes an instance's volumes outlive it, as a program on the instance or a person may do. Returns the ids of
    /// these volumes.
    pub fn keep_volumes(&self, region: &str, instance: &str) -> Vec<String> {
        let mut world = self.world();
        let volumes = world.region(region).volumes.iter_mut().filter(|(_, volume)| volume.instance == instance);
        volumes
            .map(|(id, volume)| {
                volume.goes_with_it = false;
                id.clone()
            })
            .collect()
    }

    /// Terminates an instance at once and from outside, as EC2 does when hardware fails. If the reason is an interruption
    /// and the instance's spot request is persistent, the instance is stopped instead. Does nothing if the instance does
    /// not exist.
    pub fn end_instance(&self, region: &str, id: &str, reason: &str) {
        let mut world = self.world();
        let Some(machine) = world.region(region).machines.get_mut(id) else { return };
        machine.doom_with(reason);
        if machine.instance.state.is_gone() {
            world.launch_again(region, id);
        }
    }

    /// Stops an instance at once for this reason, as EC2 does if it cannot start the instance.
    pub fn stop_instance(&self, region: &str, id: &str, reason: &str) {
        let mut world = self.world();
        if let Some(machine) = world.region(region).machines.get_mut(id) {
            machine.instance.state_reason = reason.to_owned();
            machine.enter(InstanceState::Stopping, 0);
        }
    }

    /// Lets every pending instance of a Region run. Its agent is not online yet.
    pub fn boot(&self, region: &str) {
        let mut world = self.world();
        let machines = world.region(region).machines.values_mut();
        let pending = machines.filter(|machine| machine.instance.state == InstanceState::Pending);
        pending.for_each(|machine| machine.enter(InstanceState::Running, 0));
    }

    /// Sets the text that instances write to their consoles from now on, and the time of their launch.
    pub fn consoles_say(&self, text: &str, launched: Timestamp) {
        self.world().boots = Some((text.to_owned(), launched));
    }

    /// Makes SSM lose the agents of all instances in a Region. SSM last heard from them at this time.
    pub fn lose_agents(&self, region: &str, since: Timestamp) {
        self.world().region(region).machines.values_mut().for_each(|machine| machine.lost = Some(since));
    }

    /// Makes the next launched instance end by itself after it was looked at this many times.
    pub fn next_instance_ends(&self, looks: u32, reason: &str) {
        self.world().doomed.push_back((looks, reason.to_owned()));
    }
}
