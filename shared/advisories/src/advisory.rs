//! An advisory, whichever format it was published in.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use goldsmith_versions::{NotAVersion, Scheme, compare};

use crate::ecosystem::Ecosystem;
use crate::severity::Rating;

/// What a publisher says about one vulnerability, or, as an erratum, about several.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Advisory {
    /// Its id, such as `CVE-2024-1234`, `GHSA-…`, `DSA-5678-1`, `RHSA-2024:1234`.
    pub id: String,
    /// Other ids of the same vulnerability.
    pub aliases: Vec<String>,
    /// The vulnerabilities that an erratum fixes. Empty if the advisory itself is about one vulnerability.
    pub covers: Vec<String>,
    /// How serious it is.
    pub rating: Option<Rating>,
    /// One line about it.
    pub title: Option<String>,
    /// The packages that it concerns.
    pub affects: Vec<Affects>,
}

/// Which packages the name in an advisory means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Every package that was built from the source package of this name.
    Source,
    /// The package of this name.
    Binary,
    /// Both: Rocky Linux publishes names of source packages, and its `updateinfo.xml` those of binary packages.
    Either,
}

/// What an advisory says about modules of RHEL, AlmaLinux and Rocky Linux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Modularity {
    /// It concerns packages of no module.
    None,
    /// It concerns packages of a module, and does not say of which.
    Unknown,
    /// It concerns packages of these modules, each as `NAME:STREAM`.
    Streams(BTreeSet<String>),
}

/// Which versions of a package are affected in an ecosystem.
#[derive(Debug, Clone, PartialEq)]
pub struct Affects {
    /// The ecosystem.
    pub ecosystem: Ecosystem,
    /// The name, normalized.
    pub name: String,
    /// What the name means.
    pub named: Named,
    /// Binary packages that are not meant, although the source package from which they were built is.
    pub except: BTreeSet<String>,
    /// The architectures. Empty if all are meant.
    pub arches: BTreeSet<String>,
    /// The module.
    pub modularity: Modularity,
    /// Versions that are affected, one by one.
    pub versions: Vec<String>,
    /// Ranges of versions that are affected.
    pub ranges: Vec<Range>,
    /// The rating for this package.
    pub rating: Option<Rating>,
    /// Whether the publisher says that no fix will come.
    pub wont_fix: bool,
    /// The version line that the name stands for in a repository with several, as `5.10` of Amazon Linux 2's
    /// `kernel-5.10`: other lines of the package are not concerned.
    pub line: Option<String>,
}

impl Affects {
    /// A package of the ecosystem by its name, of which no version is affected yet.
    #[must_use]
    pub fn new(ecosystem: Ecosystem, name: &str, named: Named) -> Affects {
        Affects {
            name: ecosystem.normalized(name).into_owned(),
            ecosystem,
            named,
            except: BTreeSet::new(),
            arches: BTreeSet::new(),
            modularity: Modularity::None,
            versions: Vec::new(),
            ranges: Vec::new(),
            rating: None,
            wont_fix: false,
            line: None,
        }
    }

    /// Returns whether a version is affected, and if so, the version that fixes it.
    ///
    /// # Errors
    ///
    /// The version, or one in the advisory, does not follow the rules of its ecosystem.
    pub fn state(&self, version: &str) -> Result<State, NotAVersion> {
        let scheme = self.ecosystem.family.scheme();
        let mut unreadable = None;
        for range in &self.ranges {
            match range.state(scheme, version) {
                Ok(State::NotAffected) => {}
                Ok(affected) => return Ok(affected),
                Err(error) => unreadable = Some(error),
            }
        }
        if self.versions.iter().any(|v| same(scheme, v, version)) {
            return Ok(State::Affected { fixed: self.next_fix(scheme, version) });
        }
        unreadable.map_or(Ok(State::NotAffected), Err)
    }

    /// The lowest fixed version above a version that is affected because it is listed.
    fn next_fix(&self, scheme: Scheme, version: &str) -> Option<String> {
        let fixes = self.ranges.iter().flat_map(|r| &r.events).filter_map(|event| match event {
            Event::Fixed(fixed) => Some(fixed),
            _ => None,
        });
        let above = fixes.filter(|fixed| compare(scheme, fixed, version) == Ok(Ordering::Greater));
        above.min_by(|a, b| compare(scheme, a, b).unwrap_or(Ordering::Equal)).cloned()
    }
}

fn same(scheme: Scheme, a: &str, b: &str) -> bool {
    a == b || compare(scheme, a, b) == Ok(Ordering::Equal)
}

/// Whether a version is affected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is not.
    NotAffected,
    /// It is, and `fixed` is the first version above it that is not.
    Affected {
        /// The fixed version, if there is one.
        fixed: Option<String>,
    },
}

/// A range of versions, as a list of events along the order of versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// The events, in any order.
    pub events: Vec<Event>,
}

/// What happens at a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The vulnerability comes in. `0` is before every version.
    Introduced(String),
    /// It is fixed in this version.
    Fixed(String),
    /// This version is the last that has it.
    LastAffected(String),
    /// The range says nothing about this version and later ones.
    Limit(String),
}

impl Range {
    /// All versions before one.
    #[must_use]
    pub fn before(fixed: &str) -> Range {
        Range { events: vec![Event::Introduced("0".into()), Event::Fixed(fixed.into())] }
    }

