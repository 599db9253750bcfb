//! `goldsmith import PATH [--into FOLDER]`

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goldsmith_document::Diagnostics;
use goldsmith_import::{Finding, Import, Outcome};
use goldsmith_model::definitions::Draft;
use serde::Serialize;

use crate::args::Globals;
use crate::command::apply::NO_SECRET;
use crate::exit::{Exit, invalid};
use crate::folder;
use crate::output::{self, Show};
use crate::render::count;

/// Translate definitions of EC2 Image Builder or Packer, and list what could not be translated.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A file, or a folder with its subfolders: CloudFormation (*.yml, *.yaml, *.json, *.template), what `aws imagebuilder
    /// get-…` prints, Terraform (*.tf) or Packer (*.pkr.hcl).
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// New folder for the definitions.
    #[arg(long, value_name = "FOLDER", default_value = "imported")]
    into: PathBuf,
}

/// What was imported.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Imported<'a> {
    folder: &'a Path,
    #[serde(flatten)]
    import: &'a Import,
    /// Mistakes in the new definitions, which show a mistake in the import.
    mistakes: Diagnostics,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    if args.into.exists() {
        let why = "exists already: name a new folder with --into, so that no file is overwritten";
        return Err(invalid(format!("{} {why}", args.into.display())));
    }
    let import = goldsmith_import::import(&args.path, globals.regions.first().cloned())?;
    if !import.definitions.is_empty() {
        write(&args.into, &import)?;
    }
    let mistakes = if import.definitions.is_empty() { Diagnostics::new() } else { mistakes(&args.into)? };
    let is_good = !mistakes.has_errors() && !import.definitions.is_empty();
    output::show(globals, &Imported { folder: &args.into, import: &import, mistakes })?;
    Ok(if is_good { Exit::Success } else { Exit::Failed })
}

/// Writes the new folder. If another program creates the folder first, the import fails.
fn write(folder: &Path, import: &Import) -> Result<()> {
    let cannot = |path: &Path| format!("{} cannot be written", path.display());
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent).with_context(|| cannot(parent))?;
    }
    fs::create_dir(folder).with_context(|| cannot(folder))?;
    for (path, text) in &import.files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| cannot(parent))?;
        fs::write(&path, text).with_context(|| cannot(&path))?;
    }
    Ok(())
}

/// Checks the new definitions as `goldsmith validate` does.
fn mistakes(folder: &Path) -> Result<Diagnostics> {
    let files = folder::read(folder, "nothing was checked")?;
    let mut draft = Draft::read(&files, &folder::documents(&files));
    draft.refuse_secrets(NO_SECRET);
    Ok(draft.check_alone().err().unwrap_or_default())
}

impl Show for Imported<'_> {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let mut lines: Vec<String> = self.import.findings.iter().map(line).collect();
        lines.extend(self.mistakes.iter().map(ToString::to_string));
        if self.import.definitions.is_empty() {
            lines.push("Nothing was imported: no definition could be translated.".to_owned());
            return lines;
        }
        let kinds: Vec<String> =
            self.import.definitions.iter().map(|(kind, number)| format!("{number} {kind}")).collect();
        let findings = self.import.findings.len();
        lines.push(format!("{}: {}; {}", self.folder.display(), kinds.join(", "), count(findings, "remark")));
        lines
    }

    fn remarks(&self, _: &Globals) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.import.needs_stock_components {
            remarks
                .push("Recipes name stock components: apply the folder `components` of the release first.".to_owned());
        }
        if !self.import.definitions.is_empty() {
            let folder = self.folder.display();
            remarks.push(format!(
                "Read the remarks, then run `goldsmith validate {folder}` and `goldsmith apply {folder}`."
            ));
        }
        remarks
    }
}

/// Returns a finding as one line, and a second line that says what to do.
fn line(finding: &Finding) -> String {
    let place = finding.line.map_or_else(|| finding.file.clone(), |line| format!("{}:{line}", finding.file));
    let outcome = match finding.outcome {
        Outcome::ToFillIn => "to fill in",
        Outcome::LeftOut => "left out",
        Outcome::Changed => "changed",
    };
    let what: Vec<&str> =
        [finding.resource.as_str(), finding.field.as_str()].into_iter().filter(|word| !word.is_empty()).collect();
    let what = if what.is_empty() { String::new() } else { format!(" {}", what.join(" ")) };
    format!("{place}: {outcome}:{what}: {}\n  instead: {}", finding.why, finding.instead)
}
