//! The file of the Debian security tracker (<https://security-tracker.debian.org/tracker/data/json>): for each source
//! package, for each vulnerability, its state in each release.

use std::fmt;
use std::io::BufRead;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::Reader;
use crate::advisory::{Advisory, Affects, Named, Range};
use crate::ecosystem::{Ecosystem, Family};
use crate::severity::{Authority, Rating};

/// The largest file in bytes after it was unpacked.
const MAX_FILE: u64 = 1 << 30;

/// Reads the file, which has some 70 MB, and keeps only the packages that are wanted.
pub(super) fn read(file: impl BufRead, name: &str, reader: &mut Reader<'_>) {
    let mut json = serde_json::Deserializer::from_reader(file.take(MAX_FILE));
    let result = Packages { name, reader }.deserialize(&mut json).and_then(|()| json.end());
    if let Err(error) = result {
        reader.broken(name, None, format!("The file ends early or is not JSON: {error}."));
    }
}

struct Packages<'a, 'b> {
    name: &'a str,
    reader: &'a mut Reader<'b>,
}

impl<'de> DeserializeSeed<'de> for Packages<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Packages<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the names of packages")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(package) = map.next_key::<String>()? {
            let wanted = self.reader.wanted.releases(Family::Debian, &package);
            if wanted.is_empty() {
                map.next_value::<IgnoredAny>()?;
            } else {
                let value = map.next_value::<Value>()?;
                read_package(&package, &value, &wanted, self.name, self.reader);
            }
        }
        Ok(())
    }
}

/// Reads what is said about a package. `wanted` are the releases in which it is installed.
fn read_package(package: &str, value: &Value, wanted: &[Ecosystem], file: &str, reader: &mut Reader<'_>) {
    let Some(vulnerabilities) = value.as_object() else {
        reader.issue(file, Some(package.to_owned()), "An object with vulnerabilities is expected.");
        return;
    };
    for (id, vulnerability) in vulnerabilities {
        let field = format!("{package}.{id}.releases");
        let Some(releases) = vulnerability.get("releases").and_then(Value::as_object) else {
            reader.issue(file, Some(field), "An object with releases is expected.");
            continue;
        };
        let mut advisory = Advisory {
            id: id.clone(),
            title: vulnerability.get("description").and_then(Value::as_str).map(first_sentence),
            ..Advisory::default()
        };
        for (codename, release) in releases {
            let ecosystem = Ecosystem::new(Family::Debian, codename);
            reader.found.coverage.add(ecosystem.clone());
            if !wanted.contains(&ecosystem) {
                continue;
            }
            match affects(package, ecosystem, release) {
                Ok(affects) => advisory.affects.extend(affects),
                Err((key, message)) => reader.issue(file, Some(format!("{field}.{codename}.{key}")), message),
            }
        }
        reader.keep(advisory);
    }
}

/// What the tracker says about a release: `None` if the package is not affected, or if that is not known.
///
/// - `open`: affected, and not fixed. `end-of-life` and `ignored` say that it will not be.
/// - `resolved`: fixed in `fixed_version`, and `0` there means that no version was ever affected.
/// - `undetermined`: nobody knows.
fn affects(
    package: &str,
    ecosystem: Ecosystem,
    release: &Value,
) -> Result<Option<Affects>, (&'static str, &'static str)> {
    let text = |key| release.get(key).and_then(Value::as_str);
    let mut affects = Affects::new(ecosystem, package, Named::Source);
    let range = match (text("status"), text("fixed_version")) {
        (Some("open"), _) => Range::all(),
        (Some("resolved"), Some("0")) | (Some("undetermined"), _) => return Ok(None),
        (Some("resolved"), Some(fixed)) => Range::before(fixed),
        (Some("resolved"), None) => return Err(("fixed_version", "A version is expected.")),
        _ => return Err(("status", "One of open, resolved and undetermined is expected.")),
    };
    let urgency = text("urgency").unwrap_or_default();
    affects.ranges = vec![range];
    affects.rating = Rating::word(urgency, Authority::Distribution);
    affects.wont_fix = urgency == "end-of-life" || text("nodsa_reason") == Some("ignored");
    Ok(Some(affects))
}

/// The text until its first period, so that a finding has one line.
fn first_sentence(text: &str) -> String {
    let text = text.trim_start_matches("** ").trim();
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    text[..end].to_owned()
}
