//! Documents of CSAF 2.0 as Red Hat publishes them for each vulnerability (VEX) and each erratum. They also say what is
//! affected and not fixed, which neither `updateinfo.xml` nor OSV does for RHEL.

use std::borrow::Cow;
use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Deserialize;

use super::{Reader, Wanted, json};
use crate::advisory::{Advisory, Affects, Modularity, Named, Range};
use crate::ecosystem::Ecosystem;
use crate::matching::is_modular;
use crate::severity::{Authority, Rating};

#[derive(Deserialize)]
struct Csaf {
    document: Document,
    #[serde(default)]
    product_tree: ProductTree,
    #[serde(default)]
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    title: Option<String>,
    tracking: Tracking,
}

#[derive(Deserialize)]
struct Tracking {
    id: String,
    #[serde(default)]
    current_release_date: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ProductTree {
    branches: Vec<Branch>,
    relationships: Vec<Relationship>,
}

#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    branches: Vec<Branch>,
    #[serde(default)]
    product: Option<Product>,
}

#[derive(Deserialize)]
struct Product {
    product_id: String,
    #[serde(default)]
    product_identification_helper: Helper,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Helper {
    cpe: Option<String>,
    purl: Option<String>,
}

#[derive(Deserialize)]
struct Relationship {
    full_product_name: FullName,
    product_reference: String,
    relates_to_product_reference: String,
}

#[derive(Deserialize)]
struct FullName {
    product_id: String,
}

#[derive(Deserialize)]
struct Vulnerability {
    #[serde(default)]
    cve: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    product_status: Status,
    #[serde(default)]
    scores: Vec<Score>,
    #[serde(default)]
    threats: Vec<Statement>,
    #[serde(default)]
    remediations: Vec<Statement>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    fixed: Vec<String>,
    known_affected: Vec<String>,
    known_not_affected: Vec<String>,
    under_investigation: Vec<String>,
}

#[derive(Deserialize)]
struct Score {
    #[serde(default)]
    cvss_v3: Option<CvssV3>,
    #[serde(default)]
    products: Vec<String>,
}

#[derive(Deserialize)]
struct CvssV3 {
    #[serde(rename = "vectorString")]
    vector_string: String,
}

#[derive(Deserialize)]
struct Statement {
    category: String,
    #[serde(default)]
    details: String,
    #[serde(default)]
    product_ids: Vec<String>,
}

/// Reads a document, and keeps what is wanted of it.
pub(super) fn read(bytes: &[u8], name: &str, reader: &mut Reader<'_>) {
    let Some(csaf) = json::typed::<Csaf>(bytes, name, reader) else { return };
    if let Some(date) = &csaf.document.tracking.current_release_date {
        reader.date(date);
    }
    let products = Products::of(&csaf.product_tree);
    for ecosystem in products.releases.values().cloned().collect::<BTreeSet<_>>() {
        reader.found.coverage.add(ecosystem);
    }
    let erratum = csaf.document.tracking.id.starts_with("RH").then_some(&csaf.document);
    for (at, vulnerability) in csaf.vulnerabilities.iter().enumerate() {
        let Some(cve) = &vulnerability.cve else {
            reader.issue(name, Some(format!("vulnerabilities[{at}].cve")), "The vulnerability has no CVE.");
            continue;
        };
        let advisory = Advisory {
            id: erratum.map_or(cve, |document| &document.tracking.id).clone(),
            covers: erratum.map_or_else(Vec::new, |_| vec![cve.clone()]),
            title: vulnerability.title.clone().or_else(|| csaf.document.title.clone()),
            affects: affects(vulnerability, &products, reader.wanted),
            ..Advisory::default()
        };
        reader.keep(advisory);
    }
}

/// The products of a document, by their ids.
#[derive(Default)]
struct Products<'a> {
    /// Releases of RHEL.
    releases: HashMap<&'a str, Ecosystem>,
    /// Packages.
    packages: HashMap<&'a str, Purl<'a>>,
    /// Modules, as `NAME:STREAM`.
    modules: HashMap<&'a str, String>,
    /// A package in a release.
    pairs: HashMap<&'a str, (&'a str, &'a str)>,
}

