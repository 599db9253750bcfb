//! The life of an image after its publication: it may be disabled or deleted.

use goldsmith_model::{ImageRef, Name};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::builds::image_key;
use crate::{Check, ImageRecord, Item, Result, Store, Write};

/// What a person has done with an image after its publication. The status that the build gave the image stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImageLife {
    /// Nobody can launch the image's AMIs. The AMIs can be enabled again.
    Disabled,
    /// The image's AMIs and their snapshots are deleted.
    Deleted,
}

impl ImageRecord {
    /// Returns whether its record allows builds to start from the image.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.life.is_none()
    }
}

impl Store {
    /// Records that an image was disabled or deleted, or `None` if it is neither. A deleted image stays deleted, no
    /// matter what others do with it at the same time. Safe to repeat.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] if there is no such image, or if it is deleted and `life` is anything else.
    pub async fn set_life(&self, image: &ImageRef, life: Option<ImageLife>) -> Result<()> {
        let (set, remove) = match life {
            Some(life) => (Item::from_iter([("life".to_owned(), json!(life))]), vec![]),
            None => (Item::new(), vec!["life".to_owned()]),
        };
        let mut checks = vec![Check::Present];
        if life != Some(ImageLife::Deleted) {
            let disabled = Check::equals("life", json!(ImageLife::Disabled));
            checks.push(Check::Any(vec![Check::missing("life"), disabled]));
        }
        self.write(vec![Write::Update { key: image_key(image), set, remove, checks }]).await
    }

    /// Returns all images of a pipeline. An earlier recipe of the pipeline may have had another name, so the images of
    /// every name are read.
    pub async fn images_of_pipeline(&self, pipeline: &Name) -> Result<Vec<ImageRecord>> {
        let mut images = self.all_images().await?;
        images.retain(|image| image.pipeline == *pipeline);
        Ok(images)
    }

    /// Returns all images, regardless of their names.
    pub async fn all_images(&self) -> Result<Vec<ImageRecord>> {
        let mut images = Vec::new();
        for name in self.image_names().await? {
            images.extend(self.images(&name).await?);
        }
        Ok(images)
    }
}
