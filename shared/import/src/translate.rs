//! Turns resources of Image Builder into definitions, whatever source they come from.

mod component;
mod distribution;
mod infrastructure;
mod pipeline;
mod recipe;

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_model::definitions::Kind;

use crate::fields::{Fields, canonical};
use crate::finding::{Findings, Outcome};
use crate::hcl::SEARCH;
use crate::item::{Item, Mark, Part, Value, first_unknown, parts, shown, sole_mark};
use crate::project::Project;
use crate::resource::{Identities, Resource};
use crate::yaml::Yaml;

/// The property of a resource that says what is to be filled in: no source has it, and readers of sources add it.
pub(crate) const TO_FILL_IN: &str = "toFillIn";

/// Keys that are called otherwise here, in findings about what is to be filled in.
const HERE: [(&str, &str); 7] = [
    ("componentArn", "components"),
    ("data", "uri"),
    ("distributionConfigurationArn", "distributionConfiguration"),
    ("imageRecipeArn", "imageRecipe"),
    ("infrastructureConfigurationArn", "infrastructureConfiguration"),
    ("subnetId", "subnetIds"),
    ("targetAccountIds", "targetAccounts"),
];

/// What a value that is not known is called in findings.
const UNKNOWN: &str = "its value is known only when the source is deployed";

/// The definitions so far, and what is needed to make more of them.
pub(crate) struct Translation<'p> {
    pub(crate) project: &'p Project,
    /// The home Region, if the user has named one.
    pub(crate) region: Option<String>,
    pub(crate) identities: Identities,
    pub(crate) findings: Findings,
    /// Definitions in the order in which a person reads them.
    pub(crate) definitions: Vec<(Kind, Yaml)>,
    /// Documents, by their path in the new folder.
    pub(crate) documents: BTreeMap<String, String>,
    /// Names of the parameters that recipes give to components, by the component's address.
    pub(crate) parameters: BTreeMap<String, Vec<String>>,
    /// Names of the pipelines that build recipes, by the recipe's name.
    pub(crate) pipelines: BTreeMap<String, String>,
    /// Whether something refers to a stock component.
    pub(crate) needs_stock: bool,
    /// Addresses of components for Windows.
    pub(crate) windows: BTreeSet<String>,
    /// What is to be filled in near the fields that are being translated.
    notes: Vec<String>,
}

impl<'p> Translation<'p> {
    /// Translates all resources: first those that others refer to.
    pub(crate) fn run(project: &'p Project, findings: Findings, resources: &[Resource]) -> Self {
        let identities = Identities::assign(resources);
        let pipelines = resources.iter().filter_map(|resource| {
            let recipe = resource.property("imageRecipeArn").and_then(Item::text).and_then(sole_mark)?;
            let recipe = identities.get(recipe.1)?.name.clone();
            Some((recipe, identities.get(&resource.address)?.name.clone()))
        });
        let pipelines = pipelines.collect();
        let parameters = given_parameters(resources);
        let (definitions, documents) = (Vec::new(), BTreeMap::new());
        let mut translation = Self {
            project,
            region: project.region.clone(),
            identities,
            findings,
            definitions,
            documents,
            parameters,
            pipelines,
            needs_stock: false,
            windows: windows(resources),
            notes: Vec::new(),
        };
        for kind in Kind::ALL.map(|(_, kind)| kind) {
            for resource in resources.iter().filter(|resource| resource.kind == kind) {
                translation.resource(resource);
            }
        }
        translation
    }

    fn resource(&mut self, resource: &Resource) {
        let mut fields = Fields::of(resource.kind, &resource.address, &resource.properties);
        let Some(identity) = self.identities.get(&resource.address).cloned() else { return };
        let written = fields.take("name").and_then(Item::text).unwrap_or_default();
        if written != identity.name && !written.is_empty() {
            let why = format!("`{}` is called `{}` here", shown(written), identity.name);
            fields.tell(&mut self.findings, Outcome::Changed, "name", why, "rename it if you like");
        }
        let since = self.findings.len();
        for item in fields.take(TO_FILL_IN).map(Item::items).unwrap_or_default() {
            self.notes.extend(item.text().map(shown)); // what was found out when the source was read
        }
        let translated = match resource.kind {
            Kind::Component => component::translate(self, &mut fields, &identity, &resource.address),
            Kind::ImageRecipe => recipe::translate(self, &mut fields, &identity),
            Kind::InfrastructureConfiguration => Some(infrastructure::translate(self, &mut fields)),
            Kind::DistributionConfiguration => distribution::translate(self, &mut fields),
            Kind::ImagePipeline => pipeline::translate(self, &mut fields),
        };
        let Some(entries) = translated else {
            self.identities.forget(&resource.address);
            self.findings.forget_to_fill_in(since);
            self.notes.clear();
            return;
        };
        fields.finish(&mut self.findings);
        let mut entries = entries;
        self.write_notes(&mut entries);
        let (word, _) = Kind::ALL.into_iter().find(|(_, kind)| *kind == resource.kind).unwrap_or(Kind::ALL[0]);
        let mut all = vec![("kind".to_owned(), Yaml::text(word)), ("name".to_owned(), Yaml::text(identity.name))];
        all.extend(entries.into_iter().map(|(key, value)| (key.to_owned(), value)));
        self.definitions.push((resource.kind, Yaml::Map(all)));
    }

