//! A table that shows definitions as if they were applied, and that cannot be written to.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use goldsmith_model::definitions::Definitions;

use crate::{Item, Key, Result, Store, StoreError, Table, Write, apply};

/// The underlying table, with other items on top of it.
struct Overlay {
    below: Arc<dyn Table>,
    items: BTreeMap<Key, Item>,
}

impl Store {
    /// Returns a store that reads as if these definitions were applied. It rejects every write, so a plan that uses it
    /// changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] if a definition cannot be encoded.
    pub fn as_if_applied(&self, definitions: &Definitions) -> Result<Self> {
        let text =
            |item: &Item, name: &str| item.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        let keyed = |item: Item| (Key::new(text(&item, "pk"), text(&item, "sk")), item);
        let items = apply::items(definitions)?.into_iter().map(keyed).collect();
        Ok(Self::new(Arc::new(Overlay { below: self.shared_table(), items })))
    }
}

impl Overlay {
    /// Returns the items on top that are in a partition and whose sort key begins with `prefix`.
    fn own(&self, pk: &str, prefix: &str) -> impl Iterator<Item = (&Key, &Item)> {
        self.items.iter().filter(move |(key, _)| key.pk == pk && key.sk.starts_with(prefix))
    }
}

#[async_trait]
impl Table for Overlay {
    async fn get(&self, key: &Key) -> Result<Option<Item>> {
        match self.items.get(key) {
            Some(item) => Ok(Some(item.clone())),
            None => self.below.get(key).await,
        }
    }

    async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>> {
        let below = self.below.query(pk, prefix).await?.into_iter();
        let mut all: BTreeMap<String, Item> = below.map(|item| (sort_key(&item), item)).collect();
        all.extend(self.own(pk, prefix).map(|(key, item)| (key.sk.clone(), item.clone())));
        Ok(all.into_values().collect())
    }

    async fn last(&self, pk: &str, prefix: &str) -> Result<Option<Item>> {
        let below = self.below.last(pk, prefix).await?;
        // The own item comes second: of two items with one key, it is the one that is taken.
        let both = below.into_iter().chain(self.own(pk, prefix).map(|(_, item)| item.clone()));
        Ok(both.max_by_key(sort_key))
    }

    async fn first_after(&self, pk: &str, sk: &str) -> Result<Option<Item>> {
        let below = self.below.first_after(pk, sk).await?;
        let own = self.own(pk, "").filter(|(key, _)| key.sk.as_str() > sk).map(|(_, item)| item.clone());
        // The own item comes first: of two items with one key, it is the one that is taken.
        Ok(own.chain(below).min_by_key(sort_key))
    }

    async fn due(&self, open: &str, until: &str) -> Result<Vec<Item>> {
        self.below.due(open, until).await // no definition is in this index
    }

    async fn write(&self, _: Vec<Write>) -> Result<()> {
        let message = "a plan only reads".to_owned();
        Err(StoreError::Refused { operation: "TransactWriteItems", code: "ReadOnly".to_owned(), message })
    }
}

fn sort_key(item: &Item) -> String {
    item.get("sk").and_then(|value| value.as_str()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::definitions::{Definitions, Draft, SourceFile, Stored};

    use crate::{ApplyError, MemoryTable, Outcome, Store};

    fn read(version: &str, types: &str, pipeline: &str) -> Definitions {
        let text = format!(
            "kind: Component\nname: tools\nsemanticVersion: {version}\nplatform: Linux\n\
             data: '{{schemaVersion: 1.0, phases: [{{name: build, steps: []}}]}}'\n---\n\
             kind: InfrastructureConfiguration\nname: small\ninstanceTypes: [{types}]\n---\n\
             kind: ImageRecipe\nname: web\nsemanticVersion: 1.0.0\nparentImage: ssm:/source\n\
             components: [{{name: tools, version: x.x.x}}]\n---\n\
             kind: ImagePipeline\nname: {pipeline}\nimageRecipe: web/x.x.x\ninfrastructureConfiguration: small\n"
        );
        let files = [SourceFile { path: "web.yml".to_owned(), text }];
        Draft::read(&files, &|_| Ok(String::new())).check(&Stored::default()).unwrap()
    }

    #[tokio::test]
    async fn definitions_are_shown_as_if_they_were_applied_and_nothing_is_written() {
        let table = MemoryTable::new();
        let store = Store::new(Arc::new(table.clone()));
        let (old, new) = (read("1.1.0", "t3.small", "web"), read("1.0.5", "t3.large", "other"));
        store.apply(&old).await.unwrap();
        let before = table.dump();
        let outcomes: Vec<Outcome> = store.changes(&new).await.unwrap().into_iter().map(|one| one.outcome).collect();
        assert_eq!(outcomes, [Outcome::Created, Outcome::Unchanged, Outcome::Replaced, Outcome::Created]);
        let plan = store.as_if_applied(&new).unwrap();
        let (tools, small) = ("tools".parse().unwrap(), "small".parse().unwrap());
        let best = async |pattern: &str| {
            let found = plan.best_component(&tools, pattern.parse().unwrap()).await.unwrap();
            found.map(|component| component.version.to_string())
        };
        assert_eq!((best("x.x.x").await.as_deref(), best("1.0.x").await.as_deref()), (Some("1.1.0"), Some("1.0.5")));
        assert_eq!(plan.infrastructure(&small).await.unwrap().unwrap().instance_types, ["t3.large"]);
        let names: Vec<String> = plan.pipeline_names().await.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["other", "web"]);
        assert!(matches!(plan.apply(&old).await, Err(ApplyError::Store(_))), "small would be replaced");
        assert_eq!(table.dump(), before);
    }
}
