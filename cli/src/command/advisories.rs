//! `goldsmith advisories IMAGE`, `goldsmith advisories IMAGE|--root FOLDER --folder FOLDER`, `goldsmith advisories
//! --upload FOLDER`

mod upload;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goldsmith_advisories::{Case, Inventory, Judgement, Wanted, judge, read};
use goldsmith_contents::Contents;
use goldsmith_model::VulnerabilityPolicy;
use goldsmith_store::ImageRecord;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::{contents, target};

/// The size of the largest judgement that is read, in bytes. One with ten thousand findings has some megabytes.
const LARGEST: u64 = 64 << 20;

/// Show how the policy of a pipeline judged an image, or judge an image or a folder by other advisories.
///
/// With --folder, the packages are judged by a folder of security advisories, which needs no network. The folder has the
/// files of publishers as they are mirrored: OSV, Debian's security tracker, `updateinfo.xml`, and Red Hat's CSAF. With
/// --upload, such a folder is copied to the stack, whose builds use it. The command fails if the policy rejects the image.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, NAME/latest, or the id of a build. NAME/latest is the newest image
    /// that can be used, which leaves out failed ones.
    #[arg(value_name = "IMAGE", group = "what")]
    image: Option<String>,
    /// Root file system in a folder, such as a mounted one, which is read now.
    #[arg(long, value_name = "FOLDER", group = "what", requires = "folder")]
    root: Option<PathBuf>,
    /// Folder that is copied to the stack. Its builds judge images by these advisories.
    #[arg(long, value_name = "FOLDER", group = "what")]
    upload: Option<PathBuf>,
    /// Folder with the advisories.
    #[arg(long, value_name = "FOLDER", conflicts_with = "upload")]
    folder: Option<PathBuf>,
    /// JSON file with the policy. Without it, only high and critical vulnerabilities with a fix count.
    #[arg(long, value_name = "FILE", requires = "folder")]
    policy: Option<PathBuf>,
    /// Image on which this one was built. The judgement says what that image already has.
    #[arg(long, value_name = "IMAGE", requires = "folder")]
    parent: Option<String>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    if let Some(folder) = &args.upload {
        return upload::run(globals, folder).await;
    }
    let Some(folder) = &args.folder else {
        return stored(globals, args.image.as_deref().unwrap_or_default()).await;
    };
    let policy = args.policy.as_deref().map(policy).transpose()?.unwrap_or_default();
    if !folder.is_dir() {
        return Err(invalid(format!("{} is not a folder", folder.display())));
    }
    let connection = match (&args.image, &args.parent) {
        (None, None) => None,
        _ => Some(Connection::open(globals).await?),
    };
    let of = async |name: &str| -> Result<Contents> {
        let connection = connection.as_ref().context("no stack is open")?;
        let image = target::image_or_latest(&connection.store, name).await?;
        contents::of(connection, &image).await
    };
    let image = match &args.image {
        Some(image) => of(image).await?,
        None => contents::of_tree(args.root.as_deref().unwrap_or(Path::new("/")))?,
    };
    let parent = match &args.parent {
        Some(parent) => Some(inventory(&of(parent).await?)?),
        None => None,
    };
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    tell(globals, &judged(&inventory(&image)?, parent.as_ref(), folder, &policy, today)?)
}

fn tell(globals: &Globals, judged: &Judged) -> Result<Exit> {
    output::show(globals, judged)?;
    Ok(if judged.0.allowed { Exit::Success } else { Exit::Failed })
}

/// Shows how the build of an image has judged it.
async fn stored(globals: &Globals, name: &str) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let image = target::image_or_latest(&connection.store, name).await?;
    tell(globals, &judgement(&connection, &image).await?)
}

async fn judgement(connection: &Connection, image: &ImageRecord) -> Result<Judged> {
    let (name, key) = (&image.image, goldsmith_states::judgement_key(&image.build));
    let Some(bytes) = connection.cloud.objects.get(&key, LARGEST).await? else {
        return Err(invalid(format!(
            "there is no judgement of {name}. Its pipeline had no vulnerabilityPolicy, its build ended before its tests did, its run \
             only distributed an image, or the judgement has expired. Judge it now with --folder"
        )));
    };
    let judgement =
        serde_json::from_slice(&bytes).with_context(|| format!("{key} in the stack's bucket is not a judgement"))?;
    Ok(Judged(judgement))
}

fn policy(file: &Path) -> Result<VulnerabilityPolicy> {
    let text = std::fs::read_to_string(file).map_err(|error| invalid(format!("{}: {error}", file.display())))?;
    VulnerabilityPolicy::from_json(&text).map_err(|error| invalid(format!("{}: {error}", file.display())))
}

/// Returns what the judge needs of the contents. Both are the same JSON.
fn inventory(contents: &Contents) -> Result<Inventory> {
    let inventory = serde_json::to_value(contents).and_then(serde_json::from_value);
    inventory.context("the contents do not have the form that the judge of advisories reads")
}

