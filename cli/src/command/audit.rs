//! `goldsmith audit IMAGE|--instance|--root FOLDER|--disk FILE`

mod disk;

use std::path::{Path, PathBuf};

use anyhow::Result;
use goldsmith_executor::{Audit, audit_instance, audit_tree};
use goldsmith_store::AuditRecord;
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::{audited, target};

/// Show what all instances of an image would share: keys, identities, credentials, histories.
///
/// Exits with code 1 if it finds something, or if it could not check everything. For an image, it shows what the
/// image's build has found on a fresh instance. With the options, it audits this machine, a folder or a disk now. It
/// runs and changes nothing in it.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, NAME/latest, or the id of a build. NAME/latest is the newest image
    /// that can be used, which leaves out failed ones.
    #[arg(value_name = "IMAGE", group = "what")]
    image: Option<String>,
    /// Audit this machine, which must be a fresh instance of an image. Files that the machine itself has made since its
    /// boot do not count.
    #[arg(long, group = "what")]
    instance: bool,
    /// Time at which the image of this machine was made, such as 2026-11-28T03:00:00Z. It is more reliable than the
    /// time of the boot.
    #[arg(long, value_name = "TIME", requires = "instance", conflicts_with_all = ["image", "root", "disk"])]
    image_made: Option<Timestamp>,
    /// Root file system in a folder, such as a mounted one. Everything in it counts.
    #[arg(long, value_name = "FOLDER", group = "what")]
    root: Option<PathBuf>,
    /// ext4 file system in a file or on a device. Blocks that belong to no file are searched for private keys, too.
    #[arg(long, value_name = "FILE", group = "what")]
    disk: Option<PathBuf>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    match (&args.image, &args.root, &args.disk) {
        (Some(image), ..) => of_image(globals, image).await,
        (_, Some(root), _) => told(globals, &of_tree(root)?),
        (_, _, Some(disk)) => match disk::audit(disk).await? {
            Some(audit) => told(globals, &audit),
            None => Ok(Exit::Interrupted),
        },
        (None, None, None) => told(globals, &audit_instance(args.image_made, None)),
    }
}

fn of_tree(root: &Path) -> Result<Audit> {
    if !root.is_dir() {
        return Err(invalid(format!("{} is not a folder", root.display())));
    }
    Ok(audit_tree(root))
}

/// An audit of this machine. The text only gives the number of files that packages ship, and the JSON lists all of
/// them.
#[derive(Serialize)]
#[serde(transparent)]
struct Local<'a> {
    audit: &'a Audit,
    #[serde(skip)]
    record: AuditRecord,
}

impl Show for Local<'_> {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let shipped = match self.audit.shipped.len() {
            0 => None,
            count => Some(format!("{count} files with keys are unchanged from their packages, and not secret")),
        };
        self.record.lines(globals).into_iter().chain(shipped).collect()
    }
}

fn told(globals: &Globals, audit: &Audit) -> Result<Exit> {
    output::show(globals, &Local { audit, record: AuditRecord::of(audit)? })?;
    Ok(exit(audit.count(), audit.is_incomplete))
}

/// Returns the exit code of an audit. An incomplete audit is not a success.
fn exit(count: u32, is_incomplete: bool) -> Exit {
    if count > 0 || is_incomplete { Exit::Failed } else { Exit::Success }
}

/// Shows what the build of the image has found.
async fn of_image(globals: &Globals, what: &str) -> Result<Exit> {
    // The table finds images by name and by build. An AMI's tags would name the build, but anyone can copy tags.
    if what.starts_with("ami-") {
        return Err(invalid(format!(
            "{what} is an AMI, and builds cannot be looked up by AMI: launch an instance of it, and run `goldsmith audit --instance` there as root"
        )));
    }
    of_build(globals, &Connection::open(globals).await?, what).await
}

async fn of_build(globals: &Globals, connection: &Connection, what: &str) -> Result<Exit> {
    let image = target::image_or_latest(&connection.store, what).await?;
    let states = connection.store.states(&image.build).await?;
    let Some(audit) = audited::of(&states) else {
        return Err(invalid(format!(
            "{} was not audited: its build launched no test instance, or its pipeline has `audit: off`. With `audit: fail` each \
             build is audited",
            image.image
        )));
    };
    output::show(globals, audit)?;
    Ok(exit(audit.count(), audit.is_incomplete))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::{exit, of_build};
    use crate::command::Cli;
    use crate::exit::Exit;
    use crate::testing::{Stack, globals};

    #[test]
    fn one_thing_is_looked_at() {
        let parsed = |words: &str| Cli::try_parse_from(["goldsmith", "audit"].into_iter().chain(words.split(' ')));
        for good in [
            "web/1.0.0/1",
            "--root /mnt",
            "--disk /dev/sdf",
            "--instance",
            "--instance --image-made 2026-11-28T03:00:00Z",
        ] {
            assert!(parsed(good).is_ok(), "{good}");
        }
        for bad in [
            "--output json",
            "--root /mnt --instance",
            "web/1.0.0/1 --disk x",
            "--root / --image-made 2026-11-28T03:00:00Z",
        ] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn one_that_could_not_look_at_all_does_not_end_well() {
        assert_eq!([exit(0, false), exit(1, false), exit(0, true)], [Exit::Success, Exit::Failed, Exit::Failed]);
    }

    #[tokio::test]
    async fn an_image_whose_build_could_not_look_at_all_does_not_end_well() {
        let globals = globals("");
        for (audit, expected) in [
            (json!({"findings": [], "files": 9}), Exit::Success),
            (json!({"findings": [], "files": 9, "isIncomplete": true}), Exit::Failed),
        ] {
            let stack = Stack::new();
            stack.closed_build(json!({"status": "AVAILABLE"})).await;
            let record = json!({"state": "ExecuteTest", "item": "t3.small", "status": "SUCCEEDED", "startedAt": "",
                                "audit": audit});
            stack.put("BUILD#b", "STATE#ExecuteTest#t3.small", record).await;
            assert_eq!(of_build(&globals, &stack.connection, "web/1.0.0/1").await.unwrap(), expected);
        }
    }
}
