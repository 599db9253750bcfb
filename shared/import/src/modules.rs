//! Folders of Terraform, and how they call each other as modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use ::hcl::edit::structure::Block;
use ::hcl::{Map, Value as Hcl};

use crate::finding::{Findings, Outcome};
use crate::hcl::{Call, File, Instances, Module};
use crate::project::Project;
use crate::resource::Resource;
use crate::terraform;

/// The files of each folder, with their text.
pub(crate) type Folders = BTreeMap<PathBuf, Vec<(PathBuf, String)>>;

/// Most calls within calls.
const MAX_DEPTH: usize = 4;
/// Arguments of a call that are no values of the module.
const META: [&str; 6] = ["count", "depends_on", "for_each", "providers", "source", "version"];

/// A module and those that it calls.
struct Loaded {
    module: Module,
    called: Vec<Loaded>,
}

struct Loader<'p> {
    project: &'p Project,
    folders: Folders,
    /// The folders that were read for a call, without links.
    reached: BTreeSet<PathBuf>,
}

/// Reads the resources of all folders. A module that another folder calls is read with the values of each call.
pub(crate) fn read(project: &Project, folders: Folders, findings: &mut Findings) -> Vec<Resource> {
    let mut loader = Loader { project, folders, reached: BTreeSet::new() };
    let called = loader.called();
    let all: Vec<PathBuf> = loader.folders.keys().cloned().collect();
    let (later, first): (Vec<_>, Vec<_>) = all.into_iter().partition(|folder| called.contains(&real(folder)));
    let mut resources = Vec::new();
    for folder in first.iter().chain(&later) {
        if called.contains(&real(folder)) && loader.reached.contains(&real(folder)) {
            continue;
        }
        let loaded = loader.load(folder, None, findings);
        collect(&loaded, findings, &mut resources);
    }
    resources
}

fn collect(loaded: &Loaded, findings: &mut Findings, resources: &mut Vec<Resource>) {
    resources.extend(terraform::read(&loaded.module, findings));
    loaded.called.iter().for_each(|called| collect(called, findings, resources));
}

