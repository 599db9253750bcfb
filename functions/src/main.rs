//! One `bootstrap` for every Lambda function of the stack. `_HANDLER` says which function this process runs.

mod environment;

use std::process::ExitCode;
use std::sync::Arc;

use environment::Environment;
use futures_util::FutureExt;
use goldsmith_states::{Context, Failure, dispatch, figures, has_figures, is_function};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().json().with_current_span(false).without_time().init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the function cannot start");
            ExitCode::FAILURE
        }
    }
}

/// Serves invocations until Lambda ends the process.
async fn serve() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::read()?;
    let function = environment.handler.clone();
    if !is_function(&function) {
        return Err(format!("_HANDLER is `{function}`, which is not one of this package's functions").into());
    }
    // The clients are made in another thread while the runtime asks for the first event: the root certificates alone take
    // as long to read as the rest of the start.
    let making = spawn_blocking(|| Handle::current().block_on(environment.context()));
    let context = making.map(|made| made.map(Arc::new).map_err(|error| error.to_string())).shared();
    let function = &*function;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let context = context.clone();
        async move { invoke(&*context.await?, function, event.payload).await }
    }))
    .await
}

async fn invoke(context: &Context, function: &str, payload: Value) -> Result<Value, Diagnostic> {
    let seen = has_figures(function).then(|| payload.clone());
    let answer = dispatch(context, function, payload).await.map_err(diagnostic);
    if let Some(payload) = seen
        && let Some(line) = figures(context, function, &payload).await
    {
        println!("{line}");
    }
    answer
}

/// Names the error for the definition. The runtime would use its Rust type, on which no `Catch` can rely.
fn diagnostic(failure: Failure) -> Diagnostic {
    Diagnostic { error_type: failure.name.as_str().to_owned(), error_message: failure.message() }
}
