//! Files in HCL, which Terraform and Packer share: their blocks, and the values of expressions as far as these are known.

mod ami;
mod body;
mod data;
mod evaluate;
mod files;
mod functions;
mod glob;
mod paths;
mod text;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use ::hcl::edit::Span;
use ::hcl::edit::structure::{Block, Body};
use ::hcl::{Map, Value as Hcl};

use crate::budget::MAX_INSTANCES;
use crate::finding::{Findings, Outcome};
use crate::item::{Mark, Place};
use crate::project::Project;

pub(crate) use ami::{SEARCH, image};
pub(crate) use evaluate::Context;
use files::Files;
use paths::Known;

/// Rounds in which locals, data and resources are evaluated, because each may need another one.
const ROUNDS: usize = 5;

/// Steps of the import's work that an instance of a block counts as.
const STEPS_OF_INSTANCE: usize = 10;

/// A file of a module.
#[derive(Clone)]
pub(crate) struct File {
    name: Rc<str>,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    pub(crate) body: Body,
}

/// How another module calls this one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    /// The path of calls, such as `module.web.`; empty if no module calls this one.
    pub(crate) path: String,
    /// The folder of the first module of the path.
    pub(crate) root: PathBuf,
    /// The values that the module gets.
    pub(crate) values: Map<String, Hcl>,
}

/// The files of one folder.
pub(crate) struct Module {
    pub(crate) folder: PathBuf,
    pub(crate) files: Vec<File>,
    pub(crate) call: Option<Call>,
    found: Rc<Files>,
    /// Values of variables, locals, data and resources, by their first word.
    known: Known,
}

/// How many resources a block stands for.
pub(crate) enum Instances {
    One,
    Count(u64),
    /// Keys and values of `for_each`.
    Each(Vec<(String, Hcl)>),
    /// None, because `count` or `for_each` asks for more than are imported.
    TooMany(&'static str, u64),
    /// One, because `count` depends on this name, which has no value.
    Uncounted(String),
    /// None, because `for_each` depends on this name, which has no value.
    Unknown(String),
}

impl File {
    fn read(path: &Path, text: &str) -> Result<Self, (usize, String)> {
        let body = ::hcl::edit::parser::parse_body(text);
        let body = body.map_err(|error| (error.location().line(), format!("this is not HCL: {}", error.message())))?;
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        let lines = std::iter::once(0).chain(starts).collect();
        Ok(Self { name: path.display().to_string().into(), lines, body })
    }

    fn place(&self, span: Option<std::ops::Range<usize>>) -> Place {
        let line = span.map_or(0, |span| self.lines.partition_point(|start| *start <= span.start));
        Place::new(&self.name, line)
    }

    /// Returns the place of a block.
    pub(crate) fn block_place(&self, block: &Block) -> Place {
        self.place(block.ident.span().or_else(|| block.span()))
    }
}

impl Module {
    /// Parses the files, and evaluates what can be known of their variables, locals, data and resources.
    pub(crate) fn read(
        project: &Project,
        folder: &Path,
        texts: &[(PathBuf, String)],
        call: Option<Call>,
        findings: &mut Findings,
    ) -> Self {
        let mut module = Self::parse(project, folder, texts, call, findings);
        module.declare();
        module
    }

    /// Parses the files, without the value of anything.
    pub(crate) fn parse(
        project: &Project,
        folder: &Path,
        texts: &[(PathBuf, String)],
        call: Option<Call>,
        findings: &mut Findings,
    ) -> Self {
        let mut files = Vec::new();
        for (path, text) in texts {
            // Parsing takes longer than copying.
            project.budget.spend_text(text.len().saturating_mul(10));
            match File::read(path, text) {
                Ok(file) => files.push(file),
                Err((line, why)) => {
                    let place = Place::new(&path.display().to_string().into(), line);
                    findings.push(Outcome::LeftOut, &place, ("", ""), why, "correct the file");
                }
            }
        }
        let found = Rc::new(Files { project: project.clone(), folder: folder.to_owned() });
        Self { folder: folder.to_owned(), files, call, found, known: Known::default() }
    }

    /// Returns all blocks with this word at the top of the files.
    pub(crate) fn blocks<'m>(&'m self, word: &'m str) -> impl Iterator<Item = (&'m File, &'m Block)> {
        self.files.iter().flat_map(move |file| file.body.get_blocks(word).map(move |block| (file, block)))
    }

    /// Gives every name that an expression of the files can use a value, or a mark.
    fn declare(&mut self) {
        let shown = |folder: &Path| match folder.display().to_string() {
            folder if folder.is_empty() => Hcl::from("."),
            folder => Hcl::from(folder),
        };
        let root = self.call.as_ref().map_or(&self.folder, |call| &call.root);
        let folders = [("module", shown(&self.folder)), ("root", shown(root)), ("cwd", shown(root))];
        for (word, folder) in folders {
            self.known.set(&["path", word], folder);
        }
        // Whatever the files name has a mark until it is known.
        let paths: Vec<_> = self.files.iter().flat_map(|file| paths::used(&file.body)).collect();
        for path in paths {
            self.known.fill(&path);
        }
        self.variables();
        self.evaluate();
    }

    /// Evaluates locals, data and resources, until nothing changes.
    fn evaluate(&mut self) {
        let mut is_last = false;
        for round in 0..ROUNDS {
            let before = self.known.clone();
            self.data();
            self.locals(is_last);
            self.resources();
            if is_last {
                break;
            }
            is_last = self.known == before || round + 2 == ROUNDS;
        }
    }

