//! Who publishes a package: a release of a distribution, or the registry of a language.

use std::fmt;

use goldsmith_versions::Scheme;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use crate::package::{Kind, Os, Package};

/// A distribution or a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, VariantArray)]
pub enum Family {
    /// Alpine Linux.
    Alpine,
    /// AlmaLinux.
    AlmaLinux,
    /// Amazon Linux.
    Amazon,
    /// crates.io.
    CratesIo,
    /// Debian.
    Debian,
    /// Modules of Go.
    Go,
    /// npm.
    Npm,
    /// PyPI.
    PyPi,
    /// Red Hat Enterprise Linux.
    RedHat,
    /// Rocky Linux.
    Rocky,
    /// RubyGems.
    RubyGems,
    /// Ubuntu.
    Ubuntu,
}

impl Family {
    /// The name that people know.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::Alpine => "Alpine",
            Family::AlmaLinux => "AlmaLinux",
            Family::Amazon => "Amazon Linux",
            Family::CratesIo => "crates.io",
            Family::Debian => "Debian",
            Family::Go => "Go",
            Family::Npm => "npm",
            Family::PyPi => "PyPI",
            Family::RedHat => "Red Hat Enterprise Linux",
            Family::Rocky => "Rocky Linux",
            Family::RubyGems => "RubyGems",
            Family::Ubuntu => "Ubuntu",
        }
    }

    /// How the versions of its packages are ordered.
    #[must_use]
    pub fn scheme(self) -> Scheme {
        match self {
            Family::Debian | Family::Ubuntu => Scheme::Dpkg,
            Family::AlmaLinux | Family::Amazon | Family::RedHat | Family::Rocky => Scheme::Rpm,
            Family::Alpine => Scheme::Apk,
            Family::PyPi => Scheme::Pep440,
            Family::RubyGems => Scheme::Gem,
            Family::CratesIo | Family::Go | Family::Npm => Scheme::Semver,
        }
    }
}

/// A family and its release. Registries have no releases.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ecosystem {
    /// The family.
    pub family: Family,
    /// The release: a number (`12`, `22.04`, `3.19`, `9`, `2023`), or the codename that Debian's tracker uses. Empty
    /// for registries.
    pub release: String,
}

impl Ecosystem {
    /// The release of a family.
    #[must_use]
    pub fn new(family: Family, release: &str) -> Ecosystem {
        Ecosystem { family, release: release.to_owned() }
    }

    /// Reads the name of an ecosystem of OSV, such as `Debian:12`, `Ubuntu:22.04:LTS`, `Alpine:v3.19`,
    /// `Red Hat:enterprise_linux:9::appstream` or `npm`. Returns `None` for ecosystems whose packages are not judged.
    ///
    /// Advisories of RHEL's extended support (`rhel_eus:9.2`) are ignored, because a system without the subscription cannot
    /// install their fixes. `Ubuntu:Pro:…` is no release for everybody either.
    #[must_use]
    pub fn of_osv(name: &str) -> Option<Ecosystem> {
        let (family, suffix) = name.split_once(':').map_or((name, None), |(f, s)| (f, Some(s)));
        let release = |family: Family| suffix.filter(|s| !s.is_empty()).map(|s| Ecosystem::new(family, s));
        match family {
            "Debian" => release(Family::Debian),
            "AlmaLinux" => release(Family::AlmaLinux),
            "Rocky Linux" => release(Family::Rocky),
            "Amazon Linux" => release(Family::Amazon),
            "Alpine" => suffix.map(|s| Ecosystem::new(Family::Alpine, s.strip_prefix('v').unwrap_or(s))),
            "Ubuntu" => {
                let number = suffix.map(|s| s.strip_suffix(":LTS").unwrap_or(s))?;
                number.starts_with(|c: char| c.is_ascii_digit()).then(|| Ecosystem::new(Family::Ubuntu, number))
            }
            "Red Hat" => Self::of_cpe_parts(suffix?),
            "PyPI" => Some(Ecosystem::new(Family::PyPi, "")),
            "npm" => Some(Ecosystem::new(Family::Npm, "")),
            "RubyGems" => Some(Ecosystem::new(Family::RubyGems, "")),
            "Go" => Some(Ecosystem::new(Family::Go, "")),
            "crates.io" => Some(Ecosystem::new(Family::CratesIo, "")),
            _ => None,
        }
    }

