//! Resources of Image Builder as a source declares them, and the names that their definitions get.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_model::definitions::Kind;
use goldsmith_model::{DeclaredVersion, Name};

use crate::fields::canonical;
use crate::item::{Item, Part, bare, parts};

/// A resource of the source.
#[derive(Debug, Clone)]
pub(crate) struct Resource {
    pub(crate) kind: Kind,
    /// How the source refers to it, such as `WebRecipe` or `aws_imagebuilder_image_recipe.web`.
    pub(crate) address: String,
    /// Its properties with the keys of the source.
    pub(crate) properties: Item,
}

/// Name and version of a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) version: String,
}

/// The identities of all resources, by address.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    by_address: BTreeMap<String, Identity>,
}

impl Resource {
    pub(crate) fn property(&self, key: &str) -> Option<&Item> {
        self.properties.entries().iter().find(|(name, _)| canonical(name) == key).map(|(_, item)| item)
    }

    /// Returns the version as a definition can have it: 0 stands for a wildcard that is not the last number, and 1.0.0
    /// for a version that is not known.
    fn definite_version(&self) -> String {
        let text = self.property("version").and_then(Item::text).unwrap_or_default();
        let declared = text.parse::<DeclaredVersion>().or_else(|_| text.replace('x', "0").parse());
        declared.map_or_else(|_| "1.0.0".to_owned(), |version| version.to_string())
    }
}

impl Identities {
    /// Gives each resource a name that no other resource of its kind has.
    pub(crate) fn assign(resources: &[Resource]) -> Self {
        let (mut by_address, mut used) = (BTreeMap::new(), BTreeSet::new());
        for resource in resources {
            let version = resource.definite_version();
            let wanted = resource.property("name").and_then(Item::text).unwrap_or_default();
            let name = readable(wanted, bare(&resource.address));
            let versioned = matches!(resource.kind, Kind::Component | Kind::ImageRecipe).then(|| version.clone());
            let free = (1..).map(|n| if n == 1 { name.clone() } else { format!("{name}-{n}") });
            let name =
                free.into_iter().find(|name| used.insert((resource.kind, name.to_lowercase(), versioned.clone())));
            let identity = Identity { kind: resource.kind, name: name.unwrap_or_default(), version };
            by_address.insert(resource.address.clone(), identity);
        }
        Self { by_address }
    }

    /// Returns the identity of a resource.
    pub(crate) fn get(&self, address: &str) -> Option<&Identity> {
        self.by_address.get(address)
    }

    /// Returns the resource that an ARN names: there, a name is in lower case with hyphens.
    pub(crate) fn named(&self, kind: Kind, name: &str) -> Option<&Identity> {
        if name.is_empty() {
            return None;
        }
        // A part that is not known is not in a definition's name either.
        let name = readable(name, "");
        let name = name.as_str();
        let in_arn = |name: &str| name.to_lowercase().replace(' ', "-");
        self.by_address.values().find(|one| one.kind == kind && in_arn(&one.name) == in_arn(name))
    }

    /// Forgets a resource that is not taken over.
    pub(crate) fn forget(&mut self, address: &str) {
        self.by_address.remove(address);
    }
}

/// Returns a valid name that resembles the text, or else the address.
pub(crate) fn readable(text: &str, address: &str) -> String {
    let known: String =
        parts(text).iter().filter_map(|part| if let Part::Text(text) = part { Some(*text) } else { None }).collect();
    // A key in brackets may hold a dot.
    let mut depth = 0;
    let is_dot = |letter: char| {
        depth += i32::from(letter == '[') - i32::from(letter == ']');
        letter == '.' && depth == 0
    };
    let label = address.split(is_dot).next_back().unwrap_or(address);
    [known.as_str(), label, address].into_iter().find_map(cleaned).unwrap_or_else(|| "imported".to_owned())
}

fn cleaned(text: &str) -> Option<String> {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '-') { c } else { '-' };
    let name: String = text.chars().map(allowed).collect();
    let mut name = name.trim_matches(['-', '_', ' ']).to_owned();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    name.truncate(100); // leaves room for a number behind it
    let name = name.trim_end_matches(['-', '_', ' ']).to_owned();
    name.parse::<Name>().is_ok().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::readable;
    use crate::item::Mark;

    #[test]
    fn a_name_is_what_is_known_of_it() {
        let stack = Mark::Unknown.text("AWS::StackName");
        for (text, address, name) in [
            ("web server", "Recipe", "web server"),
            (&format!("{stack}-web/base"), "Recipe", "web-base"),
            (&stack, "Recipe", "Recipe"),
            ("", "aws_imagebuilder_image_recipe.a", "aws_imagebuilder_image_recipe-a"),
            ("", "module.all[\"a.yml\"].recipe.web[\"b.yml\"]", "web-b-yml"),
            ("", "", "imported"),
        ] {
            assert_eq!(readable(text, address), name);
        }
    }
}
