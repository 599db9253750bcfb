//! Compares the packages of an image with advisories.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use goldsmith_versions::compare;

use crate::advisory::{Advisory, Affects, Event, Modularity, Named, State};
use crate::ecosystem::Ecosystem;
use crate::finding::{Covered, Finding, Findings, Fix, Subject, Unjudged};
use crate::identity::Identity;
use crate::package::{Inventory, Kind, Os, Package};
use crate::read::Advisories;
use crate::severity::Rating;

/// Finds the vulnerabilities of an image: one for each package and vulnerability, however many advisories name it.
///
/// The distribution decides: its fixed version counts, not upstream's, and a package of a language that the
/// distribution has installed is judged only as part of the distribution's package.
#[must_use]
pub fn find(inventory: &Inventory, advisories: &Advisories) -> Findings {
    let matcher =
        Matcher { all: &advisories.all, index: Index::of(&advisories.all), identity: Identity::of(&advisories.all) };
    let mut findings = Findings { covered: covered(inventory, advisories), ..Findings::default() };
    for package in inventory.packages.iter().filter(|p| is_judged(p)) {
        matcher.judge(package, inventory.os.as_ref(), &mut findings);
    }
    findings.found.sort_by(|a, b| (&a.package, &a.id).cmp(&(&b.package, &b.id)));
    findings.found.dedup();
    findings.unjudged.sort();
    findings.unjudged.dedup();
    findings
}

/// Advisories, by what they name.
struct Matcher<'a> {
    all: &'a [Advisory],
    index: Index<'a>,
    identity: Identity,
}

impl Matcher<'_> {
    /// Adds what the advisories say about a package.
    fn judge(&self, package: &Package, os: Option<&Os>, findings: &mut Findings) {
        let mut hits: BTreeMap<&str, Hits<'_>> = BTreeMap::new();
        for (place, known_as) in self.places(package, os) {
            let advisory = &self.all[place.0];
            let affects = &advisory.affects[place.1];
            match affects.state(&known_as.version) {
                Ok(State::NotAffected) => {}
                Ok(State::Affected { fixed }) => {
                    for id in self.identity.vulnerabilities(advisory) {
                        hits.entry(id).or_default().add(advisory, affects, fixed.clone(), known_as.is_source);
                    }
                }
                Err(error) => findings.unjudged.push(Unjudged {
                    package: Subject::of(package),
                    advisory: advisory.id.clone(),
                    reason: error.to_string(),
                }),
            }
        }
        findings.found.extend(hits.into_iter().map(|(id, hits)| hits.finding(id, package, &self.identity)));
    }

    /// Where advisories concern a package, and as what each of them knows it. If an advisory knows it by its own name and
    /// by that of its source, its own name counts.
    fn places<'p>(&self, package: &'p Package, os: Option<&Os>) -> BTreeMap<Place, KnownAs<'p>> {
        let mut places = BTreeMap::new();
        for ecosystem in Ecosystem::of_package(package, os) {
            for (name, version, is_source) in package.names() {
                for place in self.index.get(&ecosystem, &name) {
                    let affects = &self.all[place.0].affects[place.1];
                    if affects.means(is_source) && affects.concerns(package) {
                        let known_as = || KnownAs { version: affects.comparable(version, package), is_source };
                        places.entry(*place).or_insert_with(known_as);
                    }
                }
            }
        }
        places
    }
}

/// Whether a package is judged on its own, and not as a part of a package of the operating system.
fn is_judged(package: &Package) -> bool {
    package.kind.is_of_the_system() || package.part_of.is_none()
}

/// The place of something that an advisory says: which advisory, and which of its packages.
type Place = (usize, usize);

/// What an advisory compares: a package itself, or its source.
struct KnownAs<'p> {
    version: Cow<'p, str>,
    is_source: bool,
}

/// Where the advisories name each package.
struct Index<'a> {
    places: HashMap<&'a Ecosystem, HashMap<&'a str, Vec<Place>>>,
}

impl<'a> Index<'a> {
    fn of(advisories: &'a [Advisory]) -> Index<'a> {
        let mut places: HashMap<_, HashMap<_, Vec<Place>>> = HashMap::new();
        for (at, advisory) in advisories.iter().enumerate() {
            for (which, affects) in advisory.affects.iter().enumerate() {
                let names = places.entry(&affects.ecosystem).or_default();
                names.entry(affects.name.as_str()).or_default().push((at, which));
            }
        }
        Index { places }
    }

    fn get(&self, ecosystem: &Ecosystem, name: &str) -> &[Place] {
        let names = self.places.get(ecosystem);
        names.and_then(|names| names.get(ecosystem.normalized(name).as_ref())).map_or(&[], Vec::as_slice)
    }
}

impl Affects {
    /// Whether the name in the advisory is of the asked kind: that of a source package or that of a binary package.
    fn means(&self, source: bool) -> bool {
        match self.named {
            Named::Source => source,
            Named::Binary => !source,
            Named::Either => true,
        }
    }