impl<'a> Products<'a> {
    fn of(tree: &'a ProductTree) -> Products<'a> {
        let mut products = Products::default();
        tree.branches.iter().for_each(|branch| products.add(branch));
        for relationship in &tree.relationships {
            let pair = (relationship.product_reference.as_str(), relationship.relates_to_product_reference.as_str());
            products.pairs.insert(&relationship.full_product_name.product_id, pair);
        }
        products
    }

    fn add(&mut self, branch: &'a Branch) {
        if let Some(product) = &branch.product {
            let helper = &product.product_identification_helper;
            if let Some(ecosystem) = helper.cpe.as_deref().and_then(of_cpe) {
                self.releases.insert(&product.product_id, ecosystem);
            }
            if let Some(purl) = helper.purl.as_deref().and_then(Purl::of) {
                self.packages.insert(&product.product_id, purl);
            }
            if let Some(module) = helper.purl.as_deref().and_then(module_of) {
                self.modules.insert(&product.product_id, module);
            }
        }
        branch.branches.iter().for_each(|branch| self.add(branch));
    }

    /// The package and the release of a pair, if both are of RHEL itself. A package of a module is paired with the
    /// module, and the module with the release.
    fn pair(&self, id: &str) -> Option<Pair<'_, 'a>> {
        let (package, mut release) = *self.pairs.get(id)?;
        let mut module = None;
        if let Some((of, in_release)) = self.pairs.get(release) {
            module = self.modules.get(of);
            release = in_release;
        }
        let purl = self.packages.get(package)?;
        Some(Pair { purl, module: purl.module.as_ref().or(module), release: self.releases.get(release)? })
    }

    /// The wanted binary packages of some pairs, by their releases.
    fn binaries(&self, ids: &[String], wanted: &Wanted) -> HashMap<&Ecosystem, BTreeSet<String>> {
        let mut binaries: HashMap<_, BTreeSet<String>> = HashMap::new();
        let pairs = ids.iter().filter_map(|id| self.pair(id));
        for Pair { purl, release, .. } in pairs.filter(|pair| pair.purl.arch != Some("src")) {
            if wanted.has(release, &purl.name) {
                binaries.entry(release).or_default().insert(purl.name.to_string());
            }
        }
        binaries
    }
}

/// A package in a release.
struct Pair<'p, 'a> {
    purl: &'p Purl<'a>,
    /// The module of the package, as `NAME:STREAM`.
    module: Option<&'p String>,
    release: &'p Ecosystem,
}

/// The module in a package URL, as `pkg:rpmmod/redhat/NAME@STREAM:VERSION:CONTEXT`.
fn module_of(purl: &str) -> Option<String> {
    let (name, version) = purl.strip_prefix("pkg:rpmmod/redhat/")?.split('?').next()?.split_once('@')?;
    Some(format!("{}:{}", decoded(name), decoded(version).split(':').next()?))
}

/// The release in a CPE of Red Hat, `cpe:/o:redhat:enterprise_linux:9::baseos`.
fn of_cpe(cpe: &str) -> Option<Ecosystem> {
    Ecosystem::of_cpe_parts(cpe.strip_prefix("cpe:/")?.splitn(3, ':').nth(2)?)
}

/// The parts of a package URL of an RPM: `pkg:rpm/redhat/NAME@VERSION?arch=…&epoch=…&rpmmod=…`.
struct Purl<'a> {
    name: Cow<'a, str>,
    version: Option<String>,
    arch: Option<&'a str>,
    module: Option<String>,
}

impl<'a> Purl<'a> {
    fn of(purl: &'a str) -> Option<Purl<'a>> {
        let rest = purl.strip_prefix("pkg:rpm/redhat/")?;
        let (path, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let (name, version) = path.split_once('@').map_or((path, None), |(name, version)| (name, Some(version)));
        let value = |key| qualifiers.split('&').find_map(|q| q.split_once('=').filter(|(k, _)| *k == key)).map(|q| q.1);
        let epoch = value("epoch").unwrap_or("0");
        let module = value("rpmmod").map(|m| decoded(m).split(':').take(2).collect::<Vec<_>>().join(":"));
        let version = version.map(|v| format!("{epoch}:{}", decoded(v)));
        Some(Purl { name: decoded(name), version, arch: value("arch"), module })
    }
}

/// Decodes the signs that a package URL writes as numbers, as the `+` of `libstdc%2B%2B`.
fn decoded(text: &str) -> Cow<'_, str> {
    let Some((before, mut rest)) = text.split_once('%') else { return text.into() };
    let mut decoded = before.to_owned();
    loop {
        let digits = rest.get(..2).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let sign = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii);
        match sign {
            Some(sign) => {
                decoded.push(char::from(sign));
                rest = &rest[2..];
            }
            None => decoded.push('%'),
        }
        let Some((before, after)) = rest.split_once('%') else { break };
        decoded.push_str(before);
        rest = after;
    }
    decoded.push_str(rest);
    decoded.into()
}

