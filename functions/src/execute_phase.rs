//! The function `execute-phase`.

use goldsmith_states::{Context, execute_phase as state};
use serde_json::Value;

use crate::run::{Failure, answer, invocation};

pub(crate) async fn handle(context: &Context, payload: Value) -> Result<Value, Failure> {
    answer(state::handle(context, invocation(payload)?).await)
}
