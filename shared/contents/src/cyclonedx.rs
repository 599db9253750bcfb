//! Contents as a CycloneDX 1.6 document in JSON (ECMA-424).

use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::subject::uuid;
use crate::{Contents, Package, Subject};

/// The references that are taken, each with the number of its last copy.
type References = HashMap<String, u32>;

/// The document. Its fields are in the order in which CycloneDX's own examples have them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bom<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Value,
    components: Vec<Component<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Component<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref")]
    reference: String,
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    licenses: Vec<Value>,
    #[serde(skip_serializing_if = "str::is_empty")]
    purl: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Value>,
}

/// Returns a CycloneDX 1.6 document. The same contents and subject always give the same text.
///
/// # Errors
/// Returns an error only if memory cannot be written, which does not happen.
pub fn cyclonedx(contents: &Contents, subject: &Subject) -> serde_json::Result<String> {
    let mut references = References::new();
    let mut components = Vec::with_capacity(contents.packages.len() + 1);
    if !contents.os.id.is_empty() {
        components.push(system(contents, &mut references));
    }
    components.extend(contents.packages.iter().map(|package| component(package, &mut references)));
    let packages = serde_json::to_vec(&contents.packages)?;
    let serial = uuid(&[b"cyclonedx", subject.name.as_bytes(), subject.version.as_bytes(), &packages]);
    let image = json!({
        "type": "operating-system", "bom-ref": unique("image", &mut references),
        "name": subject.name, "version": subject.version,
    });
    let tool = json!({"type": "application", "name": "goldsmith", "version": subject.tool_version});
    let bom = Bom {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!("urn:uuid:{serial}"),
        version: 1,
        metadata: json!({"timestamp": subject.time, "tools": {"components": [tool]}, "component": image}),
        components,
    };
    serde_json::to_string_pretty(&bom)
}

fn system<'a>(contents: &'a Contents, references: &mut References) -> Component<'a> {
    let os = &contents.os;
    let properties = [("codename", &os.version_codename), ("prettyName", &os.pretty_name)];
    let properties = properties.iter().filter(|(_, value)| !value.is_empty());
    Component {
        kind: "operating-system",
        reference: unique(&format!("os:{}", os.distro().unwrap_or_default()), references),
        name: &os.id,
        version: &os.version_id,
        licenses: Vec::new(),
        purl: "",
        evidence: None,
        properties: properties.map(|(name, value)| property(name, value)).collect(),
    }
}

fn component<'a>(package: &'a Package, references: &mut References) -> Component<'a> {
    let mut properties = Vec::new();
    if !package.arch.is_empty() {
        properties.push(property("architecture", &package.arch));
    }
    if let Some(source) = &package.source {
        properties.extend([property("sourceName", &source.name), property("sourceVersion", &source.version)]);
    }
    properties.extend(package.module.iter().map(|module| property("module", module)));
    if let Some(size) = package.installed_size {
        properties.push(property("installedSize", &size.to_string()));
    }
    let occurrences: Vec<Value> = package.locations.iter().map(|location| json!({"location": location})).collect();
    let reference = if package.purl.is_empty() { &package.name } else { &package.purl };
    Component {
        kind: "library",
        reference: unique(reference, references),
        name: &package.name,
        version: &package.version,
        licenses: package.license.iter().map(|license| license_of(license)).collect(),
        purl: &package.purl,
        evidence: (!occurrences.is_empty()).then(|| json!({"occurrences": occurrences})),
        properties,
    }
}

/// Returns a license: an SPDX expression if it is one, or else the package's own words.
fn license_of(license: &str) -> Value {
    match spdx::Expression::parse(license) {
        Ok(_) => json!({"expression": license}),
        Err(_) => json!({"license": {"name": license}}),
    }
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": format!("goldsmith:{name}"), "value": value})
}

/// Returns a reference that no other component has.
fn unique(wanted: &str, references: &mut References) -> String {
    let mut reference = wanted.to_owned();
    loop {
        let Some(number) = references.get_mut(&reference) else {
            references.insert(reference.clone(), 1);
            return reference;
        };
        *number += 1;
        reference = format!("{reference}#{number}");
    }
}
