//! The function `signal`: AWS's events and the tick.

use goldsmith_states::{Context, signal as state};
use serde_json::Value;

use crate::run::{Failure, answer};

pub(crate) async fn handle(context: &Context, payload: Value) -> Result<Value, Failure> {
    answer(state::handle(context, payload).await)
}
