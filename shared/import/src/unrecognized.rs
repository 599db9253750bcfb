//! Says of a file that the user has named why nothing in it was recognized: what it seems to be, and what is expected.

use std::path::Path;
use std::rc::Rc;

use goldsmith_document::{Document, Platform, Severity, Target};
use goldsmith_model::definitions::Kind;

use crate::cloudformation::tree::{self, Content, Node};
use crate::finding::{Findings, Outcome};
use crate::item::Place;

/// What an import reads.
const EXPECTED: &str = "name a template of CloudFormation with resources `AWS::ImageBuilder::…`, a file of Terraform (*.tf) with \
                        resources `aws_imagebuilder_…`, one of Packer (*.pkr.hcl), or what `aws imagebuilder get-image-recipe` \
                        and the like print";
/// What helps with a lifecycle policy.
const RETENTION: (&str, &str) = (
    "Goldsmith has no lifecycle policies: each pipeline has the `retention` of its own images",
    "write `retention: {keep: 5, olderThan: P90D}` into the pipelines",
);

/// Returns why an object of Image Builder cannot be taken over that has no counterpart, and what to do instead. `what`
/// is its kind in any spelling, and `word` is how the source calls it.
pub(crate) fn no_equivalent(what: &str, word: &str) -> (String, &'static str) {
    match what {
        "LifecyclePolicy" | "lifecycle_policy" | "lifecyclePolicy" => (RETENTION.0.to_owned(), RETENTION.1),
        _ => (format!("Goldsmith has no equivalent of `{word}`"), "keep it, or do without it"),
    }
}

/// Records why nothing in a file of Terraform or Packer was recognized.
pub(crate) fn tell_hcl(path: &Path, is_packer: bool, findings: &mut Findings) {
    let why = if is_packer {
        "the file has no `build` of a source `amazon-ebs`"
    } else {
        "no file of Terraform in its folder has a resource `aws_imagebuilder_…`"
    };
    let place = Place { file: path.display().to_string().into(), line: None };
    findings.push(Outcome::LeftOut, &place, ("", ""), why, EXPECTED);
}

/// Records why nothing in another file was recognized.
pub(crate) fn tell(path: &Path, text: &str, findings: &mut Findings) {
    let file: Rc<str> = path.display().to_string().into();
    let (line, why, instead) = match tree::parse(&file, text) {
        Err((line, why)) if text.trim().is_empty() => (line, why, EXPECTED.to_owned()),
        Err((line, why)) => {
            let why = why.strip_prefix("this is not YAML: ").unwrap_or(&why);
            (line, format!("it is neither YAML nor JSON: {why}"), EXPECTED.to_owned())
        }
        Ok(root) => {
            let (why, instead) = seen(&file, text, &root);
            (root.place.line.unwrap_or(1), why, instead)
        }
    };
    findings.push(Outcome::LeftOut, &Place::new(&file, line), ("", ""), why, instead);
}

/// Returns what a file of YAML or JSON seems to be, and what to do with it.
fn seen(file: &str, text: &str, root: &Node) -> (String, String) {
    let Content::Map(entries) = &root.content else {
        let what = if matches!(root.content, Content::List(_)) { "a list" } else { "a text" };
        return (format!("it is {what}, and has no keys"), EXPECTED.to_owned());
    };
    let has = |key: &str| root.get(key).is_some();
    let expected = |why: &str| (why.to_owned(), EXPECTED.to_owned());
    let kind = root.get("kind").and_then(Node::text).unwrap_or_default();
    if Kind::ALL.iter().any(|(word, _)| *word == kind) {
        let why = "it has definitions of Goldsmith, which need no translation".to_owned();
        return (why, format!("use it as it is: `goldsmith validate {file}` and `goldsmith apply {file}`"));
    }
    if has("phases") && (has("schemaVersion") || has("name")) {
        return document(file, text);
    }
    if has("Resources") || has("AWSTemplateFormatVersion") {
        return expected("it is a template of CloudFormation without a resource `AWS::ImageBuilder::…`");
    }
    if has("builders") {
        let why = "it is a template of Packer in JSON".to_owned();
        return (why, format!("translate it with `packer hcl2_upgrade {file}`, and import the result"));
    }
    if has("terraform_version") || has("resource") {
        return expected("it is of Terraform, but in JSON");
    }
    if let Some(found) = answer(entries) {
        return found;
    }
    let keys: Vec<String> = entries.iter().take(5).map(|(key, _)| format!("`{}`", crate::item::plain(key))).collect();
    let more = if entries.len() > keys.len() { " and others" } else { "" };
    let why = match &keys[..] {
        [] => "it is empty".to_owned(),
        keys => format!("it has the keys {}{more}, which say nothing to an import", keys.join(", ")),
    };
    (why, EXPECTED.to_owned())
}

/// Returns what to do with the document of a component.
fn document(file: &str, text: &str) -> (String, String) {
    let instead =
        format!("name it by `uri` of a Component, write it into its `data`, or run it: `goldsmith run -d {file}`");
    let target = Target { platform: Some(Platform::Linux), blocked: Vec::new() };
    let mistakes = Document::parse_for(file, text, &target).err();
    let first = mistakes.as_ref().and_then(|found| found.iter().find(|one| one.severity == Severity::Error));
    match first {
        None => ("it is the document of a component, which is valid here as it is".to_owned(), instead),
        Some(first) => {
            let why =
                format!("it is the document of a component, with a mistake in line {}: {}", first.line, first.message);
            (why, format!("correct it (`goldsmith validate {file}` names all mistakes), then {instead}"))
        }
    }
}

/// Returns what to do with what `aws imagebuilder` has printed, if an import cannot translate it.
fn answer(entries: &[(String, Node)]) -> Option<(String, String)> {
    let keys = || entries.iter().map(|(key, _)| key.as_str());
    let printed = "it seems to be what `aws imagebuilder` has printed";
    let whole = "print each object as a whole, with `get-image-pipeline`, `get-image-recipe`, `get-component`, \
                 `get-infrastructure-configuration` and `get-distribution-configuration`, each into a file of one folder, and \
                 import the folder";
    keys().find_map(|key| match key {
        "lifecyclePolicy" | "containerRecipe" | "workflow" => {
            let (why, instead) = no_equivalent(key, key);
            Some((format!("{printed}: {why}"), instead.to_owned()))
        }
        "image" => Some((format!("{printed} about one image, which is no definition"), whole.to_owned())),
        "componentVersionList"
        | "componentSummaryList"
        | "imageRecipeSummaryList"
        | "imagePipelineList"
        | "infrastructureConfigurationSummaryList"
        | "distributionConfigurationSummaryList" => {
            Some((format!("{printed}: a list, which has not all of each object"), whole.to_owned()))
        }
        "imageRecipe" | "component" | "infrastructureConfiguration" | "distributionConfiguration" | "imagePipeline" => {
            Some((format!("{printed}, but `{key}` has no `arn` of Image Builder"), whole.to_owned()))
        }
        _ => None,
    })
}
