//! The target of `show` and `logs`: an image, or a build by its id.

use anyhow::Result;
use goldsmith_model::ImageRef;
use goldsmith_store::{ImageRecord, Store};

use crate::exit::invalid;

/// Returns the image of `NAME/VERSION/BUILD`, or of a build's id.
pub(crate) async fn image(store: &Store, text: &str) -> Result<ImageRecord> {
    let image: ImageRef = if text.contains('/') {
        text.parse().map_err(|error: goldsmith_model::ReferenceError| invalid(error.to_string()))?
    } else {
        match store.build(text).await? {
            Some(build) => build.image,
            None => {
                let wanted = "name an image as NAME/VERSION/BUILD, or a build by its id";
                return Err(invalid(format!("there is no build `{text}`: {wanted}")));
            }
        }
    };
    match store.image(&image).await? {
        Some(record) => Ok(record),
        None => Err(invalid(format!("there is no image {image}"))),
    }
}
