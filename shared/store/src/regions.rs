//! The Regions in which the stack has ever made something. The sweep looks for leftovers in these Regions.

use crate::store::attributes;
use crate::{Key, Result, Store, Write};

/// Partition of the list of Regions.
const REGIONS: &str = "REGIONS";

impl Store {
    /// Records that something is about to be made in this Region. Safe to repeat.
    pub async fn note_region(&self, region: &str) -> Result<()> {
        let Key { pk, sk } = Key::new(REGIONS, region);
        let item = attributes([("pk", pk.into()), ("sk", sk.into())]);
        self.write(vec![Write::Put { item, checks: vec![] }]).await
    }

    /// Returns all recorded Regions, in order.
    pub async fn regions(&self) -> Result<Vec<String>> {
        let items = self.table().query(REGIONS, "").await?;
        Ok(items.iter().filter_map(|item| Some(item.get("sk")?.as_str()?.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::{MemoryTable, Store};

    #[tokio::test]
    async fn a_region_is_recorded_once() {
        let store = Store::new(Arc::new(MemoryTable::new()));
        for region in ["us-east-1", "eu-west-1", "us-east-1"] {
            store.note_region(region).await.unwrap();
        }
        assert_eq!(store.regions().await.unwrap(), ["eu-west-1", "us-east-1"]);
    }
}
