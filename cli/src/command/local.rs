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
    /// Show whether the stack is running or starting, and at which address.
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
            output::require_text(globals, "the path of an interpreter")?;
            let files = Files::unpack(&folders.data)?;
            let python = environment::ensure(&folders, &files, &output::say)?;
            output::line(&python.display().to_string())?;
        }
    }
    Ok(Exit::Success)
}

/// A stack that is running.
#[derive(Serialize)]
struct Running<'a> {
    #[serde(flatten)]
    stack: &'a Stack,
    /// `running`.
    status: &'static str,
    /// How the stack's instances run.
    #[serde(skip)]
    instances: String,
}

impl Show for Running<'_> {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let Self { stack, instances, .. } = self;
        let key = format!("AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}", stack.access_key, stack.secret_key);
        // botocore, and so boto3 and the first AWS CLI, reads only the second name of the Region.
        let (region, url) = (&stack.region, &stack.endpoint_url);
        let place = format!("AWS_REGION={region} AWS_DEFAULT_REGION={region} AWS_ENDPOINT_URL={url}");
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
    Ok(output::show(globals, &Running { stack, status: "running", instances: stack.instances()? })?)
}

/// A stack that cannot be used.
#[derive(Serialize)]
struct Unusable<'a> {
    name: &'a str,
    status: Status,
}

/// Why a stack cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    /// Its programs run, but its functions are not deployed.
    Starting,
    /// It has ended by itself.
    Ended,
    /// It was not started.
    Down,
}

impl Status {
    /// Returns why the stack cannot be used, or `None` if it can.
    fn of(stack: Option<&Stack>, is_running: bool) -> Option<Self> {
        match stack {
            None => Some(Self::Down),
            Some(_) if !is_running => Some(Self::Ended),
            Some(stack) => stack.deployed.is_none().then_some(Self::Starting),
        }
    }
}

impl Show for Unusable<'_> {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let up = call(globals, "up");
        let how = match self.status {
            Status::Starting => format!("is starting, and is not deployed yet: `{up}` waits for that, or finishes it"),
            Status::Ended => format!("has ended by itself: `{up}` starts an empty one"),
            Status::Down => format!("is down: `{up}` starts an empty one"),
        };
        vec![format!("The local stack `{}` {how}.", self.name)]
    }
}

/// If the stack cannot be used, that is a result and not an error: the exit code is 1, as for other checks.
fn status(globals: &Globals, folders: &Folders) -> Result<Exit> {
    let found = Stack::load(folders)?;
    let is_running = found.as_ref().is_some_and(Stack::is_running);
    if let Some(status) = Status::of(found.as_ref(), is_running) {
        output::show(globals, &Unusable { name: &globals.stack, status })?;
        return Ok(Exit::Failed);
    }
    found.iter().try_for_each(|stack| show(globals, stack))?;
    Ok(Exit::Success)
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

#[cfg(test)]
mod tests {
    use goldsmith_local::Secret;
    use serde_json::json;

    use super::{Stack, Status, Unusable};
    use crate::local::{Deployed, Process};
    use crate::output::Show;
    use crate::testing::globals;

    #[test]
    fn a_stack_that_is_not_deployed_yet_is_starting() {
        let secret: Secret = "secret".parse().unwrap();
        let process = Process { pid: 1, started: 2 };
        let mut stack = Stack::started("goldsmith", [1, 2], [process; 2], "p".to_owned(), &secret);
        assert_eq!(Status::of(None, false), Some(Status::Down));
        assert_eq!(Status::of(Some(&stack), false), Some(Status::Ended));
        assert_eq!(Status::of(Some(&stack), true), Some(Status::Starting));
        stack.deployed = Some(Deployed {
            zip: "a".to_owned(),
            stamp: "1-2".to_owned(),
            definition: "b".to_owned(),
            template: "c".to_owned(),
        });
        assert_eq!(Status::of(Some(&stack), true), None);
        let told = Unusable { name: "goldsmith", status: Status::Starting };
        let expected = "The local stack `goldsmith` is starting, and is not deployed yet: `goldsmith local up` waits for that, \
                        or finishes it.";
        assert_eq!(told.lines(&globals("")), [expected]);
        assert_eq!(serde_json::to_value(&told).unwrap(), json!({"name": "goldsmith", "status": "starting"}));
    }
}
