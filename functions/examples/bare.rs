//! A function that does nothing, with the same runtime as Goldsmith's functions: what their start is compared with.

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let echo = |event: LambdaEvent<Value>| async { Ok::<_, lambda_runtime::Error>(event.payload) };
    lambda_runtime::run(service_fn(echo)).await
}
