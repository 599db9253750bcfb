//! Parameters of the query protocol: flat names in which `.` and numbers form structures and lists.

use std::collections::BTreeMap;

use crate::api::ApiError;
use crate::ids;
use crate::world::Tags;

/// The parameters of a call, or of one structure in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads the parameters from the query of the address and the form in the body.
    pub(crate) fn parse(query: Option<&str>, body: &[u8]) -> Self {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        Params(query.chain(form_urlencoded::parse(body).into_owned()).collect())
    }

    /// Returns a value. An empty value counts as missing.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// Returns a required value.
    pub(super) fn require(&self, name: &str) -> Result<&str, ApiError> {
        let message = || ApiError::new("MissingParameter", format!("The request must contain the parameter {name}"));
        self.get(name).ok_or_else(message)
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// Returns a number, if it is given.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, ApiError> {
        let wrong = |value: &str| {
            ApiError::new("InvalidParameterValue", format!("Value ({value}) for parameter {name} is invalid."))
        };
        self.get(name).map(|value| value.parse().map_err(|_| wrong(value))).transpose()
    }

    /// Returns the values of `NAME.1`, `NAME.2`, in order.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.structures(name).iter().filter_map(|item| item.get("").map(str::to_owned)).collect()
    }

    /// Does the same, but includes empty values, which a filter may have.
    pub(super) fn raw_list(&self, name: &str) -> Vec<String> {
        self.structures(name).into_iter().filter_map(|mut item| item.0.remove("")).collect()
    }

    /// Returns the structures of `NAME.1.…`, `NAME.2.…`, in order.
    pub(super) fn structures(&self, name: &str) -> Vec<Params> {
        let mut found: BTreeMap<u32, Params> = BTreeMap::new();
        for (key, value) in &self.0 {
            let Some(rest) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            // Clients may leave numbers out or begin with 0. Only the order counts.
            if let Ok(number) = number.parse() {
                found.entry(number).or_default().0.insert(field.to_owned(), value.clone());
            }
        }
        found.into_values().collect()
    }

    /// Returns the tags for one kind of resource from `TagSpecification.N`.
    pub(super) fn tags_for(&self, kind: &str) -> Result<Tags, ApiError> {
        let mut tags = Tags::new();
        for specification in self.structures("TagSpecification") {
            if specification.get("ResourceType") == Some(kind) {
                tags.extend(specification.tags()?);
            }
        }
        Ok(tags)
    }

    /// Reads `Tag.N.Key` and `Tag.N.Value` within EC2's limits: 50 tags, keys of 127 characters, values of 255, no
    /// `aws:`.
    pub(super) fn tags(&self) -> Result<Tags, ApiError> {
        let wrong = |message: String| Err(ApiError::new("InvalidParameterValue", message));
        let mut tags = Tags::new();
        for tag in self.structures("Tag") {
            let (key, value) = (tag.require("Key")?, tag.get("Value").unwrap_or_default());
            if key.starts_with("aws:") {
                return wrong(format!("Tag keys starting with 'aws:' are reserved for internal use: {key}"));
            }
            if key.chars().count() > 127 || value.chars().count() > 255 {
                return wrong(format!("Tag {key} exceeds the maximum length of keys (127) or values (255)"));
            }
            tags.insert(key.to_owned(), value.to_owned());
        }
        if tags.len() > 50 {
            return Err(ApiError::new("TagLimitExceeded", "Maximum number of tags exceeded, max = 50".to_owned()));
        }
        Ok(tags)
    }

    /// Returns these parameters together with those of `defaults` whose first word is not used here. Tag specifications
    /// are combined.
    pub(super) fn over(&self, defaults: &BTreeMap<String, String>) -> Params {
        let first = |key: &str| key.split('.').next().unwrap_or_default().to_owned();
        let used: std::collections::BTreeSet<String> = self.0.keys().map(|key| first(key)).collect();
        // Own tags are numbered after those of the defaults, so they override them.
        let behind = |key: &String| match key.strip_prefix("TagSpecification.") {
            Some(rest) => format!("TagSpecification.900{rest}"),
            None => key.clone(),
        };
        let mut merged: BTreeMap<String, String> =
            self.0.iter().map(|(key, value)| (behind(key), value.clone())).collect();
        for (key, value) in defaults {
            if key.starts_with("TagSpecification.") || !used.contains(&first(key)) {
                merged.insert(key.clone(), value.clone());
            }
        }
        Params(merged)
    }

    /// Returns the parameters of one structure, without the structure's name as a prefix.
    pub(super) fn structure(&self, name: &str) -> BTreeMap<String, String> {
        let strip = |(key, value): (&String, &String)| {
            let rest = key.strip_prefix(name)?.strip_prefix('.')?;
            Some((rest.to_owned(), value.clone()))
        };
        self.0.iter().filter_map(strip).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn into_map(self) -> BTreeMap<String, String> {
        self.0
    }

    /// Restores parameters that were stored.
    pub(super) fn kept(data: &BTreeMap<String, String>) -> Params {
        Params(data.clone())
    }

    /// Returns a digest of all parameters except the client token.
    pub(super) fn digest(&self) -> String {
        let others: Vec<String> =
            self.0.iter().filter(|(key, _)| *key != "ClientToken").map(|pair| format!("{pair:?}")).collect();
        ids::digest(&others.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lists_and_structures_in_order() {
        let form = "InstanceId.2=b&InstanceId.10=c&InstanceId.1=a&TagSpecification.1.ResourceType=instance\
                    &TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v%20w";
        let params = Params::parse(None, form.as_bytes());
        assert_eq!(params.list("InstanceId"), ["a", "b", "c"]);
        assert_eq!(params.tags_for("instance").unwrap(), Tags::from([("k".into(), "v w".into())]));
        assert_eq!(params.tags_for("volume").unwrap(), Tags::new());
    }
}
