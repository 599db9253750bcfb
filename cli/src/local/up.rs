//! Starts a local stack, or uses the running one.

use std::env;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use goldsmith_local::Secret;

use super::files::{self, Files};
use super::folders::Folders;
use super::machine::{self, Privilege};
use super::process::{Process, last_lines};
use super::stack::{REGION, Stack, write_secretly};
use super::{Say, deployment, environment, http};
use crate::digest;
use crate::exit::{invalid, lacking};

/// The endpoint first creates the base image, for which it downloads Debian.
const EC2_START: Duration = Duration::from_secs(900);
const EMULATOR_START: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// If this variable is set, the emulator records each call of a role together with the role's policies, for a test
/// suite that judges the calls.
const RECORD_CALLS: &str = "GOLDSMITH_RECORD_CALLS";

/// What happens to a running stack that another version of this program has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfAnother {
    /// The stack is ended with everything in it, and started again.
    Replace,
    /// The stack stays, and the call fails.
    Keep,
}

/// Returns the stack with this name, started and deployed. `say` receives one sentence about each step that takes time.
/// `package` is the functions' zip. Without it, the zip next to this program is used.
pub(crate) async fn ensure_up(
    name: &str,
    package: Option<&Path>,
    of_another: OfAnother,
    say: Say<'_>,
) -> Result<Stack> {
    let folders = Folders::of(name)?;
    let _lock = folders.lock()?;
    let programs = programs_digest()?;
    let old = Stack::load(&folders)?;
    let is_running = old.as_ref().is_some_and(Stack::is_running);
    let is_ours = old.as_ref().is_some_and(|stack| stack.programs == programs);
    if is_running && !is_ours && of_another == OfAnother::Keep {
        return Err(started_by_another(name));
    }
    // A stack that runs needs nothing else of this machine. To look for it takes longer than a short command.
    let found = match old {
        Some(stack) if is_ours && is_running => Ok(stack),
        old => Err((old, machine::check()?)),
    };
    let release = deployment::release(package)?;
    let files = Files::unpack(&folders.data)?;
    let python = environment::ensure(&folders, &files, say)?;
    let start = |(old, privilege): (Option<Stack>, Privilege)| {
        if let Some(old) = old {
            let why = if is_running {
                "another version of this program has started it. Its definitions, builds, images and instances are lost"
            } else {
                "it has ended"
            };
            say(&format!("Restarting the local AWS, empty: {why}."));
            end(&old, &folders, privilege)?;
        }
        Start { name, folders: &folders, files: &files, python: &python, privilege }.run(programs, say)
    };
    let mut stack = found.or_else(start)?;
    deployment::ensure(&mut stack, &folders, &python, &files, &release, say).await?;
    Ok(stack)
}

/// A command that only reads must not lose images: the content of the stack is lost only when the user restarts it.
fn started_by_another(name: &str) -> anyhow::Error {
    let call = if name == "goldsmith" { "goldsmith".to_owned() } else { format!("goldsmith --stack {name}") };
    invalid(format!(
        "the local stack `{name}` runs, but another version of this program has started it: continue with that version, or \
         run `{call} local up`, which restarts the stack without its definitions, builds, images and instances"
    ))
}

/// Ends the processes of a stack and removes its files.
pub(crate) fn end(stack: &Stack, folders: &Folders, privilege: Privilege) -> Result<()> {
    // The emulator ends first: its functions call the endpoint.
    stack.emulator.end(Privilege::Own)?;
    stack.ec2.end(privilege)?;
    remove(folders, privilege)
}

/// Removes the files of a stack. The files of the endpoint may belong to root, or to user ids that exist only in its
/// instances.
fn remove(folders: &Folders, privilege: Privilege) -> Result<()> {
    if privilege == Privilege::Own {
        goldsmith_local::remove_state(&folders.ec2())?;
    }
    let removed = privilege.command(Path::new("rm")).arg("-rf").arg(&folders.state).status();
    match removed.context("cannot start rm")? {
        status if status.success() => Ok(()),
        _ => bail!("cannot remove {}", folders.state.display()),
    }
}

/// Returns the digest that changes with the version of the stack's programs: the launcher and this executable.
fn programs_digest() -> Result<String> {
    let program = env::current_exe().context("the path of this program is unknown")?;
    let built = digest::stamp(&program)?;
    Ok(digest::of_texts([files::emulator_digest().as_str(), &built].into_iter()))
}

/// A start of the two processes.
struct Start<'a> {
    name: &'a str,
    folders: &'a Folders,
    files: &'a Files,
    python: &'a Path,
    privilege: Privilege,
}

