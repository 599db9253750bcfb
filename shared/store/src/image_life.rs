//! The life of an image after its publication: it may be disabled, revoked or deleted.

use goldsmith_model::{ImageRef, Name};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::builds::image_key;
use crate::store::{attribute, attributes, held};
use crate::{Check, ImageRecord, ImageStatus, Item, Result, Store, StoreError, Write};

/// What a person or the retention has done with an image after its publication. The status that the build gave the image stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ImageLife {
    /// Nobody can launch the image's AMIs. The AMIs can be enabled again.
    Disabled,
    /// The image's AMIs and their snapshots are deleted.
    Deleted,
}

/// What the retention of a pipeline has done with an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surplus {
    /// When it was disabled (RFC 3339).
    pub at: String,
    /// Why, in words.
    pub why: String,
}

/// That an image must no longer be used. A revoked image is disabled, and `goldsmith enable` does not undo that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Time of the revocation (RFC 3339).
    pub at: String,
    /// The ARN of the session of the person who revoked the image.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl ImageRecord {
    /// Returns whether its record allows builds to start from the image.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.life.is_none()
    }
}

impl Store {
    /// Records that an image was disabled or deleted; `None` if it is neither: then its retention has not disabled it,
    /// either. A deleted image stays deleted, whatever
    /// others do with it at the same time. Safe to repeat.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] if there is no such image, or if it is deleted and `life` is anything else.
    pub async fn set_life(&self, image: &ImageRef, life: Option<ImageLife>) -> Result<()> {
        let (set, remove) = match life {
            Some(life) => (attributes([("life", json!(life))]), vec![]),
            None => (Item::new(), ["life", "surplus", "told"].map(str::to_owned).to_vec()),
        };
        let mut checks = if life == Some(ImageLife::Deleted) { vec![Check::Present] } else { not_deleted() };
        if life.is_none() {
            // Whoever enables an image must have seen why it was revoked.
            checks.push(Check::missing("revoked"));
        }
        self.write(vec![Write::Update { key: image_key(image), set, remove, checks }]).await
    }

    /// Records that the retention of its pipeline disables an image that exists. If the record of that is there already,
    /// it stays as it is. Returns whether the image is disabled now. Safe to repeat.
    pub async fn disable_surplus(&self, image: &ImageRef, surplus: &Surplus) -> Result<bool> {
        let disabled = Check::equals("life", json!(ImageLife::Disabled));
        let set = attributes([("life", json!(ImageLife::Disabled)), ("surplus", json!(surplus))]);
        let checks =
            vec![Check::Present, Check::Any(vec![Check::missing("life"), disabled]), Check::missing("surplus")];
        if held(self.write(vec![Write::Update { key: image_key(image), set, remove: vec![], checks }]).await)? {
            return Ok(true);
        }
        let now = self.image(image).await?;
        Ok(now.is_some_and(|now| now.life == Some(ImageLife::Disabled) && now.surplus.is_some()))
    }

    /// Records anew when the retention has disabled an image. Returns false, and writes nothing, if the image is not
    /// disabled anymore. Safe to repeat.
    pub async fn note_surplus(&self, image: &ImageRef, surplus: &Surplus) -> Result<bool> {
        let set = attributes([("surplus", json!(surplus))]);
        self.note_while(image, ImageLife::Disabled, set).await
    }

    /// Records that an event has reported what the retention has done with an image. Writes nothing if the image has
    /// changed in the meantime. Safe to repeat.
    pub async fn note_life_told(&self, image: &ImageRef, told: ImageLife) -> Result<()> {
        let set = attributes([("told", json!(told))]);
        self.note_while(image, told, set).await.map(drop)
    }

    /// Sets attributes of an image, if this is what has become of it. Returns whether it is.
    async fn note_while(&self, image: &ImageRef, life: ImageLife, set: Item) -> Result<bool> {
        let checks = vec![Check::equals("life", json!(life))];
        held(self.write(vec![Write::Update { key: image_key(image), set, remove: vec![], checks }]).await)
    }

