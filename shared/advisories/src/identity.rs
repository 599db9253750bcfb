//! Which ids name the same vulnerability.

use std::collections::{BTreeMap, BTreeSet};

use crate::advisory::Advisory;

/// The groups of ids that name the same vulnerability, from what the advisories say of each other.
pub(crate) struct Identity {
    /// The group of each id that is in one with others.
    group: BTreeMap<String, usize>,
    groups: Vec<BTreeSet<String>>,
}

impl Identity {
    /// Joins the aliases of all advisories. An erratum joins nothing: it covers several vulnerabilities.
    pub(crate) fn of(advisories: &[Advisory]) -> Identity {
        let mut identity = Identity { group: BTreeMap::new(), groups: Vec::new() };
        for advisory in advisories {
            if advisory.covers.is_empty() {
                let ids = std::iter::once(&advisory.id).chain(&advisory.aliases);
                identity.join(ids.flat_map(|id| names(id)));
            } else {
                advisory.covers.iter().for_each(|id| identity.join(names(id)));
            }
        }
        identity
    }

    /// Joins ids. The smaller groups move into the largest one, so that many advisories with one alias take no longer each
    /// than the first.
    fn join(&mut self, ids: impl IntoIterator<Item = String>) {
        let mut moved: BTreeSet<String> = ids.into_iter().collect();
        let old: BTreeSet<usize> = moved.iter().filter_map(|id| self.group.get(id).copied()).collect();
        let largest = old.iter().copied().max_by_key(|index| self.groups[*index].len());
        for index in old.into_iter().filter(|index| Some(*index) != largest) {
            moved.extend(std::mem::take(&mut self.groups[index]));
        }
        let index = largest.unwrap_or(self.groups.len());
        if index == self.groups.len() {
            self.groups.push(BTreeSet::new());
        }
        self.group.extend(moved.iter().map(|id| (id.clone(), index)));
        self.groups[index].extend(moved);
    }

    /// The vulnerabilities that an advisory is about, by the id that stands for each.
    pub(crate) fn vulnerabilities<'a>(&'a self, advisory: &'a Advisory) -> BTreeSet<&'a str> {
        if advisory.covers.is_empty() {
            return BTreeSet::from([self.principal(&advisory.id)]);
        }
        advisory.covers.iter().map(|id| self.principal(id)).collect()
    }

    /// The id that stands for a group: its first CVE, then its first id of GitHub, then its first id.
    fn principal<'a>(&'a self, id: &'a str) -> &'a str {
        let Some(group) = self.group.get(id).map(|index| &self.groups[*index]) else { return id };
        let starting = |prefix: &str| group.iter().find(|id| id.starts_with(prefix));
        starting("CVE-").or_else(|| starting("GHSA-")).or_else(|| group.first()).map_or(id, String::as_str)
    }

    /// All ids of the vulnerability that an id stands for.
    pub(crate) fn ids<'a>(&'a self, id: &'a str) -> BTreeSet<&'a str> {
        let group = self.group.get(id).map(|index| &self.groups[*index]);
        group.map_or_else(|| BTreeSet::from([id]), |ids| ids.iter().map(String::as_str).collect())
    }
}

/// An id, and the CVE that it carries: `DEBIAN-CVE-2024-1` is about `CVE-2024-1`.
fn names(id: &str) -> Vec<String> {
    let mut names = vec![id.to_owned()];
    names.extend(cve(id).filter(|cve| *cve != id).map(str::to_owned));
    names
}

/// The CVE in an id, if it is one or ends with one.
pub(crate) fn cve(id: &str) -> Option<&str> {
    let at = id.find("CVE-")?;
    let (before, cve) = id.split_at(at);
    let mut parts = cve["CVE-".len()..].split('-');
    let digits = |part: Option<&str>, least: usize| {
        part.is_some_and(|p| p.len() >= least && p.bytes().all(|b| b.is_ascii_digit()))
    };
    let shaped = digits(parts.next(), 4) && digits(parts.next(), 1) && parts.next().is_none();
    (shaped && (before.is_empty() || before.ends_with('-'))).then_some(cve)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advisory(id: &str, aliases: &[&str], covers: &[&str]) -> Advisory {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Advisory { id: id.into(), aliases: owned(aliases), covers: owned(covers), ..Advisory::default() }
    }

    #[test]
    fn aliases_join_across_advisories_and_errata_do_not() {
        let all = [
            advisory("GHSA-a", &["PYSEC-1"], &[]),
            advisory("PYSEC-1", &["CVE-2024-0001"], &[]),
            advisory("DEBIAN-CVE-2024-0001", &[], &[]),
            advisory("DSA-1-1", &[], &["CVE-2024-0001", "CVE-2024-0002"]),
            advisory("RUSTSEC-1", &["GHSA-b"], &[]),
        ];
        let identity = Identity::of(&all);
        let of = |at: usize| identity.vulnerabilities(&all[at]).into_iter().collect::<Vec<_>>();
        assert_eq!(of(0), ["CVE-2024-0001"]);
        assert_eq!(of(1), ["CVE-2024-0001"]);
        assert_eq!(of(2), ["CVE-2024-0001"]);
        assert_eq!(of(3), ["CVE-2024-0001", "CVE-2024-0002"]);
        assert_eq!(of(4), ["GHSA-b"]);
        let ids: Vec<_> = identity.ids("CVE-2024-0001").into_iter().collect();
        assert_eq!(ids, ["CVE-2024-0001", "DEBIAN-CVE-2024-0001", "GHSA-a", "PYSEC-1"]);
    }

    #[test]
    fn a_cve_is_found_in_an_id() {
        assert_eq!(cve("UBUNTU-CVE-2024-1234"), Some("CVE-2024-1234"));
        assert_eq!(cve("CVE-2024-1234567"), Some("CVE-2024-1234567"));
        for id in ["GHSA-1", "CVE-2024", "CVE-2024-x", "XCVE-2024-1", "CVE-2024-1-2"] {
            assert_eq!(cve(id), None, "{id}");
        }
    }
}
