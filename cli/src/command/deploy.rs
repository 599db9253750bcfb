//! `goldsmith deploy`: creates a stack from a release, or updates one. The local stack is deployed with the same steps.

mod changes;
mod service;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use crate::args::Globals;
use crate::ask::consents_or_ends;
use crate::connection::{self, Connection};
use crate::deployment::release::Release;
use crate::deployment::{Deployment, Wishes};
use crate::exit::{Exit, invalid};
use crate::local::release_of_local;
use crate::output::{self, Show};
use crate::version;

/// Status of a stack that needed no change.
const UNCHANGED: &str = "unchanged";

/// Create a stack from a release, or update one.
///
/// Shows what CloudFormation would change, and asks before it changes anything. Parameters and tags that are not given
/// keep their values in the stack. Running builds continue. Safe to repeat: the command waits for an interrupted
/// deployment to end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Unpacked archive of a release, or a checkout in which `make release` has run [default: the release of this
    /// program].
    #[arg(long, value_name = "FOLDER")]
    from: Option<PathBuf>,
    /// Zip of the functions, if it is not the release's own.
    #[arg(long, value_name = "FILE", env = "GOLDSMITH_PACKAGE")]
    package: Option<PathBuf>,
    /// Architecture of the functions, if the release has more than one: x86_64 or arm64.
    #[arg(long, value_name = "NAME", value_parser = ["x86_64", "arm64"])]
    architecture: Option<String>,
    /// Value of a parameter of the template; can be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Managed policy that limits every role of the stack (a permissions boundary).
    #[arg(long, value_name = "ARN")]
    permissions_boundary: Option<String>,
    /// Path of every role and policy of the stack, such as /goldsmith/.
    #[arg(long, value_name = "PATH")]
    role_path: Option<String>,
    /// Tag of the stack and of everything that it makes; can be repeated. The given tags replace the tags of the stack.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Table that a retired stack has left; the new stack continues with its pipelines, images and build numbers.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Deploy without asking.
    #[arg(long)]
    yes: bool,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    pair(text).ok_or_else(|| "write NAME=VALUE".to_owned())
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = pair(text).ok_or_else(|| "write KEY=VALUE".to_owned())?;
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err("keys that begin with aws: are AWS's own".to_owned());
    }
    Ok((key, value))
}

/// Returns each key with its value, and rejects a key that is given twice.
fn once(flag: &str, pairs: &[(String, String)]) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for (key, value) in pairs {
        if let Some(before) = all.insert(key.clone(), value.clone()).filter(|before| before != value) {
            return Err(invalid(format!("{flag} gives {key} twice, as `{before}` and as `{value}`")));
        }
    }
    Ok(all)
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

    fn wishes(&self) -> Result<Wishes> {
        let mut parameters = once("--parameter", &self.parameters)?;
        let named = [
            ("--permissions-boundary", "PermissionsBoundary", &self.permissions_boundary),
            ("--role-path", "RolePath", &self.role_path),
        ];
        for (flag, name, value) in named {
            let Some(value) = value else { continue };
            if parameters.insert(name.to_owned(), value.clone()).is_some_and(|before| before != *value) {
                return Err(invalid(format!("{flag} and --parameter {name} give two values: give one of them")));
            }
        }
        let tags = once("--tag", &self.tags)?;
        Ok(Wishes { parameters, tags: (!tags.is_empty()).then_some(tags), table: self.table.clone() })
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let wishes = args.wishes()?;
    let release = args.release(globals.local)?;
    let config = connection::config(globals).await?;
    let before = Connection::find(&config, &globals.stack).await?;
    let deployed = before.as_ref().and_then(|stack| stack.version.as_deref());
    if let Some(note) = version::back(deployed, release.version()) {
        output::say(&note);
    }
    let retirement = async || service::look(&config, &globals.stack, before.as_ref(), args.table.as_deref()).await;
    let mut found = retirement().await?;
    let deployment = Deployment::new(&config, &globals.stack, globals.ways(), &output::say);
    let prepared = deployment.prepare(&release, &wishes).await?;
    let (changed, status) = match &prepared {
        None => (Vec::new(), UNCHANGED),
        Some(prepared) => {
            changes::lines(&prepared.changes).iter().for_each(|line| output::say_painted(line));
            let question = format!("Change the stack {}?", globals.stack);
            match consents_or_ends(&question, "nothing was changed", args.yes).await {
                Ok(Some(true)) => {
                    // A retirement may have begun during the question.
                    found = match retirement().await {
                        Ok(found) => found,
                        Err(error) => {
                            deployment.forget_after(prepared).await;
                            return Err(error);
                        }
                    };
                    deployment.execute(prepared).await?;
                }
                Ok(answer) => {
                    deployment.forget(prepared).await?;
                    output::say("Nothing was changed.");
                    return Ok(answer.map_or(Exit::Interrupted, |_| Exit::Success));
                }
                Err(error) => {
                    deployment.forget_after(prepared).await;
                    return Err(error);
                }
            }
            (changes::values(&prepared.changes), "deployed")
        }
    };
    // A first deployment has created the parameter that this reads, and another table may be in service now.
    let stack = Connection::open(globals).await?;
    service::take_up(&stack, &found).await?;
    let Connection { stack, region, version, .. } = stack;
    output::show(globals, &Deployed { changes: changed, region, stack, status, version })?;
    Ok(Exit::Success)
}

