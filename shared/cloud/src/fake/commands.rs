//! Run Command. The fake accepts commands for instances that are online, and ends them as the test has specified.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use super::machine_record::MachineRecord;
use super::outcome::Outcome;
use super::pace::Looks;
use super::world::World;
use crate::{Command, CommandStatus, Commands, InstanceState, Invocation, Kind, Ping, Result};

/// Run Command's longest `executionTimeout`: 48 hours.
const LONGEST_SECONDS: u32 = 172_800;

/// A command, and how it will change.
pub(super) struct CommandRecord {
    pub(super) command: Command,
    outcome: Outcome,
    /// Number of this command among all that were sent, to find the newest one.
    number: u64,
    pub(super) status: CommandStatus,
    hidden: Looks,
    left: Looks,
}

impl CommandRecord {
    /// Returns whether the command's instance is running. SSM does not notice that an instance has ended: the commands
    /// stay `InProgress` until they time out.
    pub(super) fn runs_on(&self, machines: &BTreeMap<String, MachineRecord>) -> bool {
        machines.get(&self.command.instance).is_some_and(|machine| machine.instance.state == InstanceState::Running)
    }

    fn look(&mut self, alive: bool) -> Option<Invocation> {
        if self.hidden.spend() {
            return None;
        }
        let seen = self.invocation();
        if alive {
            self.left.spend();
            self.arrive();
        }
        Some(seen)
    }

    fn arrive(&mut self) {
        if self.status == CommandStatus::Running && self.left.is_over() {
            self.status = self.outcome.status;
        }
    }

    pub(super) fn settle(&mut self, alive: bool) {
        self.hidden.settle();
        self.left.settle();
        if self.status == CommandStatus::Running && !alive {
            self.end(Outcome::timed_out());
        }
        self.arrive();
    }

    fn end(&mut self, outcome: Outcome) {
        self.status = outcome.status;
        self.outcome = outcome;
    }

    fn invocation(&self) -> Invocation {
        if self.status == CommandStatus::Running {
            let detail = "InProgress".to_owned();
            return Invocation {
                status: self.status,
                detail,
                exit_code: None,
                stdout: String::new(),
                stderr: String::new(),
            };
        }
        Invocation {
            status: self.status,
            detail: self.outcome.detail.clone(),
            exit_code: self.outcome.exit_code,
            stdout: self.outcome.stdout.chars().take(24_000).collect(),
            stderr: self.outcome.stderr.chars().take(8_000).collect(),
        }
    }
}

fn send(world: &mut World, call: Call<'_>, command: &Command) -> Result<String> {
    if command.comment.chars().count() > 100 || !(1..=LONGEST_SECONDS).contains(&command.timeout_seconds) {
        return Err(call.error(Kind::Invalid, "ValidationException", "comment or executionTimeout out of range"));
    }
    let machines = &world.region(call.region).machines;
    if !machines.get(&command.instance).is_some_and(MachineRecord::is_online) {
        let message = format!("{} is not in a valid state for account", command.instance);
        return Err(call.error(Kind::NotFound, "InvalidInstanceId", message));
    }
    let outcome = world.command_script.take(command);
    let number = world.number("command");
    let id = format!("00000000-0000-4000-8000-{number:012x}");
    let stream = format!("{id}/{}/aws-runShellScript/stdout", command.instance);
    world.append_log(call.region, &command.log_group, &stream, outcome.stdout.lines());
    let mut record = CommandRecord {
        command: command.clone(),
        outcome,
        number,
        status: CommandStatus::Running,
        hidden: Looks(world.pace.hide_new_command),
        left: Looks(world.pace.until_command),
    };
    record.arrive();
    world.region(call.region).commands.insert(id.clone(), record);
    world.requests.commands.push((call.region.to_owned(), command.clone()));
    Ok(id)
}

#[async_trait]
impl Commands for FakeCloud {
    async fn ping(&self, region: &str, instance: &str) -> Result<Ping> {
        self.read(Call::new("DescribeInstanceInformation", region), |world| {
            Ok(world.region(region).machines.get_mut(instance).map_or(Ping::Unknown, MachineRecord::ping))
        })
        .await
    }

    async fn said(&self, region: &str, command: &str, _instance: &str) -> Result<String> {
        let said = |sent: &CommandRecord| sent.outcome.said.clone();
        self.read(Call::new("GetCommandInvocation", region), |world| {
            Ok(world.region(region).commands.get(command).map(said).unwrap_or_default())
        })
        .await
    }

    async fn send(&self, region: &str, command: &Command) -> Result<String> {
        let call = Call::new("SendCommand", region);
        let detail = format!("{} on {}", command.comment, command.instance);
        self.effect(call, detail, |world| send(world, call, command)).await
    }

    async fn find(&self, region: &str, instance: &str, comment: &str) -> Result<Option<String>> {
        self.read(Call::new("ListCommands", region), |world| {
            let sent = world.region(region).commands.iter_mut();
            let ours = sent.filter(|(_, sent)| sent.command.instance == instance && sent.command.comment == comment);
            let seen = ours.filter_map(|(id, sent)| (!sent.hidden.spend()).then_some((id, sent)));
            Ok(seen.max_by_key(|(_, sent)| sent.number).map(|(id, _)| id.clone()))
        })
        .await
    }

    async fn invocation(&self, region: &str, command: &str, instance: &str) -> Result<Option<Invocation>> {
        self.read(Call::new("GetCommandInvocation", region), |world| {
            let region = world.region(region);
            let machines = &region.machines;
            let sent = region.commands.get_mut(command).filter(|sent| sent.command.instance == instance);
            Ok(sent.and_then(|sent| sent.look(sent.runs_on(machines))))
        })
        .await
    }

    async fn cancel(&self, region: &str, command: &str) -> Result<()> {
        let call = Call::new("CancelCommand", region);
        self.effect(call, command, |world| {
            let sent = world.region(region).commands.get_mut(command);
            if let Some(sent) = sent.filter(|sent| sent.status == CommandStatus::Running) {
                let status = CommandStatus::Cancelled;
                sent.end(Outcome { status, detail: "Cancelled".to_owned(), ..Outcome::endless() });
            }
            Ok(())
        })
        .await
    }
}

impl FakeCloud {
    /// Sets the outcome of the next command, regardless of what it runs. If a test calls this several times, the
    /// outcomes are used in order.
    pub fn next_command(&self, outcome: Outcome) {
        self.next_command_where(|_| true, outcome);
    }

    /// Sets the outcome of the next command for which `matches` returns true. If a test calls this several times, the
    /// outcomes are used in order, and each of them is used once.
    pub fn next_command_where(&self, wanted: impl Fn(&Command) -> bool + Send + 'static, outcome: Outcome) {
        self.world().command_script.push(wanted, outcome);
    }

    /// Sets the outcome of every command for which none is specified. By default, this is success with
    /// `{"status":"success"}`.
    pub fn every_other_command(&self, outcome: Outcome) {
        self.world().command_script.otherwise(outcome);
    }
}
