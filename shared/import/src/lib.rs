//! Translates definitions of EC2 Image Builder, in CloudFormation, Terraform or as its API returns them, and templates
//! of Packer into definitions of Goldsmith. The crate reads files and returns files: it calls nothing in AWS.
//!
//! A source is read into resources of Image Builder ([`cloudformation`], [`answers`], [`terraform`], [`packer`]), and
//! these are translated. A value that is known only when the source is deployed is a mark in a text until then. Whatever is not
//! taken over as it was is a [`Finding`].

mod answers;
mod budget;
mod cloudformation;
mod fields;
mod finding;
mod hcl;
mod item;
mod modules;
mod packer;
mod project;
mod resource;
mod terraform;
mod translate;
mod unrecognized;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use goldsmith_model::definitions::Kind;
use serde::Serialize;

pub use finding::{Finding, Outcome};

use finding::Findings;
use project::Project;
use resource::Resource;
use translate::Translation;

/// Deepest folder that is looked into, counted from the one that the user names.
const MAX_DEPTH: usize = 6;
/// Folders that hold copies of other people's modules, or nothing of interest.
const SKIPPED: [&str; 5] = [".git", ".terraform", "node_modules", "cdk.out", "target"];

/// The result of an import.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Import {
    /// The files of the new folder, by their path in it.
    #[serde(skip)]
    pub files: BTreeMap<String, String>,
    /// How many definitions of each kind there are, by the kind's word.
    pub definitions: BTreeMap<&'static str, usize>,
    /// What is not in the folder as it was in the source, in the order of the source. Also why a file that was named has
    /// nothing to import.
    pub findings: Vec<Finding>,
    /// Whether a recipe names a stock component, which must be applied first.
    pub needs_stock_components: bool,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The path cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Imports a file, or all files of a folder and its subfolders. Terraform's files of one folder belong together, so a file
/// of Terraform is read with its neighbors. `region` stands where a source names the Region in which it is deployed.
///
/// # Errors
/// The path cannot be read. A file that cannot be read is a finding.
pub fn import(path: &Path, region: Option<String>) -> Result<Import, ImportError> {
    let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
    let is_folder = std::fs::metadata(path).map_err(unreadable)?.is_dir();
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = if is_folder { path } else { parent };
    let project = Project::around(folder, region).map_err(unreadable)?;
    let mut files = Vec::new();
    if is_folder {
        collect(path, 0, &|path| is_hcl(path) || is_template_file(path), &mut files).map_err(unreadable)?;
    } else {
        files.push(path.to_owned());
        if is_hcl(path) && !is_packer(path) {
            files.extend(neighbors(folder, path).map_err(unreadable)?);
        }
    }
    files.sort();
    let mut findings = Findings::default();
    let named = (!is_folder).then_some(path);
    let resources = once(read(&project, &files, named, &mut findings), &mut findings);
    if let Some(path) = named.filter(|path| is_hcl(path) && resources.is_empty() && findings.len() == 0) {
        unrecognized::tell_hcl(path, is_packer(path), &mut findings);
    }
    let place = item::Place { file: path.display().to_string().into(), line: None };
    for (why, instead) in project.budget.remarks() {
        findings.push(Outcome::LeftOut, &place, ("", ""), why, instead);
    }
    Ok(written(Translation::run(&project, findings, &resources)))
}