    /// All versions.
    #[must_use]
    pub fn all() -> Range {
        Range { events: vec![Event::Introduced("0".into())] }
    }

    /// Whether a version is in the range. OSV's rule: the events are sorted, and the last one at or before the version
    /// decides.
    fn state(&self, scheme: Scheme, version: &str) -> Result<State, NotAVersion> {
        let mut affected: Option<Passed<'_>> = None;
        for event in &self.events {
            let passed = event.passed(scheme, version)?;
            if let Some(passed) = passed
                && affected.as_ref().is_none_or(|last| passed.follows(scheme, last))
            {
                affected = Some(passed);
            }
        }
        if affected.is_none_or(|last| !last.affects) {
            return Ok(State::NotAffected);
        }
        let mut fixed: Option<&String> = None;
        for event in &self.events {
            if let Event::Fixed(at) = event
                && compare(scheme, at, version)?.is_gt()
                && fixed.is_none_or(|found| compare(scheme, at, found) == Ok(Ordering::Less))
            {
                fixed = Some(at);
            }
        }
        Ok(State::Affected { fixed: fixed.cloned() })
    }
}

/// An event at or before the version in question.
struct Passed<'a> {
    at: &'a str,
    affects: bool,
}

impl Passed<'_> {
    /// Whether the event is after another. At the same version, the one that ends a range wins.
    fn follows(&self, scheme: Scheme, other: &Passed<'_>) -> bool {
        match (self.at, other.at) {
            ("0", "0") => !self.affects,
            ("0", _) => false,
            (_, "0") => true,
            (a, b) => match compare(scheme, a, b) {
                Ok(Ordering::Equal) => !self.affects,
                order => order == Ok(Ordering::Greater),
            },
        }
    }
}

impl Event {
    fn passed(&self, scheme: Scheme, version: &str) -> Result<Option<Passed<'_>>, NotAVersion> {
        Ok(match self {
            Event::Introduced(at) if at == "0" => Some(Passed { at, affects: true }),
            Event::Introduced(at) => compare(scheme, version, at)?.is_ge().then_some(Passed { at, affects: true }),
            Event::Fixed(at) | Event::Limit(at) if at != "*" => {
                compare(scheme, version, at)?.is_ge().then_some(Passed { at, affects: false })
            }
            Event::Fixed(_) | Event::Limit(_) => None,
            Event::LastAffected(at) => compare(scheme, version, at)?.is_gt().then_some(Passed { at, affects: false }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ecosystem::Family;

    fn affects(events: Vec<Event>) -> Affects {
        let mut affects = Affects::new(Ecosystem::new(Family::PyPi, ""), "x", Named::Binary);
        affects.ranges = vec![Range { events }];
        affects
    }

    fn fixed(version: &str) -> State {
        State::Affected { fixed: Some(version.into()) }
    }

    #[test]
    fn several_ranges_in_one_list_of_events_take_turns() {
        let x = affects(vec![
            Event::Fixed("2.3".into()),
            Event::Introduced("0".into()),
            Event::Introduced("2.0".into()),
            Event::Fixed("1.5".into()),
        ]);
        for (version, state) in [
            ("1.4", fixed("1.5")),
            ("1.5", State::NotAffected),
            ("1.9", State::NotAffected),
            ("2.0", fixed("2.3")),
            ("2.3", State::NotAffected),
        ] {
            assert_eq!(x.state(version), Ok(state), "{version}");
        }
    }

    #[test]
    fn the_last_affected_version_is_affected_and_has_no_fix() {
        let x = affects(vec![Event::Introduced("1.0".into()), Event::LastAffected("1.4".into())]);
        for (version, expected) in [("0.9", false), ("1.0", true), ("1.4", true), ("1.4.1", false)] {
            let state = x.state(version).unwrap();
            assert_eq!(state == State::Affected { fixed: None }, expected, "{version}");
        }
    }

    #[test]
    fn a_range_that_begins_where_it_was_fixed_is_not_affected_there() {
        let x = affects(vec![Event::Introduced("1.0".into()), Event::Fixed("1.0".into())]);
        assert_eq!(x.state("1.0"), Ok(State::NotAffected));
        assert_eq!(x.state("2.0"), Ok(State::NotAffected));
    }

    #[test]
    fn listed_versions_count_next_to_ranges() {
        let mut x = affects(vec![Event::Introduced("3.0".into()), Event::Fixed("3.1".into())]);
        x.versions = vec!["1.0".into()];
        assert_eq!(x.state("1.0.0"), Ok(fixed("3.1")));
        assert_eq!(x.state("1.1"), Ok(State::NotAffected));
    }

    #[test]
    fn a_limit_ends_what_the_range_says() {
        let x = affects(vec![Event::Introduced("0".into()), Event::Limit("2.0".into())]);
        assert_eq!(x.state("1.9"), Ok(State::Affected { fixed: None }));
        assert_eq!(x.state("2.0"), Ok(State::NotAffected));
        let open = affects(vec![Event::Introduced("0".into()), Event::Limit("*".into())]);
        assert_eq!(open.state("9"), Ok(State::Affected { fixed: None }));
    }

    #[test]
    fn a_version_that_cannot_be_read_is_an_error() {
        let x = affects(vec![Event::Introduced("1.0".into()), Event::Fixed("2.0".into())]);
        assert_eq!(x.state("unknown-1").unwrap_err().text, "unknown-1");
    }
}
