//! The schema of definitions. A file may hold several as YAML documents; the schema describes each of them.

use goldsmith_model::definitions::Kind;
use serde_json::{Map, Value, json};

use super::shape::{DRAFT, flag, list, map, number, part, text, when, word};

/// Returns the schema.
pub(super) fn schema() -> Value {
    let kinds = Kind::ALL.map(|(word, _)| word);
    let forms: Vec<Value> = kinds.iter().map(|kind| when("kind", kind, &part(kind))).collect();
    let definitions: Map<String, Value> =
        Kind::ALL.into_iter().map(|(word, kind)| (word.to_owned(), definition(word, kind))).collect();
    json!({
        "$schema": DRAFT,
        "title": "A definition of Goldsmith",
        "type": "object",
        "properties": {"kind": word(kinds)},
        "required": ["kind"],
        "allOf": forms,
        "definitions": definitions,
    })
}

fn definition(word: &str, kind: Kind) -> Value {
    let kind_key = json!({"const": word});
    match kind {
        Kind::Component => component(kind_key),
        Kind::ImageRecipe => recipe(kind_key),
        Kind::InfrastructureConfiguration => infrastructure(kind_key),
        Kind::DistributionConfiguration => distribution(kind_key),
        Kind::ImagePipeline => pipeline(kind_key),
    }
}

fn component(kind: Value) -> Value {
    let mut component = map([
        ("kind!", kind),
        ("name!", text()),
        ("semanticVersion!", text()),
        ("description", text()),
        ("platform", word(["Linux"])),
        ("data", text()),
        ("uri", text()),
    ]);
    component["oneOf"] = json!([{"required": ["data"]}, {"required": ["uri"]}]);
    component
}

fn recipe(kind: Value) -> Value {
    let filter = map([("owners!", list(text(), 1)), ("name!", text())]);
    let component = map([("name!", text()), ("version!", text()), ("parameters", texts_by_name())]);
    let ebs = map([
        ("volumeSize", number()),
        ("volumeType", text()),
        ("iops", number()),
        ("throughput", number()),
        ("encrypted", flag()),
        ("kmsKeyId", text()),
        ("deleteOnTermination", json!({"enum": [true, "true"]})),
    ]);
    let device = map([("deviceName!", text()), ("ebs", ebs)]);
    map([
        ("kind!", kind),
        ("name!", text()),
        ("semanticVersion!", text()),
        ("description", text()),
        ("parentImage!", json!({"anyOf": [text(), filter]})),
        ("parentImageOwners", list(text(), 0)),
        ("components!", list(component, 1)),
        ("workingDirectory", text()),
        ("blockDeviceMappings", list(device, 0)),
        ("tags", texts_by_name()),
    ])
}

fn infrastructure(kind: Value) -> Value {
    let metadata = map([("httpTokens", word(["required"])), ("httpPutResponseHopLimit", number())]);
    map([
        ("kind!", kind),
        ("name!", text()),
        ("description", text()),
        ("instanceTypes!", list(text(), 1)),
        ("subnetIds", list(text(), 0)),
        ("securityGroupIds", list(text(), 0)),
        ("instanceProfileName", text()),
        ("instanceMetadataOptions", metadata),
        ("resourceTags", texts_by_name()),
        ("keepOnFailure", text()),
    ])
}

fn distribution(kind: Value) -> Value {
    let permission = map([
        ("userIds", list(text(), 0)),
        ("userGroups", list(word(["all"]), 0)),
        ("organizationArns", list(text(), 0)),
        ("organizationalUnitArns", list(text(), 0)),
    ]);
    let image = map([
        ("name", text()),
        ("description", text()),
        ("amiTags", texts_by_name()),
        ("launchPermission", permission),
        ("kmsKeyId", text()),
    ]);
    let parameter = map([("parameterName!", text()), ("dataType", word(["aws:ec2:image", "text"]))]);
    let region = map([
        ("region!", text()),
        ("amiDistributionConfiguration", image),
        ("ssmParameterConfigurations", list(parameter, 0)),
    ]);
    map([
        ("kind!", kind),
        ("name!", text()),
        ("description", text()),
        ("mustSucceed", word(["all", "some"])),
        ("distributions!", list(region, 1)),
    ])
}

fn pipeline(kind: Value) -> Value {
    let conditions = word(["EXPRESSION_MATCH_ONLY", "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE"]);
    let schedule =
        map([("scheduleExpression!", text()), ("timezone", text()), ("pipelineExecutionStartCondition", conditions)]);
    let tests = map([("imageTestsEnabled", flag()), ("timeoutMinutes", number()), ("instanceTypes", list(text(), 0))]);
    map([
        ("kind!", kind),
        ("name!", text()),
        ("description", text()),
        ("imageRecipe!", text()),
        ("infrastructureConfiguration!", text()),
        ("distributionConfiguration", text()),
        ("status", word(["ENABLED", "DISABLED"])),
        ("schedule", schedule),
        ("rebuildOn", list(word(["source-update", "dependency"]), 0)),
        ("allowOverrides", flag()),
        ("timeoutMinutes", number()),
        ("imageTestsConfiguration", tests),
        ("audit", word(["fail", "warn", "off"])),
        ("retention", map([("keep!", number()), ("olderThan", text())])),
    ])
}

/// Returns the schema of a map with names and texts of the user's choice.
fn texts_by_name() -> Value {
    json!({"type": "object", "additionalProperties": text()})
}
