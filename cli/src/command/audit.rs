//! `goldsmith audit IMAGE|--instance|--root FOLDER|--disk FILE`

mod disk;

use std::path::{Path, PathBuf};

use anyhow::Result;
use goldsmith_executor::{Audit, audit_instance, audit_tree};
use goldsmith_store::{AuditFinding, AuditRecord};
use jiff::Timestamp;

use crate::args::{Format, Globals};
use crate::audited;
use crate::command::target;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output;

/// Say what every instance of an image would share: keys, identities, credentials, histories.
///
/// Ends with 1 where something is found. Of an image it shows what its build has found on a fresh instance. This machine, a
/// folder or a disk of it is looked at now; nothing in it is run or changed.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, or the id of a build.
    #[arg(value_name = "IMAGE", group = "what")]
    image: Option<String>,
    /// This machine, where it is a fresh instance of an image: what it has made itself since its boot does not count.
    #[arg(long, group = "what")]
    instance: bool,
    /// When the image of this machine was made, such as 2026-11-28T03:00:00Z: surer than the time of the boot.
    #[arg(long, value_name = "TIME", requires = "instance", conflicts_with_all = ["image", "root", "disk"])]
    image_made: Option<Timestamp>,
    /// A root file system in a folder, such as a mounted one; all that is in it counts.
    #[arg(long, value_name = "FOLDER", group = "what")]
    root: Option<PathBuf>,
    /// An ext4 file system in a file or on a device. Blocks that belong to no file are searched for private keys, too.
    #[arg(long, value_name = "FILE", group = "what")]
    disk: Option<PathBuf>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    match (&args.image, &args.root, &args.disk) {
        (Some(image), ..) => of_image(globals, image).await,
        (_, Some(root), _) => told(globals, &of_tree(root)?),
        (_, _, Some(disk)) => told(globals, &disk::audit(disk)?),
        (None, None, None) => told(globals, &audit_instance(args.image_made, None)),
    }
}

fn of_tree(root: &Path) -> Result<Audit> {
    if !root.is_dir() {
        return Err(invalid(format!("{} is no folder", root.display())));
    }
    Ok(audit_tree(root))
}

/// Tells an audit of this machine's; of what packages ship only how much it is, but in JSON all.
fn told(globals: &Globals, audit: &Audit) -> Result<Exit> {
    match globals.output {
        Format::Json => output::json(audit)?,
        Format::Text => {
            let shipped = match audit.shipped.len() {
                0 => None,
                count => Some(format!("{count} files with keys are as their packages bring them, and no secret")),
            };
            let record = record(audit);
            output::line(&audited::headline(&record))?;
            audited::lines(&record).iter().chain(&shipped).try_for_each(|line| output::line(line))?;
        }
    }
    Ok(if audit.count() > 0 || audit.is_incomplete { Exit::Failed } else { Exit::Success })
}

fn record(audit: &Audit) -> AuditRecord {
    let finding = |finding: &goldsmith_executor::Finding| AuditFinding {
        path: finding.path.clone(),
        kind: crate::render::word(finding.kind),
        what: finding.what.clone(),
        package: finding.package.clone(),
        remedy: finding.remedy.clone(),
    };
    AuditRecord {
        findings: audit.findings.iter().map(finding).collect(),
        left_out: audit.left_out,
        notes: audit.notes.clone(),
        files: audit.files,
    }
}

/// What the image's own build has found.
async fn of_image(globals: &Globals, what: &str) -> Result<Exit> {
    if what.starts_with("ami-") {
        return Err(invalid(format!(
            "{what} is known by no build: launch an instance of it, and run `goldsmith audit --instance` there as root"
        )));
    }
    let connection = Connection::open(globals).await?;
    let image = target::image(&connection.store, what).await?;
    let states = connection.store.states(&image.build).await?;
    let Some(audit) = audited::of(&states) else {
        return Err(invalid(format!(
            "{} was not audited: its build launched no test instance, or its pipeline has `audit: off`. With `audit: fail` each \
             build is",
            image.image
        )));
    };
    match globals.output {
        Format::Json => output::json(audit)?,
        Format::Text => {
            output::line(&audited::headline(audit))?;
            audited::lines(audit).iter().try_for_each(|line| output::line(line))?;
        }
    }
    Ok(if audit.count() > 0 { Exit::Failed } else { Exit::Success })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use goldsmith_executor::{Audit, Finding, FindingKind};

    use super::record;
    use crate::args::Cli;

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
    fn an_audit_of_this_machine_is_shown_as_a_builds() {
        let finding = Finding {
            path: "/etc/x".to_owned(),
            kind: FindingKind::PackageSecret,
            what: "x".to_owned(),
            package: Some("p".to_owned()),
            size: 1,
            fingerprint: None,
            remedy: "r".to_owned(),
        };
        let audit =
            Audit { findings: vec![finding], left_out: 1, notes: vec!["n".to_owned()], files: 3, ..Audit::default() };
        let record = record(&audit);
        assert_eq!((record.count(), record.files, record.notes.as_slice()), (2, 3, &["n".to_owned()][..]));
        assert_eq!(record.findings[0].kind, "package-secret");
        // As the functions keep it: the same words in the same places.
        let kept: serde_json::Value = serde_json::to_value(&record).unwrap();
        let made = serde_json::to_value(&audit).unwrap();
        assert_eq!(kept["findings"][0]["path"], made["findings"][0]["path"]);
        assert_eq!((&kept["leftOut"], &kept["files"]), (&made["leftOut"], &made["files"]));
    }
}
