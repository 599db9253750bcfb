//! One installed package.

use std::fmt;

use goldsmith_versions::Scheme;
use packageurl::PackageUrl;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use strum::IntoStaticStr;

use crate::OsRelease;

/// The package manager that a package belongs to. The words are the types of package URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum PackageType {
    /// Alpine's apk.
    Apk,
    /// A Rust crate that `cargo auditable` has recorded in a program.
    Cargo,
    /// Debian's dpkg.
    Deb,
    /// A Ruby gem.
    Gem,
    /// A Go module that is linked into a program, or Go's standard library under the name `stdlib`.
    Golang,
    /// A package of Node.js.
    Npm,
    /// A Python distribution.
    Pypi,
    /// RPM.
    Rpm,
}

impl PackageType {
    /// Returns the rules by which the versions of these packages are ordered.
    pub(crate) fn scheme(self) -> Scheme {
        match self {
            Self::Apk => Scheme::Apk,
            Self::Deb => Scheme::Dpkg,
            Self::Gem => Scheme::Gem,
            Self::Pypi => Scheme::Pep440,
            Self::Rpm => Scheme::Rpm,
            Self::Cargo | Self::Golang | Self::Npm => Scheme::Semver,
        }
    }

    /// Returns whether the operating system's own package manager installs these packages.
    #[must_use]
    pub fn is_of_system(self) -> bool {
        matches!(self, Self::Apk | Self::Deb | Self::Rpm)
    }
}

impl fmt::Display for PackageType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.into())
    }
}

/// A package as its manager's own record names it.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// The package manager.
    #[serde(rename = "type")]
    pub kind: PackageType,
    /// The name, without the architecture.
    pub name: String,
    /// The version as the package manager prints it: `[EPOCH:]VERSION[-RELEASE]` for dpkg and RPM. A Go module that was
    /// built from a working tree has the version `(devel)`.
    pub version: String,
    /// The architecture in the package manager's words. Empty if the package manager records none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arch: String,
    /// The source package. It is always known for dpkg: a package that names no source is its own.
    #[serde(default)]
    pub source: Option<PackageSource>,
    /// The label of the module of RHEL or a rebuild of it to which an RPM package belongs: `NAME:STREAM:VERSION:CONTEXT`.
    #[serde(default)]
    pub module: Option<String>,
    /// The license as the package states it, which need not be an SPDX expression.
    #[serde(default)]
    pub license: Option<String>,
    /// The installed size in bytes, as far as the package manager records it. dpkg records KiB.
    #[serde(default)]
    pub installed_size: Option<u64>,
    /// The package URL.
    pub purl: String,
    /// The files that state the package, as absolute paths.
    pub locations: Vec<String>,
}

/// The source package that a package was built from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSource {
    /// The name of the source package.
    pub name: String,
    /// The version of the source package: for dpkg with its epoch, for RPM without, as `VERSION-RELEASE`.
    pub version: String,
}

impl Package {
    /// Returns a package without source, module, license and size. [`Self::with_purl`] completes it.
    #[must_use]
    pub fn new(kind: PackageType, name: impl Into<String>, version: impl Into<String>, location: &str) -> Self {
        Self {
            kind,
            name: name.into(),
            version: version.into(),
            arch: String::new(),
            source: None,
            module: None,
            license: None,
            installed_size: None,
            purl: String::new(),
            locations: vec![location.to_owned()],
        }
    }

    /// Returns the package with its package URL, which follows from the other fields and the operating system.
    #[must_use]
    pub fn with_purl(mut self, os: &OsRelease) -> Self {
        self.purl = self.url(os).unwrap_or_default();
        self
    }

