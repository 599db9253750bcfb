//! `goldsmith sbom IMAGE|--root FOLDER`

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use goldsmith_contents::{Contents, Subject, cyclonedx, spdx};
use goldsmith_store::ImageRecord;
use jiff::Timestamp;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::{contents, output, target, version};

/// Write the bill of materials of an image, as CycloneDX or SPDX.
///
/// The build of an image collects what is in it, on a fresh instance. The document lists the packages of the operating
/// system and of languages. With the format `contents`, it also lists files that no package owns, units, users, sockets
/// and kernels.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, NAME/latest, or the id of a build. NAME/latest is the newest image
    /// that can be used, which leaves out failed ones.
    #[arg(value_name = "IMAGE", group = "what")]
    image: Option<String>,
    /// Root file system in a folder, such as a mounted one, which is read now.
    #[arg(long, value_name = "FOLDER", group = "what")]
    root: Option<PathBuf>,
    /// Form of the document.
    #[arg(long, value_enum, default_value_t = Form::Cyclonedx)]
    format: Form,
    /// File to write, instead of standard output.
    #[arg(short = 'o', long = "to", alias = "file", value_name = "FILE")]
    to: Option<PathBuf>,
}

/// Form of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// CycloneDX 1.6 in JSON.
    Cyclonedx,
    /// SPDX 2.3 in JSON.
    Spdx,
    /// Goldsmith's own JSON, with everything that was collected.
    Contents,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let (contents, subject) = match (&args.image, &args.root) {
        (Some(image), _) => {
            let connection = Connection::open(globals).await?;
            let image = target::image_or_latest(&connection.store, image).await?;
            let contents = contents::of(&connection, &image).await?;
            let subject = subject(&image, &contents);
            (contents, subject)
        }
        (None, root) => of_tree(root.as_deref().unwrap_or(Path::new("/")))?,
    };
    let in_one_line = |note: &str| note.replace(char::is_control, " ");
    contents.notes.iter().for_each(|note| output::say(&format!("note: {}", in_one_line(note))));
    let text = document(args.format, &contents, &subject)?;
    match &args.to {
        Some(file) => {
            std::fs::write(file, text + "\n").with_context(|| format!("{} cannot be written", file.display()))?;
        }
        None => output::json_text(&text)?,
    }
    Ok(Exit::Success)
}

fn document(form: Form, contents: &Contents, subject: &Subject) -> serde_json::Result<String> {
    match form {
        Form::Cyclonedx => cyclonedx(contents, subject),
        Form::Spdx => spdx(contents, subject),
        Form::Contents => serde_json::to_string_pretty(contents),
    }
}

fn subject(image: &ImageRecord, contents: &Contents) -> Subject {
    let reference = image.image.to_string();
    let (name, version) = reference.split_once('/').unwrap_or((&reference, ""));
    let began = format!("{}Z", image.created_at.get(..19).unwrap_or(&image.created_at));
    Subject {
        name: name.to_owned(),
        version: version.to_owned(),
        time: contents.collected_at.clone().unwrap_or(began),
        tool_version: version::OWN.to_owned(),
    }
}

fn of_tree(root: &Path) -> Result<(Contents, Subject)> {
    let contents = contents::of_tree(root)?;
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let subject = Subject {
        name: or(&contents.os.id, "folder"),
        version: or(&contents.os.version_id, "0"),
        time: Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        tool_version: version::OWN.to_owned(),
    };
    Ok((contents, subject))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use goldsmith_contents::{CONTENTS_VERSION, Contents, Package, PackageType, pack};
    use serde_json::{Value, json};

    use super::{Form, document, subject};
    use crate::command::Cli;
    use crate::testing::Stack;
    use crate::{contents, digest, target};

    #[test]
    fn an_image_or_a_folder_is_described() {
        let parsed = |words: &str| Cli::try_parse_from(["goldsmith", "sbom"].into_iter().chain(words.split(' ')));
        for good in ["web/1.0.0/1", "web/1.0.0/1 --format spdx", "--root /mnt --format contents"] {
            assert!(parsed(good).is_ok(), "{good}");
        }
        for bad in ["--format spdx", "web/1.0.0/1 --root /mnt", "web/1.0.0/1 --format other"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_contents_of_an_image_are_read_only_as_its_build_has_recorded_them() {
        let stack = Stack::new();
        let image = async |record: Value| {
            stack.closed_build(record).await;
            target::image(&stack.connection.store, "web/1.0.0/1").await.unwrap()
        };
        let read = async |record: Value| {
            let image = image(record).await;
            contents::of(&stack.connection, &image).await.map_err(|error| error.to_string())
        };
        let unknown = read(json!({"status": "AVAILABLE"})).await.unwrap_err();
        assert!(unknown.starts_with("the contents of web/1.0.0/1 are not known"), "{unknown}");
        let failed = json!({"status": "AVAILABLE", "contents": {"key": "contents/b.json.gz", "failure": "no network"}});
        assert_eq!(read(failed).await.unwrap_err(), "the contents of web/1.0.0/1 were not stored: no network");

        let packages = vec![Package::new(PackageType::Deb, "a", "1.0-1", "/var/lib/dpkg/status")];
        let stored = Contents { version: CONTENTS_VERSION, packages, ..Contents::default() };
        let bytes = pack(&stored).unwrap();
        let contents = json!({"key": "contents/b.json.gz", "sha256": digest::of_bytes(&bytes), "packages": 1});
        let record = json!({"status": "AVAILABLE", "contents": contents});
        let expired = read(record.clone()).await.unwrap_err();
        assert_eq!(expired, "the contents of web/1.0.0/1 have expired: contents/b.json.gz is no longer there");
        stack.connection.cloud.objects.put("contents/b.json.gz", bytes).await.unwrap();
        assert_eq!(read(record.clone()).await.unwrap(), stored);
        let subject = subject(&image(record.clone()).await, &stored);
        assert_eq!((subject.name.as_str(), subject.version.as_str()), ("web", "1.0.0/1"));
        for (form, begin) in [(Form::Cyclonedx, "\"CycloneDX\""), (Form::Spdx, "\"SPDX-2.3\"")] {
            assert!(document(form, &stored, &subject).unwrap().contains(begin), "{form:?}");
        }
        stack.connection.cloud.objects.put("contents/b.json.gz", b"other".to_vec()).await.unwrap();
        assert!(read(record).await.unwrap_err().contains("were changed after they were collected"));

        // A build that has failed after its first test instance was up.
        let state = json!({"state": "ExecuteTest", "item": "t3.small", "status": "FAILED", "startedAt": "",
                           "contents": {"key": "contents/b.json.gz", "failure": "no room"}});
        stack.put("BUILD#b", "STATE#ExecuteTest#t3.small", state).await;
        let failed = read(json!({"status": "FAILED"})).await.unwrap_err();
        assert_eq!(failed, "the contents of web/1.0.0/1 were not stored: no room");
    }
}
