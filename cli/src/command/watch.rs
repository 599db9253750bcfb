//! `goldsmith watch IMAGE|BUILD`

use anyhow::Result;

use crate::args::Globals;
use crate::command::build;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::target;

/// Watch a build until its end, as `goldsmith build` does, with the same result and exit code.
///
/// A build that has ended is told as a whole. Ctrl-C ends the watching, and the build continues.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, or the id of a build.
    #[arg(value_name = "IMAGE|BUILD")]
    what: String,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let (build, execution) = named(&connection, &args.what, &globals.again()).await?;
    build::watch(globals, &connection, &build, &execution).await
}

/// Returns the id of a build and the ARN of its execution, of which Step Functions still knows.
async fn named(connection: &Connection, what: &str, again: &str) -> Result<(String, String)> {
    let (build, arn) = match target::build_or_start(connection, what).await? {
        Some(record) => (record.build, record.execution),
        None => return Ok((what.to_owned(), connection.execution_arn(what))),
    };
    if connection.executions.execution(&arn).await?.is_none() {
        return Err(invalid(format!(
            "{what} has ended so long ago that Step Functions has forgotten its execution: `{again} show {what}` has its record"
        )));
    }
    Ok((build, arn))
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Executions;
    use serde_json::json;

    use super::named;
    use crate::testing::{STATE_MACHINE, Stack};

    #[tokio::test]
    async fn a_build_is_found_by_its_id_and_its_image_and_an_old_one_is_told_apart_from_none() {
        let stack = Stack::new();
        let arn = STATE_MACHINE.replace(":stateMachine:", ":execution:") + ":b";
        let find = async |what: &str| named(&stack.connection, what, "goldsmith").await.map_err(|e| e.to_string());
        assert!(find("b").await.unwrap_err().contains("no build"));
        stack.cloud.start(STATE_MACHINE, "b", "{}").await.unwrap();
        let found = Ok(("b".to_owned(), arn.clone()));
        assert_eq!(find("b").await, found);
        stack.closed_build(json!({"status": "AVAILABLE"})).await;
        let mut build = serde_json::to_value(stack.connection.store.build("b").await.unwrap().unwrap()).unwrap();
        build["execution"] = arn.into();
        stack.put("BUILD#b", "META", build).await;
        assert_eq!((find("b").await, find("web/1.0.0/1").await), (found.clone(), found));
        let old = Stack::new();
        old.closed_build(json!({"status": "AVAILABLE"})).await;
        let told = named(&old.connection, "web/1.0.0/1", "goldsmith").await.unwrap_err().to_string();
        assert!(told.ends_with("`goldsmith show web/1.0.0/1` has its record"), "{told}");
    }
}