    /// Returns the package URL. `None` if a name cannot be in one, such as an empty name.
    fn url(&self, os: &OsRelease) -> Option<String> {
        let (namespace, name) = self.parts(os);
        let kind: &'static str = self.kind.into();
        let mut url = PackageUrl::new(kind, name).ok()?;
        if let Some(namespace) = namespace.filter(|namespace| !namespace.is_empty()) {
            url.with_namespace(namespace).ok()?;
        }
        let (epoch, version) = match (self.kind, self.version.split_once(':')) {
            // The package URL of an RPM package has the epoch as a qualifier.
            (PackageType::Rpm, Some((epoch, version))) => (Some(epoch), version),
            _ => (None, self.version.as_str()),
        };
        if !version.is_empty() && version != "(devel)" {
            url.with_version(version).ok()?;
        }
        if let Some(epoch) = epoch {
            url.add_qualifier("epoch", epoch).ok()?;
        }
        if self.kind.is_of_system() {
            if !self.arch.is_empty() {
                url.add_qualifier("arch", self.arch.as_str()).ok()?;
            }
            if let Some(distro) = os.distro() {
                url.add_qualifier("distro", distro).ok()?;
            }
        }
        Some(url.to_string())
    }

    /// Returns the namespace and the name of the package URL.
    fn parts(&self, os: &OsRelease) -> (Option<String>, &str) {
        let fallback = |word: &str| Some(if os.id.is_empty() { word.to_owned() } else { os.id.clone() });
        match self.kind {
            PackageType::Deb => (fallback("debian"), &self.name),
            PackageType::Rpm => (fallback("rpm"), &self.name),
            PackageType::Apk => (fallback("alpine"), &self.name),
            PackageType::Npm | PackageType::Golang => match self.name.rsplit_once('/') {
                Some((namespace, name)) => (Some(namespace.to_owned()), name),
                None => (None, &self.name),
            },
            PackageType::Cargo | PackageType::Gem | PackageType::Pypi => (None, &self.name),
        }
    }

    /// Returns what orders packages: the type, then the name, the version and the architecture.
    pub(crate) fn key(&self) -> (PackageType, &str, &str, &str) {
        (self.kind, &self.name, &self.version, &self.arch)
    }
}

#[cfg(test)]
mod tests {
    use super::{Package, PackageType};
    use crate::OsRelease;

    #[test]
    fn package_urls_follow_the_rules_of_their_types() {
        let os = |id: &str, version: &str| OsRelease {
            id: id.to_owned(),
            version_id: version.to_owned(),
            ..OsRelease::default()
        };
        let (debian, amazon) = (os("debian", "12"), os("amzn", "2023"));
        for (kind, name, version, arch, os, expected) in [
            (
                PackageType::Deb,
                "libstdc++6",
                "1:12.2.0-14+deb12u1~x",
                "amd64",
                &debian,
                "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1~x?arch=amd64&distro=debian-12",
            ),
            (
                PackageType::Rpm,
                "bash",
                "2:5.2.15-1.amzn2023",
                "x86_64",
                &amazon,
                "pkg:rpm/amzn/bash@5.2.15-1.amzn2023?arch=x86_64&distro=amzn-2023&epoch=2",
            ),
            (PackageType::Npm, "@types/node", "20.1.0", "", &debian, "pkg:npm/%40types/node@20.1.0"),
            (PackageType::Pypi, "Foo_Bar", "1.0", "", &debian, "pkg:pypi/foo-bar@1.0"),
            (PackageType::Golang, "golang.org/x/net", "v0.1.0", "", &debian, "pkg:golang/golang.org/x/net@v0.1.0"),
            (PackageType::Golang, "example.com/tool", "(devel)", "", &debian, "pkg:golang/example.com/tool"),
            (PackageType::Golang, "stdlib", "1.22.3", "", &debian, "pkg:golang/stdlib@1.22.3"),
            (PackageType::Cargo, "serde", "1.0.200", "", &debian, "pkg:cargo/serde@1.0.200"),
            (PackageType::Deb, "", "1", "", &debian, ""),
        ] {
            let package = Package { arch: arch.to_owned(), ..Package::new(kind, name, version, "/x") };
            assert_eq!(package.with_purl(os).purl, expected);
        }
    }
}