    /// Reads the release of Ubuntu that OSV calls `Ubuntu:Pro:22.04:LTS`. Only subscribers can install its fixes. If a
    /// record names a package for it but not for the plain release, a system without the subscription has the flaw too.
    ///
    /// Returns `None` for the variants (`Pro:FIPS-updates:22.04:LTS`, `Pro:Realtime:…`), which have their own packages.
    pub(crate) fn of_ubuntu_pro(name: &str) -> Option<Ecosystem> {
        let number = name.strip_prefix("Ubuntu:Pro:")?.strip_suffix(":LTS")?;
        let is_number = number.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        is_number.then(|| Ecosystem::new(Family::Ubuntu, number))
    }

    /// Reads the product, version and edition of a CPE of Red Hat: `enterprise_linux:9::baseos`. Since RHEL 10 the
    /// version names the minor release too.
    pub(crate) fn of_cpe_parts(parts: &str) -> Option<Ecosystem> {
        let version = parts.strip_prefix("enterprise_linux:")?.split(':').next()?;
        let major = version.split('.').next()?;
        let number = !major.is_empty() && major.chars().all(|c| c.is_ascii_digit());
        number.then(|| Ecosystem::new(Family::RedHat, major))
    }

    /// The ecosystems whose advisories concern a package: none for a distribution whose advisories are not read.
    #[must_use]
    pub fn of_package(package: &Package, os: Option<&Os>) -> Vec<Ecosystem> {
        match package.kind {
            Kind::Pypi => vec![Ecosystem::new(Family::PyPi, "")],
            Kind::Npm => vec![Ecosystem::new(Family::Npm, "")],
            Kind::Gem => vec![Ecosystem::new(Family::RubyGems, "")],
            Kind::Golang => vec![Ecosystem::new(Family::Go, "")],
            Kind::Cargo => vec![Ecosystem::new(Family::CratesIo, "")],
            Kind::Deb | Kind::Rpm | Kind::Apk => os.map_or_else(Vec::new, |os| Self::of_system(package.kind, os)),
        }
    }

    fn of_system(kind: Kind, os: &Os) -> Vec<Ecosystem> {
        let version = os.version_id.as_deref().unwrap_or_default();
        let major = version.split('.').next().unwrap_or_default();
        let release = |family: Family, release: &str| {
            if release.is_empty() { Vec::new() } else { vec![Ecosystem::new(family, release)] }
        };
        match (kind, os.id.as_str()) {
            (Kind::Deb, "debian") => {
                let mut found = release(Family::Debian, major);
                found.extend(release(Family::Debian, os.codename.as_deref().unwrap_or_default()));
                found
            }
            (Kind::Deb, "ubuntu") => release(Family::Ubuntu, version),
            (Kind::Rpm, "amzn") => release(Family::Amazon, major),
            (Kind::Rpm, "rhel") => release(Family::RedHat, major),
            (Kind::Rpm, "almalinux") => release(Family::AlmaLinux, major),
            (Kind::Rpm, "rocky") => release(Family::Rocky, major),
            (Kind::Apk, "alpine") => {
                let minor: Vec<_> = version.split('.').take(2).collect();
                release(Family::Alpine, &minor.join("."))
            }
            _ => Vec::new(),
        }
    }

    /// The name of a package as advisories are looked up by: as PyPI normalizes it, and without the architecture that
    /// dpkg appends.
    #[must_use]
    pub(crate) fn normalized<'a>(&self, name: &'a str) -> std::borrow::Cow<'a, str> {
        match self.family {
            Family::PyPi => python_name(name).into(),
            Family::Debian | Family::Ubuntu => name.split(':').next().unwrap_or(name).into(),
            _ => name.into(),
        }
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.family.name())?;
        if self.release.is_empty() { Ok(()) } else { write!(f, " {}", self.release) }
    }
}

impl<'de> Deserialize<'de> for Ecosystem {
    /// Reads what [`Display`](fmt::Display) writes.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let of = |family: &Family| Some((*family, text.strip_prefix(family.name())?));
        let found = Family::VARIANTS.iter().filter_map(of).find_map(|(family, rest)| match rest.strip_prefix(' ') {
            Some(release) => Some(Ecosystem::new(family, release)),
            None => rest.is_empty().then(|| Ecosystem::new(family, "")),
        });
        found.ok_or_else(|| serde::de::Error::custom(format!("{text:?} is no ecosystem")))
    }
}

