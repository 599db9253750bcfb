//! Files in HCL, which Terraform and Packer share: their blocks, and the values of expressions as far as these are known.

mod ami;
mod functions;
mod label;
mod paths;
mod text;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use ::hcl::edit::Span;
use ::hcl::edit::expr::{Expression, ObjectKey};
use ::hcl::edit::structure::{Attribute, Block, Body};
use ::hcl::eval::{Context, Evaluate};
use ::hcl::{Map, Value as Hcl};

use crate::finding::{Findings, Outcome};
use crate::item::{Item, Mark, Place, Value};

pub(crate) use ami::search;
use paths::Known;
pub(crate) use text::found;

/// Rounds in which locals, data and resources are evaluated, because each may need another one.
const ROUNDS: usize = 5;

/// A file of a module.
pub(crate) struct File {
    name: Rc<str>,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    pub(crate) body: Body,
}

/// The files of one folder.
pub(crate) struct Module {
    pub(crate) folder: PathBuf,
    pub(crate) files: Vec<File>,
    /// Values of variables, locals, data and resources, by their first word.
    known: Known,
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
    pub(crate) fn read(folder: &Path, texts: Vec<(PathBuf, String)>, findings: &mut Findings) -> Self {
        let mut files = Vec::new();
        for (path, text) in texts {
            match File::read(&path, &text) {
                Ok(file) => files.push(file),
                Err((line, why)) => {
                    let place = Place::new(&path.display().to_string().into(), line);
                    findings.push(Outcome::LeftOut, &place, ("", ""), why, "correct the file");
                }
            }
        }
        let mut module = Self { folder: folder.to_owned(), files, known: Known::default() };
        module.declare();
        module
    }