    /// Records that a field is to be filled in, and remembers to write this next to it.
    pub(crate) fn leave_to_fill_in(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        why: impl Into<String>,
        instead: impl Into<String>,
    ) {
        let why = why.into();
        self.note(key, &why);
        fields.tell(&mut self.findings, Outcome::ToFillIn, key, why, instead);
    }

    fn note(&mut self, key: &str, why: &str) {
        let key = HERE.iter().find(|(source, _)| *source == key).map_or(key, |(_, here)| *here);
        self.notes.push(format!("{key}: {why}"));
    }

    /// Writes what is to be filled in behind the entries so far.
    pub(crate) fn write_notes<K: From<&'static str>>(&mut self, entries: &mut Vec<(K, Yaml)>) {
        entries.extend(self.comments().into_iter().map(|comment| (K::from(""), comment)));
    }

    /// Returns what is to be filled in as comments.
    pub(crate) fn comments(&mut self) -> Vec<Yaml> {
        self.notes.drain(..).map(|note| Yaml::Comment(format!("to-fill-in: {note}"))).collect()
    }

    /// Returns the text of a field without marks. A text with marks becomes a finding, and so does a list or a map.
    pub(crate) fn text(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<String> {
        let item = fields.take(key)?;
        match item.text() {
            // An empty text is how many sources leave a field out.
            Some(text) if text.trim().is_empty() => None,
            Some(text) => self.known(fields, key, item, text),
            None => {
                fields.tell(&mut self.findings, Outcome::LeftOut, key, "it is not a text", "write it by hand");
                None
            }
        }
    }

    /// Returns a text if all of it is known, and records a finding otherwise.
    pub(crate) fn known(&mut self, fields: &Fields<'_>, key: &str, item: &Item, text: &str) -> Option<String> {
        let mut known = String::new();
        for part in parts(text) {
            match part {
                Part::Text(text) => known.push_str(text),
                Part::Mark(Mark::Unknown, label) if is_region(label) && self.region.is_some() => {
                    known.push_str(self.region.as_deref().unwrap_or_default());
                }
                Part::Mark(..) => {
                    let field = fields.named(key);
                    let why = unknown(text);
                    let instead = "write it into the definition";
                    self.note(key, &why);
                    self.findings.push(Outcome::ToFillIn, &item.place, (fields.address(), &field), why, instead);
                    return None;
                }
            }
        }
        Some(known)
    }

    /// Returns the known texts of a list for which `good` holds. Others become findings, with what to write.
    pub(crate) fn texts(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        good: impl Fn(&str) -> bool,
        wanted: &str,
    ) -> Vec<String> {
        let mut texts = Vec::new();
        for item in fields.take(key).map(Item::items).unwrap_or_default() {
            let Some(text) = item.text().and_then(|text| self.known(fields, key, item, text)) else { continue };
            for text in text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
                if !good(text) {
                    let why = format!("`{text}` is not {wanted}");
                    fields.tell(&mut self.findings, Outcome::LeftOut, key, why, "write it by hand");
                } else if !texts.iter().any(|known| known == text) {
                    texts.push(text.to_owned());
                }
            }
        }
        texts
    }

    /// Returns a map of tags by AWS's rules, from a map or from a list of keys and values.
    pub(crate) fn tags(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Vec<(String, String)> {
        let Some(item) = fields.take(key) else { return Vec::new() };
        let pairs: Vec<(&str, &Item)> = match &item.value {
            Value::Map(entries) => entries.iter().map(|(key, value)| (key.as_str(), value)).collect(),
            Value::List(items) => {
                items.iter().filter_map(|item| Some((item.get("Key")?.text()?, item.get("Value")?))).collect()
            }
            Value::Null | Value::Text(_) => Vec::new(),
        };
        if let Some(text) = item.text() {
            self.known(fields, key, item, text); // a map that is not known as a whole
        }
        let mut tags = Vec::new();
        for (name, value) in pairs {
            let lower = name.to_lowercase();
            let reserved = lower.starts_with("aws:") || lower.starts_with("goldsmith:");
            let Some(text) = value.text().and_then(|text| self.known(fields, key, value, text)) else { continue };
            let fits = (1..=128).contains(&name.chars().count()) && text.chars().count() <= 256 && tags.len() < 50;
            if text.contains("{{") {
                let why = format!("a tag cannot contain placeholders, but `{}` does", shown(name));
                fields.tell(
                    &mut self.findings,
                    Outcome::LeftOut,
                    key,
                    why,
                    "Goldsmith's own tags name the image and the build",
                );
            } else if reserved || !fits || parts(name).iter().any(|part| matches!(part, Part::Mark(..))) {
                let why = format!("AWS does not accept the tag `{}`", shown(name));
                fields.tell(&mut self.findings, Outcome::LeftOut, key, why, "choose another name or value");
            // AWS allows empty values. A definition here does not, because a tag without a value is nearly always a
            // variable that was not set.
            } else if text.is_empty() {
                let why = format!("the tag `{name}` has no value");
                fields.tell(&mut self.findings, Outcome::LeftOut, key, why, "give it a value, or leave it out");
            } else if !tags.iter().any(|(known, _)| known == name) {
                tags.push((name.to_owned(), text));
            }
        }
        tags
    }

    /// Returns a description that is short enough for AWS.
    pub(crate) fn description(&mut self, fields: &mut Fields<'_>) -> Option<String> {
        let text = self.text(fields, "description").filter(|text| !text.trim().is_empty())?;
        let cut: String = text.chars().take(255).collect();
        if cut != text {
            let why = "it has more than 255 characters";
            fields.tell(&mut self.findings, Outcome::Changed, "description", why, "it was cut: shorten it");
        }
        Some(cut)
    }

    /// Returns whether a boolean field is `true` or `false`.
    pub(crate) fn flag(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<bool> {
        match self.text(fields, key)?.to_lowercase().as_str() {
            // YAML 1.1 and HCL have more spellings of a boolean than one.
            "true" | "yes" | "1" => Some(true),
            "false" | "no" | "0" => Some(false),
            other => {
                let why = format!("`{other}` is neither true nor false");
                fields.tell(&mut self.findings, Outcome::LeftOut, key, why, "write true or false");
                None
            }
        }
    }

    /// Returns a whole number within limits.
    pub(crate) fn number(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        limits: std::ops::RangeInclusive<u32>,
    ) -> Option<String> {
        let text = self.text(fields, key)?;
        let number = text.parse::<u32>().ok().filter(|number| limits.contains(number));
        if number.is_none() {
            let why = format!("`{text}` is not a number from {} to {}", limits.start(), limits.end());
            fields.tell(&mut self.findings, Outcome::LeftOut, key, why, "write a number within these limits");
        }
        number.map(|number| number.to_string())
    }
}

/// Returns why a text is not known. It names the first variable in it, because a value for that can be given.
pub(crate) fn unknown(text: &str) -> String {
    match first_unknown(text) {
        Some(label) if label.starts_with(SEARCH) => format!("it is {label}"),
        Some(label) if label.starts_with("var.") && sole_mark(text).is_some() => format!("`{label}` has no value"),
        Some(label) if label.starts_with("var.") => format!("`{}`: `{label}` has no value", shown(text)),
        _ => format!("`{}`: {UNKNOWN}", shown(text)),
    }
}

/// Returns the addresses of the components for Windows.
fn windows(resources: &[Resource]) -> BTreeSet<String> {
    let is_windows = |one: &&Resource| {
        let platform = one.property("platform").and_then(Item::text);
        one.kind == Kind::Component && platform.is_some_and(|platform| platform.eq_ignore_ascii_case("windows"))
    };
    resources.iter().filter(is_windows).map(|one| one.address.clone()).collect()
}

/// Returns the parameters that recipes give to components of the source.
fn given_parameters(resources: &[Resource]) -> BTreeMap<String, Vec<String>> {
    let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let recipes = resources.iter().filter_map(|resource| resource.property("components"));
    for component in recipes.flat_map(Item::items) {
        let property =
            |key: &str| component.entries().iter().find(|(name, _)| canonical(name) == key).map(|(_, item)| item);
        let mark = property("componentArn").and_then(Item::text).and_then(sole_mark);
        let Some((Mark::Resource, address)) = mark else { continue };
        for parameter in property("parameters").map(Item::items).unwrap_or_default() {
            let name = parameter.entries().iter().find(|(key, _)| canonical(key) == "name");
            given
                .entry(address.to_owned())
                .or_default()
                .extend(name.and_then(|(_, name)| name.text()).map(str::to_owned));
        }
    }
    given
}

/// Returns whether a label stands for the Region in which the source is deployed.
pub(crate) fn is_region(label: &str) -> bool {
    label == "AWS::Region" || label.starts_with("data.aws_region.") || matches!(label, "var.region" | "var.aws_region")
}

/// Returns the entry of a list of texts, unless it is empty.
pub(crate) fn list(key: &'static str, texts: Vec<String>) -> Option<(&'static str, Yaml)> {
    (!texts.is_empty()).then(|| (key, Yaml::texts(texts)))
}

/// Returns the entry of tags, unless there are none.
pub(crate) fn tag_map(key: &'static str, tags: Vec<(String, String)>) -> Option<(&'static str, Yaml)> {
    let is_empty = tags.is_empty();
    let map = Yaml::map(tags.into_iter().map(|(key, value)| (key, Yaml::Text(value))));
    (!is_empty).then_some((key, map))
}
