//! `goldsmith local`: AWS on this machine. The production template, state machine and functions run on an emulator. EC2
//! and SSM are Goldsmith's own endpoint, whose instances really run commands.

mod deployment;
mod doctor;
mod ec2;
mod environment;
pub(crate) mod files;
mod folders;
mod http;
pub(crate) mod machine;
mod process;
mod stack;
mod up;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;

use crate::args::{Format, Globals};
use crate::exit::{Exit, invalid};
use crate::output;
pub(crate) use deployment::release as release_of_local;
use files::Files;
use folders::Folders;
pub(crate) use stack::Stack;
pub(crate) use up::{OfAnother, ensure_up};

/// Prints one sentence about something that takes time.
pub(crate) type Say<'a> = &'a dyn Fn(&str);

/// Run AWS on this machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start the stack, or update it. If another version of this program has started the stack, it is restarted empty.
    Up {
        /// Zip of the functions, if it is not where `make package` puts it.
        #[arg(long, value_name = "FILE", env = "GOLDSMITH_PACKAGE")]
        package: Option<PathBuf>,
    },
    /// Show whether the stack runs, and where.
    Status,
    /// End the stack and remove everything that it made; files that are made only once stay.
    Down,
    /// Empty the stack: definitions, builds, images and instances.
    Reset,
    /// Show what this machine can do for instances, and how to get more.
    Doctor,
    Ec2(ec2::Args),
    /// Print the interpreter of the Python environment, which is created if it is missing.
    #[command(hide = true)]
    Python,
}

/// Runs `goldsmith local`.
pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let folders = Folders::of(&globals.stack)?;
    match &args.action {
        Action::Up { package } => show(globals, &anew(globals, package.as_deref()).await?)?,
        Action::Status => return status(globals, &folders),
        Action::Down => down(globals, &folders)?,
        Action::Reset => reset(globals, &folders).await?,
        Action::Doctor => return doctor::run(globals),
        Action::Ec2(args) => ec2::run(args, &folders)?,
        Action::Python => {
            let files = Files::unpack(&folders.data)?;
            let python = environment::ensure(&folders, &files, &output::say)?;
            output::line(&python.display().to_string())?;
        }
    }
    Ok(Exit::Success)
}

fn show(globals: &Globals, stack: &Stack) -> Result<()> {
    if globals.output == Format::Json {
        return Ok(output::json(stack)?);
    }
    // There is no full stop, because it would be copied with the address.
    output::line(&format!("The local stack `{}` runs at {}", stack.name, stack.endpoint_url))?;
    output::line(&format!("  AWS CLI:   {} …", stack.aws(None)))?;
    let key = format!("AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}", stack.access_key, stack.secret_key);
    let place = format!("AWS_REGION={} AWS_ENDPOINT_URL={}", stack.region, stack.endpoint_url);
    output::line(&format!("  SDKs:      export {key} {place} (Packer: custom_endpoint_ec2)"))?;
    output::line(&format!("  Instances: {}", stack.instances()?))?;
    output::line(&format!("  End it:    {}", call(globals, "down")))?;
    Ok(())
}

/// A stack that does not run is an answer, not a mistake: the exit code is 1, as for other checks.
fn status(globals: &Globals, folders: &Folders) -> Result<Exit> {
    let found = Stack::load(folders)?;
    if let Some(stack) = found.as_ref().filter(|stack| stack.is_running()) {
        show(globals, stack)?;
        return Ok(Exit::Success);
    }
    let (status, how) = if found.is_some() { ("ended", "has ended by itself") } else { ("down", "is down") };
    match globals.output {
        Format::Json => output::json(&serde_json::json!({"name": globals.stack, "status": status}))?,
        Format::Text => {
            let up = call(globals, "up");
            output::line(&format!("The local stack `{}` {how}: `{up}` starts it, empty.", globals.stack))?;
        }
    }
    Ok(Exit::Failed)
}

fn down(globals: &Globals, folders: &Folders) -> Result<()> {
    let _lock = folders.lock()?;
    let Some(stack) = Stack::load(folders)? else {
        output::say(&format!("The local stack `{}` is already down.", globals.stack));
        return Ok(());
    };
    output::say(&format!("Ending the local stack `{}`.", globals.stack));
    up::end(&stack, folders, machine::check()?)
}

async fn reset(globals: &Globals, folders: &Folders) -> Result<()> {
    {
        // The lock ends with this block. `anew` takes it too, and would wait forever for the lock of its own process.
        let _lock = folders.lock()?;
        let stack = Stack::load(folders)?.filter(Stack::is_running);
        let mut stack = stack.ok_or_else(|| invalid(format!("the local stack `{}` does not run", globals.stack)))?;
        output::say(&format!("Emptying the local stack `{}`.", globals.stack));
        stack.deployed = None;
        // This is saved before the reset. If this process dies in between, the next start deploys to the empty stack.
        stack.save(folders)?;
        http::request("POST", stack.port, "/_ministack/reset", &stack.secret)?;
        http::request("POST", stack.ec2_port, "/_local/reset", &stack.secret)?;
    }
    anew(globals, None).await.map(drop)
}

/// Returns how the AWS CLI is called for the local stack of this name, if there is one.
pub(crate) fn aws(name: &str, region: Option<&str>) -> Option<String> {
    let stack = Folders::of(name).and_then(|folders| Stack::load(&folders)).ok()??;
    Some(stack.aws(region))
}

/// Returns the stack as this version of the program starts it.
async fn anew(globals: &Globals, package: Option<&Path>) -> Result<Stack> {
    ensure_up(&globals.stack, package, OfAnother::Replace, &output::say).await
}

fn call(globals: &Globals, action: &str) -> String {
    let local = Globals { local: false, ..globals.clone() };
    format!("{} local {action}", local.again())
}
