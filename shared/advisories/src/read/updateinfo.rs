//! `updateinfo.xml` of an RPM repository: the errata of Amazon Linux, RHEL, AlmaLinux and Rocky Linux. `dnf reposync
//! --download-metadata` mirrors it with the packages.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};

use super::Reader;
use crate::advisory::{Advisory, Affects, Modularity, Named, Range};
use crate::ecosystem::{Ecosystem, Family};
use crate::matching::is_modular;
use crate::severity::{Authority, Rating};

/// An erratum while it is read.
#[derive(Default)]
struct Erratum {
    kind: String,
    id: String,
    title: String,
    severity: String,
    updated: String,
    cves: Vec<String>,
    packages: Vec<Listed>,
    collection: String,
    module: Option<String>,
    /// Whether there was no room for some packages.
    is_cut: bool,
}

/// A package of an erratum.
struct Listed {
    collection: String,
    module: Option<String>,
    name: String,
    evr: String,
    arch: String,
}

/// The largest file in bytes after it was unpacked. Those of RHEL have some hundred megabytes.
const MAX_FILE: u64 = 1 << 30;
/// The largest text or element in bytes. A list of one erratum's packages has no text longer than a description.
const MAX_TEXT: u64 = 16 << 20;
/// The longest id, title or severity in bytes, and the largest number of packages of an erratum.
const LONGEST: usize = 16 << 10;
const MOST_PACKAGES: usize = 100_000;
/// The deepest element that is looked into. Those of `updateinfo.xml` have a depth of 7.
const MAX_DEPTH: usize = 32;

/// Reads a file. Metadata of another kind, such as the list of packages, is ignored.
pub(super) fn read(file: impl BufRead, name: &str, reader: &mut Reader<'_>) {
    let file = Limited { file: file.take(MAX_FILE), left: MAX_TEXT };
    let mut xml = quick_xml::Reader::from_reader(file);
    let mut state = State { file: name, path: Vec::new(), erratum: Erratum::default(), count: 0, has_root: false };
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        xml.get_mut().left = MAX_TEXT;
        let event = match xml.read_event_into(&mut buffer) {
            Ok(Event::Eof) if state.path.is_empty() => {
                if !state.has_root {
                    reader.broken(name, None, "The file has no XML element.");
                }
                return;
            }
            Ok(Event::Eof) => {
                let is_cut = xml.get_ref().file.limit() == 0;
                let message =
                    if is_cut { "The file is larger than 1 GiB." } else { "The file ends before the element does." };
                reader.broken(name, Some(state.path.join(".")), message);
                return;
            }
            Ok(event) => event,
            Err(error) => {
                let place = format!("byte {}", xml.error_position());
                reader.broken(name, Some(place), format!("The file is not XML, or is damaged: {error}."));
                return;
            }
        };
        if !state.step(&event, reader) {
            return;
        }
        if state.path.len() > MAX_DEPTH {
            let place = format!("byte {}", xml.buffer_position());
            reader.broken(name, Some(place), format!("The elements are nested more than {MAX_DEPTH} deep."));
            return;
        }
    }
}

/// A file of which only so many bytes can be read at a time, so that one text without end does not fill the memory.
struct Limited<R> {
    file: io::Take<R>,
    left: u64,
}

impl<R: BufRead> Read for Limited<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(into)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Limited<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Err(io::Error::other(format!("a text or an element is larger than {} MiB", MAX_TEXT >> 20)));
        }
        self.file.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count as u64);
        self.file.consume(count);
    }
}

/// The place in a file, and the erratum that is being read there.
struct State<'a> {
    file: &'a str,
    /// The names of the open elements.
    path: Vec<String>,
    erratum: Erratum,
    /// How many errata have begun so far.
    count: usize,
    /// Whether the file has an element.
    has_root: bool,
}

