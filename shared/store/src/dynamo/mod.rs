//! The table in DynamoDB: keys `pk` and `sk`, and a sparse index `open` (partition `open`, sort `nextLook`, all
//! attributes).

mod attribute;
mod expression;
mod failure;
mod retries;
#[cfg(test)]
mod tests;
mod writes;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;

use self::attribute::{from_attributes, key_attributes};
use self::failure::failure;
use crate::validation::refuse_invalid;
use crate::{Item, Key, Result, Table, Write};

/// The sparse index of open items.
const INDEX: &str = "open";

/// A table in DynamoDB. Clones share its client.
#[derive(Debug, Clone)]
pub struct DynamoTable {
    client: Client,
    name: String,
}

impl DynamoTable {
    /// Creates the handle of the table with this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }

    /// Creates the handle of the table with this name, with its own client. No call is made.
    pub fn with_config(config: &SdkConfig, name: impl Into<String>) -> Self {
        Self::new(Client::new(config), name)
    }

    /// Returns the names of the account's tables in this Region that begin with `prefix`.
    ///
    /// # Errors
    /// Fails if a call fails.
    pub async fn names(config: &SdkConfig, prefix: &str) -> Result<Vec<String>> {
        let mut found = Client::new(config).list_tables().into_paginator().items().send();
        let mut names = Vec::new();
        while let Some(name) = found.next().await {
            names.push(name.map_err(failure("ListTables"))?);
        }
        names.retain(|name| name.starts_with(prefix));
        Ok(names)
    }

    /// Builds the query for the items of a partition whose sort key begins with `prefix`.
    fn below(&self, pk: &str, prefix: &str) -> QueryFluentBuilder {
        let query = self.client.query().consistent_read(true);
        let query = query.expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
        // DynamoDB rejects an empty text in a key condition.
        if prefix.is_empty() {
            return query.key_condition_expression("pk = :pk");
        }
        query
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
    }

    async fn every_page(&self, query: QueryFluentBuilder) -> Result<Vec<Item>> {
        let mut found = query.table_name(&self.name).into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = found.next().await {
            items.push(from_attributes(item.map_err(failure("Query"))?)?);
        }
        Ok(items)
    }
}

#[async_trait]
impl Table for DynamoTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>> {
        let request = self.client.get_item().table_name(&self.name).set_key(Some(key_attributes(key)));
        let answer = request.consistent_read(true).send().await.map_err(failure("GetItem"))?;
        answer.item.map(from_attributes).transpose()
    }

    async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>> {
        self.every_page(self.below(pk, prefix)).await
    }

    async fn last(&self, pk: &str, prefix: &str) -> Result<Option<Item>> {
        // `limit` counts items before a filter is applied. There is no filter here, so the one item is the answer.
        let query = self.below(pk, prefix).table_name(&self.name).scan_index_forward(false).limit(1);
        let answer = query.send().await.map_err(failure("Query"))?;
        answer.items.unwrap_or_default().pop().map(from_attributes).transpose()
    }

    async fn first_after(&self, pk: &str, sk: &str) -> Result<Option<Item>> {
        let mut query = self.below(pk, "").table_name(&self.name).limit(1);
        // DynamoDB rejects an empty text in a key condition.
        if !sk.is_empty() {
            query = query
                .key_condition_expression("pk = :pk AND sk > :sk")
                .expression_attribute_values(":sk", AttributeValue::S(sk.to_owned()));
        }
        let answer = query.send().await.map_err(failure("Query"))?;
        answer.items.unwrap_or_default().pop().map(from_attributes).transpose()
    }

    async fn due(&self, open: &str, until: &str) -> Result<Vec<Item>> {
        let query = self
            .client
            .query()
            // A global secondary index has no consistent read. What it does not show yet is found by the next tick.
            .index_name(INDEX)
            .key_condition_expression("#open = :open AND nextLook <= :until")
            .expression_attribute_names("#open", "open")
            .expression_attribute_values(":open", AttributeValue::S(open.to_owned()))
            .expression_attribute_values(":until", AttributeValue::S(until.to_owned()));
        self.every_page(query).await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<()> {
        refuse_invalid(&writes)?;
        match <[Write; 1]>::try_from(writes) {
            Ok([write]) => self.write_one(write).await,
            Err(writes) if writes.is_empty() => Ok(()),
            Err(writes) => self.write_all(writes).await,
        }
    }
}
