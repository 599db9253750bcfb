//! Rollbacks of a pipeline's parameters: the finished ones, and the one that has begun and not ended.

use goldsmith_model::{ImageRef, Name};
use serde::{Deserialize, Serialize};

use crate::image_life::while_usable;
use crate::store::encode;
use crate::{Check, Result, Store, Write, keys};

/// `PIPELINE#n / POINTED#time`: a rollback of the pipeline's parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointed {
    /// When the rollback was done (RFC 3339).
    pub at: String,
    /// The image that the parameters named from then on, until a build set them to a newer image.
    pub image: ImageRef,
    /// The parameters. The list is empty in a record that an earlier release wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterPlace>,
}

/// A parameter of a Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterPlace {
    /// The Region.
    pub region: String,
    /// The parameter's name.
    pub name: String,
}

/// `PIPELINE#n / ROLLBACK`: a rollback that has begun. It is written before the first parameter changes, and removed
/// when all parameters have changed or have their old values again. So an interrupted rollback can be finished or
/// undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// Unique id of the call that performs the rollback.
    pub holder: String,
    /// When that call began (RFC 3339).
    pub at: String,
    /// The image that the parameters will name.
    pub image: ImageRef,
    /// The parameters, in the order in which they change.
    pub parameters: Vec<Pointing>,
}

/// A parameter that a rollback changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointing {
    /// The Region.
    pub region: String,
    /// The parameter's name.
    pub name: String,
    /// The value before the rollback.
    pub from: String,
    /// The value after the rollback.
    pub to: String,
    /// Values that earlier interrupted rollbacks tried to give the parameter, and may have given it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<String>,
}

impl Pointing {
    /// Returns whether this rollback, or an earlier interrupted one, may have given the parameter this value.
    #[must_use]
    pub fn may_have_given(&self, value: &str) -> bool {
        self.from == value || self.to == value || self.earlier.iter().any(|one| one == value)
    }
}

impl Store {
    /// Returns all finished rollbacks of a pipeline, oldest first.
    pub async fn pointed(&self, pipeline: &Name) -> Result<Vec<Pointed>> {
        self.read_all(&format!("PIPELINE#{pipeline}"), "POINTED#").await
    }

    /// Returns the rollback of a pipeline that has begun and not ended.
    pub async fn rollback(&self, pipeline: &Name) -> Result<Option<Rollback>> {
        self.read(&keys::rollback(pipeline)).await
    }

    /// Records that a rollback begins. It replaces an interrupted rollback, which the call `over` began. Returns false
    /// if another call has begun a rollback in the meantime, or if the image is not available, or is disabled or deleted:
    /// then nothing is recorded. Safe to repeat.
    pub async fn begin_rollback(&self, pipeline: &Name, rollback: &Rollback, over: Option<&str>) -> Result<bool> {
        let checks = vec![over.map_or(Check::Absent, |holder| Check::equals("holder", holder))];
        let write = Write::Put { item: encode(keys::rollback(pipeline), rollback)?, checks };
        // Until the rollback ends, its record keeps the image from being deleted.
        match self.write(vec![write, while_usable(&rollback.image)]).await {
            // An earlier attempt may have recorded it although its answer was lost.
            Err(error) if error.is_conflict() => Ok(self.rollback(pipeline).await?.as_ref() == Some(rollback)),
            written => written.map(|()| true),
        }
    }