impl State<'_> {
    /// Takes an event in. Returns whether the file is of interest.
    fn step(&mut self, event: &Event<'_>, reader: &mut Reader<'_>) -> bool {
        match event {
            Event::Start(element) => {
                self.path.push(name_of(element));
                self.has_root = true;
                if self.path.len() == 1 && self.path[0] != "updates" {
                    // A failed download leaves the page of a server. Other metadata of a repository has no advisories.
                    if self.path[0].eq_ignore_ascii_case("html") {
                        reader.broken(self.file, None, "The file is a web page, and has no advisories.");
                    }
                    return false;
                }
                self.open(element, reader);
            }
            Event::Empty(element) => {
                self.has_root = true;
                self.path.push(name_of(element));
                self.open(element, reader);
                self.close(reader);
            }
            Event::End(_) => self.close(reader),
            Event::Text(text) => self.text(&text.xml_content(XmlVersion::Implicit1_0)),
            Event::CData(text) => self.text(&text.xml_content(XmlVersion::Implicit1_0)),
            Event::GeneralRef(reference) => {
                let content = reference.xml_content(XmlVersion::Implicit1_0);
                let known = reference.resolve_char_ref().ok().flatten().map(String::from);
                let known = known.or_else(|| quick_xml::escape::resolve_xml_entity(&content).map(str::to_owned));
                self.text(&known.unwrap_or_default());
            }
            _ => {}
        }
        true
    }

    fn at(&self, path: &[&str]) -> bool {
        self.path.iter().map(String::as_str).eq(path.iter().copied())
    }

    fn open(&mut self, element: &BytesStart<'_>, reader: &mut Reader<'_>) {
        if self.at(&["updates", "update"]) {
            let kind = attribute(element, "type").unwrap_or_default();
            self.erratum = Erratum { kind, ..Erratum::default() };
            self.count += 1;
        } else if self.at(&["updates", "update", "updated"]) || self.at(&["updates", "update", "issued"]) {
            let date = attribute(element, "date").unwrap_or_default();
            if date > self.erratum.updated {
                self.erratum.updated = date;
            }
        } else if self.at(&["updates", "update", "references", "reference"]) {
            if attribute(element, "type").as_deref() == Some("cve") {
                self.erratum.cves.extend(attribute(element, "id"));
            }
        } else if self.at(&["updates", "update", "pkglist", "collection"]) {
            self.erratum.collection = attribute(element, "short").unwrap_or_default();
            self.erratum.module = None;
        } else if self.at(&["updates", "update", "pkglist", "collection", "module"]) {
            let (name, stream) = (attribute(element, "name"), attribute(element, "stream"));
            self.erratum.module = name.zip(stream).map(|(name, stream)| format!("{name}:{stream}"));
        } else if self.at(&["updates", "update", "pkglist", "collection", "package"]) {
            self.package(element, reader);
        }
    }

    fn package(&mut self, element: &BytesStart<'_>, reader: &mut Reader<'_>) {
        let value = |key| attribute(element, key);
        let (Some(name), Some(version), Some(release)) = (value("name"), value("version"), value("release")) else {
            let at = format!("update[{}].pkglist.collection.package", self.count - 1);
            reader.issue(self.file, Some(at), "The package lacks a name, a version or a release.");
            return;
        };
        if self.erratum.packages.len() >= MOST_PACKAGES {
            if !self.erratum.is_cut {
                let at = format!("update[{}].pkglist", self.count - 1);
                reader.issue(self.file, Some(at), format!("The erratum has more than {MOST_PACKAGES} packages."));
            }
            self.erratum.is_cut = true;
            return;
        }
        let epoch = value("epoch").filter(|e| !e.is_empty()).unwrap_or_else(|| "0".into());
        self.erratum.packages.push(Listed {
            collection: self.erratum.collection.clone(),
            module: self.erratum.module.clone(),
            name,
            evr: format!("{epoch}:{version}-{release}"),
            arch: value("arch").unwrap_or_default(),
        });
    }

    fn text(&mut self, text: &str) {
        let into = if self.at(&["updates", "update", "id"]) {
            &mut self.erratum.id
        } else if self.at(&["updates", "update", "title"]) {
            &mut self.erratum.title
        } else if self.at(&["updates", "update", "severity"]) {
            &mut self.erratum.severity
        } else {
            return;
        };
        if into.len() + text.len() <= LONGEST {
            into.push_str(text);
        }
    }

    fn close(&mut self, reader: &mut Reader<'_>) {
        if self.at(&["updates", "update"]) {
            let erratum = std::mem::take(&mut self.erratum);
            if erratum.kind == "security" {
                self.keep(erratum, reader);
            }
        }
        self.path.pop();
    }

    fn keep(&self, erratum: Erratum, reader: &mut Reader<'_>) {
        let id = erratum.id.trim();
        if id.is_empty() {
            let at = format!("update[{}].id", self.count - 1);
            reader.issue(self.file, Some(at), "The erratum has no id.");
            return;
        }
        reader.date(&erratum.updated);
        let mut advisory = Advisory {
            id: id.to_owned(),
            covers: erratum.cves,
            rating: Rating::word(&erratum.severity, Authority::Distribution),
            title: Some(erratum.title.trim().to_owned()).filter(|t| !t.is_empty()),
            ..Advisory::default()
        };
        let mut ecosystems = std::collections::BTreeSet::new();
        // One entry for each package and version, with all its architectures.
        let mut merged: BTreeMap<(String, String, Option<String>), Affects> = BTreeMap::new();
        for listed in erratum.packages.iter().filter(|p| p.arch != "src" && p.arch != "nosrc") {
            let Some(ecosystem) = ecosystem(id, listed) else { continue };
            ecosystems.insert(ecosystem.clone());
            if reader.wanted.has(&ecosystem, &listed.name) {
                let key = (listed.name.clone(), listed.evr.clone(), listed.module.clone());
                let affects = merged.entry(key).or_insert_with(|| affects(id, ecosystem, listed));
                affects.arches.extend(Some(listed.arch.clone()).filter(|arch| !arch.is_empty()));
            }
        }
        ecosystems.into_iter().for_each(|ecosystem| reader.found.coverage.add(ecosystem));
        advisory.affects = merged.into_values().collect();
        reader.keep(advisory);
    }
}

