//! The target of `show` and `logs`: an image, or a build by its id.

use anyhow::Result;
use goldsmith_document::did_you_mean;
use goldsmith_model::{ImageRef, Name};
use goldsmith_store::{ImageRecord, Store};

use crate::exit::invalid;

/// Returns the image of `NAME/VERSION/BUILD`, or of a build's id.
pub(crate) async fn image(store: &Store, text: &str) -> Result<ImageRecord> {
    let image: ImageRef = if text.contains('/') {
        text.parse().map_err(|error: goldsmith_model::ReferenceError| invalid(error.to_string()))?
    } else {
        match store.build(text).await? {
            Some(build) => build.image,
            None => return Err(invalid(unknown(store, text).await?)),
        }
    };
    match store.image(&image).await? {
        Some(record) => Ok(record),
        None => Err(invalid(format!("there is no image {image}"))),
    }
}

/// Returns why a text without slashes names no build. It may be meant as a pipeline.
async fn unknown(store: &Store, text: &str) -> Result<String> {
    let wanted = "name an image as NAME/VERSION/BUILD, or a build by its id";
    let pipelines = store.pipeline_names().await?;
    if pipelines.iter().any(|name| name.as_str() == text) {
        return Ok(format!("`{text}` is a pipeline: {wanted}"));
    }
    let near = did_you_mean(text, pipelines.iter().map(Name::as_str));
    let near = near.map(|near| format!("; did you mean the pipeline `{near}`?")).unwrap_or_default();
    Ok(format!("there is no build `{text}`: {wanted}{near}"))
}
