//! `goldsmith deploy`: makes a stack of a release, or brings one up to date. The local stack is deployed by the same steps.

pub(crate) mod changes;
pub(crate) mod deployment;
mod examples;
mod package;
pub(crate) mod progress;
pub(crate) mod release;
mod upload;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use crate::args::{Format, Globals};
use crate::ask::consents;
use crate::command::schedules;
use crate::connection::{self, Connection};
use crate::exit::Exit;
use crate::local::release_of_local;
use crate::output;
use crate::version::{self, OWN};
use deployment::{Deployment, Wishes};
use release::Release;

/// Make a stack of a release, or bring one up to date.
///
/// Shows what CloudFormation would change, and asks before it changes anything. Parameters and tags that are not given keep
/// the values that the stack has. Builds that run go on. Safe to repeat: one that was interrupted is waited for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An unpacked archive of a release, or a checkout in which `make release` has been [default: this program's own].
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// The functions' zip, where it is not the release's.
    #[arg(long, value_name = "FILE", env = "GOLDSMITH_PACKAGE")]
    package: Option<PathBuf>,
    /// Architecture of the functions, where the release has more than one: x86_64 or arm64.
    #[arg(long, value_name = "NAME", value_parser = ["x86_64", "arm64"])]
    architecture: Option<String>,
    /// Value of a parameter of the template; may be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Managed policy that bounds every role of the stack.
    #[arg(long, value_name = "ARN")]
    permissions_boundary: Option<String>,
    /// Path of every role and policy of the stack, such as /goldsmith/.
    #[arg(long, value_name = "PATH")]
    role_path: Option<String>,
    /// Tag of the stack and of all that it makes; may be repeated, and replaces the tags that the stack has.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Table that a retired stack has left: the new stack goes on with its pipelines, images and numbers.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Change without asking.
    #[arg(long)]
    yes: bool,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    pair(text).ok_or_else(|| "write NAME=VALUE".to_owned())
}

fn tag(text: &str) -> Result<(String, String), String> {
    pair(text).ok_or_else(|| "write KEY=VALUE".to_owned())
}

fn pair(text: &str) -> Option<(String, String)> {
    let (key, value) = text.split_once('=').filter(|(key, _)| !key.is_empty())?;
    Some((key.to_owned(), value.to_owned()))
}

impl Args {
    fn release(&self, local: bool) -> Result<Release> {
        let (package, architecture) = (self.package.as_deref(), self.architecture.as_deref());
        let release = match &self.from {
            Some(folder) => Release::of_folder(folder, package, architecture)?,
            None if local => match architecture {
                Some(architecture) => Release { architecture: architecture.to_owned(), ..release_of_local(package)? },
                None => release_of_local(package)?,
            },
            None => Release::of_program(package, architecture)?,
        };
        if local {
            release.check_local()?;
        }
        release.check().map(|()| release)
    }

    fn wishes(&self) -> Wishes {
        let mut parameters: BTreeMap<String, String> = self.parameters.iter().cloned().collect();
        let named = [("PermissionsBoundary", &self.permissions_boundary), ("RolePath", &self.role_path)];
        parameters.extend(named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))));
        let tags = (!self.tags.is_empty()).then(|| self.tags.iter().cloned().collect());
        Wishes { parameters, tags, table: self.table.clone() }
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let release = args.release(globals.local)?;
    let config = connection::config(globals).await?;
    let before = Connection::find(&config, &globals.stack).await?.and_then(|stack| stack.version);
    if let Some(note) = version::back(before.as_deref(), release.version()) {
        output::say(&note);
    }
    let deployment = Deployment::new(&config, &globals.stack, &output::say);
    let prepared = deployment.prepare(&release, &args.wishes()).await?;
    let (changed, status) = match &prepared {
        None => (Vec::new(), "unchanged"),
        Some(prepared) => {
            changes::lines(&prepared.changes).iter().for_each(|line| output::say(line));
            let question = format!("Change the stack {}?", globals.stack);
            match consents(&question, "nothing was changed", args.yes) {
                Ok(true) => deployment.execute(prepared).await?,
                Ok(false) => {
                    deployment.forget(prepared).await?;
                    output::say("Nothing was changed.");
                    return Ok(Exit::Success);
                }
                Err(error) => return deployment.forget(prepared).await.and(Err(error)),
            }
            (changes::values(&prepared.changes), "deployed")
        }
    };
    let stack = Connection::open(globals).await?;
    take_up(&stack).await?;
    let version = stack.version.as_deref().unwrap_or(OWN);
    if globals.output == Format::Json {
        let stack = json!({"stack": stack.stack, "region": stack.region, "version": version, "status": status, "changes": changed});
        output::json(&stack)?;
        return Ok(Exit::Success);
    }
    let how = if prepared.is_none() { "is up to date" } else { "is deployed" };
    output::line(&format!("The stack {} {how} in {}, version {version}.", stack.stack, stack.region))?;
    let again = globals.again();
    output::line(&format!("  See what a first build needs:  {again} doctor"))?;
    output::line(&format!("  Build an image:                {again} build examples/web-server"))?;
    Ok(Exit::Success)
}

/// Puts the table of a stack that was retired, or whose retirement was given up, into service again.
async fn take_up(stack: &Connection) -> Result<()> {
    if stack.store.is_retired().await? {
        schedules::restore(stack).await?;
        stack.store.take_up().await?;
        output::say("The table is in service again: schedules are set, and what was kept to be built is built.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{parameter, tag};

    #[test]
    fn a_value_may_be_empty_and_a_name_not() {
        assert_eq!(parameter("VpcId="), Ok(("VpcId".to_owned(), String::new())));
        assert_eq!(tag("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        for text in ["=b", "a"] {
            assert_eq!(parameter(text), Err("write NAME=VALUE".to_owned()));
            assert_eq!(tag(text), Err("write KEY=VALUE".to_owned()));
        }
    }
}
