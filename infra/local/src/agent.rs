//! The SSM agent of an instance: a process inside that an instance's own commands can see, end, install and remove.
//!
//! What it does, the endpoint does (`ssm`): the process stands for it, so that an instance whose agent is not there, not
//! yet or no longer, behaves as on AWS. Instances of the source image bring one; in all others it is the program that a
//! package puts at its usual place. It is started at each boot and, after it has ended, again after a while, unless its
//! unit is masked.

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

/// Where the agent's packages put it.
const PROGRAM: &str = "/usr/bin/amazon-ssm-agent";
/// Where the source image's lies: no image gets it.
const OWN_PROGRAM: &str = "/run/amazon-ssm-agent";
/// A link to /dev/null here keeps systemd from ever starting it.
const MASK: &str = "/etc/systemd/system/amazon-ssm-agent.service";
/// One process that does nothing until its input ends, as it does with the endpoint.
const STAND_IN: &str = "#!/bin/sh\n# Stands for the SSM agent.\nread -r _\n";
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(100);

impl Endpoint {
    /// Starts an instance's agent, and starts it again, as long as the instance runs.
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

    /// Starts the agent of a booted instance, if it has one.
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
        // Never killed from outside: what waits for it there has to bury it, or the instance's namespaces could never end.
        agent.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Some((guest, agent.spawn().ok()?))
    }

    /// Tells Systems Manager of the agent until it has ended.
    async fn follow_agent(&self, id: &str, guest: &Guest, mut agent: Child) {
        self.hear(id);
        let boots = guest.boots();
        // It ends when its input does, which `wait` would close.
        let input = agent.stdin.take();
        agent.wait().await.ok();
        drop(input);
        if let Some(instance) = self.world().instances.get_mut(id) {
            instance.last_heard.get_or_insert_with(Timestamp::now);
        }
        // A boot starts it at once; its unit says after how long it is started again when it ended by itself.
        let ended = tokio::time::Instant::now();
        while guest.boots() == boots
            && ended.elapsed() < self.settings().delays.agent_restart
            && self.state_of(id) == Some(InstanceState::Running)
        {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The agent's first contact, or its return.
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

    /// Whether an instance's agent takes commands now.
    pub(crate) fn is_heard(&self, id: &str) -> bool {
        self.world().instances.get(id).is_some_and(|instance| instance.online && instance.last_heard.is_none())
    }
}

/// Puts the source image's agent into a booted instance.
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
