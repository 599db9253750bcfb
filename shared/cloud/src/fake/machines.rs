//! Instances: `pending` → `running` → `stopping` → `stopped`, and `terminated`, which is final.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::FakeCloud;
use super::ami::changed;
use super::call::Call;
use super::pace::{Looks, Pace};
use super::world::{Region, World};
use crate::{BlockDevice, Instance, InstanceState, Kind, Launch, Machines, Market, Ping, Result, Tags, Volume};

/// An instance, and how it will change.
pub(super) struct MachineRecord {
    pub(super) instance: Instance,
    launch: Launch,
    /// The EBS volumes with which the instance was launched.
    pub(super) devices: Vec<BlockDevice>,
    hidden: Looks,
    /// Number of checks until the instance reaches the state to which it is changing.
    left: Looks,
    online_in: Looks,
    /// The text that the instance has written to its console.
    console: String,
    /// When SSM last heard from the instance's agent, if SSM has lost it.
    lost: Option<Timestamp>,
    /// When the instance ends by itself, and why.
    doom: Option<(Looks, String)>,
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
    fn new(id: String, launch: &Launch, devices: Vec<BlockDevice>, pace: Pace, doom: Option<(u32, String)>) -> Self {
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
            doom: doom.map(|(looks, reason)| (Looks(looks), reason)),
        };
        record.enter(InstanceState::Pending, pace.until_running);
        record
    }

    fn enter(&mut self, state: InstanceState, looks: u32) {
        self.instance.state = state;
        self.left = Looks(looks);
        self.arrive();
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
            self.end(&reason);
        }
    }

    fn look(&mut self) -> Option<Instance> {
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
            None if self.is_online() => Ping::Online,
            None => Ping::Unknown,
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

fn launch(world: &mut World, call: Call<'_>, request: &Launch) -> Result<Instance> {
    if request.token.is_empty() || request.token.len() > 64 || !request.token.is_ascii() {
        return Err(call.error(Kind::Invalid, "InvalidParameterValue", "ClientToken: 1 to 64 ASCII characters"));
    }
    // A token is valid in its zone. Each subnet of the fake is a zone of its own.
    let known = world
        .region(call.region)
        .machines
        .values()
        .find(|machine| machine.launch.token == request.token && machine.launch.subnet == request.subnet);
    if let Some(machine) = known {
        if machine.launch != *request {
            return Err(call.error(
                Kind::Duplicate,
                "IdempotentParameterMismatch",
                "the token was used for another request",
            ));
        }
        return Ok(machine.instance.clone());
    }
    let image = world.region(call.region).usable_image(call, &request.image)?;
    let devices = changed(&image.block_devices, &request.block_devices);
    check_type(call, &request.instance_type, &image.architecture)?;
    if world.no_capacity.contains(&(request.instance_type.clone(), request.subnet.clone())) {
        let message = format!("no {} here now", request.instance_type);
        return Err(call.error(Kind::Capacity, "InsufficientInstanceCapacity", message));
    }
    if request.market == Market::Spot && world.no_spot {
        let message = "Max spot instance count exceeded";
        return Err(call.error(Kind::Capacity, "MaxSpotInstanceCountExceeded", message));
    }
    let doom = world.doomed.pop_front();
    let (id, now) = (world.ec2_id("i"), world.now());
    let mut volumes = Vec::new();
    for device in &devices {
        let volume = VolumeRecord {
            instance: id.clone(),
            goes_with_it: device.delete_on_termination,
            created: now,
            tags: request.tags.clone(),
        };
        let volume_id = world.ec2_id("vol");
        volumes.push(volume_id.clone());
        world.region(call.region).volumes.insert(volume_id, volume);
    }
    let mut machine = MachineRecord::new(id, request, devices, world.pace, doom);
    machine.instance.volumes = volumes;
    if let Some((console, launched)) = &world.boots {
        machine.console.clone_from(console);
        machine.instance.launched = Some(*launched);
    }
    let instance = machine.instance.clone();
    world.region(call.region).machines.insert(instance.id.clone(), machine);
    world.requests.launches.push((call.region.to_owned(), request.clone()));
    Ok(instance)
}

/// Returns the architecture of a type: a `g` after the number of the generation means Graviton. Returns `None` if the
/// type does not exist.
fn architecture_of(instance_type: &str) -> Option<&'static str> {
    let (family, _) = instance_type.split_once('.')?;
    let options = family.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    Some(if options.contains('g') { "arm64" } else { "x86_64" })
}

fn check_type(call: Call<'_>, instance_type: &str, image: &str) -> Result<()> {
    let message = match architecture_of(instance_type) {
        Some(runs) if runs == image => return Ok(()),
        Some(runs) => format!(
            "The architecture '{runs}' of the specified instance type does not match the architecture '{image}' of the \
             specified AMI."
        ),
        None => format!("Invalid value '{instance_type}' for InstanceType."),
    };
    Err(call.error(Kind::Invalid, "InvalidParameterValue", message))
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

    async fn architectures(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, Vec<String>>> {
        let runs = |name: &String| Some((name.clone(), vec![architecture_of(name)?.to_owned()]));
        let call = Call::new("DescribeInstanceTypes", region);
        self.read(call, |_| Ok(types.iter().filter_map(runs).collect())).await
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
            Ok(())
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
        self.world().no_capacity.insert((instance_type.to_owned(), subnet.map(str::to_owned)));
    }

    /// Removes the capacity for spot instances.
    pub fn no_spot_capacity(&self) {
        self.world().no_spot = true;
    }

    /// Restores capacity for everything.
    pub fn restore_capacity(&self) {
        let mut world = self.world();
        world.no_capacity.clear();
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

    /// Terminates an instance at once and from outside, as EC2 does when hardware fails. Does nothing if the instance
    /// does not exist.
    pub fn end_instance(&self, region: &str, id: &str, reason: &str) {
        if let Some(machine) = self.world().region(region).machines.get_mut(id) {
            machine.end(reason);
        }
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
