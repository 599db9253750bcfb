//! What is installed in an image, as far as advisories concern it.

use std::borrow::Cow;

use goldsmith_versions::Scheme;
use serde::{Deserialize, Serialize};

/// The kind of a package: who installs it, and how its versions are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// dpkg.
    Deb,
    /// RPM.
    Rpm,
    /// Alpine's apk.
    Apk,
    /// A distribution of Python.
    Pypi,
    /// A package of Node.js.
    Npm,
    /// A gem of Ruby.
    Gem,
    /// A module of Go in a program, and `stdlib` for the standard library.
    Golang,
    /// A crate of Rust in a program.
    Cargo,
}

impl Kind {
    /// The word in JSON and in texts, which is also the type of a package URL.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Deb => "deb",
            Kind::Rpm => "rpm",
            Kind::Apk => "apk",
            Kind::Pypi => "pypi",
            Kind::Npm => "npm",
            Kind::Gem => "gem",
            Kind::Golang => "golang",
            Kind::Cargo => "cargo",
        }
    }

    /// How its versions are ordered.
    pub(crate) fn scheme(self) -> Scheme {
        match self {
            Kind::Deb => Scheme::Dpkg,
            Kind::Rpm => Scheme::Rpm,
            Kind::Apk => Scheme::Apk,
            Kind::Pypi => Scheme::Pep440,
            Kind::Gem => Scheme::Gem,
            Kind::Npm | Kind::Golang | Kind::Cargo => Scheme::Semver,
        }
    }

    /// Whether the operating system's own package manager installs this kind.
    #[must_use]
    pub fn is_of_the_system(self) -> bool {
        matches!(self, Kind::Deb | Kind::Rpm | Kind::Apk)
    }
}

/// The source package from which a binary package was built.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The name.
    pub name: String,
    /// The version, if it differs from the binary package's, as it does for a binary-only rebuild of Debian.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// The kind.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The name. The `:amd64` that dpkg appends on a system of several architectures is not part of it, but is
    /// accepted.
    pub name: String,
    /// The whole version: `EPOCH:VERSION-RELEASE` for Debian and RPM, where an epoch of zero may be left out.
    pub version: String,
    /// The architecture in the words of the package manager.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// The source package, for the kinds of operating systems.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The modularity label of an RPM, `NAME:STREAM:VERSION:CONTEXT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// The package of the operating system that installed this package of a language. Its distribution fixes it under
    /// a version of its own, so the advisories of the language do not concern it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<String>,
}

impl Package {
    /// The names under which an advisory may know the package, with the version that counts for the name, and whether
    /// it is the name of a source package.
    pub(crate) fn names(&self) -> Vec<(Cow<'_, str>, &str, bool)> {
        let mut names = vec![(Cow::from(&self.name), self.version.as_str(), false)];
        if self.kind.is_of_the_system() {
            let source = self.source.as_ref().map_or(&self.name, |s| &s.name);
            names.push((Cow::from(source), self.source_version(), true));
            names.extend(self.signed_kernel().map(|name| (Cow::from(name), self.version.as_str(), true)));
        }
        names
    }

    /// The version of the source package. RPM records it without its epoch, so the package's own version counts there if
    /// it is the same otherwise.
    fn source_version(&self) -> &str {
        let recorded = self.source.as_ref().and_then(|s| s.version.as_deref());
        let own = self.version.split_once(':').map_or(self.version.as_str(), |(_, version)| version);
        recorded.filter(|version| self.kind != Kind::Rpm || *version != own).unwrap_or(&self.version)
    }

    /// The source of a signed kernel. Debian and Ubuntu build it from a package that has only the signatures, such as
    /// `linux-signed-amd64` and `linux-signed-aws`; the advisories name `linux` and `linux-aws`, whose version is that
    /// of the binary package.
    fn signed_kernel(&self) -> Option<String> {
        let source = self.source.as_ref().filter(|_| self.kind == Kind::Deb)?;
        let flavor = source.name.strip_prefix("linux-signed")?;
        let arch = flavor.strip_prefix('-').is_some_and(|flavor| Some(flavor) == self.arch.as_deref());
        Some(if arch { "linux".to_owned() } else { format!("linux{flavor}") })
    }
}