fn judged(
    image: &Inventory,
    parent: Option<&Inventory>,
    folder: &Path,
    policy: &VulnerabilityPolicy,
    today: Date,
) -> Result<Judged> {
    let wanted = Wanted::of([image].into_iter().chain(parent));
    let advisories = read::folder(folder, &wanted)
        .map_err(|error| invalid(format!("{} cannot be read: {error}", folder.display())))?;
    Ok(Judged(judge(Case { image, parent, advisories: &advisories, policy, today })))
}

/// The judgement of an image.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Judged(Judgement);

impl Show for Judged {
    fn lines(&self, _: &Globals) -> Vec<String> {
        self.0.to_string().trim_end().lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser as _;
    use goldsmith_model::VulnerabilityPolicy;
    use jiff::civil::date;
    use serde_json::json;

    use super::{inventory, judged, judgement, policy};
    use crate::command::Cli;
    use crate::contents::of_tree;
    use crate::target;
    use crate::testing::Stack;

    const STATUS: &str =
        "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1~deb12u2\n\n";

    /// A tree of Debian with one package, and a folder with an advisory that a newer version of the package fixes.
    fn world() -> (tempfile::TempDir, tempfile::TempDir) {
        let (tree, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (path, text) in [
            ("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\n"),
            ("var/lib/dpkg/status", STATUS),
        ] {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let range = json!({"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0.11-1~deb12u3"}]});
        let affected = json!([{"package": {"ecosystem": "Debian:12", "name": "openssl"}, "ranges": [range]}]);
        let severity = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]);
        let advisory = json!({"id": "DSA-5764-1", "modified": "2026-01-01T00:00:00Z", "aliases": ["CVE-2026-6119"],
                              "affected": affected, "severity": severity});
        fs::write(folder.path().join("DSA-5764-1.json"), advisory.to_string()).unwrap();
        (tree, folder)
    }

    #[test]
    fn a_tree_with_a_vulnerable_package_is_rejected_until_it_is_waived() {
        let (tree, folder) = world();
        let image = inventory(&of_tree(tree.path()).unwrap()).unwrap();
        let judge =
            |policy: &VulnerabilityPolicy| judged(&image, None, folder.path(), policy, date(2026, 12, 1)).unwrap().0;
        let rejected = judge(&VulnerabilityPolicy::default());
        assert!(!rejected.allowed, "{rejected}");
        assert_eq!(rejected.findings.len(), 1, "{rejected}");
        let file = folder.path().join("policy.txt");
        let waiver = json!({"id": "CVE-2026-6119", "until": "2026-12-31", "reason": "The server is not used."});
        fs::write(&file, json!({"waivers": [waiver]}).to_string()).unwrap();
        let allowed = judge(&policy(&file).unwrap());
        assert!(allowed.allowed, "{allowed}");
        fs::write(&file, r#"{"severty": "high"}"#).unwrap();
        let mistake = policy(&file).unwrap_err().to_string();
        assert!(mistake.contains("policy.txt") && mistake.contains("severty"), "{mistake}");
    }

    #[tokio::test]
    async fn the_stored_judgement_of_an_image_is_shown() {
        let (tree, folder) = world();
        let image = inventory(&of_tree(tree.path()).unwrap()).unwrap();
        let policy = VulnerabilityPolicy::default();
        let judged = judged(&image, None, folder.path(), &policy, date(2026, 12, 1)).unwrap();
        let stack = Stack::new();
        stack.closed_build(json!({"status": "FAILED"})).await;
        let image = target::image(&stack.connection.store, "web/1.0.0/1").await.unwrap();
        let missing = judgement(&stack.connection, &image).await.unwrap_err().to_string();
        assert!(missing.contains("there is no judgement of web/1.0.0/1"), "{missing}");
        let body = serde_json::to_vec(&judged).unwrap();
        let key = goldsmith_states::judgement_key(&image.build);
        stack.connection.cloud.objects.put(&key, body).await.unwrap();
        assert_eq!(judgement(&stack.connection, &image).await.unwrap().0, judged.0);
    }

    #[test]
    fn an_image_a_folder_or_an_upload_is_named() {
        let parsed = |words: &str| Cli::try_parse_from(["goldsmith", "advisories"].into_iter().chain(words.split(' ')));
        for good in ["web/latest", "web/1.0.0/1 --folder a --policy p", "--root /mnt --folder a", "--upload a"] {
            assert!(parsed(good).is_ok(), "{good}");
        }
        for bad in
            ["--root /mnt", "--folder a", "web/latest --policy p", "--upload a --folder b", "web/latest --upload a"]
        {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_parent_already_has_is_told_apart() {
        let (tree, folder) = world();
        let image = inventory(&of_tree(tree.path()).unwrap()).unwrap();
        let policy = VulnerabilityPolicy { only_new: true, ..VulnerabilityPolicy::default() };
        let judged = judged(&image, Some(&image), folder.path(), &policy, date(2026, 12, 1)).unwrap().0;
        assert!(judged.allowed && judged.findings.len() == 1 && !judged.findings[0].new, "{judged}");
    }
}
