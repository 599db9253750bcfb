//! The newest image of a pipeline, which is found without a read of all images that were ever built.
//!
//! The lease of a pipeline allows one build at a time, so the image that was published last is the newest.

use goldsmith_model::{ImageRef, Name};
use serde::Deserialize;
use serde_json::json;

use crate::store::attributes;
use crate::{Check, ImageRecord, ImageStatus, Result, Store, Write, keys};

/// `IMAGE#name / NEWEST#pipeline`
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(serde::Serialize))]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Newest {
    /// The newest image, with or without overrides.
    any: Option<ImageRef>,
    /// The newest image that is published.
    published: Option<ImageRef>,
}

/// Returns the write that records an image as the newest image of its pipeline. An image that is not published leaves `published` as
/// it is.
pub(crate) fn note(image: &ImageRecord) -> Write {
    let name = json!(image.image);
    let published = image.is_published().then(|| ("published", name.clone()));
    let set = attributes(published.into_iter().chain([("any", name)]));
    // There is no condition here: the transaction that has this write also checks that the build is open, and the lease
    // lets only one build of the pipeline be open.
    Write::Update { key: keys::newest(&image.image.name, &image.pipeline), set, remove: vec![], checks: vec![] }
}

impl Store {
    /// Returns the newest available image of this name that the pipeline has built.
    pub async fn newest_image(&self, name: &Name, pipeline: &Name) -> Result<Option<ImageRecord>> {
        self.newest(name, pipeline, true).await
    }

    /// Returns the newest published image: the newest image whose start has overridden nothing and that waits for no
    /// approval.
    pub async fn newest_published(&self, name: &Name, pipeline: &Name) -> Result<Option<ImageRecord>> {
        self.newest(name, pipeline, false).await
    }

    async fn newest(&self, name: &Name, pipeline: &Name, or_unpublished: bool) -> Result<Option<ImageRecord>> {
        let newest: Newest = self.read(&keys::newest(name, pipeline)).await?.unwrap_or_default();
        let noted = if or_unpublished { newest.any } else { newest.published };
        match noted {
            Some(image) => match self.image(&image).await? {
                Some(image) if !image.is_in_use() => self.newest_of_all(name, pipeline, or_unpublished).await,
                image => Ok(image),
            },
            // Earlier releases recorded none.
            None => self.newest_of_all(name, pipeline, or_unpublished).await,
        }
    }

    /// Returns the write that records a newly approved image as the newest published image of its pipeline, or `None`
    /// if a newer image is published.
    pub(crate) async fn newest_after_approval(&self, image: &ImageRecord) -> Result<Option<Write>> {
        let (name, pipeline) = (&image.image.name, &image.pipeline);
        let key = keys::newest(name, pipeline);
        let newest: Newest = self.read(&key).await?.unwrap_or_default();
        let last = match &newest.published {
            Some(noted) => self.image(noted).await?,
            None => self.newest_of_all(name, pipeline, false).await?,
        };
        if last.is_some_and(|last| last.created_at > image.created_at) {
            return Ok(None);
        }
        let unchanged =
            newest.published.map_or(Check::missing("published"), |noted| Check::equals("published", json!(noted)));
        let set = attributes([("published", json!(image.image))]);
        Ok(Some(Write::Update { key, set, remove: vec![], checks: vec![unchanged] }))
    }

    async fn newest_of_all(&self, name: &Name, pipeline: &Name, or_unpublished: bool) -> Result<Option<ImageRecord>> {
        let images = self.images(name.as_str()).await?.into_iter();
        let good = images.filter(|image| image.pipeline == *pipeline && image.status == ImageStatus::Available);
        let wanted = good.filter(|image| image.is_in_use() && (or_unpublished || image.is_published()));
        Ok(wanted.max_by(|a, b| a.created_at.cmp(&b.created_at)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::note;
    use crate::samples::image;
    use crate::store::encode;
    use crate::{ImageLife, ImageRecord, MemoryTable, Store, Table as _, Write, keys};

    fn put(image: &ImageRecord) -> Write {
        let key = keys::image(&image.image.name, &image.image.version.padded(), image.image.build);
        Write::Put { item: encode(key, image).unwrap(), checks: vec![] }
    }

    /// Returns the newest image of `web`, published or not, and the number of items that were read to find it.
    async fn newest(table: &MemoryTable) -> (Option<ImageRecord>, Option<ImageRecord>, usize) {
        let (store, before) = (Store::new(Arc::new(table.clone())), table.reads().items);
        let (name, pipeline) = ("web".parse().unwrap(), "web".parse().unwrap());
        let any = store.newest_image(&name, &pipeline).await.unwrap();
        let published = store.newest_published(&name, &pipeline).await.unwrap();
        (any, published, table.reads().items - before)
    }

    #[tokio::test]
    async fn only_the_newest_of_ten_thousand_images_is_read() {
        let table = MemoryTable::new();
        for number in 1..=10_000 {
            let image = image("web", number, false);
            table.write(vec![put(&image), note(&image)]).await.unwrap();
        }
        let overridden = image("web", 10_001, true);
        let of_another = image("other", 10_002, false);
        table.write(vec![put(&overridden), note(&overridden)]).await.unwrap();
        table.write(vec![put(&of_another), note(&of_another)]).await.unwrap();
        assert_eq!(newest(&table).await, (Some(overridden), Some(image("web", 10_000, false)), 4));
    }

    #[tokio::test]
    async fn an_image_that_is_disabled_or_deleted_is_not_the_newest() {
        let table = MemoryTable::new();
        let store = Store::new(Arc::new(table.clone()));
        for number in 1..=3 {
            let image = image("web", number, false);
            table.write(vec![put(&image), note(&image)]).await.unwrap();
        }
        for (number, life) in [(3, ImageLife::Disabled), (2, ImageLife::Deleted)] {
            store.set_life(&image("web", number, false).image, Some(life)).await.unwrap();
            assert_eq!(newest(&table).await.1, Some(image("web", number - 1, false)));
        }
        store.set_life(&image("web", 3, false).image, None).await.unwrap();
        assert_eq!(newest(&table).await.1, Some(image("web", 3, false)));
    }

    #[tokio::test]
    async fn without_a_record_of_the_newest_image_all_are_read() {
        let table = MemoryTable::new();
        assert_eq!(newest(&table).await, (None, None, 0));
        for (pipeline, number, overridden) in
            [("web", 2, false), ("web", 1, false), ("web", 3, true), ("other", 4, false)]
        {
            table.write(vec![put(&image(pipeline, number, overridden))]).await.unwrap();
        }
        let (any, published, _) = newest(&table).await;
        assert_eq!((any, published), (Some(image("web", 3, true)), Some(image("web", 2, false))));
    }
}
