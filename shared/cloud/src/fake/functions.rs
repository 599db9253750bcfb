//! Records which functions were invoked. The test runs the functions.

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use crate::{Functions, Result};

/// One asynchronous invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wakeup {
    /// The function's name.
    pub function: String,
    /// The payload, as JSON text.
    pub payload: String,
}

#[async_trait]
impl Functions for FakeCloud {
    async fn wake(&self, function: &str, payload: &str) -> Result<()> {
        self.effect(Call::home("Invoke"), format!("{function}: {payload}"), |world| {
            world.wakes.push(Wakeup { function: function.to_owned(), payload: payload.to_owned() });
            Ok(())
        })
        .await
    }
}

impl FakeCloud {
    /// Returns the invocation with this number, counted from 0, or `None` if there were not as many so far.
    #[must_use]
    pub fn wake(&self, number: usize) -> Option<Wakeup> {
        self.world().wakes.get(number).cloned()
    }

    /// Returns the invocations so far, in order.
    #[must_use]
    pub fn wakes(&self) -> Vec<Wakeup> {
        self.world().wakes.clone()
    }
}
