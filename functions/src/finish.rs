//! The function `finish`, which the definition or the execution's status event calls.

use goldsmith_states::{Context, finish as state};
use serde_json::Value;

use crate::run::{Failure, answer, start};

pub(crate) async fn handle(context: &Context, mut payload: Value) -> Result<Value, Failure> {
    match payload.get_mut("detail").map(Value::take) {
        Some(detail) => answer(state::handle_event(context, detail).await),
        None => answer(state::handle(context, &start(payload)?).await),
    }
}