impl Serialize for Ecosystem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The normalized name of PEP 503: lower case, and runs of `-`, `_` and `.` as one `-`.
fn python_name(name: &str) -> String {
    let mut normalized = String::with_capacity(name.len());
    for c in name.chars() {
        if matches!(c, '-' | '_' | '.') {
            if !normalized.ends_with('-') {
                normalized.push('-');
            }
        } else {
            normalized.push(c.to_ascii_lowercase());
        }
    }
    normalized
}

#[cfg(test)]
mod tests {
    use super::*;

    fn os(id: &str, version: &str, codename: Option<&str>) -> Os {
        Os { id: id.into(), version_id: Some(version.into()), codename: codename.map(Into::into) }
    }

    #[test]
    fn every_ecosystem_is_read_as_it_is_written() {
        for family in Family::VARIANTS {
            for release in ["", "12", "22.04"] {
                let ecosystem = Ecosystem::new(*family, release);
                let written = serde_json::to_string(&ecosystem).unwrap();
                assert_eq!(serde_json::from_str::<Ecosystem>(&written).unwrap(), ecosystem, "{written}");
            }
        }
        assert!(serde_json::from_str::<Ecosystem>("\"Debianish 12\"").is_err());
    }

    #[test]
    fn the_names_of_osv_are_read() {
        let read = |name| Ecosystem::of_osv(name).map(|e| e.to_string());
        for (name, expected) in [
            ("Debian:12", "Debian 12"),
            ("Ubuntu:22.04:LTS", "Ubuntu 22.04"),
            ("Ubuntu:23.10", "Ubuntu 23.10"),
            ("Alpine:v3.19", "Alpine 3.19"),
            ("Red Hat:enterprise_linux:9::appstream", "Red Hat Enterprise Linux 9"),
            ("Red Hat:enterprise_linux:10.0", "Red Hat Enterprise Linux 10"),
            ("AlmaLinux:9", "AlmaLinux 9"),
            ("Rocky Linux:9", "Rocky Linux 9"),
            ("PyPI", "PyPI"),
            ("crates.io", "crates.io"),
        ] {
            assert_eq!(read(name).as_deref(), Some(expected), "{name}");
        }
        for name in ["Ubuntu:Pro:18.04:LTS", "Red Hat:rhel_eus:9.2::appstream", "Debian", "Maven", "Wolfi", "Red Hat"] {
            assert_eq!(read(name), None, "{name}");
        }
        let pro = |name| Ecosystem::of_ubuntu_pro(name).map(|e| e.to_string());
        assert_eq!(pro("Ubuntu:Pro:18.04:LTS").as_deref(), Some("Ubuntu 18.04"));
        for name in ["Ubuntu:18.04:LTS", "Ubuntu:Pro:FIPS:18.04:LTS", "Ubuntu:Pro:Realtime:22.04:LTS", "Ubuntu:Pro:"] {
            assert_eq!(pro(name), None, "{name}");
        }
    }

    #[test]
    fn an_operating_system_has_the_ecosystems_of_its_release() {
        let of =
            |kind, os: &Os| -> Vec<String> { Ecosystem::of_system(kind, os).iter().map(ToString::to_string).collect() };
        assert_eq!(of(Kind::Deb, &os("debian", "12", Some("bookworm"))), ["Debian 12", "Debian bookworm"]);
        assert_eq!(of(Kind::Rpm, &os("rhel", "9.4", None)), ["Red Hat Enterprise Linux 9"]);
        assert_eq!(of(Kind::Rpm, &os("amzn", "2023", None)), ["Amazon Linux 2023"]);
        assert_eq!(of(Kind::Apk, &os("alpine", "3.19.1", None)), ["Alpine 3.19"]);
        assert_eq!(of(Kind::Rpm, &os("centos", "9", None)), [""; 0]);
        assert_eq!(
            of(Kind::Deb, &Os { id: "debian".into(), version_id: None, codename: Some("sid".into()) }),
            ["Debian sid"]
        );
    }

    #[test]
    fn python_names_are_normalized() {
        assert_eq!(python_name("Zope.Interface__x"), "zope-interface-x");
    }
}
