//! `goldsmith local`

mod doctor;
mod ec2;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;

use crate::args::Globals;
use crate::exit::{Exit, invalid};
use crate::local::files::Files;
use crate::local::folders::Folders;
use crate::local::{OfAnother, Stack, ensure_up, environment, http, machine, up};
use crate::output::{self, Show};

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
        /// Zip of the functions, if it is not at the path that `make package` writes.
        #[arg(long, value_name = "FILE", env = "GOLDSMITH_PACKAGE")]
        package: Option<PathBuf>,
    },
    /// Show whether the stack is running, and at which address.
    Status,
    /// End the stack, and remove everything that it made; files that are made only once stay.
    Down,
    /// Remove everything from the stack: definitions, builds, images and instances.
    Reset,
    /// Show how instances can run on this machine, and how to allow more.
    Doctor,
    Ec2(ec2::Args),
    /// Print the interpreter of the Python environment, which is created if it is missing.
    #[command(hide = true)]
    Python,
}

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

/// A stack that is running.
#[derive(Serialize)]
#[serde(transparent)]
struct Running<'a> {
    stack: &'a Stack,
    /// How the stack's instances run.
    #[serde(skip)]
    instances: String,
}

impl Show for Running<'_> {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let Self { stack, instances } = self;
        let key = format!("AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}", stack.access_key, stack.secret_key);
        let place = format!("AWS_REGION={} AWS_ENDPOINT_URL={}", stack.region, stack.endpoint_url);
        vec![
            // There is no full stop, because it would be copied with the address.
            format!("The local stack `{}` runs at {}", stack.name, stack.endpoint_url),
            format!("  AWS CLI:   {} …", stack.aws(None)),
            format!("  SDKs:      export {key} {place} (Packer: custom_endpoint_ec2)"),
            format!("  Instances: {instances}"),
            format!("  End it:    {}", call(globals, "down")),
        ]
    }
}

fn show(globals: &Globals, stack: &Stack) -> Result<()> {
    Ok(output::show(globals, &Running { stack, instances: stack.instances()? })?)
}

/// A stack that is not running.
#[derive(Serialize)]
struct Stopped<'a> {
    name: &'a str,
    /// `ended` or `down`.
    status: &'static str,
    /// The status in words for people.
    #[serde(skip)]
    how: &'static str,
}

impl Show for Stopped<'_> {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let up = call(globals, "up");
        vec![format!("The local stack `{}` {}: `{up}` starts an empty one.", self.name, self.how)]
    }
}

/// If the stack is not running, that is a result and not an error: the exit code is 1, as for other checks.
fn status(globals: &Globals, folders: &Folders) -> Result<Exit> {
    let found = Stack::load(folders)?;
    if let Some(stack) = found.as_ref().filter(|stack| stack.is_running()) {
        show(globals, stack)?;
        return Ok(Exit::Success);
    }
    let (status, how) = if found.is_some() { ("ended", "has ended by itself") } else { ("down", "is down") };
    output::show(globals, &Stopped { name: &globals.stack, status, how })?;
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
        let mut stack = stack.ok_or_else(|| invalid(format!("the local stack `{}` is not running", globals.stack)))?;
        output::say(&format!("Emptying the local stack `{}`.", globals.stack));
        // This is recorded before anything is emptied: if this call is interrupted, the next one deploys again.
        stack.deployed = None;
        // This is saved before the reset. If this process dies in between, the next start deploys to the empty stack.
        stack.save(folders)?;
        http::request("POST", stack.port, "/_ministack/reset", &stack.secret)?;
        http::request("POST", stack.ec2_port, "/_local/reset", &stack.secret)?;
    }
    anew(globals, None).await.map(drop)
}

/// Returns the stack as this version of the program would start it.
async fn anew(globals: &Globals, package: Option<&Path>) -> Result<Stack> {
    ensure_up(&globals.stack, package, OfAnother::Replace, &output::say).await
}

fn call(globals: &Globals, action: &str) -> String {
    let local = Globals { local: false, ..globals.clone() };
    format!("{} local {action}", local.again())
}
