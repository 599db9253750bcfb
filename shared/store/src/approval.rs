//! Approvals: images that a build leaves unpublished until a person approves them.

use goldsmith_model::Name;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::builds::image_key;
use crate::image_life::can_be_used;
use crate::store::{attribute, attributes};
use crate::{Check, ImageRecord, ImageStatus, Result, Store, StoreError, Write};

/// How often the newest image may change while an approval is written.
const RACES: usize = 10;

/// A person's approval of an image.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// When (RFC 3339).
    pub at: String,
    /// The ARN of the session of the person.
    pub by: String,
    /// The reason that the person gave, if any.
    pub reason: Option<String>,
}

impl ImageRecord {
    /// Returns the channel whose promotion approves the image, or `None` if the image is already approved or needs no
    /// approval.
    #[must_use]
    pub fn awaited(&self) -> Option<&Name> {
        self.approval.as_ref().filter(|_| self.status == ImageStatus::Available && self.approved.is_none())
    }

    /// Returns whether other accounts may use the image, according to its build and its approval: the start of the
    /// build has overridden nothing, and the image waits for no approval.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.status == ImageStatus::Available && !self.overridden && self.awaited().is_none()
    }
}

impl Store {
    /// Records that an image was approved. The image becomes the newest published image of its pipeline, unless a newer
    /// image is published. Safe to repeat: the first approval stays. Does nothing if the image needs no approval.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if the image is not available, or is disabled or deleted.
    pub async fn approve(&self, image: &ImageRecord, approved: &Approved) -> Result<()> {
        if image.approval.is_none() {
            return Ok(());
        }
        let key = image_key(&image.image);
        let value = attribute(&key, approved)?;
        let mut checks = can_be_used();
        checks.push(Check::missing("approved"));
        let set = attributes([("approved", value)]);
        let write = Write::Update { key, set, remove: vec![], checks };
        for _ in 0..RACES {
            let mut writes = vec![write.clone()];
            // In the same transaction, because the sources of other pipelines lead to the newest image only.
            writes.extend(self.newest_after_approval(image).await?);
            match self.write(writes).await {
                Err(StoreError::Conflict { failed }) => match self.image(&image.image).await? {
                    Some(now) if now.approved.is_some() => return Ok(()),
                    // A build or another approval has published an image since the newest one was read.
                    Some(now) if now.is_in_use() && now.awaited().is_some() => {}
                    _ => return Err(StoreError::Conflict { failed }),
                },
                other => return other,
            }
        }
        Err(StoreError::Busy { code: "NewestContention".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Approved;
    use crate::builds::image_key;
    use crate::samples::image;
    use crate::store::encode;
    use crate::{ImageLife, ImageRecord, MemoryTable, Store, StoreError, Write};

    fn approved(by: &str) -> Approved {
        Approved { at: "now".to_owned(), by: by.to_owned(), reason: None }
    }

    /// A store with the images 1 to 3 of the pipeline `web`, of which 1 is published and the others wait.
    async fn store() -> (Store, [ImageRecord; 3]) {
        let store = Store::new(Arc::new(MemoryTable::new()));
        let images = [1, 2, 3].map(|number| {
            let approval = (number > 1).then(|| "stable".parse().unwrap());
            ImageRecord { approval, ..image("web", number, false) }
        });
        for image in &images {
            let item = encode(image_key(&image.image), image).unwrap();
            store.write(vec![Write::Put { item, checks: vec![] }, crate::newest::note(image)]).await.unwrap();
        }
        (store, images)
    }

    async fn newest(store: &Store) -> u32 {
        let web = "web".parse().unwrap();
        store.newest_published(&web, &web).await.unwrap().unwrap().image.build
    }

    #[tokio::test]
    async fn an_approved_image_is_the_newest_unless_a_newer_one_is_published() {
        let (store, [_, two, three]) = store().await;
        assert_eq!(newest(&store).await, 1);
        for (image, then) in [(&three, 3), (&two, 3)] {
            for by in ["anna", "bert"] {
                store.approve(image, &approved(by)).await.unwrap();
            }
            let now = store.image(&image.image).await.unwrap().unwrap();
            assert_eq!((now.approved.clone(), now.is_published()), (Some(approved("anna")), true));
            assert_eq!(newest(&store).await, then);
        }
        store.set_life(&three.image, Some(ImageLife::Disabled)).await.unwrap();
        assert_eq!(newest(&store).await, 2);
    }

    #[tokio::test]
    async fn an_image_that_waits_is_not_found_and_only_one_that_can_be_used_is_approved() {
        let (store, [one, two, _]) = store().await;
        store.set_life(&one.image, Some(ImageLife::Disabled)).await.unwrap();
        let web = "web".parse().unwrap();
        assert_eq!(store.newest_published(&web, &web).await.unwrap(), None, "the others wait");
        assert_eq!(store.newest_image(&web, &web).await.unwrap().unwrap().image.build, 3);
        store.set_life(&two.image, Some(ImageLife::Disabled)).await.unwrap();
        let error = store.approve(&two, &approved("anna")).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict { .. }), "{error}");
        store.approve(&one, &approved("anna")).await.unwrap();
        assert_eq!(store.image(&one.image).await.unwrap().unwrap().approved, None, "it needs no approval");
    }
}
