//! Templates of CloudFormation, in YAML with its short tags and in JSON.

mod conditions;
mod intrinsic;
pub(crate) mod tree;

use std::path::Path;
use std::rc::Rc;

use goldsmith_model::definitions::Kind;

use crate::finding::{Findings, Outcome};
use crate::item::Place;
use crate::project::Project;
use crate::resource::Resource;
use crate::unrecognized::no_equivalent;
use intrinsic::Environment;
use tree::{Content, Node};

/// How the types of resources of Image Builder begin.
const PREFIX: &str = "AWS::ImageBuilder::";

/// Returns whether a text can be a template: what it must hold, in YAML and in JSON.
pub(crate) fn is_template(text: &str) -> bool {
    text.contains(PREFIX)
}

/// Reads the resources of a template. What cannot be read becomes a finding.
pub(crate) fn read(path: &Path, text: &str, project: &Project, findings: &mut Findings) -> Vec<Resource> {
    let file: Rc<str> = path.display().to_string().into();
    let start = Place::new(&file, 1);
    let root = match tree::parse(&file, text) {
        Ok(root) => root,
        Err((line, why)) => {
            let place = Place::new(&file, line);
            findings.push(Outcome::LeftOut, &place, ("", ""), why, "correct the template");
            return Vec::new();
        }
    };
    let environment = Environment::of(&root, &file, project);
    let mut resources = Vec::new();
    for (address, node) in root.get("Resources").map(Node::entries).unwrap_or_default() {
        let word = node.get("Type").and_then(Node::text).unwrap_or_default();
        let Some(what) = word.strip_prefix(PREFIX) else { continue };
        let Some(kind) = kind(what) else {
            let (why, instead) = no_equivalent(what, word);
            findings.push(Outcome::LeftOut, &node.place, (address, ""), why, instead);
            continue;
        };
        let properties = node.get("Properties").cloned().unwrap_or(Node {
            content: Content::Map(Vec::new()),
            tag: None,
            place: node.place.clone(),
        });
        if let Some(condition) = node.get("Condition").and_then(Node::text) {
            let chosen = environment.condition(condition);
            let (outcome, instead) = match chosen {
                Some(false) => {
                    (Outcome::LeftOut, "it is false with the defaults of the parameters: change one of them")
                }
                Some(true) => (Outcome::Changed, "it is true with the defaults of the parameters"),
                None => (Outcome::Changed, "it is imported as if the condition were true"),
            };
            let why = format!("the resource depends on the condition `{condition}`");
            findings.push(outcome, &node.place, (address, "Condition"), why, instead);
            if chosen == Some(false) {
                continue;
            }
        }
        let properties = environment.resolve(&properties, address, findings);
        let address = crate::item::address(&file, address);
        resources.push(Resource { kind, address, properties });
    }
    if root.get("Resources").is_none() {
        let why = "the template has no `Resources`";
        findings.push(Outcome::LeftOut, &start, ("", ""), why, "name a template with resources");
    }
    resources
}

fn kind(what: &str) -> Option<Kind> {
    Some(match what {
        "Component" => Kind::Component,
        "ImageRecipe" => Kind::ImageRecipe,
        "InfrastructureConfiguration" => Kind::InfrastructureConfiguration,
        "DistributionConfiguration" => Kind::DistributionConfiguration,
        // An image is built once when the stack is deployed; here, its pipeline builds it when it is started.
        "ImagePipeline" | "Image" => Kind::ImagePipeline,
        _ => return None,
    })
}
