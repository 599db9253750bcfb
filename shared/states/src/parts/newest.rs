//! Finds the newest image of a pipeline.

use goldsmith_model::Name;
use goldsmith_store::ImageRecord;

use crate::{Context, Result};

/// Returns the AMI of the newest available image of a pipeline, in the home Region.
pub(crate) async fn newest_of(context: &Context, pipeline: &Name) -> Result<Option<String>> {
    let newest = newest_image_of(context, pipeline).await?;
    Ok(newest.and_then(|image| image.amis.get(&context.config.region).cloned()))
}

/// Returns the newest available published image of a pipeline.
pub(crate) async fn newest_image_of(context: &Context, pipeline: &Name) -> Result<Option<ImageRecord>> {
    let Some(other) = context.store.pipeline(pipeline).await? else { return Ok(None) };
    Ok(context.store.newest_published(&other.image_recipe.name, pipeline).await?)
}