    fn variables(&mut self) {
        let mut values: Vec<(String, Hcl)> = Vec::new();
        let context = self.context();
        for (_, block) in self.blocks("variable") {
            let Some(name) = block.labels.first().map(|label| label.as_str().to_owned()) else { continue };
            let default = block.body.get_attribute("default").map(|one| context.value(&one.value.clone().into()));
            let label = format!("var.{name}");
            let region = self.found.project.region.as_deref().filter(|_| crate::translate::is_region(&label));
            match default.or_else(|| region.map(Hcl::from)) {
                Some(value) => values.push((name, value)),
                None if self.known.get(&["var", &name]).is_none() => {
                    values.push((name, Hcl::from(Mark::Unknown.text(&label))));
                }
                None => {}
            }
        }
        match &self.call {
            Some(call) => values.extend(call.values.clone()),
            // Files of variables hold only attributes, at their top. They are those of a module that nobody calls.
            None => {
                for file in self.files.iter().filter(|file| file.name.contains("vars")) {
                    for attribute in file.body.iter().filter_map(|structure| structure.as_attribute()) {
                        let name = attribute.key.to_string().trim().to_owned();
                        values.push((name, context.value(&attribute.value.clone().into())));
                    }
                }
            }
        }
        for (name, value) in values {
            self.known.set(&["var", &name], value);
        }
    }

    fn locals(&mut self, is_last: bool) {
        let mut values = Vec::new();
        let context = self.context();
        for (_, block) in self.blocks("locals").chain(self.blocks("local")) {
            for attribute in block.body.iter().filter_map(|structure| structure.as_attribute()) {
                let name = attribute.key.as_str().to_owned();
                let expression = ::hcl::Expression::from(attribute.value.clone());
                match context.evaluate(&expression) {
                    Ok(value) => values.push((name, value)),
                    Err(_) if is_last => values.push((name, context.value(&expression))),
                    Err(_) => {}
                }
            }
        }
        for (name, value) in values {
            self.known.set(&["local", &name], value);
        }
    }

    /// Returns the values of the outputs.
    pub(crate) fn outputs(&self) -> Hcl {
        let context = self.context();
        let output = |(_, block): (&File, &Block)| {
            let value = block.body.get_attribute("value")?;
            Some((block.labels.first()?.as_str().to_owned(), context.value(&value.value.clone().into())))
        };
        Hcl::Object(self.blocks("output").filter_map(output).collect())
    }

    /// Sets what the modules that this one calls put out, and evaluates again what depends on it.
    pub(crate) fn learn(&mut self, outputs: Vec<(String, Hcl)>) {
        for (name, outputs) in outputs {
            self.known.set(&["module", &name], outputs);
        }
        self.evaluate();
    }

    /// Returns an address that no other folder and no other call of this folder has.
    pub(crate) fn address(&self, name: &str) -> String {
        let path = self.path();
        crate::item::address(&format!("{} {path}", self.folder.display()), &format!("{path}{name}"))
    }

    /// Returns the path of calls to this module, such as `module.web.`.
    pub(crate) fn path(&self) -> &str {
        self.call.as_ref().map_or("", |call| &call.path)
    }

    /// Returns how many resources a block stands for.
    pub(crate) fn instances(&self, block: &Block) -> Instances {
        let context = self.context();
        let unknown = |expression: &::hcl::edit::expr::Expression| {
            paths::unknown_in(expression, &context).unwrap_or_else(|| text::short(&expression.to_string()))
        };
        if let Some(count) = block.body.get_attribute("count") {
            let value = context.evaluate(&count.value.clone().into()).unwrap_or_default();
            let number = value.as_number().and_then(|n| n.as_u64()).or_else(|| value.as_str()?.parse().ok());
            return match number {
                Some(number) if number > MAX_INSTANCES as u64 => Instances::TooMany("count", number),
                Some(number) => {
                    self.spend(usize::try_from(number).unwrap_or(MAX_INSTANCES));
                    Instances::Count(number)
                }
                None => Instances::Uncounted(unknown(&count.value)),
            };
        }
        let Some(each) = block.body.get_attribute("for_each") else { return Instances::One };
        match context.evaluate(&each.value.clone().into()) {
            Ok(Hcl::Object(map)) if map.len() > MAX_INSTANCES => Instances::TooMany("for_each", map.len() as u64),
            Ok(Hcl::Array(list)) if list.len() > MAX_INSTANCES => Instances::TooMany("for_each", list.len() as u64),
            Ok(Hcl::Object(map)) => {
                self.spend(map.len());
                Instances::Each(map.into_iter().collect())
            }
            Ok(Hcl::Array(list)) => {
                self.spend(list.len());
                let one = |value: Hcl| Some((value.as_str()?.to_owned(), value));
                Instances::Each(list.into_iter().filter_map(one).collect())
            }
            _ => Instances::Unknown(unknown(&each.value)),
        }
    }

    /// Takes the steps of instances.
    fn spend(&self, instances: usize) {
        self.found.project.budget.spend(instances * STEPS_OF_INSTANCE);
    }

    /// Returns the context of all expressions of the module.
    pub(crate) fn context(&self) -> Context {
        Context::new(Rc::clone(&self.found), self.known.values())
    }
}
