//! What the signed statement says about an image.

use std::collections::BTreeMap;

use goldsmith_cloud::Image;
use goldsmith_provenance::statement::{
    BUILD_TYPE, BuildDefinition, BuildMetadata, Builder, Provenance, ResourceDescriptor, RunDetails,
};
use goldsmith_provenance::{ImageContent, Statement, Subject};
use goldsmith_store::PlannedDocument;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::engine::drive::Scene;
use crate::parts;
use crate::parts::volume::Reading;
use crate::{Error, Result};

/// Returns the statement about the AMI of the build.
pub(super) async fn of(
    scene: &Scene<'_>,
    image: &Image,
    content: &ImageContent,
    volumes: &BTreeMap<String, Reading>,
) -> Result<Statement> {
    let record = &scene.record;
    let mut dependencies = vec![source(scene)];
    dependencies.extend(checkpoint(scene));
    dependencies.extend(record.plan.documents.iter().map(component));
    dependencies.push(agent(scene)?);
    let mut byproducts: Vec<ResourceDescriptor> = volumes.iter().map(volume).collect();
    byproducts.extend(contents(scene).await?);
    Ok(Statement {
        subject: Subject { name: image.id.clone(), uri: arn(scene, &image.id), digest: content.digest() },
        predicate: Provenance {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: chosen(scene),
                internal_parameters: map(json!({
                    "homeRegion": record.plan.home_region,
                    "architecture": record.plan.architecture,
                    "testInstanceTypes": record.plan.tests,
                })),
                resolved_dependencies: dependencies,
            },
            run_details: RunDetails {
                builder: Builder {
                    id: scene.context.config.state_machine.clone(),
                    version: BTreeMap::from([("goldsmith".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]),
                },
                metadata: BuildMetadata {
                    invocation_id: Some(record.execution.clone()),
                    started_on: record.created_at.parse().ok(),
                    finished_on: Some(scene.context.clock.now()),
                },
                byproducts,
            },
        },
    })
}

/// Returns what people have chosen. Values of parameters may be secrets, and even their digest would confirm a guess, so the
/// statement has only the names.
fn chosen(scene: &Scene<'_>) -> Map<String, Value> {
    let record = &scene.record;
    let components = record.plan.documents.iter().map(|document| {
        let parameters: Vec<&String> = document.parameters.keys().collect();
        json!({"name": document.name, "version": document.version, "parameters": parameters})
    });
    map(json!({
        "image": record.image,
        "pipeline": record.pipeline,
        "source": record.plan.source,
        "components": components.collect::<Vec<_>>(),
        "cause": record.cause,
    }))
}

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn arn(scene: &Scene<'_>, image: &str) -> String {
    let partition = scene.context.config.state_machine.split(':').nth(1).unwrap_or("aws");
    format!("arn:{partition}:ec2:{}::image/{image}", scene.home())
}

/// The source image. EC2 says nothing of what is in it, so it has no digest.
fn source(scene: &Scene<'_>) -> ResourceDescriptor {
    let plan = &scene.record.plan;
    let owner = plan.source_owner.iter().map(|owner| ("owner".to_owned(), json!(owner)));
    ResourceDescriptor {
        name: "source".to_owned(),
        uri: arn(scene, &plan.source_image),
        annotations: owner.collect(),
        ..ResourceDescriptor::default()
    }
}

/// Returns the AMI of the checkpoint with which the build has begun, or `None` if it has begun with its source. An earlier
/// build of the pipeline has run its components.
fn checkpoint(scene: &Scene<'_>) -> Option<ResourceDescriptor> {
    let planned = scene.record.plan.checkpoint.as_ref()?;
    let found = planned.found.as_ref()?;
    let components = scene.record.plan.documents.iter().take(planned.documents);
    let components: Vec<String> = components.map(|one| format!("{}/{}", one.name, one.version)).collect();
    Some(ResourceDescriptor {
        name: "checkpoint".to_owned(),
        uri: arn(scene, &found.image),
        annotations: map(json!({"build": found.build, "createdAt": found.created_at, "components": components})),
        ..ResourceDescriptor::default()
    })
}

fn component(document: &PlannedDocument) -> ResourceDescriptor {
    ResourceDescriptor {
        name: format!("{}/{}", document.name, document.version),
        digest: sha256(&document.digest),
        ..ResourceDescriptor::default()
    }
}

/// The agent, which runs the documents.
fn agent(scene: &Scene<'_>) -> Result<ResourceDescriptor> {
    let path = scene.context.config.agent_for(&scene.record.plan.architecture);
    let bytes = std::fs::read(&path);
    let bytes = bytes.map_err(|error| Error::internal(format!("{} cannot be read: {error}", path.display())))?;
    Ok(ResourceDescriptor {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        digest: sha256(&hex::encode(Sha256::digest(&bytes))),
        ..ResourceDescriptor::default()
    })
}

fn volume((device, reading): (&String, &Reading)) -> ResourceDescriptor {
    let present = reading.content.present();
    ResourceDescriptor {
        name: device.clone(),
        digest: sha256(&hex::encode(reading.content.digest())),
        annotations: map(json!({"bytes": reading.content.size(), "presentBlocks": present})),
        ..ResourceDescriptor::default()
    }
}

/// The list of what is in the image, if an instance has collected it.
async fn contents(scene: &Scene<'_>) -> Result<Option<ResourceDescriptor>> {
    let recorded = parts::contents::recorded(scene.context, &scene.record).await?;
    let stored = recorded.filter(|contents| contents.is_stored());
    Ok(stored.map(|contents| ResourceDescriptor {
        name: contents.key,
        digest: sha256(&contents.sha256),
        ..ResourceDescriptor::default()
    }))
}

fn sha256(hex: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("sha256".to_owned(), hex.to_owned())])
}
