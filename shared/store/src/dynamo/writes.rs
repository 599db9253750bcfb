//! Sends one write as a plain call, and several as a transaction.

use aws_sdk_dynamodb::types::{ConditionCheck, Delete, Put, TransactWriteItem, Update};

use super::DynamoTable;
use super::attribute::{key_attributes, to_attributes};
use super::expression::Placeholders;
use super::failure::{failure, malformed, transaction_failure};
use super::retries::settings;
use crate::{Check, Item, Key, Result, Write};

/// A condition that always holds. A `ConditionCheck` must have a condition.
const ANYTHING: &str = "attribute_exists(pk) OR attribute_not_exists(pk)";

/// Gives a request, or a part of a transaction, its condition and placeholders. This is a macro, because the SDK's
/// builders have these methods but no common trait.
macro_rules! on_condition {
    ($builder:expr, $placeholders:expr, $checks:expr) => {{
        let mut placeholders = $placeholders;
        let condition = placeholders.condition($checks);
        let (names, values) = placeholders.into_parts();
        $builder
            .set_condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values)
    }};
}

impl DynamoTable {
    pub(super) async fn write_one(&self, write: Write) -> Result<()> {
        match write {
            Write::Put { item, checks } => self.put_one(item, &checks).await,
            Write::Update { key, set, remove, checks } => self.update_one(&key, set, remove, &checks).await,
            Write::Delete { key, checks } => self.delete_one(&key, &checks).await,
            // No plain call only checks a condition.
            verify @ Write::Verify { .. } => self.write_all(vec![verify]).await,
        }
    }

    /// Makes a transaction. The SDK gives each call a token, so its own retries cannot write twice or conflict with
    /// themselves.
    pub(super) async fn write_all(&self, writes: Vec<Write>) -> Result<()> {
        let items = writes.into_iter().map(|write| self.part(write)).collect::<Result<Vec<_>>>()?;
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        request.send().await.map_err(transaction_failure)?;
        Ok(())
    }

    async fn put_one(&self, item: Item, checks: &[Check]) -> Result<()> {
        let request = self.client.put_item().table_name(&self.name).set_item(Some(to_attributes(item)));
        let request = on_condition!(request, Placeholders::default(), checks);
        let request = request.customize().config_override(settings(!checks.is_empty()));
        request.send().await.map_err(failure("PutItem"))?;
        Ok(())
    }

    async fn update_one(&self, key: &Key, set: Item, remove: Vec<String>, checks: &[Check]) -> Result<()> {
        let mut placeholders = Placeholders::default();
        let request = self.client.update_item().table_name(&self.name).set_key(Some(key_attributes(key)));
        let request = request.update_expression(placeholders.update(set, remove));
        let request = on_condition!(request, placeholders, checks);
        let request = request.customize().config_override(settings(!checks.is_empty()));
        request.send().await.map_err(failure("UpdateItem"))?;
        Ok(())
    }

    async fn delete_one(&self, key: &Key, checks: &[Check]) -> Result<()> {
        let request = self.client.delete_item().table_name(&self.name).set_key(Some(key_attributes(key)));
        let request = on_condition!(request, Placeholders::default(), checks);
        let request = request.customize().config_override(settings(!checks.is_empty()));
        request.send().await.map_err(failure("DeleteItem"))?;
        Ok(())
    }

    fn part(&self, write: Write) -> Result<TransactWriteItem> {
        let part = TransactWriteItem::builder();
        Ok(match write {
            Write::Put { item, checks } => part.put(self.put_part(item, &checks)?),
            Write::Update { key, set, remove, checks } => part.update(self.update_part(&key, set, remove, &checks)?),
            Write::Delete { key, checks } => part.delete(self.delete_part(&key, &checks)?),
            Write::Verify { key, checks } => part.condition_check(self.verify_part(&key, &checks)?),
        }
        .build())
    }

    fn put_part(&self, item: Item, checks: &[Check]) -> Result<Put> {
        let part = Put::builder().table_name(&self.name).set_item(Some(to_attributes(item)));
        on_condition!(part, Placeholders::default(), checks).build().map_err(malformed)
    }

    fn update_part(&self, key: &Key, set: Item, remove: Vec<String>, checks: &[Check]) -> Result<Update> {
        let mut placeholders = Placeholders::default();
        let part = Update::builder().table_name(&self.name).set_key(Some(key_attributes(key)));
        let part = part.update_expression(placeholders.update(set, remove));
        on_condition!(part, placeholders, checks).build().map_err(malformed)
    }

    fn delete_part(&self, key: &Key, checks: &[Check]) -> Result<Delete> {
        let part = Delete::builder().table_name(&self.name).set_key(Some(key_attributes(key)));
        on_condition!(part, Placeholders::default(), checks).build().map_err(malformed)
    }

    fn verify_part(&self, key: &Key, checks: &[Check]) -> Result<ConditionCheck> {
        let mut placeholders = Placeholders::default();
        let condition = placeholders.condition(checks).unwrap_or_else(|| ANYTHING.to_owned());
        let part = ConditionCheck::builder().table_name(&self.name).set_key(Some(key_attributes(key)));
        let part = part.condition_expression(condition);
        let (names, values) = placeholders.into_parts();
        part.set_expression_attribute_names(names).set_expression_attribute_values(values).build().map_err(malformed)
    }
}
