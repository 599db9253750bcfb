//! The function `reap`: the tick, and now and then a sweep.

use goldsmith_states::{Context, reap as state};
use serde_json::Value;

use crate::run::{Failure, answer};

pub(crate) async fn handle(context: &Context, payload: Value) -> Result<Value, Failure> {
    let answer = answer(state::handle(context, payload).await)?;
    if let Some(line) = state::metric(context, &answer) {
        println!("{line}");
    }
    Ok(answer)
}
