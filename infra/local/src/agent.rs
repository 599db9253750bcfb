//! The SSM agent of an instance: a process inside the instance, which the instance's own commands can see, end, install
//! and remove.
//!
//! The endpoint does the work of the agent (`ssm`). The process stands for the agent, so that an instance without a
//! running agent behaves as on AWS. Instances of the source image bring an agent. In all other instances, the agent is
//! the program that a package installs at the usual path. The agent starts at each boot, and it restarts some time
//! after it has ended, unless its unit is masked.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;

use crate::endpoint::Endpoint;
use crate::events::Event;
use crate::guest::Guest;
use crate::world::InstanceState;

/// Path at which packages install the agent.
const PROGRAM: &str = "/usr/bin/amazon-ssm-agent";
/// Path of the source image's agent, which no image contains.
const OWN_PROGRAM: &str = "/run/amazon-ssm-agent";
/// A link to /dev/null at this path prevents systemd from starting the agent.
const MASK: &str = "/etc/systemd/system/amazon-ssm-agent.service";
/// A process that does nothing until its input ends, which is when the endpoint ends.
const STAND_IN: &str = "#!/bin/sh\n# Stands for the SSM agent.\nread -r _\n";
/// Interval of the checks.
const LOOK: Duration = Duration::from_millis(100);

impl Endpoint {
    /// Starts an instance's agent, and restarts it as long as the instance runs.
    pub(crate) fn tend_agent(self: &Arc<Self>, id: &str) {
        let (endpoint, id) = (self.clone(), id.to_owned());
        self.spawn(async move {
            while endpoint.state_of(&id) == Some(InstanceState::Running) {
                match endpoint.start_agent(&id).await {
                    Some((guest, agent)) => endpoint.follow_agent(&id, &guest, agent).await,
                    None => tokio::time::sleep(LOOK).await,
                }
            }
        });
    }

    /// Starts the agent of a booted instance, if the instance has one.
    async fn start_agent(&self, id: &str) -> Option<(Arc<Guest>, Child)> {
        let brings_one = {
            let world = self.world();
            let instance = world.instances.get(id).filter(|instance| !instance.silent)?;
            instance.has_agent
        };
        let guest = self.guest(id)?;
        if !guest.is_running().await || guest.is_null(MASK).await {
            return None;
        }
        let program = if brings_one { bring(&guest).await? } else { PROGRAM };
        guest.read(program, 0, 1).await?;
        let mut agent = guest.command(program).await?;
        // The agent is never killed from outside: its parent outside must reap it; otherwise the instance's namespaces
        // could never end.
        agent.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Some((guest, agent.spawn().ok()?))
    }

    /// Registers the agent with Systems Manager, and follows it until it has ended and may be started again.
    async fn follow_agent(&self, id: &str, guest: &Guest, mut agent: Child) {
        self.hear(id);
        let boots = guest.boots();
        // The agent ends when its input ends, and `wait` would close the input.
        let input = agent.stdin.take();
        agent.wait().await.ok();
        drop(input);
        if let Some(instance) = self.world().instances.get_mut(id) {
            instance.last_heard.get_or_insert_with(Timestamp::now);
        }
        // A boot starts the agent at once. If the agent ended by itself, its unit sets the delay of the restart.
        let ended = tokio::time::Instant::now();
        while guest.boots() == boots
            && ended.elapsed() < self.settings().delays.agent_restart
            && self.state_of(id) == Some(InstanceState::Running)
        {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Records the agent's first contact, or its return.
    fn hear(&self, id: &str) {
        let mut world = self.world();
        let Some(instance) = world.instances.get_mut(id) else { return };
        let runs = instance.state() == InstanceState::Running;
        let was_online = std::mem::replace(&mut instance.online, runs);
        instance.last_heard = None;
        if instance.online && !was_online {
            instance.online_since = Some(Timestamp::now());
        }
        if instance.online && !was_online && self.settings().registration_events {
            self.emit(Event::of_registration(instance));
        }
    }

    /// Returns whether an instance's agent accepts commands now.
    pub(crate) fn is_heard(&self, id: &str) -> bool {
        self.world().instances.get(id).is_some_and(|instance| instance.online && instance.last_heard.is_none())
    }
}

/// Copies the source image's agent into a booted instance, and returns its path.
async fn bring(guest: &Guest) -> Option<&'static str> {
    let mut put = guest.command("/bin/sh").await?;
    put.args([
        "-c",
        "umask 022 && cat > \"$1.new\" && chmod 755 \"$1.new\" && mv \"$1.new\" \"$1\"",
        "sh",
        OWN_PROGRAM,
    ]);
    let mut put = put.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    put.stdin.take()?.write_all(STAND_IN.as_bytes()).await.ok()?;
    put.wait().await.ok()?.success().then_some(OWN_PROGRAM)
}