    /// Returns the version with the epoch that the advisory has, if RPM has not recorded one. RPM records the version of a
    /// source without its epoch, and a package may be numbered apart from its source, as `device-mapper` from `lvm2`.
    /// Without an epoch it would count as 0, and every fix with an epoch would look newer.
    fn comparable<'p>(&self, version: &'p str, package: &Package) -> Cow<'p, str> {
        if package.kind != Kind::Rpm || version == package.version || version.contains(':') {
            return version.into();
        }
        let epochs = self.ranges.iter().flat_map(|range| &range.events).filter_map(|event| match event {
            Event::Introduced(at) | Event::Fixed(at) | Event::LastAffected(at) | Event::Limit(at) => at.split_once(':'),
        });
        let epoch = epochs.map(|(epoch, _)| epoch).next();
        epoch.map_or_else(|| version.into(), |epoch| format!("{epoch}:{version}").into())
    }

    /// Whether the advisory concerns the architecture, the module and the version line of a package.
    fn concerns(&self, package: &Package) -> bool {
        !self.except.contains(&package.name)
            && self.concerns_arch(package.arch.as_deref())
            && self.concerns_module(package)
            && self.line.as_deref().is_none_or(|line| is_of_line(&package.version, line))
    }

    fn concerns_arch(&self, arch: Option<&str>) -> bool {
        let Some(arch) = arch else { return true };
        self.arches.is_empty() || self.arches.contains(arch) || arch == "noarch" || self.arches.contains("noarch")
    }

    /// A package and an advisory of different modules, or of which only one is of a module, have nothing in common:
    /// their versions are numbered apart. If a stream is not known, being of a module is enough.
    fn concerns_module(&self, package: &Package) -> bool {
        if package.kind != Kind::Rpm {
            return true;
        }
        let stream = package.module.as_deref().filter(|m| !m.is_empty()).map(stream_of);
        match (&self.modularity, stream) {
            (Modularity::None, stream) => stream.is_none() && !is_modular(&package.version),
            (Modularity::Unknown, stream) => stream.is_some() || is_modular(&package.version),
            (Modularity::Streams(of), Some(stream)) => of.contains(&stream),
            // The contents of an image that an earlier release has built have no labels.
            (Modularity::Streams(_), None) => is_modular(&package.version),
        }
    }
}

/// Whether the release of an RPM has the mark of a module: `.module+el8` of RHEL and Rocky, `.module_el8` of AlmaLinux.
pub(crate) fn is_modular(version: &str) -> bool {
    version.contains(".module+") || version.contains(".module_")
}

/// `NAME:STREAM` of a modularity label.
fn stream_of(label: &str) -> String {
    label.split(':').take(2).collect::<Vec<_>>().join(":")
}

/// Whether a version without its epoch is of a line: `5.10.1-1` is of `5.10`, and `5.100.1-1` is not.
fn is_of_line(version: &str, line: &str) -> bool {
    let version = version.split_once(':').map_or(version, |(_, v)| v);
    version.strip_prefix(line).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// What the advisories say about one vulnerability in one package.
#[derive(Default)]
struct Hits<'a> {
    advisories: BTreeSet<&'a str>,
    rating: Option<Rating>,
    /// The versions that fix the package.
    fixed: Vec<String>,
    /// The versions that fix its source, which may be numbered apart.
    fixed_source: Vec<String>,
    wont_fix: bool,
    title: Option<&'a str>,
}

impl<'a> Hits<'a> {
    /// Adds an advisory that knows the package, or if `is_source`, its source. A name that can mean either of them
    /// ([`Named::Either`]) has the versions of what it was found by.
    fn add(&mut self, advisory: &'a Advisory, affects: &'a Affects, fixed: Option<String>, is_source: bool) {
        self.advisories.insert(&advisory.id);
        for rating in [affects.rating, advisory.rating].into_iter().flatten() {
            self.rating = Some(self.rating.map_or(rating, |found| found.weightier(rating)));
        }
        let versions = if is_source { &mut self.fixed_source } else { &mut self.fixed };
        versions.extend(fixed);
        self.wont_fix |= affects.wont_fix;
        if self.title.is_none() {
            self.title = advisory.title.as_deref();
        }
    }

    fn finding(self, id: &str, package: &Package, identity: &Identity) -> Finding {
        let scheme = package.kind.scheme();
        // Several errata may fix the same vulnerability in part: the last version has all fixes.
        let last = |all: Vec<String>| all.into_iter().max_by(|a, b| compare(scheme, a, b).unwrap_or(a.cmp(b)));
        // A version of the package itself says more than one of its source.
        let fix = match last(self.fixed).or_else(|| last(self.fixed_source)) {
            Some(version) => Fix::Available(version),
            None if self.wont_fix => Fix::WontFix,
            None => Fix::None,
        };
        let mut ids: BTreeSet<&str> = identity.ids(id);
        ids.extend(self.advisories);
        Finding {
            id: id.to_owned(),
            ids: ids.into_iter().map(str::to_owned).collect(),
            package: Subject::of(package),
            rating: self.rating,
            fix,
            title: self.title.map(str::to_owned),
        }
    }
}

/// How much the advisories say about each kind of package.
fn covered(inventory: &Inventory, advisories: &Advisories) -> Vec<Covered> {
    let mut counts: BTreeMap<(Kind, Vec<Ecosystem>), usize> = BTreeMap::new();
    for package in inventory.packages.iter().filter(|p| is_judged(p)) {
        *counts.entry((package.kind, Ecosystem::of_package(package, inventory.os.as_ref()))).or_default() += 1;
    }
    let counted = counts.into_iter().map(|((kind, ecosystems), packages)| Covered {
        advisories: ecosystems.iter().map(|e| advisories.coverage.count(e)).sum(),
        ecosystems,
        kind,
        packages,
    });
    counted.collect()
}