    /// Records that an image was revoked, and so disabled. Safe to repeat: the first revocation stays.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] if there is no such image, or if it is deleted.
    pub async fn revoke(&self, image: &ImageRef, revocation: &Revocation) -> Result<()> {
        let key = image_key(image);
        let revoked = attribute(&key, revocation)?;
        let set = attributes([("life", json!(ImageLife::Disabled)), ("revoked", revoked)]);
        let mut checks = not_deleted();
        checks.push(Check::missing("revoked"));
        let write = Write::Update { key, set, remove: vec![], checks };
        match self.write(vec![write]).await {
            Err(StoreError::Conflict { failed }) => match self.image(image).await? {
                Some(now) if now.revoked.is_some() && now.life == Some(ImageLife::Disabled) => Ok(()),
                _ => Err(StoreError::Conflict { failed }),
            },
            other => other,
        }
    }

    /// Removes the revocation of an image, which stays disabled. Safe to repeat.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] if there is no such image, or if it is deleted.
    pub async fn forgive(&self, image: &ImageRef) -> Result<()> {
        let remove = vec!["revoked".to_owned()];
        let write = Write::Update { key: image_key(image), set: Item::new(), remove, checks: not_deleted() };
        self.write(vec![write]).await
    }

    /// Returns all images of a pipeline. An earlier recipe of the pipeline may have had another name, so the
    /// images of every name are read.
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

/// Returns the conditions on the record of an image that can be used.
pub(crate) fn can_be_used() -> Vec<Check> {
    vec![Check::equals("status", json!(ImageStatus::Available)), Check::missing("life")]
}

/// Returns the condition on an image to which something refers after a transaction.
///
/// Whatever deletes or disables an image by itself first records that the image is disabled, and then looks at what
/// refers to it. So either the transaction sees that the image is disabled, or that look sees the reference.
pub(crate) fn while_usable(image: &ImageRef) -> Write {
    Write::Verify { key: image_key(image), checks: can_be_used() }
}

/// Returns the conditions that there is such an image, and that it is not deleted.
fn not_deleted() -> Vec<Check> {
    let disabled = Check::equals("life", json!(ImageLife::Disabled));
    vec![Check::Present, Check::Any(vec![Check::missing("life"), disabled])]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Revocation;
    use crate::builds::image_key;
    use crate::samples::image;
    use crate::store::encode;
    use crate::{ImageLife, MemoryTable, Store, StoreError, Write};

    #[tokio::test]
    async fn a_revoked_image_is_enabled_only_after_its_revocation_is_removed() {
        let (store, sample) = (Store::new(Arc::new(MemoryTable::new())), image("web", 1, false));
        let name = &sample.image;
        let revocation =
            |reason: &str| Revocation { at: "now".to_owned(), by: "anna".to_owned(), reason: reason.to_owned() };
        assert!(store.revoke(name, &revocation("x")).await.is_err(), "there is no image");
        let item = encode(image_key(name), &sample).unwrap();
        store.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
        for reason in ["CVE-2026-1", "later"] {
            store.revoke(name, &revocation(reason)).await.unwrap();
            let now = store.image(name).await.unwrap().unwrap();
            assert_eq!((now.life, now.revoked), (Some(ImageLife::Disabled), Some(revocation("CVE-2026-1"))));
        }
        assert!(matches!(store.set_life(name, None).await, Err(StoreError::Conflict { .. })));
        for _ in 0..2 {
            store.forgive(name).await.unwrap();
        }
        store.set_life(name, None).await.unwrap();
        assert_eq!(store.image(name).await.unwrap().unwrap(), sample);
        store.set_life(name, Some(ImageLife::Deleted)).await.unwrap();
        assert!(store.revoke(name, &revocation("x")).await.is_err());
        assert!(store.forgive(name).await.is_err());
    }
}
