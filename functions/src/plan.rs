//! The function `plan`.

use goldsmith_states::{Context, plan as state};
use serde_json::Value;

use crate::run::{Failure, answer, start};

pub(crate) async fn handle(context: &Context, payload: Value) -> Result<Value, Failure> {
    answer(state::handle(context, &start(payload)?).await)
}
