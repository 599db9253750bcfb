//! Tests of the contract against the emulator, and of cases that occur only with a broken connection or a busy table.

mod emulator;

use goldsmith_cloud::aws::emulator::Emulator;
use goldsmith_cloud::aws::replay::{Canned, Replay};
use serde_json::json;

use super::*;
use crate::{Check, StoreError, contract};

#[tokio::test]
async fn keeps_the_contract() {
    let Some(emulator) = Emulator::start().unwrap() else { return };
    contract::check(&emulator::table(&emulator).await).await;
}

fn table(answers: impl IntoIterator<Item = Canned>) -> (DynamoTable, Replay) {
    let replay = Replay::new(answers);
    (DynamoTable::with_config(&replay.config(), "goldsmith"), replay)
}

fn put(checks: Vec<Check>) -> Write {
    Write::Put { item: Item::from_iter([("pk".to_owned(), json!("a")), ("sk".to_owned(), json!("b"))]), checks }
}

fn transaction() -> Vec<Write> {
    vec![put(vec![Check::Absent]), Write::Delete { key: Key::new("a", "c"), checks: vec![Check::Present] }]
}

fn canceled(codes: &[&str]) -> Canned {
    let reasons: Vec<_> = codes.iter().map(|code| json!({"Code": code, "Message": "because"})).collect();
    let error =
        json!({"__type": "TransactionCanceledException", "message": "canceled", "CancellationReasons": reasons});
    Canned::Answer(400, error.to_string())
}

#[tokio::test]
async fn a_conditional_write_is_not_repeated_without_an_answer() {
    for lost in [Canned::Lost, Canned::json_error(500, "InternalServerError")] {
        let (table, replay) = table([lost.clone(), Canned::ok("{}")]);
        let error = table.write(vec![put(vec![Check::Absent])]).await.unwrap_err();
        assert!(matches!(error, StoreError::Unanswered { operation: "PutItem", .. }), "{error:?}");
        assert_eq!(replay.sent().len(), 1);

        let (table, replay) = self::table([lost, Canned::ok("{}")]);
        table.write(vec![put(vec![])]).await.unwrap();
        assert_eq!(replay.sent().len(), 2, "without a condition the second attempt writes the same again");
    }
}

#[tokio::test]
async fn a_throttled_write_is_repeated() {
    let throttled = || Canned::json_error(400, "ThrottlingException");
    let (table, replay) = table([throttled(), Canned::ok("{}"), throttled(), throttled(), throttled()]);
    table.write(vec![put(vec![Check::Absent])]).await.unwrap();
    assert_eq!(replay.sent().len(), 2);
    let error = table.write(vec![put(vec![Check::Absent])]).await.unwrap_err();
    assert!(matches!(&error, StoreError::Busy { code } if code == "ThrottlingException"), "{error:?}");
}

#[tokio::test]
async fn a_transaction_is_repeated_with_its_token() {
    let (table, replay) = table([Canned::Lost, Canned::ok("{}")]);
    table.write(transaction()).await.unwrap();
    let token = |index: usize| {
        let body: serde_json::Value = serde_json::from_str(&replay.sent()[index].body).unwrap();
        body["ClientRequestToken"].as_str().unwrap().to_owned()
    };
    assert_eq!(token(0), token(1));
}

#[tokio::test]
async fn tells_why_a_transaction_was_canceled() {
    let (table, _) = table([
        canceled(&["None", "ConditionalCheckFailed", "TransactionConflict"]),
        canceled(&["None", "TransactionConflict"]),
        canceled(&["ThrottlingError", "None"]),
        canceled(&["None", "ValidationError"]),
    ]);
    let failure = async || table.write(transaction()).await.unwrap_err();
    assert!(matches!(failure().await, StoreError::Conflict { failed } if failed == [1]));
    assert!(matches!(failure().await, StoreError::Busy { code } if code == "TransactionConflict"));
    assert!(matches!(failure().await, StoreError::Busy { code } if code == "ThrottlingError"));
    assert!(matches!(failure().await, StoreError::Refused { code, .. } if code == "ValidationError"));
}

#[tokio::test]
async fn reads_tell_what_went_wrong() {
    let missing = Canned::json_error(400, "ResourceNotFoundException");
    let (table, _) = table([Canned::Lost, Canned::Lost, Canned::Lost, missing]);
    let error = table.get(&Key::new("a", "b")).await.unwrap_err();
    assert!(error.is_transient() && error.to_string() == "the table did not answer GetItem", "{error:?}");
    let error = table.query("a", "").await.unwrap_err();
    assert_eq!(error.to_string(), "Query failed: ResourceNotFoundException: because");
}
