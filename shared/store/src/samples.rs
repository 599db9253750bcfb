//! Records for tests.

use serde_json::json;

use crate::{BuildRecord, ImageRecord, Wait};

/// The definitions of a pipeline.
pub(crate) const FOLDER: &str = "\
kind: Component
name: nginx
semanticVersion: 1.0.0
data: |
  schemaVersion: 1.0
  phases: [{name: build, steps: [{name: Run, action: ExecuteBash, inputs: {commands: [\"true\"]}}]}]
---
{kind: ImageRecipe, name: web, semanticVersion: 1.0.0, parentImage: ssm:/a, components: [{name: nginx, version: 1.x.x}]}
---
{kind: InfrastructureConfiguration, name: small, instanceTypes: [t3.small]}
---
{kind: ImagePipeline, name: web, imageRecipe: web, infrastructureConfiguration: small}
";

/// An open build.
pub(crate) fn build() -> BuildRecord {
    let launch = json!({
        "instanceTypes": ["t3.small"], "subnets": [], "securityGroups": [], "instanceProfile": null,
        "metadataHopLimit": 1, "tags": {}, "blockDevices": [], "keepOnFailureSeconds": 0,
    });
    let plan = json!({
        "homeRegion": "eu-west-1", "source": "ssm:/source", "sourceImage": "ami-1", "architecture": "x86_64",
        "documents": [], "launch": launch, "regions": [], "someRegionsSuffice": false, "tests": [],
        "testTimeoutMinutes": 720, "inputDigest": "0",
    });
    let record = json!({
        "build": "web-1", "execution": "arn", "pipeline": "web", "image": "web/1.0.0/1",
        "cause": {"kind": "manual", "id": "web-1"}, "status": "open", "fence": 1,
        "createdAt": "2026-11-24T03:00:00.000Z", "plan": plan,
    });
    serde_json::from_value(record).expect("a build")
}

/// An available image of a pipeline.
pub(crate) fn image(pipeline: &str, number: u32, overridden: bool) -> ImageRecord {
    let record = json!({
        "image": format!("web/1.0.0/{number}"), "build": format!("{pipeline}-{number}"), "pipeline": pipeline,
        "cause": {"kind": "manual", "id": "x"}, "status": "AVAILABLE", "sourceImage": "ami-1", "inputDigest": "0",
        "overridden": overridden, "createdAt": format!("2026-11-24T03:00:{:06.3}Z", f64::from(number) / 1000.0),
    });
    serde_json::from_value(record).expect("an image")
}

/// A wait of the open build.
pub(crate) fn wait(resource: &str, token: &str) -> Wait {
    let wait = json!({
        "resource": resource, "region": "eu-west-1", "build": "web-1", "state": "Build", "token": token,
        "owner": "execute-phase", "deadline": "2026-11-24T04:00:00.000Z", "nextLook": "2026-11-24T03:00:01.000Z",
    });
    serde_json::from_value(wait).expect("a wait")
}
