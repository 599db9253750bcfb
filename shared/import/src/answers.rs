//! What `aws imagebuilder get-…` prints: one object of Image Builder, with the keys of its API.

use std::path::Path;
use std::rc::Rc;

use goldsmith_model::definitions::Kind;

use crate::cloudformation::tree::{self, Content, Node};
use crate::finding::{Findings, Outcome};
use crate::item::{Item, Value, address, plain};
use crate::resource::Resource;

/// The key under which an answer has its object, and the kind of the definition that the object becomes.
const ANSWERS: [(&str, Kind); 5] = [
    ("component", Kind::Component),
    ("imageRecipe", Kind::ImageRecipe),
    ("infrastructureConfiguration", Kind::InfrastructureConfiguration),
    ("distributionConfiguration", Kind::DistributionConfiguration),
    ("imagePipeline", Kind::ImagePipeline),
];

/// Reads the object of an answer; `None` if the text is no answer. An object for Windows is a finding.
pub(crate) fn read(path: &Path, text: &str, findings: &mut Findings) -> Option<Vec<Resource>> {
    // Every object has its ARN. Most files are ruled out by this, before they are parsed.
    if !text.contains(":imagebuilder:") {
        return None;
    }
    let file: Rc<str> = path.display().to_string().into();
    let root = tree::parse(&file, text).ok()?;
    let (word, kind, object) = ANSWERS.iter().find_map(|(word, kind)| {
        let object = root.get(word)?;
        object.get("arn").and_then(Node::text)?.contains(":imagebuilder:").then_some((*word, *kind, object))
    })?;
    let platform = object.get("platform").and_then(Node::text).unwrap_or_default();
    // A component says so itself, and those that name it look there.
    if kind != Kind::Component && platform.eq_ignore_ascii_case("windows") {
        let why = "it is for Windows, which Goldsmith does not build";
        findings.push(Outcome::LeftOut, &object.place, (word, "platform"), why, "keep it in Image Builder");
        return Some(Vec::new());
    }
    let entries = object.entries().iter().filter(|(key, value)| !is_about(kind, key) && !is_empty(value));
    let entries = entries.map(|(key, value)| (plain(key), item(value))).collect();
    let properties = object.place.item(Value::Map(entries));
    Some(vec![Resource { kind, address: address(&file, word), properties }])
}

/// Returns whether a key says where an object comes from or what has become of it, and not what it is.
fn is_about(kind: Kind, key: &str) -> bool {
    const ALL: [&str; 10] = [
        "arn",
        "consecutiveFailures",
        "dateCreated",
        "dateLastRun",
        "dateNextRun",
        "dateUpdated",
        "lastRunStatus",
        "owner",
        "publisher",
        "type",
    ];
    ALL.contains(&key)
        || match kind {
            // The parameters are those that the document declares.
            Kind::Component => ["encrypted", "parameters", "state", "status", "supportedOsVersions"].contains(&key),
            Kind::DistributionConfiguration => key == "timeoutMinutes",
            Kind::ImageRecipe | Kind::ImagePipeline | Kind::InfrastructureConfiguration => key == "platform",
        }
}

/// Returns whether a value is how the API says that there is none.
fn is_empty(node: &Node) -> bool {
    match &node.content {
        Content::Text(_) => false,
        Content::List(items) => items.is_empty(),
        Content::Map(entries) => entries.is_empty(),
    }
}

fn item(node: &Node) -> Item {
    node.place.item(match &node.content {
        Content::Text(text) if text == "null" => Value::Null,
        Content::Text(text) => Value::Text(plain(text)),
        Content::List(items) => Value::List(items.iter().map(item).collect()),
        Content::Map(entries) => Value::Map(entries.iter().map(|(key, node)| (plain(key), item(node))).collect()),
    })
}
