//! `goldsmith init [FOLDER]`

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goldsmith_model::Name;
use serde::Serialize;

use crate::args::Globals;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};

/// The files of a new folder, with their content.
const FILES: [(&str, &str); 2] =
    [("pipeline.yml", include_str!("init/pipeline.yml")), ("components/NAME.yml", include_str!("init/component.yml"))];
/// Placeholder in the files, and in their names, for the name of the definitions.
const NAME: &str = "NAME";
/// The same in a path.
const IN_PATH: &str = "/NAME";
/// Placeholder in the files for the Region of the image.
const REGION: &str = "REGION";
/// The Region that is written if no Region is given. It is also the home Region of the stack on this machine.
const DEFAULT_REGION: &str = "eu-west-1";

/// Create a starter folder of definitions: a pipeline with everything that it needs, and a component.
///
/// The folder can be built without a change, here or on AWS. Comments in the files say what to change. All definitions
/// have the folder's name, so that folders of different names do not meet in a stack. The distribution names the Region
/// of --region, or eu-west-1. No file is overwritten.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder, which is created if it does not exist.
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// The name of the definitions, instead of the folder's.
    #[arg(long, value_name = "NAME")]
    name: Option<Name>,
}

/// The files that were written.
#[derive(Debug, Serialize)]
struct Written {
    /// The name of all definitions.
    name: Name,
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
    let name = args.name.clone().map_or_else(|| name_of(&args.folder), Ok)?;
    output::show(globals, &write(&args.folder, name, globals.region().unwrap_or(DEFAULT_REGION))?)?;
    Ok(Exit::Success)
}

/// Returns the name of a folder as definitions may have it: whatever no name may contain becomes a `-`.
fn name_of(folder: &Path) -> Result<Name> {
    // Only a folder that exists can be reached through links and `..`.
    let path = folder.canonicalize().or_else(|_| std::path::absolute(folder));
    let path = path.with_context(|| format!("{} cannot be read", folder.display()))?;
    let own = path.file_name().unwrap_or_default().to_string_lossy();
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words: Vec<&str> = own.split(|c| !allowed(c)).filter(|word| !word.is_empty()).collect();
    words.join("-").parse().map_err(|_| {
        let help = "name the definitions with --name: 3 to 128 letters, digits, `-`, `_` and inner spaces";
        invalid(format!("the folder's name `{own}` cannot be the name of a definition: {help}"))
    })
}

