//! Components and their documents.

use std::fmt::Write as _;
use std::path::Path;

use goldsmith_document::{Document, Platform, Target};
use goldsmith_model::Component;

use super::Translation;
use crate::fields::Fields;
use crate::finding::Outcome;
use crate::item::{Item, Mark, Part, named, parts, plain, shown};
use crate::resource::Identity;
use crate::yaml::Yaml;

/// Stands in a document where a value is not known.
const TO_FILL_IN: &str = "TO-FILL-IN";

pub(super) fn translate(
    translation: &mut Translation<'_>,
    fields: &mut Fields<'_>,
    identity: &Identity,
    address: &str,
) -> Option<Vec<(&'static str, Yaml)>> {
    let platform = translation.text(fields, "platform").unwrap_or_else(|| "Linux".to_owned());
    if !platform.eq_ignore_ascii_case("linux") {
        let why = format!("components for {platform} are not supported yet");
        fields.tell(&mut translation.findings, Outcome::LeftOut, "platform", why, "keep it in Image Builder");
        return None;
    }
    definite_version(translation, fields, identity);
    let mut entries = vec![("semanticVersion", Yaml::text(&identity.version))];
    entries.extend(translation.description(fields).map(|text| ("description", Yaml::Text(text))));
    let _ = fields.take("changeDescription"); // a remark, which changes nothing
    let file = document(translation, fields, identity, address);
    entries.push(("uri", Yaml::Text(file)));
    Some(entries)
}

/// Records that a version is another one than in the source.
pub(super) fn definite_version(translation: &mut Translation<'_>, fields: &mut Fields<'_>, identity: &Identity) {
    let Some(written) = fields.take("version").and_then(Item::text).filter(|text| *text != identity.version) else {
        return;
    };
    let why = format!("`{}` is not a version of three numbers", shown(written));
    let instead = format!("`{}` was written", identity.version);
    fields.tell(&mut translation.findings, Outcome::Changed, "version", why, instead);
}

/// Puts the document next to the definitions, and returns its path. A document that is not known or not valid is
/// replaced by one that fails and says so, because the definitions must be valid as a whole.
fn document(translation: &mut Translation<'_>, fields: &mut Fields<'_>, identity: &Identity, address: &str) -> String {
    let mut parameters = translation.parameters.get(address).cloned().unwrap_or_default();
    parameters.sort();
    parameters.dedup();
    let slug = identity.name.replace(' ', "-");
    let slug = if translation.documents.contains_key(&format!("components/{slug}.yml")) {
        format!("{slug}-{}", identity.version)
    } else {
        slug
    };
    let path = format!("components/{slug}.yml");
    let text = match text(translation, fields) {
        Ok(text) => match problem(&text) {
            None => text,
            Some(problem) => {
                let rejected = format!("components/{slug}.rejected.txt");
                let instead = format!("the document is in {rejected}: correct it and put it in place of {path}");
                translation.leave_to_fill_in(fields, "data", format!("the document is not valid: {problem}"), instead);
                translation.documents.insert(rejected, text);
                placeholder(&identity.name, "the imported document was not valid", &parameters)
            }
        },
        Err((key, why)) => {
            let instead = format!("put the document in place of {path}");
            translation.leave_to_fill_in(fields, key, why, instead);
            placeholder(&identity.name, "its document was not available during the import", &parameters)
        }
    };
    translation.documents.insert(path.clone(), text);
    path
}

/// Returns the first mistake of a document, or `None` if there is none.
fn problem(text: &str) -> Option<String> {
    if text.len() > Component::MAX_DOCUMENT {
        return Some(format!("it has {} bytes: {} are allowed", text.len(), Component::MAX_DOCUMENT));
    }
    let target = Target { platform: Some(Platform::Linux), blocked: Vec::new() };
    let found = Document::parse_for("document", text, &target).err()?;
    let first = found.iter().find(|one| one.severity == goldsmith_document::Severity::Error)?;
    Some(format!("line {}: {}", first.line, first.message))
}