/// What a document says about a vulnerability in the wanted packages. Red Hat tells scanners to report what is under
/// investigation like what is affected
/// (<https://redhatproductsecurity.github.io/security-data-guidelines/scanning-vendors/>).
fn affects(vulnerability: &Vulnerability, products: &Products<'_>, wanted: &Wanted) -> Vec<Affects> {
    let no_fix = vulnerability.remediations.iter().filter(|s| s.category == "no_fix_planned");
    let wont_fix: HashSet<&String> = no_fix.flat_map(|s| &s.product_ids).collect();
    let status = &vulnerability.product_status;
    // Few documents name a wanted source package. For the others, this would add a fifth to the time of reading.
    let not_affected = LazyCell::new(|| products.binaries(&status.known_not_affected, wanted));
    let mut found = Vec::new();
    let fixed = status.fixed.iter().map(|id| (id, true));
    let open = status.known_affected.iter().chain(&status.under_investigation).map(|id| (id, false));
    for (id, is_fixed) in fixed.chain(open) {
        let Some(Pair { purl, module, release }) = products.pair(id) else { continue };
        if !wanted.has(release, &purl.name) {
            continue;
        }
        // A source package is not installed: it stands for all that it builds. In newer documents, often no binary package
        // is named next to it.
        let named = if purl.arch == Some("src") { Named::Source } else { Named::Binary };
        let mut affects = Affects::new(release.clone(), &purl.name, named);
        // A version that is affected says nothing about one that is not.
        affects.ranges = vec![purl.version.as_deref().filter(|_| is_fixed).map_or_else(Range::all, Range::before)];
        affects.arches = purl.arch.filter(|arch| *arch != "src").map(str::to_owned).into_iter().collect();
        affects.wont_fix = wont_fix.contains(id);
        affects.rating = rating(vulnerability, id);
        affects.modularity = match (module, &purl.version) {
            (Some(module), _) => Modularity::Streams([module.clone()].into()),
            (None, Some(version)) if is_modular(version) => Modularity::Unknown,
            _ => Modularity::None,
        };
        if named == Named::Source {
            affects.except = not_affected.get(release).cloned().unwrap_or_default();
        }
        found.push(affects);
    }
    found
}

/// Red Hat's own rating of a package, and otherwise the CVSS vector.
fn rating(vulnerability: &Vulnerability, id: &str) -> Option<Rating> {
    let is_about = |products: &[String]| products.is_empty() || products.iter().any(|product| product == id);
    let own = vulnerability.threats.iter().find(|t| t.category == "impact" && is_about(&t.product_ids));
    own.and_then(|impact| Rating::word(&impact.details, Authority::Distribution)).or_else(|| {
        let mut scores = vulnerability.scores.iter().filter(|s| is_about(&s.products));
        scores.find_map(|s| Rating::vector(&s.cvss_v3.as_ref()?.vector_string).ok())
    })
}

#[cfg(test)]
mod tests {
    use super::{Purl, decoded, module_of};

    #[test]
    fn a_package_url_is_read_with_its_encoded_signs() {
        let purl = Purl::of("pkg:rpm/redhat/libstdc%2B%2B@11.4.1-2.1%5egit1.el9?arch=x86_64&epoch=2").unwrap();
        assert_eq!((&*purl.name, purl.version.as_deref()), ("libstdc++", Some("2:11.4.1-2.1^git1.el9")));
        assert_eq!((purl.arch, purl.module), (Some("x86_64"), None));
        let purl = Purl::of("pkg:rpm/redhat/nodejs?rpmmod=nodejs%3A18:8090:rhel8").unwrap();
        assert_eq!((purl.version, purl.module.as_deref()), (None, Some("nodejs:18")));
        assert!(Purl::of("pkg:rpm/other/x@1").is_none());
        for (text, expected) in [("%", "%"), ("%2", "%2"), ("%zz", "%zz"), ("é%2", "é%2"), ("%2B%%2b+", "+%++")] {
            assert_eq!(decoded(text), expected);
        }
        assert_eq!(decoded(&"%".repeat(100_000)).len(), 100_000);
        let module = module_of("pkg:rpmmod/redhat/nodejs@18%3A8090020240221:rhel8").unwrap();
        assert_eq!(module, "nodejs:18");
    }
}
