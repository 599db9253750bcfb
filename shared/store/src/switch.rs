//! Switches a pipeline on or off.

use goldsmith_model::definitions::Kind;
use goldsmith_model::{ImagePipeline, Name, Status};
use serde_json::json;

use crate::definitions::unversioned;
use crate::failures::forget;
use crate::store::{attributes, held};
use crate::{Check, Result, Store, Write};

impl Store {
    /// Stores this status of a pipeline, updates the source that the pipeline watches, and returns the stored pipeline.
    /// An enabled pipeline starts automatically again even if failures had stopped it. Returns `None` if there is no
    /// such pipeline. Safe to repeat.
    ///
    /// # Errors
    /// [`crate::StoreError::Busy`] if other callers keep changing the source that the pipeline watches.
    pub async fn switch_pipeline(&self, name: &Name, status: Status) -> Result<Option<ImagePipeline>> {
        let mut writes = vec![Write::Update {
            key: unversioned(Kind::ImagePipeline, name),
            // Only the status is written: an `apply` at the same time must not lose what it has written.
            set: attributes([("status", json!(status))]),
            remove: vec![],
            checks: vec![Check::Present],
        }];
        writes.extend((status == Status::Enabled).then(|| forget(name)));
        if !held(self.write(writes).await)? {
            return Ok(None);
        }
        self.watch_source_of(name).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::Status;
    use goldsmith_model::definitions::{Definitions, Draft, SourceFile};

    use crate::around::{Call, Moment, meanwhile};
    use crate::{MemoryTable, Store};

    const WEB: &str = "\
{kind: ImageRecipe, name: web, semanticVersion: 1.0.0, parentImage: ssm:/a, components: [{name: nginx, version: 1.x.x}]}
---
{kind: ImagePipeline, name: web, imageRecipe: web, infrastructureConfiguration: small, rebuildOn: [source-update]}
";

    fn definitions(description: &str) -> Definitions {
        let text =
            WEB.replace("name: web, imageRecipe", &format!("name: web, description: {description}, imageRecipe"));
        let files = [SourceFile { path: "web.yml".to_owned(), text }];
        Draft::read(&files, &|_| Ok(String::new())).check_alone().unwrap()
    }

    #[tokio::test]
    async fn a_switch_loses_nothing_that_an_apply_writes_at_the_same_time() {
        let (table, web) = (MemoryTable::new(), "web".parse().unwrap());
        let store = Store::new(Arc::new(table.clone()));
        store.apply(&definitions("old")).await.unwrap();
        let other = store.clone();
        let applied = async move { drop(other.apply(&definitions("new")).await.unwrap()) };
        let meanwhile = meanwhile(&table, Moment::Before(|call| call == Call::Write), applied);
        let switched = meanwhile.switch_pipeline(&web, Status::Disabled).await.unwrap().unwrap();
        assert_eq!((switched.status, switched.description.as_deref()), (Status::Disabled, Some("new")));
        assert_eq!(store.pipeline(&web).await.unwrap(), Some(switched));
        assert!(store.sources().await.unwrap().is_empty());
        store.switch_pipeline(&web, Status::Enabled).await.unwrap();
        assert_eq!(store.sources().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_unknown_pipeline_is_not_made_by_a_switch() {
        let table = MemoryTable::new();
        let store = Store::new(Arc::new(table.clone()));
        assert_eq!(store.switch_pipeline(&"web".parse().unwrap(), Status::Disabled).await.unwrap(), None);
        assert!(table.dump().is_empty());
    }
}
