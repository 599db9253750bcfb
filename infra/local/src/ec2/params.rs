//! Parameters of the query protocol: flat names in which `.` and numbers make structures and lists.

use std::collections::BTreeMap;

use crate::api::ApiError;
use crate::ids;
use crate::world::Tags;

/// The parameters of a call, or of one structure in it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// From the query of the address and the form in the body.
    pub(crate) fn parse(query: Option<&str>, body: &[u8]) -> Self {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        Params(query.chain(form_urlencoded::parse(body).into_owned()).collect())
    }

    /// A value; an empty one counts as none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// A value that must be there.
    pub(super) fn require(&self, name: &str) -> Result<&str, ApiError> {
        let message = || ApiError::new("MissingParameter", format!("The request must contain the parameter {name}"));
        self.get(name).ok_or_else(message)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// A number, when given.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str) -> Result<Option<N>, ApiError> {
        let wrong = |value: &str| {
            ApiError::new("InvalidParameterValue", format!("Value ({value}) for parameter {name} is invalid."))
        };
        self.get(name).map(|value| value.parse().map_err(|_| wrong(value))).transpose()
    }

    /// The values of `NAME.1`, `NAME.2`, in order.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        self.structures(name).iter().filter_map(|item| item.get("").map(str::to_owned)).collect()
    }

    /// The structures of `NAME.1.…`, `NAME.2.…`, in order.
    pub(super) fn structures(&self, name: &str) -> Vec<Params> {
        let mut found: BTreeMap<u32, Params> = BTreeMap::new();
        for (key, value) in &self.0 {
            let Some(rest) = key.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            let (number, field) = rest.split_once('.').unwrap_or((rest, ""));
            if let Ok(number) = number.parse() {
                found.entry(number).or_default().0.insert(field.to_owned(), value.clone());
            }
        }
        found.into_values().collect()
    }

    /// The tags for one kind of resource out of `TagSpecification.N`.
    pub(super) fn tags_for(&self, kind: &str) -> Tags {
        let specifications = self.structures("TagSpecification");
        let of_kind = specifications.iter().filter(|specification| specification.get("ResourceType") == Some(kind));
        of_kind.flat_map(Params::tags).collect()
    }

    /// `Tag.N.Key`, `Tag.N.Value`.
    pub(super) fn tags(&self) -> Tags {
        let pair = |tag: &Params| Some((tag.get("Key")?.to_owned(), tag.get("Value").unwrap_or_default().to_owned()));
        self.structures("Tag").iter().filter_map(pair).collect()
    }

    /// A digest of all parameters but the client token.
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
        assert_eq!(params.tags_for("instance"), Tags::from([("k".into(), "v w".into())]));
        assert_eq!(params.tags_for("volume"), Tags::new());
    }
}