/// The stack after a deployment.
#[derive(Serialize)]
struct Deployed {
    changes: Vec<Value>,
    region: String,
    stack: String,
    /// `unchanged` or `deployed`.
    status: &'static str,
    version: Option<String>,
}

impl Show for Deployed {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let how = if self.status == UNCHANGED { "is up to date" } else { "is deployed" };
        let (again, version) = (globals.again(), version::told(self.version.as_deref()));
        vec![
            format!("The stack {} {how} in {}{version}.", self.stack, self.region),
            format!("  See what a first build needs:  {again} doctor"),
            format!("  Build an image:                {again} build examples/web-server"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Deployed, UNCHANGED, parameter, tag};
    use crate::command::{Cli, Command};
    use crate::output::Show;
    use crate::testing::globals;

    #[test]
    fn two_values_for_one_thing_are_refused_and_one_given_twice_is_not() {
        let wishes = |more: &[&str]| {
            let cli = Cli::parse_from(["goldsmith", "deploy"].iter().chain(more));
            let Command::Deploy(args) = cli.command else { panic!("it is a deployment") };
            args.wishes()
        };
        let cases: [(&[&str], &str); 3] = [
            (&["--tag", "a=1", "--tag", "a=2"], "--tag gives a twice, as `1` and as `2`"),
            (&["--parameter", "A=1", "--parameter", "A="], "--parameter gives A twice, as `1` and as ``"),
            (
                &["--role-path", "/a/", "--parameter", "RolePath=/b/"],
                "--role-path and --parameter RolePath give two values: give one of them",
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(wishes(given).unwrap_err().to_string(), expected);
        }
        let same =
            wishes(&["--tag", "a=1", "--tag", "a=1", "--role-path", "/a/", "--parameter", "RolePath=/a/"]).unwrap();
        assert_eq!((same.parameters.len(), same.tags.unwrap().len()), (1, 1));
    }

    #[test]
    fn a_stack_that_needed_no_change_is_told_apart_for_people_and_programs() {
        let deployed = |status| Deployed {
            changes: Vec::new(),
            region: "eu-west-1".to_owned(),
            stack: "s".to_owned(),
            status,
            version: Some("1.2.3".to_owned()),
        };
        let lines = |status| deployed(status).lines(&globals("--stack s"));
        assert_eq!(lines(UNCHANGED)[0], "The stack s is up to date in eu-west-1, version 1.2.3.");
        assert_eq!(lines("deployed")[0], "The stack s is deployed in eu-west-1, version 1.2.3.");
        assert_eq!(lines("deployed")[1], "  See what a first build needs:  goldsmith --stack s doctor");
        let json = r#"{"changes":[],"region":"eu-west-1","stack":"s","status":"unchanged","version":"1.2.3"}"#;
        assert_eq!(serde_json::to_string(&deployed(UNCHANGED)).unwrap(), json);
    }

    #[test]
    fn aws_keeps_its_tags_for_itself() {
        for text in ["aws:x=y", "AWS:x=y"] {
            assert_eq!(tag(text), Err("keys that begin with aws: are AWS's own".to_owned()));
        }
        assert!(tag("awsome=y").is_ok() && Cli::try_parse_from(["goldsmith", "deploy", "--tag", "aws:x=y"]).is_err());
    }

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