fn affects(id: &str, ecosystem: Ecosystem, listed: &Listed) -> Affects {
    let mut affects = Affects::new(ecosystem, &listed.name, Named::Binary);
    affects.ranges = vec![Range::before(&listed.evr)];
    affects.modularity = match &listed.module {
        Some(module) => Modularity::Streams([module.clone()].into()),
        None if is_modular(&listed.evr) => Modularity::Unknown,
        None => Modularity::None,
    };
    affects.line = line(id);
    affects
}

/// The distribution and its release: by the prefix of the id, and by the collection or the mark in the package's
/// release. `None` for errata of other distributions.
fn ecosystem(id: &str, listed: &Listed) -> Option<Ecosystem> {
    let family = match id {
        _ if id.starts_with("ALAS") => {
            let release = listed.collection.strip_prefix("amazon-linux-")?;
            let end = release.find(|c: char| !c.is_ascii_digit()).unwrap_or(release.len());
            return (end > 0).then(|| Ecosystem::new(Family::Amazon, &release[..end]));
        }
        _ if id.starts_with("RH") => Family::RedHat,
        _ if id.starts_with("AL") => Family::AlmaLinux,
        _ if id.starts_with("RL") => Family::Rocky,
        _ => return None,
    };
    // `.el9`, `.el9_4`, `.module+el9.4.0` and AlmaLinux's `.module_el9.4.0` are of release 9.
    let at = [".el", "+el", "_el"].into_iter().filter_map(|mark| listed.evr.rfind(mark)).max()? + ".el".len();
    let digits = &listed.evr[at..];
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    (end > 0).then(|| Ecosystem::new(family, &digits[..end]))
}

/// The version line of a topic of Amazon Linux 2's extras, `5.10` of `ALAS2KERNEL-5.10-2024-060`: the repository of
/// the topic has a package of the same name as the core repository, with versions of its own.
fn line(id: &str) -> Option<String> {
    let topic = id.strip_prefix("ALAS")?.trim_start_matches(|c: char| c.is_ascii_digit());
    let topic = topic.rsplitn(3, '-').nth(2)?;
    let start = topic.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    Some(topic[start..].trim_matches('.').to_owned()).filter(|line| !line.is_empty())
}

fn name_of(element: &BytesStart<'_>) -> String {
    String::from(element.local_name().as_ref())
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok().flatten()?;
    attribute.normalized_value(XmlVersion::Implicit1_0).ok().map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_topic_is_its_last_number() {
        for (id, expected) in [
            ("ALAS2KERNEL-5.10-2024-060", Some("5.10")),
            ("ALASPHP8.2-2024-003", Some("8.2")),
            ("ALASPOSTGRESQL14-2023-002", Some("14")),
            ("ALASDOCKER-2024-040", None),
            ("ALAS2-2024-2500", None),
            ("ALAS2023-2024-700", None),
            ("RHSA-2024:1234", None),
        ] {
            assert_eq!(line(id).as_deref(), expected, "{id}");
        }
    }

    #[test]
    fn the_release_is_in_the_collection_or_in_the_package() {
        let listed = |collection: &str, evr: &str| Listed {
            collection: collection.into(),
            module: None,
            name: "x".into(),
            evr: evr.into(),
            arch: "x86_64".into(),
        };
        for (id, collection, evr, expected) in [
            ("ALAS2023-2024-001", "amazon-linux-2023", "0:1-1.amzn2023.0.1", Some("Amazon Linux 2023")),
            ("ALAS2-2024-001", "amazon-linux-2", "0:1-1.amzn2", Some("Amazon Linux 2")),
            ("RHSA-2024:1", "rhel-9-for-x86_64-baseos-rpms", "1:3.0.7-27.el9_4", Some("Red Hat Enterprise Linux 9")),
            ("ALSA-2024:1", "x", "0:1-2.module_el8.9.0+1+abc", Some("AlmaLinux 8")),
            ("RLSA-2024:1", "x", "0:1-2.module+el8.9.0+1+abc", Some("Rocky Linux 8")),
            ("FEDORA-2024-1", "F40", "0:1-2.fc40", None),
        ] {
            let found = ecosystem(id, &listed(collection, evr)).map(|e| e.to_string());
            assert_eq!(found.as_deref(), expected, "{id}");
        }
    }
}