/// Returns a valid document that fails and says why. It has the parameters that recipes give to it.
fn placeholder(name: &str, why: &str, parameters: &[String]) -> String {
    let say = format!("echo \"{TO_FILL_IN}: the component {name} is still to be written: {why}.\" >&2; exit 1");
    let step = Yaml::map([
        ("name", Yaml::text("ToFillIn")),
        ("action", Yaml::text("ExecuteBash")),
        ("inputs", Yaml::map([("commands", Yaml::texts([say]))])),
    ]);
    let phase = Yaml::map([("name", Yaml::text("build")), ("steps", Yaml::List(vec![step]))]);
    let declared = |name: &String| {
        let about = Yaml::map([("type", Yaml::text("string")), ("default", Yaml::text(""))]);
        Yaml::map([(name.as_str(), about)])
    };
    let mut entries = vec![("schemaVersion", Yaml::text("1.0"))];
    entries.extend(
        (!parameters.is_empty()).then(|| ("parameters", Yaml::List(parameters.iter().map(declared).collect()))),
    );
    entries.push(("phases", Yaml::List(vec![phase])));
    Yaml::map(entries).document()
}

/// Returns the document's text, or which field keeps it from being known, and why.
fn text(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Result<String, (&'static str, String)> {
    let uri = fields.take("uri");
    let Some(item) = fields.take("data") else {
        let Some(uri) = uri.and_then(Item::text) else {
            return Err(("data", "there is no document".to_owned()));
        };
        return stored(translation, fields, uri).ok_or_else(|| ("uri", format!("the document is at `{}`", shown(uri))));
    };
    let Some(written) = item.text() else {
        return Err(("data", "the document is not a text".to_owned()));
    };
    let mut document = String::new();
    for part in parts(written) {
        match part {
            Part::Text(text) => document.push_str(text),
            Part::Mark(Mark::File, path) => {
                document.push_str(&translation.project.text(Path::new(path)).map_err(|why| ("data", why))?);
            }
            Part::Mark(Mark::Unknown, label) if super::is_region(label) && translation.region.is_some() => {
                document.push_str(translation.region.as_deref().unwrap_or_default());
            }
            // A whole document that is not known is not a document with a gap.
            Part::Mark(..) if parts(written).len() == 1 => return Err(("data", super::unknown(written))),
            Part::Mark(mark, label) => {
                // Encoding the document has put a backslash before each quote.
                let label = named(mark, label).replace("\\\"", "\"");
                let _ = write!(document, "{TO_FILL_IN}-{}", label.replace(|c: char| !c.is_ascii_alphanumeric(), "-"));
                let why = if label.starts_with("var.") { "it has no value" } else { super::UNKNOWN };
                let why = format!("`{label}` in the document: {why}");
                let instead = format!("write it in place of {TO_FILL_IN}, or make it a parameter of the document");
                fields.tell(&mut translation.findings, Outcome::ToFillIn, "data", why, instead);
            }
        }
    }
    Ok(document)
}

/// Returns the text of the only file of the project that is called like a document in S3.
fn stored(translation: &mut Translation<'_>, fields: &Fields<'_>, uri: &str) -> Option<String> {
    let (_, name) = uri.strip_prefix("s3://")?.rsplit_once('/')?;
    if plain(name) != name || ![".yml", ".yaml"].iter().any(|end| name.ends_with(end)) {
        return None;
    }
    let [file] = &translation.project.called(name)[..] else { return None };
    let text = translation.project.text(file).ok()?;
    let why = format!("the document is at `{}`, and a file of the source is called like it", shown(uri));
    let instead = format!("{} was taken: compare the two", file.display());
    fields.tell(&mut translation.findings, Outcome::Changed, "uri", why, instead);
    Some(text)
}
