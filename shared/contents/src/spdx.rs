//! Contents as an SPDX 2.3 document in JSON (ISO/IEC 5962).

use serde::Serialize;
use serde_json::{Value, json};

use crate::subject::uuid;
use crate::{Contents, Package, Subject};

/// What SPDX writes for a value that nobody has determined.
const UNKNOWN: &str = "NOASSERTION";
/// The id of the package that stands for the image.
const IMAGE: &str = "SPDXRef-Image";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    spdx_version: &'static str,
    data_license: &'static str,
    #[serde(rename = "SPDXID")]
    id: &'static str,
    name: String,
    document_namespace: String,
    creation_info: Value,
    packages: Vec<Item>,
    relationships: Vec<Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    #[serde(rename = "SPDXID")]
    id: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version_info: String,
    download_location: &'static str,
    files_analyzed: bool,
    license_concluded: &'static str,
    license_declared: String,
    copyright_text: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    license_comments: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_info: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_package_purpose: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    external_refs: Vec<Value>,
}

/// Returns an SPDX 2.3 document. The same contents and subject always give the same text.
///
/// # Errors
/// Returns an error only if memory cannot be written, which does not happen.
pub fn spdx(contents: &Contents, subject: &Subject) -> serde_json::Result<String> {
    let name = format!("{}-{}", subject.name, subject.version.replace('/', "-"));
    let packages = serde_json::to_vec(&contents.packages)?;
    let number = uuid(&[b"spdx", subject.name.as_bytes(), subject.version.as_bytes(), &packages]);
    let image = Item {
        version_info: subject.version.clone(),
        primary_package_purpose: Some("OPERATING-SYSTEM"),
        source_info: Some(contents.os.pretty_name.clone()).filter(|name| !name.is_empty()),
        ..Item::new(IMAGE, &subject.name)
    };
    let items = contents.packages.iter().enumerate().map(|(index, package)| Item::of(index, package));
    let items: Vec<Item> = std::iter::once(image).chain(items).collect();
    let relationship = |from: &str, kind: &str, to: &str| json!({"spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to});
    let mut relationships = vec![relationship("SPDXRef-DOCUMENT", "DESCRIBES", IMAGE)];
    relationships.extend(items.iter().skip(1).map(|item| relationship(IMAGE, "CONTAINS", &item.id)));
    let document = Document {
        spdx_version: "SPDX-2.3",
        data_license: "CC0-1.0",
        id: "SPDXRef-DOCUMENT",
        document_namespace: format!("https://spdx.org/spdxdocs/{}-{number}", in_url(&name)),
        name,
        creation_info: json!({
            "created": subject.time, "creators": [format!("Tool: goldsmith-{}", subject.tool_version)],
        }),
        packages: items,
        relationships,
    };
    serde_json::to_string_pretty(&document)
}

/// Returns a text with only those characters that need no encoding in a URL. A folder's system may have any name.
fn in_url(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "-._~".contains(c) { c } else { '-' }).collect()
}

impl Item {
    fn new(id: &str, name: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            version_info: String::new(),
            download_location: UNKNOWN,
            files_analyzed: false,
            license_concluded: UNKNOWN,
            license_declared: UNKNOWN.to_owned(),
            copyright_text: UNKNOWN,
            license_comments: None,
            source_info: None,
            primary_package_purpose: None,
            external_refs: Vec::new(),
        }
    }

    fn of(index: usize, package: &Package) -> Self {
        let locator = json!({
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": package.purl,
        });
        let stated = package.license.as_deref();
        let is_expression = |license: &&str| ::spdx::Expression::parse(license).is_ok();
        let source = package.source.as_ref();
        Self {
            version_info: package.version.clone(),
            license_declared: stated.filter(is_expression).unwrap_or(UNKNOWN).to_owned(),
            license_comments: stated
                .filter(|license| !is_expression(license))
                .map(|license| format!("The package states the license as: {license}")),
            source_info: source
                .map(|source| format!("built from the source package {} {}", source.name, source.version)),
            external_refs: if package.purl.is_empty() { Vec::new() } else { vec![locator] },
            ..Self::new(&format!("SPDXRef-Package-{}", index + 1), &package.name)
        }
    }
}
