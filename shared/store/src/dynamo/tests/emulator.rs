//! A new table in an emulator that belongs to the test.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use goldsmith_cloud::aws::emulator::Emulator;

use super::super::{DynamoTable, INDEX};

const TABLE: &str = "goldsmith";

/// A table with the keys and the index of Goldsmith's table.
pub(super) async fn table(emulator: &Emulator) -> DynamoTable {
    let client = Client::new(&emulator.config().await);
    let index = GlobalSecondaryIndex::builder()
        .index_name(INDEX)
        .set_key_schema(Some(key_schema("open", "nextLook")))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .expect("an index");
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(["pk", "sk", "open", "nextLook"].map(text_attribute).into()))
        .set_key_schema(Some(key_schema("pk", "sk")))
        .global_secondary_indexes(index)
        .send()
        .await
        .expect("a table");
    DynamoTable::new(client, TABLE)
}

fn text_attribute(name: &str) -> AttributeDefinition {
    let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
    definition.build().expect("an attribute")
}

fn key_schema(partition: &str, sort: &str) -> Vec<KeySchemaElement> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key"))
        .into()
}