    /// Records that the rollback of this call has ended: with the image that the parameters name now, or `None` if the
    /// parameters have their old values again. Returns false if another call has taken the rollback over, even if that call
    /// has ended it in the meantime. Safe to repeat.
    pub async fn end_rollback(&self, pipeline: &Name, holder: &str, done: Option<&Pointed>) -> Result<bool> {
        let mut writes =
            vec![Write::Delete { key: keys::rollback(pipeline), checks: vec![Check::equals("holder", holder)] }];
        if let Some(pointed) = done {
            writes
                .push(Write::Put { item: encode(keys::pointed(pipeline, &pointed.at), pointed)?, checks: Vec::new() });
        }
        match (self.write(writes).await, done) {
            // An earlier attempt may have recorded it although its answer was lost. Then the record has exactly this.
            (Err(error), Some(pointed)) if error.is_conflict() => {
                Ok(self.read::<Pointed>(&keys::pointed(pipeline, &pointed.at)).await?.as_ref() == Some(pointed))
            }
            (Err(error), None) if error.is_conflict() => Ok(self.rollback(pipeline).await?.is_none()),
            (written, _) => written.map(|()| true),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::builds::image_key;
    use crate::samples::image;
    use crate::{ImageLife, MemoryTable};

    /// A store with the image `web/1.0.0/1`, and the rollback to it that this call begins.
    async fn store() -> (Store, Name, impl Fn(&str) -> Rollback) {
        let store = Store::new(Arc::new(MemoryTable::new()));
        let image = image("web", 1, false);
        let item = encode(image_key(&image.image), &image).unwrap();
        store.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
        let of = |holder: &str| Rollback {
            holder: holder.to_owned(),
            at: "2026-11-24T03:00:00.000Z".to_owned(),
            image: "web/1.0.0/1".parse().unwrap(),
            parameters: Vec::new(),
        };
        (store, "web".parse().unwrap(), of)
    }

    #[tokio::test]
    async fn only_one_call_works_on_a_rollback_and_another_can_take_it_over() {
        let (store, web, of) = store().await;
        for _ in 0..2 {
            assert!(store.begin_rollback(&web, &of("one"), None).await.unwrap());
            assert!(!store.begin_rollback(&web, &of("two"), None).await.unwrap());
        }
        assert!(!store.begin_rollback(&web, &of("two"), Some("three")).await.unwrap());
        assert!(store.begin_rollback(&web, &of("two"), Some("one")).await.unwrap());
        let pointed = Pointed { at: of("two").at, image: of("two").image, parameters: Vec::new() };
        assert!(!store.end_rollback(&web, "one", Some(&pointed)).await.unwrap());
        assert_eq!(store.rollback(&web).await.unwrap(), Some(of("two")));
        assert_eq!(store.pointed(&web).await.unwrap(), []);
        for _ in 0..2 {
            assert!(store.end_rollback(&web, "two", Some(&pointed)).await.unwrap());
            assert_eq!(store.rollback(&web).await.unwrap(), None);
            assert_eq!(store.pointed(&web).await.unwrap(), std::slice::from_ref(&pointed));
        }
        let late = Pointed { at: "2026-11-24T03:00:01.000Z".to_owned(), ..pointed.clone() };
        assert!(!store.end_rollback(&web, "one", Some(&late)).await.unwrap(), "the other call has ended it");
        assert_eq!(store.pointed(&web).await.unwrap(), [pointed]);
    }

    #[tokio::test]
    async fn no_rollback_begins_to_an_image_that_cannot_be_used() {
        for life in [ImageLife::Disabled, ImageLife::Deleted] {
            let (store, web, of) = store().await;
            store.set_life(&of("one").image, Some(life)).await.unwrap();
            for _ in 0..2 {
                assert!(!store.begin_rollback(&web, &of("one"), None).await.unwrap());
                assert_eq!(store.rollback(&web).await.unwrap(), None);
            }
        }
        let (store, web, of) = store().await;
        let unknown = Rollback { image: "web/1.0.0/9".parse().unwrap(), ..of("one") };
        assert!(!store.begin_rollback(&web, &unknown, None).await.unwrap());
        assert!(store.begin_rollback(&web, &of("one"), None).await.unwrap());
        store.set_life(&of("one").image, Some(ImageLife::Disabled)).await.unwrap();
        assert!(store.begin_rollback(&web, &of("one"), None).await.unwrap(), "it was recorded before");
        assert!(!store.begin_rollback(&web, &of("two"), Some("one")).await.unwrap());
        assert_eq!(store.rollback(&web).await.unwrap(), Some(of("one")), "the interrupted one stays");
    }
}