/// Reads the resources of all files. If nothing is recognized in the file that the user has named, that is a finding. In
/// a folder, there are always others.
fn read(project: &Project, files: &[PathBuf], named: Option<&Path>, findings: &mut Findings) -> Vec<Resource> {
    let mut resources = Vec::new();
    let (mut terraform, mut packer) = (modules::Folders::new(), modules::Folders::new());
    for file in files {
        let text = match source(project, file) {
            Ok(text) => text,
            Err(why) => {
                let place = item::Place { file: file.display().to_string().into(), line: None };
                findings.push(Outcome::LeftOut, &place, ("", ""), why, "name a file of text");
                continue;
            }
        };
        if is_hcl(file) {
            let folder = file.parent().unwrap_or(Path::new("")).to_owned();
            let folders = if is_packer(file) { &mut packer } else { &mut terraform };
            folders.entry(folder).or_default().push((file.clone(), text));
        } else if cloudformation::is_template(&text) {
            resources.extend(cloudformation::read(file, &text, project, findings));
        } else if let Some(found) = answers::read(file, &text, findings) {
            resources.extend(found);
        } else if named.is_some() {
            unrecognized::tell(file, &text, findings);
        }
    }
    for (folder, files) in packer {
        let module = hcl::Module::read(project, &folder, &files, None, findings);
        resources.extend(packer::read(&module, project, findings));
    }
    resources.extend(modules::read(project, terraform, findings));
    resources
}

/// Returns the text of a source without the mark that some editors put at its beginning.
fn source(project: &Project, file: &Path) -> Result<String, String> {
    let text = project.text(file)?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

/// Returns the resources without those whose address another one has: a tool would refuse the source.
fn once(resources: Vec<Resource>, findings: &mut Findings) -> Vec<Resource> {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut is_first = |resource: &Resource| {
        let is_first = known.insert(resource.address.clone());
        if !is_first {
            let address = item::bare(&resource.address);
            let (why, instead) = ("it is declared twice", "only the first one was imported: rename one of them");
            findings.push(Outcome::LeftOut, &resource.properties.place, (address, ""), why, instead);
        }
        is_first
    };
    resources.into_iter().filter(|resource| is_first(resource)).collect()
}

/// Returns the files of the new folder, and what is said about them.
fn written(translation: Translation<'_>) -> Import {
    let mut definitions = BTreeMap::new();
    let mut texts = Vec::new();
    for (word, kind) in Kind::ALL {
        for (_, yaml) in translation.definitions.iter().filter(|(of, _)| *of == kind) {
            *definitions.entry(word).or_default() += 1;
            texts.push(yaml.document());
        }
    }
    let mut files = translation.documents;
    if !texts.is_empty() {
        files.insert("definitions.yml".to_owned(), texts.join("---\n"));
    }
    let needs_stock_components = translation.needs_stock;
    Import { files, definitions, findings: translation.findings.sorted(), needs_stock_components }
}

/// Returns whether a file is written in HCL: Terraform's and Packer's files, and those with their variables.
fn is_hcl(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".tf", ".pkr.hcl", ".auto.tfvars", ".auto.pkrvars.hcl"].iter().any(|end| name.ends_with(end))
        || name == "terraform.tfvars"
}

fn is_packer(path: &Path) -> bool {
    path.file_name().unwrap_or_default().to_string_lossy().contains(".pkr")
}

fn is_template_file(path: &Path) -> bool {
    path.extension().is_some_and(|end| ["yml", "yaml", "json", "template"].iter().any(|known| end == *known))
}

/// Collects the files of a folder and its subfolders that are wanted.
fn collect(
    folder: &Path,
    depth: usize,
    is_wanted: &dyn Fn(&Path) -> bool,
    files: &mut Vec<PathBuf>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        // A link is not followed: it may lead in a circle, or out of the folder.
        let kind = entry.file_type()?;
        if kind.is_dir() && depth < MAX_DEPTH && !SKIPPED.iter().any(|skipped| name == *skipped) {
            collect(&path, depth + 1, is_wanted, files)?;
        } else if kind.is_file() && is_wanted(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Returns the other files of Terraform in a folder.
fn neighbors(folder: &Path, path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let other = folder.join(entry?.file_name());
        let is_same = other.file_name() == path.file_name();
        if !is_same && other.is_file() && is_hcl(&other) && !is_packer(&other) {
            files.push(other);
        }
    }
    Ok(files)
}
