//! The second pass. Everything to which the definitions refer must exist, in the folder or in the store, and must match
//! the reference.

use std::collections::BTreeSet;

use goldsmith_document::{Diagnostic, Diagnostics, Document, SECRET, Severity, did_you_mean, hidden_if_secret};

use super::draft::Placed;
use super::graph::Graph;
use super::{Definitions, Draft, Kind};
use crate::{Component, DistributionConfiguration, ImagePipeline, ImageRecipe, Name, Version, is_stock_component};

/// What helps if a stock component is not stored yet. A release contains the folder.
const STOCK: &str = "it is a stock component: `goldsmith apply components` stores it";

/// The stored definitions to which the definitions of the folder refer.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Component versions.
    pub components: Vec<Component>,
    /// Recipe versions.
    pub recipes: Vec<ImageRecipe>,
    /// Every pipeline, because each may build on the image of another one. The recipes of these pipelines are in
    /// `recipes`.
    pub pipelines: Vec<ImagePipeline>,
    /// Distribution configurations of these pipelines.
    pub distributions: Vec<DistributionConfiguration>,
    /// Infrastructure configurations, distribution configurations and pipelines.
    pub others: BTreeSet<(Kind, Name)>,
}

impl Draft<'_> {
    /// Returns whether the files themselves contain mistakes, regardless of the stored definitions.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.has_errors()
    }

    /// Turns warnings about values that look like secrets into mistakes: everyone who may read the table, a recipe or a
    /// work order could read these values. `instead` says what a user can do if a value is not a secret. The mistakes
    /// do not show the source line, because the caller may be a program whose output others read.
    pub fn refuse_secrets(&mut self, instead: &str) {
        let warnings = std::mem::take(&mut self.definitions.warnings);
        let (secrets, others): (Vec<_>, Vec<_>) = warnings.into_iter().partition(is_secret);
        others.into_iter().for_each(|other| self.definitions.warnings.push(other));
        for found in std::mem::take(&mut self.diagnostics).into_iter().chain(secrets) {
            self.diagnostics.push(match is_secret(&found) {
                true => Diagnostic {
                    severity: Severity::Error,
                    help: found.help.map(|help| format!("{help}; {instead}")),
                    source_line: None,
                    ..found
                },
                false => found,
            });
        }
    }

    /// Checks without stored definitions: a reference to something outside of the folder counts as valid.
    ///
    /// # Errors
    /// The errors are those of [`Draft::check`].
    pub fn check_alone(mut self) -> Result<Definitions, Diagnostics> {
        self.incomplete = true;
        self.check(&Stored::default())
    }

    /// Checks every reference.
    ///
    /// # Errors
    /// All mistakes in the files, in the order of the files and their lines.
    pub fn check(mut self, stored: &Stored) -> Result<Definitions, Diagnostics> {
        let mut found = std::mem::take(&mut self.diagnostics);
        for placed in &self.references {
            match self.resolve(placed, stored) {
                Found::Component(component) => check_parameters(placed, component, &mut found),
                Found::Something => {}
                Found::Nothing if self.incomplete => {} // it may be in a file that could not be read
                Found::Nothing => found.push(self.unknown(placed, stored)),
            }
        }
        let graph = Graph::new(&self.definitions, stored);
        self.check_cycles(&graph, &mut found);
        self.warn_of_shared_parameters(&graph, &mut found);
        if !found.has_errors() {
            self.definitions.warnings.extend(found);
            self.definitions.warnings.sort();
            return Ok(self.definitions);
        }
        found.extend(self.definitions.warnings);
        found.sort();
        Err(found)
    }

    fn resolve<'s>(&'s self, placed: &Placed<'_>, stored: &'s Stored) -> Found<'s> {
        let wanted = &placed.reference;
        let versions = self.versions(wanted.kind, &wanted.name, stored);
        let known = match wanted.kind {
            Kind::Component | Kind::ImageRecipe => wanted.version.best(versions.iter().copied()),
            kind => {
                let declared = self.declared.iter().any(|d| d.kind == kind && d.name == wanted.name);
                let there = declared || stored.others.contains(&(kind, wanted.name.clone()));
                return if there { Found::Something } else { Found::Nothing };
            }
        };
        let Some(version) = known else {
            // A definition with a wrong version has its own message.
            let unversioned =
                |d: &&super::draft::Declared| d.kind == wanted.kind && d.name == wanted.name && d.version.is_none();
            return self.declared.iter().find(unversioned).map_or(Found::Nothing, |_| Found::Something);
        };
        let mut components = self.definitions.components.iter().chain(&stored.components);
        let component = components.find(|c| c.name == wanted.name && c.version == version);
        component.filter(|_| wanted.kind == Kind::Component).map_or(Found::Something, Found::Component)
    }

    /// Returns all versions with this name, in the folder and in the store.
    fn versions(&self, kind: Kind, name: &Name, stored: &Stored) -> Vec<Version> {
        let declared = self.declared.iter().filter(|d| d.kind == kind && d.name == *name).filter_map(|d| d.version);
        let components = stored.components.iter().map(|c| (Kind::Component, &c.name, c.version));
        let recipes = stored.recipes.iter().map(|r| (Kind::ImageRecipe, &r.name, r.version));
        let stored = components.chain(recipes).filter(|(k, n, _)| *k == kind && *n == name).map(|(_, _, v)| v);
        let mut versions: Vec<Version> = declared.chain(stored).collect();
        versions.sort();
        versions.dedup();
        versions
    }

    fn unknown(&self, placed: &Placed<'_>, stored: &Stored) -> Diagnostic {
        let wanted = &placed.reference;
        let (kind, name) = (wanted.kind, &wanted.name);
        let versions = self.versions(kind, name, stored);
        let names = self.declared.iter().filter(|d| d.kind == kind && d.name != *name).map(|d| d.name.as_str());
        let (message, help) = if versions.is_empty() {
            let near = || did_you_mean(name.as_str(), names).map(|near| format!("did you mean `{near}`?"));
            let stock = kind == Kind::Component && is_stock_component(name.as_str());
            let help = if stock { Some(STOCK.to_owned()) } else { near() };
            (format!("there is no {kind} `{name}`"), help)
        } else {
            let versions: Vec<String> = versions.iter().map(Version::to_string).collect();
            let message = format!("no version of {kind} `{name}` matches {}", wanted.version);
            (message, Some(format!("existing versions: {}", versions.join(", "))))
        };
        Diagnostic { help, ..placed.source.error(placed.span, "unknown-reference", message) }
    }
}

