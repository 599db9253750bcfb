//! What CloudFormation's functions return as far as that is known from the template alone.

use std::cell::Cell;
use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::tree::{Content, Node};
use crate::budget::{Budget, MAX_TEXT};
use crate::finding::{Findings, Outcome};
use crate::item::{Item, Mark, Value, address, holds, shown};
use crate::project::Project;

/// What references of a template can name.
pub(super) struct Environment<'n> {
    file: &'n str,
    pub(super) budget: &'n Budget,
    /// The home Region, if the user has named one.
    region: Option<&'n str>,
    /// Defaults of parameters, with their type.
    pub(super) parameters: BTreeMap<&'n str, (Option<&'n Node>, &'n str)>,
    pub(super) conditions: Option<&'n Node>,
    mappings: Option<&'n Node>,
    resources: BTreeMap<&'n str, &'n Node>,
    /// Whether a property that another one names is being resolved: it may name the first one again.
    is_within: Cell<bool>,
}

impl<'n> Environment<'n> {
    pub(super) fn of(root: &'n Node, file: &'n str, project: &'n Project) -> Self {
        let parameter = |(name, node): &'n (String, Node)| {
            let kind = node.get("Type").and_then(Node::text).unwrap_or_default();
            (name.as_str(), (node.get("Default"), kind))
        };
        let parameters = root.get("Parameters").map(Node::entries).unwrap_or_default().iter().map(parameter).collect();
        let resources = root.get("Resources").map(Node::entries).unwrap_or_default();
        Self {
            file,
            budget: &project.budget,
            region: project.region.as_deref(),
            parameters,
            conditions: root.get("Conditions"),
            mappings: root.get("Mappings"),
            resources: resources.iter().map(|(name, node)| (name.as_str(), node)).collect(),
            is_within: Cell::new(false),
        }
    }

    /// Returns the value of a node. What is not known is a mark in it.
    pub(super) fn resolve(&self, node: &Node, of: &str, findings: &mut Findings) -> Item {
        let value = match (function(node), &node.content) {
            (Some((name, _)), _) if self.budget.is_out() => Value::Text(Mark::Unknown.text(&format!("Fn::{name}"))),
            (Some((name, argument)), _) => {
                self.short(name, self.call(name, &argument, of, findings), node, of, findings)
            }
            (None, Content::Text(text)) if is_null(text) => Value::Null,
            (None, Content::Text(text)) => Value::Text(text.clone()),
            (None, Content::List(items)) => {
                let items = items.iter().map(|item| self.resolve(item, of, findings));
                // CloudFormation removes an element whose value is `AWS::NoValue`.
                Value::List(items.filter(|item| !item.is_null()).collect())
            }
            (None, Content::Map(entries)) => {
                let entry = |(key, node): &(String, Node)| (key.clone(), self.resolve(node, of, findings));
                Value::Map(entries.iter().map(entry).collect())
            }
        };
        Item { place: node.place.clone(), value }
    }

    /// Returns a value that a function returns, unless it is too long.
    fn short(&self, name: &str, value: Value, node: &Node, of: &str, findings: &mut Findings) -> Value {
        let length = if let Value::Text(text) = &value { text.len() } else { 0 };
        if length <= MAX_TEXT {
            self.budget.spend_text(length);
            return value;
        }
        let (field, why) = (format!("Fn::{name}"), format!("its text has more than {MAX_TEXT} bytes"));
        findings.push(Outcome::LeftOut, &node.place, (of, &field), why, "shorten the text");
        Value::Text(Mark::Unknown.text(&field))
    }

    fn call(&self, name: &str, argument: &Node, of: &str, findings: &mut Findings) -> Value {
        let unknown = |label: &str| Value::Text(Mark::Unknown.text(label));
        match name {
            "Ref" => self.reference(argument.text().unwrap_or_default()),
            "GetAtt" => {
                let text = argument.text().map(str::to_owned);
                let joined = || argument.items().iter().filter_map(Node::text).collect::<Vec<_>>().join(".");
                self.attribute(&text.unwrap_or_else(joined))
            }
            "Sub" => self.substitute(argument, of, findings),
            "Join" => self.join(argument, of, findings),
            "Select" => self.select(argument, of, findings),
            "Split" => self.split(argument, of, findings),
            "FindInMap" => self.find_in_map(argument, of, findings),
            "Base64" => {
                let text = self.resolve(argument, of, findings);
                match text.text() {
                    // A text with a mark in it is not known in full, and its Base64 would hide the mark.
                    Some(text) if !text.contains('\u{e000}') => Value::Text(BASE64_STANDARD.encode(text)),
                    _ => unknown("Fn::Base64"),
                }
            }
            "If" => self.choose(argument, of, findings),
            "ImportValue" => {
                let exported = self.resolve(argument, of, findings);
                unknown(&format!("Fn::ImportValue {}", shown(exported.text().unwrap_or_default())))
            }
            other => unknown(&format!("Fn::{other}")),
        }
    }

    /// Returns the branch of `!If` that the defaults of parameters choose, or else the one for a true condition.
    fn choose(&self, argument: &Node, of: &str, findings: &mut Findings) -> Value {
        let condition = argument.items().first().and_then(Node::text).unwrap_or_default();
        let chosen = self.condition(condition);
        let instead = match chosen {
            Some(true) => "it is true with the defaults of the parameters, and the value for that is used: check it",
            Some(false) => "it is false with the defaults of the parameters, and the value for that is used: check it",
            None => "the value for a true condition is used: check it",
        };
        let why = format!("its value depends on the condition `{condition}`");
        findings.push(Outcome::Changed, &argument.place, (of, "Fn::If"), why, instead);
        let branch = if chosen == Some(false) { 2 } else { 1 };
        argument.items().get(branch).map_or(Value::Null, |node| self.resolve(node, of, findings).value)
    }

    /// Returns what `!Ref` returns.
    fn reference(&self, name: &str) -> Value {
        if let Some((default, kind)) = self.parameters.get(name) {
            let text = default.and_then(|node| node.text()).filter(|text| !text.is_empty());
            return match text {
                // The default of such a parameter is the name of an SSM parameter, and CloudFormation passes on what is
                // stored there.
                Some(text) if kind.starts_with("AWS::SSM::Parameter::Value") => Value::Text(Mark::Parameter.text(text)),
                Some(text) => Value::Text(text.to_owned()),
                None => Value::Text(Mark::Unknown.text(name)),
            };
        }
        match name {
            "AWS::NoValue" => Value::Null,
            // A template does not say where it is deployed, and most accounts are in this partition.
            "AWS::Partition" => Value::Text("aws".to_owned()),
            "AWS::Region" if self.region.is_some() => Value::Text(self.region.unwrap_or_default().to_owned()),
            name if self.resources.contains_key(name) => Value::Text(Mark::Resource.text(&address(self.file, name))),
            name => Value::Text(Mark::Unknown.text(name)),
        }
    }

    /// Returns what `!GetAtt` returns. Known are the ARN and the properties of a resource of Image Builder.
    fn attribute(&self, text: &str) -> Value {
        let (name, attribute) = text.split_once('.').unwrap_or((text, ""));
        let Some(resource) = self.resources.get(name) else { return Value::Text(Mark::Unknown.text(text)) };
        if matches!(attribute, "Arn" | "ImageId") {
            return Value::Text(Mark::Resource.text(&address(self.file, name)));
        }
        let is_ours = resource.get("Type").and_then(Node::text).is_some_and(|kind| kind.starts_with(super::PREFIX));
        let property = resource.get("Properties").and_then(|all| all.get(attribute)).filter(|_| is_ours);
        let value = match property {
            Some(property) if !self.is_within.replace(true) => {
                let item = self.resolve(property, name, &mut Findings::default());
                self.is_within.set(false);
                item.text().map(str::to_owned)
            }
            _ => None,
        };
        Value::Text(value.unwrap_or_else(|| Mark::Unknown.text(text)))
    }

    fn substitute(&self, argument: &Node, of: &str, findings: &mut Findings) -> Value {
        let (template, values) = match argument.items() {
            [template, values, ..] => (template.text(), Some(values)),
            [template] => (template.text(), None),
            [] => (argument.text(), None),
        };
        let mut text = String::new();
        let mut rest = template.unwrap_or_default();
        while let Some((before, after)) = rest.split_once("${") {
            // What is too long is refused as a whole.
            if text.len() > MAX_TEXT || !self.budget.spend(1) {
                break;
            }
            text.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                text.push_str("${");
                rest = after;
                continue;
            };
            rest = after;
            // `${!name}` is how a template writes `${name}` for a shell.
            if let Some(literal) = name.strip_prefix('!') {
                text.push_str(&format!("${{{literal}}}"));
                continue;
            }
            let given = values.and_then(|values| values.get(name)).map(|node| self.resolve(node, of, findings).value);
            let value =
                given.unwrap_or_else(|| if name.contains('.') { self.attribute(name) } else { self.reference(name) });
            match value {
                Value::Text(value) => text.push_str(&value),
                _ => text.push_str(&Mark::Unknown.text(name)),
            }
        }
        text.push_str(rest);
        Value::Text(text)
    }

    fn join(&self, argument: &Node, of: &str, findings: &mut Findings) -> Value {
        let [delimiter, list] = argument.items() else { return Value::Text(Mark::Unknown.text("Fn::Join")) };
        let list = self.resolve(list, of, findings);
        let texts: Option<Vec<&str>> = list.items().iter().map(|item| item.text()).collect();
        match texts {
            Some(texts) => {
                let (delimiter, mut joined) = (delimiter.text().unwrap_or_default(), String::new());
                for (at, text) in texts.into_iter().enumerate() {
                    if joined.len() > MAX_TEXT {
                        break;
                    }
                    joined.push_str(if at == 0 { "" } else { delimiter });
                    joined.push_str(text);
                }
                Value::Text(joined)
            }
            None => Value::Text(Mark::Unknown.text("Fn::Join")),
        }
    }

    fn split(&self, argument: &Node, of: &str, findings: &mut Findings) -> Value {
        let [delimiter, text] = argument.items() else { return Value::Text(Mark::Unknown.text("Fn::Split")) };
        let source = self.resolve(text, of, findings);
        let (delimiter, text) = (delimiter.text().unwrap_or(","), source.text().unwrap_or_default());
        if delimiter.is_empty() || holds(text, Mark::Unknown) {
            return Value::Text(Mark::Unknown.text("Fn::Split"));
        }
        Value::List(text.split(delimiter).map(|part| argument.place.text(part)).collect())
    }

    fn select(&self, argument: &Node, of: &str, findings: &mut Findings) -> Value {
        let [index, list] = argument.items() else { return Value::Text(Mark::Unknown.text("Fn::Select")) };
        let list = self.resolve(list, of, findings);
        let index = index.text().and_then(|text| text.parse::<usize>().ok());
        let selected = match &list.value {
            Value::List(items) => index.and_then(|index| items.get(index)).map(|item| item.value.clone()),
            // A parameter of a `List` type has one text as its default, with commas.
            Value::Text(text) if !holds(text, Mark::Unknown) => {
                index.and_then(|index| text.split(',').nth(index)).map(|text| Value::Text(text.trim().to_owned()))
            }
            _ => None,
        };
        selected.unwrap_or_else(|| Value::Text(Mark::Unknown.text("Fn::Select")))
    }

    fn find_in_map(&self, argument: &Node, of: &str, findings: &mut Findings) -> Value {
        let keys: Vec<Item> = argument.items().iter().map(|node| self.resolve(node, of, findings)).collect();
        let keys: Vec<&str> = keys.iter().filter_map(Item::text).collect();
        let found = match keys[..] {
            [map, first, second] => self.mappings.and_then(|maps| maps.get(map)?.get(first)?.get(second)),
            _ => None,
        };
        // CloudFormation allows no function in a map, and one there could name itself.
        if let Some(found) = found.filter(|found| is_plain(found)) {
            return self.resolve(found, of, findings).value;
        }
        let keys = shown(&keys.join(", ")).replace("${", "").replace('}', "");
        Value::Text(Mark::Unknown.text(&format!("Fn::FindInMap [{keys}]")))
    }
}

/// Returns the function that a node calls: `!Sub x`, `{"Fn::Sub": x}` or `{"Ref": x}`.
pub(super) fn function(node: &Node) -> Option<(&str, std::borrow::Cow<'_, Node>)> {
    if let Some(tag) = &node.tag {
        // The argument is the same node without its tag, or its value would be resolved as the same call for ever.
        return Some((tag, std::borrow::Cow::Owned(Node { tag: None, ..node.clone() })));
    }
    let [(key, argument)] = node.entries() else { return None };
    let name = key.strip_prefix("Fn::").or(["Ref", "Condition"].contains(&key.as_str()).then_some(key))?;
    Some((name, std::borrow::Cow::Borrowed(argument)))
}

/// Returns whether a node has no function in it.
fn is_plain(node: &Node) -> bool {
    function(node).is_none() && node.items().iter().chain(node.entries().iter().map(|(_, node)| node)).all(is_plain)
}

fn is_null(text: &str) -> bool {
    matches!(text, "~" | "null")
}