impl Loader<'_> {
    /// Returns the folders that other folders call.
    fn called(&self) -> BTreeSet<PathBuf> {
        let mut called = BTreeSet::new();
        for (folder, files) in &self.folders {
            let module = Module::parse(self.project, folder, files, None, &mut Findings::default());
            for (_, block) in module.blocks("module") {
                let target = source(block).filter(|source| is_local(source)).map(|source| folder.join(source));
                called.extend(target.filter(|target| !self.is_above(target, folder)).map(|target| real(&target)));
            }
        }
        called
    }

    /// Returns whether a folder is above the one that calls it, as a module is above its examples. Then it stands for
    /// itself, if it is imported.
    fn is_above(&self, target: &Path, folder: &Path) -> bool {
        let is_imported = self.folders.keys().any(|known| real(known) == real(target));
        is_imported && real(folder).starts_with(real(target))
    }

    fn load(&mut self, folder: &Path, call: Option<Call>, findings: &mut Findings) -> Loaded {
        let files = self.files(folder);
        let depth = call.as_ref().map_or(0, |call| call.path.matches("module.").count());
        let mut module = Module::read(self.project, folder, &files, call, findings);
        let mut called = Vec::new();
        // A call may depend on what another one puts out, so all are read twice.
        for _ in 0..2 {
            let budget = Rc::clone(&self.project.budget);
            if budget.is_out_of_modules() {
                break;
            }
            let (mut outputs, mut found) = (Vec::new(), Vec::new());
            for (name, calls) in self.calls(&module, depth, findings) {
                let calls = calls.into_iter().take_while(|_| budget.spend_module());
                let loaded: Vec<Loaded> =
                    calls.map(|(folder, call)| self.load(&folder, Some(call), findings)).collect();
                // Of calls that are not all read, the outputs are not known.
                if !budget.is_out_of_modules() {
                    outputs.push((name, all_outputs(&loaded)));
                }
                found.extend(loaded);
            }
            // The first reading has more than a second one that ended early.
            if found.is_empty() || !called.is_empty() && budget.is_out_of_modules() {
                break;
            }
            called = found;
            module.learn(outputs);
        }
        Loaded { module, called }
    }

    /// Returns the files of a folder, wherever it is in the project.
    fn files(&self, folder: &Path) -> Vec<(PathBuf, String)> {
        let known = self.folders.iter().find(|(known, _)| real(known) == real(folder));
        if let Some((_, files)) = known {
            return files.clone();
        }
        let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "tf"));
        paths.sort();
        let text = |path: PathBuf| Some((path.clone(), crate::source(self.project, &path).ok()?));
        paths.into_iter().filter_map(text).collect()
    }

    /// Returns the calls of a module by their names. A call that is not followed becomes a finding.
    fn calls(&mut self, module: &Module, depth: usize, findings: &mut Findings) -> Vec<(String, Vec<(PathBuf, Call)>)> {
        let mut calls = Vec::new();
        for (file, block) in module.blocks("module") {
            let name = block.labels.first().map_or("", |label| label.as_str());
            let source = source(block).unwrap_or_default();
            let folder = module.folder.join(&source);
            if let Some((why, instead)) = self.not_followed(module, name, &source, depth) {
                let resource = format!("{}module.{name}", module.path());
                findings.push(Outcome::LeftOut, &file.block_place(block), (&resource, ""), why, instead);
            } else if is_local(&source) && !self.is_above(&folder, &module.folder) {
                self.reached.insert(real(&folder));
                let all = self.instances(module, file, block, name, findings);
                calls.push((name.to_owned(), all.into_iter().map(|call| (folder.clone(), call)).collect()));
            }
        }
        calls
    }

    /// Returns why a module is not read, and what to do; `None` if it is read, or is not about images.
    fn not_followed(&self, module: &Module, name: &str, source: &str, depth: usize) -> Option<(String, String)> {
        let folder = module.folder.join(source);
        if !is_local(source) {
            let words = format!("{name} {source}").to_lowercase().replace(['-', '_'], "");
            let why = format!("the module `{source}` is not in this project, and the command reads only files in it");
            let instead = "download it, call it by its path, and import again";
            return words.contains("imagebuilder").then(|| (why, instead.to_owned()));
        }
        if !folder.is_dir() {
            return Some((format!("there is no folder {}", folder.display()), "correct its `source`".to_owned()));
        }
        if !self.project.holds(&folder) {
            let why = format!("the module {} is outside of the imported folder and its repository", folder.display());
            return Some((why, "import a folder that contains both".to_owned()));
        }
        if self.is_above(&folder, &module.folder) {
            let why = format!("the module {} is imported without the values that it is given here", folder.display());
            let instead = format!("to import it with these values, import {} alone", module.folder.display());
            return Some((why, instead));
        }
        let is_too_deep = depth >= MAX_DEPTH;
        is_too_deep.then(|| (format!("more than {MAX_DEPTH} modules call each other"), "import its folder".to_owned()))
    }

    /// Returns each call that a block stands for, with its values.
    fn instances(&self, module: &Module, file: &File, block: &Block, name: &str, findings: &mut Findings) -> Vec<Call> {
        let path = format!("{}module.{name}", module.path());
        let root = module.call.as_ref().map_or(&module.folder, |call| &call.root);
        let call = |index: String, variable: Option<(&str, Hcl)>| {
            let mut context = module.context();
            if let Some((name, value)) = variable {
                context.declare(name, value);
            }
            let arguments = block.body.iter().filter_map(|structure| structure.as_attribute());
            let arguments = arguments.filter(|argument| !META.contains(&argument.key.as_str()));
            let values: Map<String, Hcl> =
                arguments.map(|one| (one.key.as_str().to_owned(), context.value(&one.value.clone().into()))).collect();
            Call { path: format!("{path}{index}."), root: root.clone(), values }
        };
        let instances = match module.instances(block) {
            Instances::Unknown(name) => {
                let why = format!("its `for_each` {}", terraform::depends(&name));
                let instead = "the module was imported once, without what differs from call to call";
                findings.push(Outcome::Changed, &file.block_place(block), (&path, "for_each"), why, instead);
                Instances::One
            }
            known => known,
        };
        let is_counted = matches!(instances, Instances::Count(_) | Instances::Each(_));
        let all = terraform::variables(instances, &file.block_place(block), &path, findings);
        let index = |index: &str| if is_counted { format!("[{index}]") } else { String::new() };
        all.into_iter().map(|(key, variable)| call(index(&key), variable)).collect()
    }
}

/// Returns the outputs of all calls that a block stands for: a list for `count`, and a map for `for_each`.
fn all_outputs(calls: &[Loaded]) -> Hcl {
    let index = |call: &Loaded| Some(call.module.path().strip_suffix("].")?.rsplit_once('[')?.1.to_owned());
    let (mut list, mut map) = (Vec::new(), Map::new());
    for call in calls {
        match index(call) {
            None => return call.module.outputs(),
            Some(index) => match index.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(key) => drop(map.insert(key.to_owned(), call.module.outputs())),
                None => list.push(call.module.outputs()),
            },
        }
    }
    if map.is_empty() { Hcl::Array(list) } else { Hcl::Object(map) }
}

/// Returns the source of a call, which is always written out.
fn source(block: &Block) -> Option<String> {
    block.body.get_attribute("source")?.value.as_str().map(str::to_owned)
}

fn is_local(source: &str) -> bool {
    [".", ".."].contains(&source) || ["./", "../"].iter().any(|start| source.starts_with(start))
}

/// Returns a path without links, or as it is if there is nothing.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
