//! One `bootstrap` for every Lambda function of the stack. `_HANDLER` says which function this process runs.

mod environment;
mod run;

mod distribute;
mod execute_phase;
mod finish;
mod launch;
mod plan;
mod publish;
mod reap;
mod signal;
mod snapshot;
mod test;
mod trigger;

use std::process::ExitCode;

use environment::Environment;

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

async fn serve() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::read()?;
    let handler = environment.handler.clone();
    let context = environment.context().await;
    match handler.as_str() {
        "plan" => run::run(context, plan::handle).await,
        "launch" => run::run(context, launch::handle).await,
        "execute-phase" => run::run(context, execute_phase::handle).await,
        "snapshot" => run::run(context, snapshot::handle).await,
        "test" => run::run(context, test::handle).await,
        "distribute" => run::run(context, distribute::handle).await,
        "publish" => run::run(context, publish::handle).await,
        "finish" => run::run(context, finish::handle).await,
        "signal" => run::run(context, signal::handle).await,
        "trigger" => run::run(context, trigger::handle).await,
        "reap" => run::run(context, reap::handle).await,
        other => Err(format!("_HANDLER is `{other}`, which is not one of this package's functions").into()),
    }
}
