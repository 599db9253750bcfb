//! The function `trigger`: schedules, patched sources, published images.

use goldsmith_states::{Context, trigger as state};
use serde_json::Value;

use crate::run::{Failure, answer};

pub(crate) async fn handle(context: &Context, payload: Value) -> Result<Value, Failure> {
    answer(state::handle(context, payload).await)
}
