//! The function `reap`: the tick, and from time to time a sweep.

use goldsmith_states::{Context, reap as state};
use serde_json::Value;

use crate::run::{Failure, answer};

pub(crate) async fn handle(context: &Context, payload: Value) -> Result<Value, Failure> {
    let answered = state::handle(context, payload.clone()).await;
    if let Some(line) = state::metric(context, &payload).await {
        println!("{line}");
    }
    answer(answered)
}
