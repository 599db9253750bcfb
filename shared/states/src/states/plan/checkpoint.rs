//! Finds the checkpoint with which a build begins.

use goldsmith_cloud::{Image, ImageState};
use goldsmith_model::{ExecutionInput, InfrastructureConfiguration};
use goldsmith_store::{CheckpointRecord, PlannedCheckpoint};
use serde_json::json;

use super::resolve::Inputs;
use crate::parts::command::agent_digest;
use crate::parts::token::token;
use crate::{Context, Result};

/// Returns the checkpoint of a build, or `None` if the recipe has none, or if the start has overridden something: what
/// such a build makes is of no use to the next one.
///
/// # Errors
/// Fails if a call to the table fails, and if a failed call to AWS may succeed later.
pub(super) async fn checkpoint(
    context: &Context,
    input: &ExecutionInput,
    inputs: &Inputs,
    source: &Image,
) -> Result<Option<PlannedCheckpoint>> {
    let wanted = inputs.recipe.checkpoint().filter(|_| !inputs.overridden && !inputs.is_verification);
    // If a component is missing, the build is refused.
    let Some(documents) = wanted.filter(|documents| *documents < inputs.documents.len()) else { return Ok(None) };
    let digest = digest(inputs, source, documents);
    let found = match input.force {
        true => None,
        false => found(context, inputs, source, &digest).await?,
    };
    Ok(Some(PlannedCheckpoint { documents, digest, found }))
}

/// Returns the pipeline's last checkpoint if a build can begin with it now.
async fn found(context: &Context, inputs: &Inputs, source: &Image, digest: &str) -> Result<Option<CheckpointRecord>> {
    let last = context.store.checkpoint(&inputs.pipeline.name).await?;
    let fits = |last: &CheckpointRecord| last.digest == digest && last.is_fresh(context.clock.now());
    let Some(last) = last.filter(fits) else { return Ok(None) };
    // The package of a person who plans may have no agent. It is the stack's that counts.
    if agent_digest(&context.config, &source.architecture).is_ok_and(|agent| agent != last.agent) {
        return Ok(None);
    }
    match context.cloud.images.image(&inputs.home_region, &last.image).await {
        Ok(image) => Ok(image.filter(|image| image.state == ImageState::Available).map(|_| last)),
        Err(error) if error.is_transient() => Err(error.into()),
        // Without its checkpoint, the build only takes longer.
        Err(error) => {
            tracing::warn!(%error, image = last.image, "the build begins with its source and not with its checkpoint");
            Ok(None)
        }
    }
}

/// Returns the digest of everything that decides what is on the disk after the first documents.
fn digest(inputs: &Inputs, source: &Image, documents: usize) -> String {
    let recipe = &inputs.recipe;
    // Neither the topic nor tags of resources reach the disk.
    let infrastructure = InfrastructureConfiguration {
        sns_topic_arn: None,
        resource_tags: Default::default(),
        ..inputs.infrastructure.clone()
    };
    let before = json!([
        "checkpoint",
        source.id,
        inputs.documents[..documents],
        recipe.working_directory,
        recipe.block_device_mappings,
        infrastructure,
    ]);
    token(&[&before.to_string()])
}

#[cfg(test)]
mod tests;
