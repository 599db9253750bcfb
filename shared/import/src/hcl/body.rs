//! The attributes and blocks of a body as items, with their places.

use ::hcl::edit::Span;
use ::hcl::edit::expr::{Expression, ObjectKey};
use ::hcl::edit::structure::{Attribute, Block, Body};
use ::hcl::{Map, Value as Hcl};

use super::evaluate::Context;
use super::{File, Module, functions, paths, text};
use crate::budget::MAX_INSTANCES;
use crate::finding::{Findings, Outcome};
use crate::item::{Item, Mark, Value};

impl Module {
    /// Returns the value of an expression as an item. With findings, a value that was decided without knowing all that it
    /// depends on becomes one.
    pub(crate) fn item(
        &self,
        file: &File,
        expression: &Expression,
        context: &Context,
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
                    (key_of(key, context), self.item(file, value.expr(), context, None))
                };
                place.item(Value::Map(object.iter().map(entry).collect()))
            }
            other => text::item(&place, &context.value(&::hcl::Expression::from(other.clone()))),
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
        context: &Context,
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
        context: &Context,
        mut findings: Option<(&mut Findings, &str)>,
    ) -> Vec<(String, Item)> {
        let mut place = |body: &Body, context: &Context| {
            let item = self.body(file, body, context, findings.as_mut().map(|(f, a)| (&mut **f, *a)));
            Item { place: file.block_place(block), ..item }
        };
        let dynamic = (block.ident.as_str() == "dynamic").then(|| block.labels.first()).flatten();
        let (Some(word), Some(content)) = (dynamic, block.body.get_blocks("content").next()) else {
            return vec![(block.ident.as_str().to_owned(), place(&block.body, context))];
        };
        let word = word.as_str();
        let each = block.body.get_attribute("for_each").map(|each| context.value(&each.value.clone().into()));
        let iterator =
            block.body.get_attribute("iterator").map(|iterator| iterator.value.to_string().trim().to_owned());
        let iterator = iterator.unwrap_or_else(|| word.to_owned());
        let number = each.as_ref().map_or(0, |each| match each {
            Hcl::Array(items) => items.len(),
            Hcl::Object(map) => map.len(),
            _ => 0,
        });
        let elements: Vec<(Hcl, Hcl)> = match each {
            Some(_) if number > MAX_INSTANCES => {
                let label = format!("{number} blocks `{word}`");
                return vec![(word.to_owned(), file.block_place(block).text(Mark::Unknown.text(&label)))];
            }
            Some(Hcl::Array(items)) => items.into_iter().enumerate().map(|(n, item)| (Hcl::from(n), item)).collect(),
            Some(Hcl::Object(map)) => map.into_iter().map(|(key, value)| (Hcl::from(key), value)).collect(),
            Some(other @ Hcl::String(_)) => {
                // A list that is not known as a whole.
                let item = text::item(&file.block_place(block), &other);
                return vec![(word.to_owned(), item)];
            }
            _ => Vec::new(),
        };
        let made = elements.into_iter().map(|(key, value)| {
            let mut context = context.clone();
            let pair: Map<String, Hcl> = [("key".to_owned(), key), ("value".to_owned(), value)].into_iter().collect();
            context.declare(&iterator, Hcl::Object(pair));
            (word.to_owned(), place(&content.body, &context))
        });
        made.collect()
    }
}

fn key_of(key: &ObjectKey, context: &Context) -> String {
    match key {
        ObjectKey::Ident(ident) => ident.as_str().to_owned(),
        ObjectKey::Expression(expression) => functions::written(&context.value(&expression.clone().into())),
    }
}
