//! Records of OSV (<https://ossf.github.io/osv-schema/>).

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::{Reader, json};
use crate::advisory::{Advisory, Affects, Event, Modularity, Named, Range};
use crate::ecosystem::{Ecosystem, Family};
use crate::identity::cve;
use crate::matching::is_modular;
use crate::severity::{Authority, Rating};

/// Ids of errata: each may fix several vulnerabilities, which it names as `upstream`, as `related` (AlmaLinux), or, in
/// old records, as aliases.
const ERRATA: [&str; 16] = [
    "ALAS", "ALBA-", "ALEA-", "ALSA-", "DLA-", "DSA-", "DTSA-", "LSN-", "RHBA-", "RHEA-", "RHSA-", "RLBA-", "RLEA-",
    "RLSA-", "RXSA-", "USN-",
];

/// What decides whether a record is wanted: everything else is skipped.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    modified: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    withdrawn: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    affected: Option<Vec<HeadAffected<'a>>>,
}

#[derive(Deserialize)]
struct HeadAffected<'a> {
    #[serde(borrow, default)]
    package: Option<PackageName<'a>>,
}

#[derive(Deserialize)]
struct PackageName<'a> {
    #[serde(borrow)]
    ecosystem: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default)]
    aliases: Option<Vec<String>>,
    #[serde(default)]
    upstream: Option<Vec<String>>,
    #[serde(default)]
    related: Option<Vec<String>>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    severity: Option<Vec<RecordSeverity>>,
    #[serde(default)]
    affected: Option<Vec<RecordAffected>>,
    #[serde(default)]
    database_specific: Option<Value>,
}

#[derive(Deserialize)]
struct RecordSeverity {
    #[serde(rename = "type")]
    kind: String,
    score: String,
}

#[derive(Deserialize)]
struct RecordAffected {
    #[serde(default)]
    package: Option<RecordPackage>,
    #[serde(default)]
    severity: Option<Vec<RecordSeverity>>,
    #[serde(default)]
    ranges: Option<Vec<RecordRange>>,
    #[serde(default)]
    versions: Option<Vec<String>>,
    #[serde(default)]
    ecosystem_specific: Option<Value>,
    #[serde(default)]
    database_specific: Option<Value>,
}

