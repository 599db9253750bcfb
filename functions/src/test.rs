//! The function `test`.

use goldsmith_states::{Context, test as state};
use serde_json::Value;

use crate::run::{Failure, answer, start};

pub(crate) async fn handle(context: &Context, payload: Value) -> Result<Value, Failure> {
    answer(state::handle(context, &start(payload)?).await)
}
