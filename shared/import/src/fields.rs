//! Reads the properties of a resource by name. Each property that nobody asked for becomes a finding.

use goldsmith_model::definitions::{Kind, elsewhere};

use crate::finding::{Findings, Outcome};
use crate::item::{Item, Place, bare};

/// Keys that Terraform writes once for each block, and the list that they are elements of.
const BLOCKS: [(&str, &str); 10] = [
    ("blockDeviceMapping", "blockDeviceMappings"),
    ("component", "components"),
    ("distribution", "distributions"),
    ("fastLaunchConfiguration", "fastLaunchConfigurations"),
    ("launchPermission", "launchPermissionConfiguration"),
    ("launchTemplateConfiguration", "launchTemplateConfigurations"),
    ("parameter", "parameters"),
    ("ssmParameterConfiguration", "ssmParameterConfigurations"),
    ("workflow", "workflows"),
    ("semanticVersion", "version"),
];

/// Returns a key of any source in the spelling of this crate: `ParentImage` and `parent_image` are `parentImage`.
pub(crate) fn canonical(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    let mut upper = false;
    for (at, letter) in key.chars().enumerate() {
        match letter {
            '_' => upper = true,
            letter if at == 0 => name.push(letter.to_ascii_lowercase()),
            letter if upper => {
                name.push(letter.to_ascii_uppercase());
                upper = false;
            }
            letter => name.push(letter),
        }
    }
    BLOCKS.iter().find(|(block, _)| *block == name).map_or(name, |(_, list)| (*list).to_owned())
}

/// The properties of a resource, or of a map in it.
pub(crate) struct Fields<'i> {
    kind: Kind,
    address: &'i str,
    /// Where the map stands in the resource, such as `Ebs`; empty for the resource itself.
    path: String,
    place: &'i Place,
    entries: &'i [(String, Item)],
    taken: Vec<&'static str>,
}

impl<'i> Fields<'i> {
    /// Returns the properties of a resource.
    pub(crate) fn of(kind: Kind, address: &'i str, item: &'i Item) -> Self {
        Self {
            kind,
            address: bare(address),
            path: String::new(),
            place: &item.place,
            entries: item.entries(),
            taken: Vec::new(),
        }
    }

    /// Returns the properties of a map in this one, which stands under `key`.
    pub(crate) fn inner(&self, key: &str, item: &'i Item) -> Self {
        let path = self.named(key);
        Self {
            kind: self.kind,
            address: self.address,
            path,
            place: &item.place,
            entries: item.entries(),
            taken: Vec::new(),
        }
    }

    /// Returns a property; `None` if it is absent or null.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'i Item> {
        self.taken.push(key);
        self.entries
            .iter()
            .find(|(name, _)| canonical(name) == key)
            .map(|(_, item)| item)
            .filter(|item| !item.is_null())
    }

    /// Returns the place of the map.
    pub(crate) fn place(&self) -> &'i Place {
        self.place
    }

    /// Returns the address of the resource.
    pub(crate) fn address(&self) -> &'i str {
        self.address
    }

    /// Returns a key with its path in the words of the source.
    pub(crate) fn named(&self, key: &str) -> String {
        let written =
            self.entries.iter().map(|(name, _)| name.as_str()).find(|name| canonical(name) == key).unwrap_or(key);
        if self.path.is_empty() { written.to_owned() } else { format!("{}.{written}", self.path) }
    }

    /// Records what became of a property.
    pub(crate) fn tell(
        &self,
        findings: &mut Findings,
        outcome: Outcome,
        key: &str,
        why: impl Into<String>,
        instead: impl Into<String>,
    ) {
        let item = self.entries.iter().find(|(name, _)| canonical(name) == key).map(|(_, item)| item);
        let place = item.map_or(self.place, |item| &item.place);
        findings.push(outcome, place, (self.address, &self.named(key)), why, instead);
    }

    /// Records every property that was not asked for.
    pub(crate) fn finish(self, findings: &mut Findings) {
        let kind = self.kind;
        self.finish_with(findings, |key| elsewhere(kind, key));
    }

    /// Records every property that was not asked for, with what the caller knows to do instead.
    pub(crate) fn finish_with(self, findings: &mut Findings, known: impl Fn(&str) -> Option<&'static str>) {
        for (name, item) in self.entries {
            let key = canonical(name);
            if self.taken.iter().any(|taken| *taken == key) || item.is_null() {
                continue;
            }
            let instead = known(&key).unwrap_or("remove it, or do the same in a component");
            let field = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            findings.push(
                Outcome::LeftOut,
                &item.place,
                (self.address, &field),
                "Goldsmith has no such field",
                instead,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn keys_have_one_spelling() {
        for (key, name) in [
            ("ParentImage", "parentImage"),
            ("parent_image", "parentImage"),
            ("S3BucketName", "s3BucketName"),
            ("s3_bucket_name", "s3BucketName"),
            ("block_device_mapping", "blockDeviceMappings"),
            ("Version", "version"),
            ("", ""),
        ] {
            assert_eq!(canonical(key), name);
        }
    }
}
