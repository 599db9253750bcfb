//! The function `snapshot`.

use goldsmith_states::{Context, snapshot as state};
use serde_json::Value;

use crate::run::{Failure, answer, invocation};

pub(crate) async fn handle(context: &Context, payload: Value) -> Result<Value, Failure> {
    answer(state::handle(context, invocation(payload)?).await)
}