/// Writes the files into a folder. If one of them exists, writes none.
fn write(folder: &Path, name: Name, region: &str) -> Result<Written> {
    if name.as_str().eq_ignore_ascii_case("null") {
        return Err(invalid(format!(
            "`{name}` means that there is no value in YAML: name the definitions with --name"
        )));
    }
    // A file and a parameter have no spaces in their names.
    let in_path = format!("/{}", name.as_str().replace(' ', "-"));
    let filled = |text: &str| {
        let text = text.replace(REGION, region);
        text.split(IN_PATH).map(|part| part.replace(NAME, name.as_str())).collect::<Vec<_>>().join(&in_path)
    };
    let files: Vec<PathBuf> = FILES.iter().map(|(file, _)| folder.join(filled(file))).collect();
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
        new.write_all(filled(text).as_bytes()).with_context(cannot)?;
    }
    Ok(Written { name, folder: folder.to_owned(), files })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use goldsmith_model::Name;
    use goldsmith_model::definitions::{Definitions, Draft, Stored};

    use super::{FILES, name_of, write};
    use crate::folder;
    use crate::output::Show;
    use crate::testing::globals;

    fn definitions(path: &Path) -> Definitions {
        let files = folder::read(path, "").unwrap();
        let draft = Draft::read(&files, &folder::documents(&files));
        draft.check(&Stored::default()).map_err(|found| found.to_string()).unwrap()
    }

    fn named(name: &str) -> Name {
        name.parse().unwrap()
    }

    #[test]
    fn the_folder_is_valid_without_a_change() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("new/images");
        let written = write(&path, named("images"), "us-west-2").unwrap();
        assert_eq!(written.files.len(), FILES.len());
        assert!(written.remarks(&globals(""))[1].contains(&format!("goldsmith plan {} --local", path.display())));
        let local = written.remarks(&globals("--local"));
        assert!(local[1].contains(&format!("goldsmith --local plan {} ", path.display())), "{local:?}");
        let definitions = definitions(&path);
        assert_eq!(definitions.warnings.to_string(), "");
        assert_eq!(definitions.distributions[0].distributions[0].region, "us-west-2");
        assert_eq!((definitions.pipelines.len(), definitions.components.len()), (1, 1));
    }

    #[test]
    fn two_folders_share_no_name() {
        let longest = "n".repeat(128);
        // Some of these would be something else than a text if they were values of their own.
        let names = ["app", "web server", "123", "true", "1e3", "-9_-", "my NAME", "REGION", &longest];
        for name in names {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), named(name), "eu-west-1").unwrap();
            let all = definitions(folder.path());
            let found = [
                &all.components[0].name,
                &all.recipes[0].name,
                &all.infrastructures[0].name,
                &all.distributions[0].name,
                &all.pipelines[0].name,
            ];
            assert_eq!(found, [&named(name); 5]);
            let parameter = &all.distributions[0].distributions[0].ssm_parameter_configurations[0];
            assert_eq!(parameter.parameter_name, format!("/images/{}", name.replace(' ', "-")));
        }
    }

    #[test]
    fn the_folder_gives_the_name() {
        let parent = tempfile::tempdir().unwrap();
        let none = write(parent.path(), named("null"), "eu-west-1").unwrap_err().to_string();
        assert_eq!(none, "`null` means that there is no value in YAML: name the definitions with --name");
        let named_by = |folder: &str| name_of(&parent.path().join(folder)).map(|name| name.to_string());
        for (folder, name) in [
            ("gateway", "gateway"),
            ("not/there/yet/", "yet"),
            ("Team A: web.v2 ", "Team-A-web-v2"),
            (".hidden_one", "hidden_one"),
            ("größe", "gr-e"),
        ] {
            assert_eq!(named_by(folder).unwrap(), name);
        }
        fs::create_dir_all(parent.path().join("base/inner")).unwrap();
        assert_eq!(named_by("base/inner/..").unwrap(), "base");
        assert_eq!(named_by("base/.").unwrap(), "base");
        for (folder, own) in [("ab", "ab"), ("日本", "日本"), ("/", "")] {
            let why = named_by(folder).unwrap_err().to_string();
            let expected = format!(
                "the folder's name `{own}` cannot be the name of a definition: name the definitions with --name: 3 to 128 \
                 letters, digits, `-`, `_` and inner spaces"
            );
            assert_eq!(why, expected);
        }
    }

    #[test]
    fn what_is_suggested_in_comments_is_valid_too() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), named("web"), "eu-west-1").unwrap();
        let pipeline = folder.path().join("pipeline.yml");
        let text = fs::read_to_string(&pipeline).unwrap();
        let mut changed = text.clone();
        for key in ["schedule", "rebuildOn", "retention"] {
            changed = changed.replace(&format!("# {key}: "), &format!("{key}: "));
        }
        assert_eq!(text.len() - changed.len(), 6, "three comments of two characters");
        fs::write(&pipeline, changed).unwrap();
        let definitions = definitions(folder.path());
        assert!(definitions.pipelines[0].schedule.is_some() && definitions.pipelines[0].retention.is_some());
    }

    #[test]
    fn no_file_is_overwritten() {
        let own = ["pipeline.yml", "components/web.yml"];
        assert_eq!(own.len(), FILES.len());
        for name in own {
            let folder = tempfile::tempdir().unwrap();
            let taken = folder.path().join(name);
            fs::create_dir_all(taken.parent().unwrap()).unwrap();
            fs::write(&taken, "my own").unwrap();
            let why = write(folder.path(), named("web"), "eu-west-1").unwrap_err().to_string();
            assert!(why.starts_with(&format!("{} exists already: nothing was written", taken.display())), "{why}");
            assert_eq!(fs::read_to_string(&taken).unwrap(), "my own");
            assert_eq!(own.iter().filter(|name| folder.path().join(name).exists()).count(), 1);
        }
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", folder.path().join("pipeline.yml")).unwrap();
        assert!(write(folder.path(), named("web"), "eu-west-1").is_err());
    }
}
