//! `kind: Component`

use goldsmith_document::yaml::Node;
use goldsmith_document::{Document, MapReader, Target, digest};

use super::draft::Context;
use super::{Kind, document, elsewhere, fields};
use crate::{Component, Platform};

pub(super) fn read(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) -> Option<()> {
    let identity = context.versioned(Kind::Component, map);
    let description = fields::text(&mut context.reader, map, "description");
    let platform = platform(context, map);
    let _ = fields::text(&mut context.reader, map, "changeDescription"); // a remark for people, which changes nothing
    elsewhere::refuse(context, Kind::Component, map, &["kmsKeyId", "supportedOsVersions", "tags"]);
    let document = document(context, map);
    let ((name, version), (text, document)) = (identity?, document?);
    context.draft.definitions.warnings.extend(document.warnings.clone());
    let digest = digest(&text);
    let is_test = document.is_test_only();
    let component = Component { name, version, platform: platform?, description, document: text, digest, is_test };
    context.draft.definitions.components.push(component);
    Some(())
}

fn platform(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) -> Option<Platform> {
    let Some(node) = map.optional("platform") else { return Some(Platform::Linux) };
    if let Some(other @ ("Windows" | "macOS")) = node.text() {
        context.reader.error(node.span, "unsupported", format!("the platform `{other}` is not supported yet"));
        return None;
    }
    context.reader.choice(node, "`platform`", &[("Linux", Platform::Linux)])
}

/// Reads the document's text and content, from `data` or `uri`.
fn document(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) -> Option<(String, Document)> {
    match (map.optional("data"), map.optional("uri")) {
        (Some(data), None) => inline(context, data),
        (None, Some(uri)) => beside(context, uri),
        (Some(_), Some(uri)) => {
            context.reader.error(uri.span, "data-and-uri", "a component has `data` or `uri`, not both");
            None
        }
        (None, None) => {
            let message = "a component needs its document: `uri: FILE`, or `data: |` with the document itself";
            context.reader.error(map.span(), "missing-key", message);
            None
        }
    }
}

/// Returns the only supported platform.
fn target() -> Target {
    Target { platform: Some(goldsmith_document::Platform::Linux), blocked: Vec::new() }
}

fn inline(context: &mut Context<'_, '_>, node: &Node) -> Option<(String, Document)> {
    let text = context.reader.text(node, "`data`")?.value;
    check_size(context, node, &text)?;
    match Document::parse_for(context.reader.source.file, &text, &target()) {
        Ok(mut document) => {
            document.warnings = document::relocate(document.warnings, context.reader.source, node.span, &text);
            Some((text, document))
        }
        Err(found) => {
            let found = document::relocate(found, context.reader.source, node.span, &text);
            context.reader.diagnostics.extend(found);
            None
        }
    }
}

fn beside(context: &mut Context<'_, '_>, node: &Node) -> Option<(String, Document)> {
    let uri = context.reader.text(node, "`uri`")?.value;
    if let Some((scheme, _)) = uri.split_once("://") {
        context.reader.error(node.span, "unsupported", format!("`{scheme}://` in `uri` is not supported yet"));
        return None;
    }
    let (path, text) = fields::beside(context, node, ("uri", "document"), &uri)?;
    check_size(context, node, &text)?;
    match Document::parse_for(&path.to_string_lossy(), &text, &target()) {
        Ok(document) => Some((text, document)),
        Err(found) => {
            context.reader.diagnostics.extend(found);
            None
        }
    }
}

fn check_size(context: &mut Context<'_, '_>, node: &Node, text: &str) -> Option<()> {
    if text.len() <= Component::MAX_DOCUMENT {
        return Some(());
    }
    let message = format!("the document has {} bytes: {} are allowed", text.len(), Component::MAX_DOCUMENT);
    context.reader.error(node.span, "too-long", message);
    None
}