fn is_secret(found: &Diagnostic) -> bool {
    found.code == SECRET
}

enum Found<'s> {
    Nothing,
    Something,
    Component(&'s Component),
}

/// Compares a recipe's parameters with those that the component's document declares.
fn check_parameters(placed: &Placed<'_>, component: &Component, found: &mut Diagnostics) {
    let Ok(document) = Document::parse("", &component.document) else { return }; // checked when it was applied
    let label = format!("component `{}` {}", component.name, component.version);
    for (name, value) in &placed.parameters {
        let Some(declared) = document.parameter(&name.value) else {
            let message = format!("{label} has no parameter `{}`", name.value);
            let help = document.similar_parameter(&name.value).map(|near| format!("did you mean `{near}`?"));
            found.push(Diagnostic { help, ..placed.source.error(name.span, "unknown-parameter", message) });
            continue;
        };
        if !declared.allows(&value.value) {
            let shown = hidden_if_secret(&name.value, &value.value);
            let message = format!("`{shown}` is not an allowed value of parameter `{}`", name.value);
            let help = Some(format!("{label} allows {}", declared.allowed_values.join(", ")));
            found.push(Diagnostic { help, ..placed.source.error(value.span, "wrong-value", message) });
        }
    }
    for parameter in document.parameters.iter().filter(|parameter| parameter.default.is_none()) {
        if !placed.parameters.iter().any(|(name, _)| name.value == parameter.name.value) {
            let message = format!("{label} needs a value for its parameter `{}`", parameter.name.value);
            found.push(placed.source.error(placed.span, "missing-parameter", message));
        }
    }
}
