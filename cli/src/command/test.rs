//! `goldsmith test AMI --pipeline NAME`

use anyhow::Result;
use goldsmith_model::{AmiId, ExecutionInput, Name, StartFrom};

use super::build::{cause, named, start_and_watch};
use crate::args::Globals;
use crate::exit::Exit;

/// Run a pipeline's tests on any AMI, on fresh instances.
///
/// The AMI may belong to this account, be shared with it, or be public. The command neither changes nor publishes it.
/// Ctrl-C ends the watching, and the run continues.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The AMI, which must be in the stack's Region.
    #[arg(value_name = "AMI")]
    ami: AmiId,
    /// The pipeline whose recipe, instance types and time limits the tests use.
    #[arg(long, value_name = "NAME")]
    pipeline: String,
    /// Start the run, print how to watch it, and exit.
    #[arg(long)]
    detach: bool,
    /// A text to store with the run.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let (connection, pipeline) = named(globals, &args.pipeline, None).await?;
    start_and_watch(globals, &connection, &input(args, pipeline), args.detach).await
}

fn input(args: &Args, pipeline: Name) -> ExecutionInput {
    ExecutionInput {
        reason: args.reason.clone(),
        from: Some(StartFrom::Test { image: args.ami.clone() }),
        ..ExecutionInput::new(pipeline, cause())
    }
}

#[cfg(test)]
mod tests {
    use super::{Args, input};

    #[test]
    fn a_verification_starts_at_the_tests_with_the_ami() {
        let ami = "ami-0123456789abcdef0".parse().unwrap();
        let args = Args { ami, pipeline: "web".to_owned(), detach: false, reason: Some("shared".to_owned()) };
        let input = serde_json::to_value(input(&args, "web".parse().unwrap())).unwrap();
        assert_eq!(input["from"], serde_json::json!({"at": "test", "image": "ami-0123456789abcdef0"}));
        assert_eq!((&input["pipeline"], &input["reason"]), (&"web".into(), &"shared".into()));
    }
}