impl Start<'_> {
    fn run(&self, programs: String, say: Say<'_>) -> Result<Stack> {
        let state = &self.folders.state;
        // A start that died before it saved a description has left files, which no `down` knows.
        remove(self.folders, self.privilege)?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
        made.with_context(|| format!("cannot create {}", state.display()))?;
        let secret = Secret::random().context("there are no random bytes")?;
        write_secretly(&self.folders.secret(), secret.reveal().as_bytes())?;
        let ports = http::free_ports()?;
        let [port, ec2_port] = ports;
        let known = has_base_image(&self.folders.base_images());
        let first =
            if known { "" } else { ", and making a minimal Debian for its instances (once, about half a minute)" };
        say(&format!("Starting the local AWS{first}."));
        let ec2 = Process::start(&self.ec2(ec2_port, port)?, &self.log("ec2"))?;
        let emulator = Process::start(&self.emulator(port, ec2_port)?, &self.log("emulator"));
        // No description is saved yet, so nothing else could end the endpoint.
        let emulator = emulator.or_else(|error| ec2.end(self.privilege).and(Err(error)))?;
        let stack = Stack::started(self.name, ports, [emulator, ec2], programs, &secret);
        // From here on, `down` can end it, whatever happens to this process.
        stack.save(self.folders)?;
        match self.wait(&stack).and_then(|()| stack.instances()) {
            Ok(instances) => {
                say(&format!("Instances run here: {instances}."));
                Ok(stack)
            }
            Err(error) => end(&stack, self.folders, self.privilege).and(Err(error)),
        }
    }

    /// Returns the command that starts the endpoint: this program, with the permissions that it needs.
    fn ec2(&self, port: u16, events: u16) -> Result<Command> {
        let program = env::current_exe().context("the path of this program is unknown")?;
        let mut command = self.privilege.command(&program);
        command.args(["local", "ec2", "--listen", &format!("127.0.0.1:{port}")]);
        command.args(["--events", &format!("http://127.0.0.1:{events}")]);
        // The secret is in a file, because all users see the arguments of all programs.
        command.arg("--secret-file").arg(self.folders.secret());
        command.arg("--state").arg(self.folders.ec2());
        command.arg("--images").arg(self.folders.base_images());
        Ok(command)
    }

    /// Returns the command that starts the emulator. The emulator's functions inherit its whole environment, so the
    /// environment is almost empty.
    fn emulator(&self, port: u16, ec2_port: u16) -> Result<Command> {
        let home = self.folders.state.join("emulator");
        fs::create_dir_all(&home).with_context(|| format!("cannot create {}", home.display()))?;
        let path = env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
        let mut command = Command::new("env");
        command.arg("-i").arg(format!("PATH={path}")).arg(format!("HOME={}", home.display()));
        command.arg(self.python).arg(self.files.path("launcher.py"));
        command.args(["--port", &port.to_string(), "--ec2", &format!("http://127.0.0.1:{ec2_port}")]);
        command.args(["--region", REGION, "--directory"]).arg(&home);
        command.arg("--secret-file").arg(self.folders.secret());
        if env::var_os(RECORD_CALLS).is_some() {
            command.arg("--record-calls");
        }
        Ok(command)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folders.state.join(format!("{name}.log"))
    }

    fn wait(&self, stack: &Stack) -> Result<()> {
        let emulator = || stack.emulator_answers();
        await_answer("the emulator", stack.emulator, emulator, EMULATOR_START, &self.log("emulator"))?;
        await_answer("the EC2 endpoint", stack.ec2, || stack.ec2_answers(), EC2_START, &self.log("ec2"))
    }
}

fn has_base_image(folder: &Path) -> bool {
    let images = fs::read_dir(folder).into_iter().flatten().flatten();
    images.map(|image| image.path()).any(|image| image.extension().is_some_and(|extension| extension == "tar"))
}

fn await_answer(what: &str, process: Process, answers: impl Fn() -> bool, limit: Duration, log: &Path) -> Result<()> {
    let started = Instant::now();
    while !answers() {
        if !process.is_alive() {
            return Err(lacking(format!("{what} has ended: {}", last_lines(log))));
        }
        if started.elapsed() > limit {
            bail!("{what} does not answer after {} seconds: {}", limit.as_secs(), last_lines(log));
        }
        sleep(LOOK);
    }
    // Another process may have taken the port and may have answered instead.
    if !process.is_alive() {
        return Err(lacking(format!("{what} has ended: {}", last_lines(log))));
    }
    Ok(())
}
