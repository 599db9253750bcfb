//! EventBridge.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};

use super::failure::kind_of;
use super::{failure, home_region};
use crate::{CloudError, Events, Kind, Result};

const OPERATION: &str = "PutEvents";
/// The `source` of every Goldsmith event.
const SOURCE: &str = "goldsmith";
/// PutEvents returns 200 even if it rejected an entry.
const ANSWERED: u16 = 200;

/// The default event bus of the configuration's Region.
#[derive(Debug)]
pub struct EventBridge {
    client: Client,
    region: String,
}

impl EventBridge {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), region: home_region(config) }
    }
}

#[async_trait]
impl Events for EventBridge {
    async fn emit(&self, detail_type: &str, resources: &[String], detail: &str) -> Result<()> {
        let entry = PutEventsRequestEntry::builder()
            .source(SOURCE)
            .detail_type(detail_type)
            .set_resources(Some(resources.to_vec()))
            .detail(detail)
            .build();
        let answer = self.client.put_events().entries(entry).send().await;
        let answer = answer.map_err(failure(OPERATION, &self.region))?;
        match answer.entries().iter().find(|entry| entry.error_code().is_some()) {
            Some(entry) => Err(refused(entry, &self.region)),
            None if answer.failed_entry_count() > 0 => Err(super::incomplete(OPERATION, &self.region, "error code")),
            None => Ok(()),
        }
    }
}

fn refused(entry: &PutEventsResultEntry, region: &str) -> CloudError {
    let code = entry.error_code().unwrap_or_default().to_owned();
    let kind = if code == "InternalFailure" { Kind::Unanswered } else { kind_of(&code, ANSWERED) };
    let message = entry.error_message().unwrap_or("no message").to_owned();
    CloudError { operation: OPERATION, region: region.to_owned(), kind, code, message, source: None }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::replay::{Canned, Replay};
    use super::*;

    #[tokio::test]
    async fn a_refused_entry_is_an_error() {
        let refused = |code| {
            let entries = json!([{"ErrorCode": code, "ErrorMessage": "because"}]);
            Canned::ok(json!({"FailedEntryCount": 1, "Entries": entries}).to_string())
        };
        let taken = Canned::ok(r#"{"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}"#);
        let replay = Replay::new([
            taken,
            refused("ThrottlingException"),
            refused("InternalFailure"),
            refused("MalformedDetail"),
        ]);
        let events = EventBridge::new(&replay.config());
        let resources = ["arn:e".to_owned()];
        let emit = || events.emit("Goldsmith Build Ended", &resources, r#"{"outcome":"built"}"#);
        emit().await.unwrap();
        let sent: Value = serde_json::from_str(&replay.sent()[0].body).unwrap();
        let entry = json!({"Source": "goldsmith", "DetailType": "Goldsmith Build Ended", "Resources": ["arn:e"],
            "Detail": r#"{"outcome":"built"}"#});
        assert_eq!(sent, json!({"Entries": [entry]}));
        for kind in [Kind::Throttled, Kind::Unanswered, Kind::Invalid] {
            assert_eq!(emit().await.unwrap_err().kind, kind);
        }
    }
}