/// The operating system, from `/etc/os-release`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Os {
    /// `ID`, such as `debian`, `ubuntu`, `amzn`, `rhel`.
    pub id: String,
    /// `VERSION_ID`, such as `12`, `22.04`, `2023`, `9.4`. Debian's testing has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// `VERSION_CODENAME`, such as `bookworm`.
    #[serde(default, alias = "versionCodename", skip_serializing_if = "Option::is_none")]
    pub codename: Option<String>,
}

/// The packages of an image, and the operating system that they belong to. It can be read from the document with the
/// contents of an image, whose other parts are ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// The operating system. Without it, no package of an operating system can be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Os>,
    /// The packages.
    pub packages: Vec<Package>,
    /// Whether there may be packages that are not listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub packages_incomplete: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(kind: Kind, version: &str, arch: &str, source: (&str, &str)) -> Vec<String> {
        let package = Package {
            kind,
            name: "x".into(),
            version: version.into(),
            arch: Some(arch.into()),
            source: Some(Source { name: source.0.into(), version: Some(source.1.into()) }),
            module: None,
            part_of: None,
        };
        package.names().into_iter().filter(|n| n.2).map(|(name, version, _)| format!("{name} {version}")).collect()
    }

    #[test]
    fn a_signed_kernel_is_of_the_kernel_that_is_signed() {
        let debian = names(Kind::Deb, "6.1.76-1", "amd64", ("linux-signed-amd64", "6.1.76+1"));
        assert_eq!(debian, ["linux-signed-amd64 6.1.76+1", "linux 6.1.76-1"]);
        let ubuntu = names(Kind::Deb, "6.8.0-1012.13", "amd64", ("linux-signed-aws-6.8", "6.8.0-1012.13+1"));
        assert_eq!(ubuntu[1], "linux-aws-6.8 6.8.0-1012.13");
        assert_eq!(names(Kind::Deb, "1", "arm64", ("linux-signed", "2"))[1], "linux 1");
        assert_eq!(names(Kind::Deb, "1", "amd64", ("linux", "1")), ["linux 1"]);
    }

    #[test]
    fn the_contents_of_an_image_are_an_inventory() {
        let contents = r#"{
            "version": 1, "collectedAt": "2026-11-29T17:00:00Z",
            "os": {"id": "debian", "idLike": "", "versionId": "12", "versionCodename": "bookworm", "prettyName": "Debian 12"},
            "packages": [
                {"type": "deb", "name": "libssl3", "version": "3.0.11-1", "arch": "amd64",
                 "source": {"name": "openssl", "version": "3.0.11-1"}, "installedSize": 1, "purl": "pkg:deb/x", "locations": ["/x"]},
                {"type": "golang", "name": "stdlib", "version": "1.22.0", "purl": "pkg:golang/stdlib@1.22.0", "locations": []}
            ],
            "files": [], "filesLeftOut": 0
        }"#;
        let inventory: Inventory = serde_json::from_str(contents).unwrap();
        assert_eq!(inventory.os.unwrap().codename.as_deref(), Some("bookworm"));
        assert_eq!(inventory.packages.iter().map(|p| p.kind).collect::<Vec<_>>(), [Kind::Deb, Kind::Golang]);
        assert_eq!(inventory.packages[0].source.as_ref().map(|s| s.name.as_str()), Some("openssl"));
        assert_eq!(inventory.packages[1].arch, None);
    }

    #[test]
    fn the_source_of_an_rpm_has_the_epoch_of_the_package() {
        assert_eq!(names(Kind::Rpm, "32:9.16-14.el9", "noarch", ("bind", "9.16-14.el9")), ["bind 32:9.16-14.el9"]);
        assert_eq!(names(Kind::Rpm, "9:1.02-3.el9", "noarch", ("lvm2", "2.03-3.el9")), ["lvm2 2.03-3.el9"]);
    }
}