#[derive(Deserialize)]
struct RecordPackage {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct RecordRange {
    #[serde(rename = "type")]
    kind: String,
    events: Vec<RecordEvent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordEvent {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
    Limit(String),
}

/// Reads a record, and keeps what is wanted of it.
pub(super) fn read(bytes: &[u8], name: &str, reader: &mut Reader<'_>) {
    let Some(head) = json::typed::<Head<'_>>(bytes, name, reader) else { return };
    if let Some(date) = &head.modified {
        reader.date(date);
    }
    if head.withdrawn.is_some() {
        return;
    }
    let named = head.affected.iter().flatten().filter_map(|a| a.package.as_ref());
    // If Ubuntu Pro does not count, the plain release is named for the same package, so both count as one here.
    let known: Vec<_> = named.filter_map(|p| Some((release(&p.ecosystem)?.0, p))).collect();
    let wanted = known.iter().any(|(ecosystem, p)| reader.wanted.has(ecosystem, &p.name));
    let ecosystems: BTreeSet<_> = known.into_iter().map(|(ecosystem, _)| ecosystem).collect();
    ecosystems.into_iter().for_each(|ecosystem| reader.found.coverage.add(ecosystem));
    if head.id.is_empty() {
        reader.issue(name, Some("id".into()), "The advisory has no id.");
        return;
    }
    if wanted && let Some(record) = json::typed::<Record>(bytes, name, reader) {
        let advisory = advisory(record, name, reader);
        reader.keep(advisory);
    }
}

fn advisory(record: Record, file: &str, reader: &mut Reader<'_>) -> Advisory {
    let covers = covers(&record);
    let mut advisory = Advisory {
        aliases: if covers.is_empty() { record.aliases.unwrap_or_default() } else { Vec::new() },
        covers,
        rating: rating(record.severity.as_deref(), "severity", file, reader)
            .or_else(|| word(record.database_specific.as_ref(), "severity", Authority::Database)),
        title: record.summary.clone(),
        id: record.id,
        affects: Vec::new(),
    };
    let without_pro = named_without_pro(record.affected.as_deref().unwrap_or_default());
    for (at, mut affected) in record.affected.into_iter().flatten().enumerate() {
        let Some(package) = affected.package.take() else { continue };
        let Some((ecosystem, is_pro)) = release(&package.ecosystem) else { continue };
        if !reader.wanted.has(&ecosystem, &package.name)
            || is_pro && without_pro.contains(&(ecosystem.clone(), package.name.clone()))
        {
            continue;
        }
        let mut affects = affects(affected, &package.name, ecosystem, record.summary.as_deref(), at, file, reader);
        if is_pro {
            affects.ranges.iter_mut().flat_map(|range| &mut range.events).for_each(without_fix);
        }
        advisory.affects.push(affects);
    }
    advisory
}

/// Returns the release that OSV names, and whether only subscribers of Ubuntu Pro get its fixes.
fn release(name: &str) -> Option<(Ecosystem, bool)> {
    let plain = Ecosystem::of_osv(name).map(|ecosystem| (ecosystem, false));
    plain.or_else(|| Some((Ecosystem::of_ubuntu_pro(name)?, true)))
}

/// Returns the packages that a record names for plain releases of Ubuntu. Subscribers get another version of a fix that
/// everybody gets, so the entry of Ubuntu Pro says nothing about the plain package.
fn named_without_pro(affected: &[RecordAffected]) -> BTreeSet<(Ecosystem, String)> {
    let packages = affected.iter().filter_map(|a| a.package.as_ref());
    let plain = packages.filter_map(|p| Some((Ecosystem::of_osv(&p.ecosystem)?, p.name.clone())));
    plain.filter(|(ecosystem, _)| ecosystem.family == Family::Ubuntu).collect()
}

/// Takes the fix from an event of Ubuntu Pro, because a plain system cannot install it. A system that has it
/// nevertheless is not affected.
fn without_fix(event: &mut Event) {
    if let Event::Fixed(at) = event {
        *event = Event::Limit(std::mem::take(at));
    }
}

/// The vulnerabilities of an erratum, by their CVEs.
fn covers(record: &Record) -> Vec<String> {
    if cve(&record.id).is_some() || !ERRATA.iter().any(|prefix| record.id.starts_with(prefix)) {
        return Vec::new();
    }
    let named = [&record.upstream, &record.related, &record.aliases].into_iter().flatten().flatten();
    named.filter_map(|id| cve(id)).map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

fn affects(
    affected: RecordAffected,
    name: &str,
    ecosystem: Ecosystem,
    summary: Option<&str>,
    at: usize,
    file: &str,
    reader: &mut Reader<'_>,
) -> Affects {
    let named = match ecosystem.family {
        Family::Alpine | Family::Debian | Family::Ubuntu => Named::Source,
        Family::Rocky => Named::Either,
        _ => Named::Binary,
    };
    let mut affects = Affects::new(ecosystem, name, named);
    affects.versions = affected.versions.unwrap_or_default();
    let ranges = affected.ranges.into_iter().flatten().filter(|r| r.kind != "GIT");
    affects.ranges = ranges.map(|r| Range { events: r.events.into_iter().map(Event::from).collect() }).collect();
    let path = format!("affected[{at}].severity");
    let urgency = affected.ecosystem_specific.as_ref().and_then(|s| s.get("urgency")).and_then(Value::as_str);
    affects.wont_fix = urgency == Some("end-of-life");
    affects.rating = urgency
        .and_then(|urgency| Rating::word(urgency, Authority::Distribution))
        .or_else(|| rating(affected.severity.as_deref(), &path, file, reader))
        .or_else(|| word(affected.database_specific.as_ref(), "severity", Authority::Database));
    affects.modularity = modularity(&affects, summary);
    affects
}

impl From<RecordEvent> for Event {
    fn from(event: RecordEvent) -> Event {
        match event {
            RecordEvent::Introduced(at) => Event::Introduced(at),
            RecordEvent::Fixed(at) => Event::Fixed(at),
            RecordEvent::LastAffected(at) => Event::LastAffected(at),
            RecordEvent::Limit(at) => Event::Limit(at),
        }
    }
}

/// The weightiest rating of a list: a CVSS vector, or the word of a distribution (`{"type": "Ubuntu"}`).
fn rating(list: Option<&[RecordSeverity]>, path: &str, file: &str, reader: &mut Reader<'_>) -> Option<Rating> {
    let mut best: Option<Rating> = None;
    for (at, severity) in list.unwrap_or_default().iter().enumerate() {
        let rating = if severity.kind.starts_with("CVSS") {
            match Rating::vector(&severity.score) {
                Ok(rating) => Some(rating),
                Err(message) => {
                    reader.issue(file, Some(format!("{path}[{at}].score")), format!("{message}."));
                    None
                }
            }
        } else {
            Rating::word(&severity.score, Authority::Distribution)
        };
        if let Some(rating) = rating {
            best = Some(best.map_or(rating, |found| found.weightier(rating)));
        }
    }
    best
}

fn word(specific: Option<&Value>, key: &str, by: Authority) -> Option<Rating> {
    Rating::word(specific?.get(key)?.as_str()?, by)
}

/// The modules of a package, by the mark in the release of its fix. The streams are in the title of the errata of RHEL
/// and its rebuilds: `Important: nodejs:18 security update`, `Important: virt:rhel and virt-devel:rhel security update`,
/// `Important: httpd:2.4/mod_http2 security update`.
fn modularity(affects: &Affects, summary: Option<&str>) -> Modularity {
    let fixes = affects.ranges.iter().flat_map(|r| &r.events);
    if !fixes.into_iter().any(|e| matches!(e, Event::Fixed(fixed) if is_modular(fixed))) {
        return Modularity::None;
    }
    let words = summary.unwrap_or_default().split_whitespace();
    let streams: BTreeSet<String> = words.filter_map(stream).map(str::to_owned).collect();
    if streams.is_empty() { Modularity::Unknown } else { Modularity::Streams(streams) }
}

/// Returns the `NAME:STREAM` that a word of a title is or begins with. The `Important:` at the beginning is none.
fn stream(word: &str) -> Option<&str> {
    let word = word.split('/').next()?.trim_end_matches([',', ';', '.', ')']).trim_start_matches('(');
    let (name, stream) = word.split_once(':')?;
    let is_stream =
        !name.is_empty() && stream.starts_with(|c: char| c.is_ascii_alphanumeric()) && !stream.contains(':');
    is_stream.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::stream;

    #[test]
    fn the_streams_of_a_title_are_found() {
        for (title, expected) in [
            ("Important: nodejs:18 security update", &["nodejs:18"][..]),
            ("Red Hat Security Advisory: container-tools:rhel8 security, bug fix", &["container-tools:rhel8"]),
            ("Important: virt:rhel and virt-devel:rhel security update", &["virt:rhel", "virt-devel:rhel"]),
            ("Important: httpd:2.4/mod_http2 security update", &["httpd:2.4"]),
            ("Moderate: python38:3.8, python38-devel:3.8 security update", &["python38:3.8", "python38-devel:3.8"]),
            ("Moderate: (perl:5.32) security update: see https://example.org", &["perl:5.32"]),
            ("Important: kernel security update", &[]),
        ] {
            assert_eq!(title.split_whitespace().filter_map(stream).collect::<Vec<_>>(), expected, "{title}");
        }
    }
}