    /// Returns all blocks with this word at the top of the files.
    pub(crate) fn blocks<'m>(&'m self, word: &'m str) -> impl Iterator<Item = (&'m File, &'m Block)> {
        self.files.iter().flat_map(move |file| file.body.get_blocks(word).map(move |block| (file, block)))
    }

    /// Gives every name that an expression of the files can use a value, or a mark.
    fn declare(&mut self) {
        let folder = self.folder.display().to_string();
        let folder = if folder.is_empty() { ".".to_owned() } else { folder };
        for word in ["module", "root", "cwd"] {
            self.known.set(&["path", word], Hcl::from(folder.as_str()));
        }
        self.variables();
        // Whatever else the files name has a mark until it is known.
        let paths: Vec<_> = self.files.iter().flat_map(|file| paths::used(&file.body)).collect();
        for path in paths {
            self.known.fill(&path);
        }
        for round in 0..ROUNDS {
            self.data();
            self.locals(round + 1 == ROUNDS);
            self.resources();
        }
    }

    fn variables(&mut self) {
        let mut values: Vec<(String, Hcl)> = Vec::new();
        let context = self.context();
        for (_, block) in self.blocks("variable") {
            let Some(name) = block.labels.first().map(|label| label.as_str().to_owned()) else { continue };
            let default = block.body.get_attribute("default");
            let value = default.map(|default| self.value(&default.value, &context));
            values.push((name.clone(), value.unwrap_or_else(|| Hcl::from(Mark::Unknown.text(&format!("var.{name}"))))));
        }
        // Files of variables hold only attributes, at their top.
        for file in self.files.iter().filter(|file| file.name.contains("vars")) {
            for attribute in file.body.iter().filter_map(|structure| structure.as_attribute()) {
                values.push((attribute.key.to_string().trim().to_owned(), self.value(&attribute.value, &context)));
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
                match expression.evaluate(&context) {
                    Ok(value) => values.push((name, value)),
                    Err(_) if is_last => values.push((name, self.value(&attribute.value, &context))),
                    Err(_) => {}
                }
            }
        }
        for (name, value) in values {
            self.known.set(&["local", &name], value);
        }
    }

    /// Evaluates the data whose value is known without AWS: parameters, searches for AMIs, ARNs that are written out.
    fn data(&mut self) {
        let mut values = Vec::new();
        let context = self.context();
        for (file, block) in self.blocks("data") {
            let [kind, name] = &block.labels[..] else { continue };
            let of = |key: &str| {
                let attribute = block.body.get_attribute(key)?;
                self.item(file, &attribute.value, &context, None).text().map(str::to_owned)
            };
            let (keys, value): (&[&str], _) = match kind.as_str() {
                "aws_ssm_parameter" | "amazon-parameterstore" => {
                    (&["value", "insecure_value"], of("name").map(|name| Mark::Parameter.text(&name)))
                }
                "aws_ami" | "amazon-ami" => {
                    let body = self.body(file, &block.body, &context, None);
                    (&["id", "image_id"], search(&body).map(|search| Mark::Search.text(&search)))
                }
                "aws_imagebuilder_component" | "aws_imagebuilder_image" => (&["arn"], of("arn")),
                "aws_partition" => (&["partition"], Some("aws".to_owned())),
                _ => continue,
            };
            for key in keys {
                values.extend(
                    value.clone().map(|value| (kind.as_str().to_owned(), name.as_str().to_owned(), *key, value)),
                );
            }
        }
        for (kind, name, key, value) in values {
            self.known.set(&["data", &kind, &name, key], Hcl::from(value));
        }
    }

    /// Declares each resource of Image Builder: its ARN is a mark with its address.
    fn resources(&mut self) {
        let mut values = Vec::new();
        for (_, block) in self.blocks("resource") {
            let [kind, name] = &block.labels[..] else { continue };
            if !kind.as_str().starts_with("aws_imagebuilder_") {
                continue;
            }
            let address = format!("{}.{}", kind.as_str(), name.as_str());
            let value = match self.instances(block) {
                Instances::One => resource(&self.address(&address)),
                Instances::Count(count) => {
                    Hcl::Array((0..count).map(|n| resource(&self.address(&format!("{address}[{n}]")))).collect())
                }
                Instances::Each(each) => {
                    let one = |(key, _): &(String, Hcl)| {
                        (key.clone(), resource(&self.address(&format!("{address}[\"{key}\"]"))))
                    };
                    Hcl::Object(each.iter().map(one).collect())
                }
            };
            values.push((kind.as_str().to_owned(), name.as_str().to_owned(), value));
        }
        for (kind, name, value) in values {
            self.known.set(&[&kind, &name], value);
        }
    }

    /// Returns an address that no other folder has.
    pub(crate) fn address(&self, name: &str) -> String {
        crate::item::address(&self.folder.display().to_string(), name)
    }

    /// Returns how many resources a block stands for.
    pub(crate) fn instances(&self, block: &Block) -> Instances {
        let context = self.context();
        let value = |key: &str| {
            let attribute = block.body.get_attribute(key)?;
            ::hcl::Expression::from(attribute.value.clone()).evaluate(&context).ok()
        };
        match (value("count"), value("for_each")) {
            (Some(count), _) => {
                let count = count.as_number().and_then(|n| n.as_u64()).or_else(|| count.as_str()?.parse().ok());
                count.map_or(Instances::One, |count| Instances::Count(count.min(100)))
            }
            (_, Some(Hcl::Object(map))) => Instances::Each(map.into_iter().collect()),
            (_, Some(Hcl::Array(list))) => {
                let one = |value: Hcl| Some((value.as_str()?.to_owned(), value));
                Instances::Each(list.into_iter().filter_map(one).collect())
            }
            _ => Instances::One,
        }
    }

    /// Returns the context of all expressions of the module.
    pub(crate) fn context(&self) -> Context<'static> {
        let mut context = Context::new();
        functions::declare(&mut context);
        for (name, value) in self.known.roots() {
            context.declare_var(name.as_str(), value.clone());
        }
        context
    }

    /// Returns the value of an expression. The elements of a list or an object are evaluated each by itself, so that one
    /// unknown value hides no other.
    fn value(&self, expression: &Expression, context: &Context<'_>) -> Hcl {
        match expression {
            Expression::Array(items) => Hcl::Array(items.iter().map(|item| self.value(item, context)).collect()),
            Expression::Object(object) => {
                let entries =
                    object.iter().map(|(key, value)| (self.key(key, context), self.value(value.expr(), context)));
                Hcl::Object(entries.collect::<Map<String, Hcl>>())
            }
            Expression::Parenthesis(inner) => self.value(inner.inner(), context),
            other => ::hcl::Expression::from(other.clone())
                .evaluate(context)
                .unwrap_or_else(|_| Hcl::from(Mark::Unknown.text(&text::short(other)))),
        }
    }

    fn key(&self, key: &ObjectKey, context: &Context<'_>) -> String {
        match key {
            ObjectKey::Ident(ident) => ident.as_str().to_owned(),
            ObjectKey::Expression(expression) => match self.value(expression, context) {
                Hcl::String(text) => text,
                other => other.to_string(),
            },
        }
    }

    /// Returns the value of an expression as an item. With findings, a value that was decided without knowing all that it
    /// depends on becomes one.
    pub(crate) fn item(
        &self,
        file: &File,
        expression: &Expression,
        context: &Context<'_>,
        findings: Option<(&mut Findings, &str, &str)>,
    ) -> Item {
        let place = file.place(expression.span());
        let item = match expression {
            Expression::Array(items) => {
                let items = items.iter().map(|item| self.item(file, item, context, None));
                place.item(Value::List(items.filter(|item| !item.is_null()).collect()))
            }
            Expression::Object(object) => {
                let entry = |(key, value): (&ObjectKey, &::hcl::edit::expr::ObjectValue)| {
                    (self.key(key, context), self.item(file, value.expr(), context, None))
                };
                place.item(Value::Map(object.iter().map(entry).collect()))
            }
            other => text::item(&place, &self.value(other, context), &self.folder),
        };
        if let Some((findings, address, field)) = findings
            && !item.is_marked()
            && let Some(unknown) = paths::unknown_in(expression, context)
        {
            let why = format!("its value depends on `{unknown}`, which is not known");
            let instead = "it was evaluated as if that were plain text: check the value";
            findings.push(Outcome::Changed, &item.place, (crate::item::bare(address), field), why, instead);
        }
        item
    }

    /// Returns the attributes and blocks of a body as a map. Blocks of one word are a list if there are several.
    pub(crate) fn body(
        &self,
        file: &File,
        body: &Body,
        context: &Context<'_>,
        mut findings: Option<(&mut Findings, &str)>,
    ) -> Item {
        let mut entries: Vec<(String, Item)> = Vec::new();
        for structure in body.iter() {
            if let Some(Attribute { key, value, .. }) = structure.as_attribute() {
                let told = findings.as_mut().map(|(findings, address)| (&mut **findings, *address, key.as_str()));
                entries.push((key.as_str().to_owned(), self.item(file, value, context, told)));
            }
            let Some(block) = structure.as_block() else { continue };
            for (word, item) in self.block(file, block, context, findings.as_mut().map(|(f, a)| (&mut **f, *a))) {
                match entries.iter_mut().find(|(known, _)| *known == word) {
                    Some((_, Item { value: Value::List(items), .. })) => items.push(item),
                    Some((_, first)) => {
                        let place = first.place.clone();
                        let one = std::mem::replace(first, place.item(Value::Null));
                        *first = place.item(Value::List(vec![one, item]));
                    }
                    None => entries.push((word, item)),
                }
            }
        }
        file.place(body.span()).item(Value::Map(entries))
    }

    /// Returns what a nested block stands for: itself, or what `dynamic` makes of it.
    fn block(
        &self,
        file: &File,
        block: &Block,
        context: &Context<'_>,
        mut findings: Option<(&mut Findings, &str)>,
    ) -> Vec<(String, Item)> {
        let mut place = |body: &Body, context: &Context<'_>| {
            let item = self.body(file, body, context, findings.as_mut().map(|(f, a)| (&mut **f, *a)));
            Item { place: file.block_place(block), ..item }
        };
        let dynamic = (block.ident.as_str() == "dynamic").then(|| block.labels.first()).flatten();
        let (Some(word), Some(content)) = (dynamic, block.body.get_blocks("content").next()) else {
            return vec![(block.ident.as_str().to_owned(), place(&block.body, context))];
        };
        let word = word.as_str();
        let each = block.body.get_attribute("for_each").map(|each| self.value(&each.value, context));
        let iterator =
            block.body.get_attribute("iterator").map(|iterator| iterator.value.to_string().trim().to_owned());
        let iterator = iterator.unwrap_or_else(|| word.to_owned());
        let elements: Vec<(Hcl, Hcl)> = match each {
            Some(Hcl::Array(items)) => items.into_iter().enumerate().map(|(n, item)| (Hcl::from(n), item)).collect(),
            Some(Hcl::Object(map)) => map.into_iter().map(|(key, value)| (Hcl::from(key), value)).collect(),
            Some(other @ Hcl::String(_)) => {
                // A list that is not known as a whole.
                let item = text::item(&file.block_place(block), &other, &self.folder);
                return vec![(word.to_owned(), item)];
            }
            _ => Vec::new(),
        };
        let made = elements.into_iter().map(|(key, value)| {
            let mut context = context.clone();
            let pair: Map<String, Hcl> = [("key".to_owned(), key), ("value".to_owned(), value)].into_iter().collect();
            context.declare_var(iterator.as_str(), Hcl::Object(pair));
            (word.to_owned(), place(&content.body, &context))
        });
        made.collect()
    }
}

/// How many resources a block stands for.
pub(crate) enum Instances {
    One,
    Count(u64),
    /// Keys and values of `for_each`.
    Each(Vec<(String, Hcl)>),
}

fn resource(address: &str) -> Hcl {
    let mark = Hcl::from(Mark::Resource.text(address));
    Hcl::Object(["arn", "id", "image_recipe_arn"].map(|key| (key.to_owned(), mark.clone())).into_iter().collect())
}
