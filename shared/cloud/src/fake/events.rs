//! Records the events that were put on the bus.

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use crate::{Events, Result};

/// One event with source `goldsmith`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmittedEvent {
    /// `detail-type`
    pub detail_type: String,
    /// `resources`
    pub resources: Vec<String>,
    /// The `detail` of the event, as JSON text.
    pub detail: String,
}

#[async_trait]
impl Events for FakeCloud {
    async fn emit(&self, detail_type: &str, resources: &[String], detail: &str) -> Result<()> {
        self.effect(Call::home("PutEvents"), detail_type, |world| {
            world.events.push(EmittedEvent {
                detail_type: detail_type.to_owned(),
                resources: resources.to_vec(),
                detail: detail.to_owned(),
            });
            Ok(())
        })
        .await
    }
}

impl FakeCloud {
    /// Returns the events so far, in order.
    #[must_use]
    pub fn events(&self) -> Vec<EmittedEvent> {
        self.world().events.clone()
    }
}
