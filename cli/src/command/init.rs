//! `goldsmith init [FOLDER]`

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::args::Globals;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};

/// The files of a new folder, with their content.
const FILES: [(&str, &str); 2] =
    [("pipeline.yml", include_str!("init/pipeline.yml")), ("components/app.yml", include_str!("init/app.yml"))];
/// Placeholder in the files for the Region of the image.
const REGION: &str = "REGION";
/// The Region that is written if no Region is given. It is also the home Region of the stack on this machine.
const DEFAULT_REGION: &str = "eu-west-1";

/// Create a starter folder of definitions: a pipeline with everything that it needs, and a component.
///
/// The folder can be built without a change, here or on AWS. Comments in the files say what to change. The distribution
/// names the Region of --region, or eu-west-1. No file is overwritten.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder, which is created if it does not exist.
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

/// The files that were written.
#[derive(Debug, Serialize)]
struct Written {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl Show for Written {
    fn lines(&self, _: &Globals) -> Vec<String> {
        self.files.iter().map(|file| format!("written  {}", file.display())).collect()
    }

    fn remarks(&self, globals: &Globals) -> Vec<String> {
        let (folder, again) = (self.folder.display(), globals.again());
        // `again` has the flag already if this call has it.
        let local = if globals.local { "" } else { " --local" };
        vec![
            "Next, on this machine; on AWS, without --local:".to_owned(),
            format!("  {again} plan {folder}{local}     # what a build would do"),
            format!("  {again} build {folder}{local}    # build the image, test it, publish it"),
        ]
    }
}

pub(crate) fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    output::show(globals, &write(&args.folder, globals.region().unwrap_or(DEFAULT_REGION))?)?;
    Ok(Exit::Success)
}

/// Writes the files into a folder. If one of them exists, writes none.
fn write(folder: &Path, region: &str) -> Result<Written> {
    let files: Vec<PathBuf> = FILES.iter().map(|(name, _)| folder.join(name)).collect();
    // A link that leads nowhere is taken, too.
    if let Some(taken) = files.iter().find(|file| file.symlink_metadata().is_ok()) {
        let help = "nothing was written; name another folder, so that no file is overwritten";
        return Err(invalid(format!("{} exists already: {help}", taken.display())));
    }
    for (file, (_, text)) in files.iter().zip(FILES) {
        let cannot = || format!("{} cannot be written", file.display());
        fs::create_dir_all(file.parent().unwrap_or(folder)).with_context(cannot)?;
        // Another program may have created the file since then: it keeps its own.
        let mut new = File::create_new(file).with_context(cannot)?;
        new.write_all(text.replace(REGION, region).as_bytes()).with_context(cannot)?;
    }
    Ok(Written { folder: folder.to_owned(), files })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use goldsmith_model::definitions::{Draft, Stored};

    use super::{FILES, write};
    use crate::folder;
    use crate::output::Show;
    use crate::testing::globals;

    #[test]
    fn the_folder_is_valid_without_a_change() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("new/images");
        let written = write(&path, "us-west-2").unwrap();
        assert_eq!(written.files.len(), FILES.len());
        assert!(written.remarks(&globals(""))[1].contains(&format!("goldsmith plan {} --local", path.display())));
        let local = written.remarks(&globals("--local"));
        assert!(local[1].contains(&format!("goldsmith --local plan {} ", path.display())), "{local:?}");
        let files = folder::read(&path).unwrap();
        let draft = Draft::read(&files, &folder::documents(&files));
        let definitions = draft.check(&Stored::default()).map_err(|found| found.to_string()).unwrap();
        assert_eq!(definitions.warnings.to_string(), "");
        assert_eq!(definitions.distributions[0].distributions[0].region, "us-west-2");
        assert_eq!((definitions.pipelines.len(), definitions.components.len()), (1, 1));
    }

    #[test]
    fn what_is_suggested_in_comments_is_valid_too() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "eu-west-1").unwrap();
        let pipeline = folder.path().join("pipeline.yml");
        let text = fs::read_to_string(&pipeline).unwrap();
        let mut changed = text.clone();
        for key in ["schedule", "rebuildOn", "retention"] {
            changed = changed.replace(&format!("# {key}: "), &format!("{key}: "));
        }
        assert_eq!(text.len() - changed.len(), 6, "three comments of two characters");
        fs::write(&pipeline, changed).unwrap();
        let files = folder::read(folder.path()).unwrap();
        let draft = Draft::read(&files, &folder::documents(&files));
        let definitions = draft.check(&Stored::default()).map_err(|found| found.to_string()).unwrap();
        assert!(definitions.pipelines[0].schedule.is_some() && definitions.pipelines[0].retention.is_some());
    }

    #[test]
    fn no_file_is_overwritten() {
        for (name, _) in FILES {
            let folder = tempfile::tempdir().unwrap();
            let own = folder.path().join(name);
            fs::create_dir_all(own.parent().unwrap()).unwrap();
            fs::write(&own, "my own").unwrap();
            let why = write(folder.path(), "eu-west-1").unwrap_err().to_string();
            assert!(why.starts_with(&format!("{} exists already: nothing was written", own.display())), "{why}");
            assert_eq!(fs::read_to_string(&own).unwrap(), "my own");
            let there = FILES.iter().filter(|(name, _)| folder.path().join(name).exists());
            assert_eq!(there.count(), 1);
        }
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("pipeline.yml")).unwrap();
        assert!(write(folder.path(), "eu-west-1").is_err());
    }
}
