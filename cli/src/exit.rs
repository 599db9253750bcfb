//! Exit codes, and the code of each error.

mod failure;

use std::error::Error;
use std::io;
use std::process::ExitCode;

use goldsmith_cloud::{CloudError, Kind};
use goldsmith_document::Diagnostics;
use goldsmith_states::Finding;
use goldsmith_store::StoreError;

use crate::args::Format;
use crate::output::say;
pub(crate) use failure::{Failure, schema as failure_schema};

/// The exit codes as the help shows them.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0    success
  1    the build or the run failed, or a check found something wrong
  2    the command line or a definition is wrong; `plan --detailed-exitcode`: there is something to build
  3    this machine lacks something that is needed
  4    AWS rejected a request or did not answer
  130  interrupted; the watched build continues
  194  reboot this machine, then start the same run again";

/// Advice for missing credentials.
const CREDENTIALS: &str = "give --profile, set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, sign in with \
                           `aws sso login` or `aws login`, or build on this machine with --local";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success.
    Success = 0,
    /// The build or run failed, a check found something wrong, or nothing was built because another build of the
    /// pipeline is running.
    Failed = 1,
    /// The command line or a definition is wrong.
    Invalid = 2,
    /// This machine lacks something that is needed.
    Machine = 3,
    /// AWS rejected a request or did not answer.
    Aws = 4,
    /// The user has pressed Ctrl-C. Work in AWS continues.
    Interrupted = 130,
    /// A step of a run asked for a reboot.
    Reboot = 194,
    /// A plan with `--detailed-exitcode` has found something to build. As in Terraform, the code is 2.
    Changes,
}

impl Exit {
    /// Returns the code with which the program ends.
    fn code(self) -> u8 {
        match self {
            Self::Changes => 2,
            other => other as u8,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// An error whose exit code is set where the error is created.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Stop {
    pub(crate) exit: Exit,
    pub(crate) message: String,
}

/// The error for files with mistakes.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Mistaken {
    message: String,
    found: Diagnostics,
}

/// Prints the mistakes in files on standard error, and returns the error for them.
pub(crate) fn mistaken(mut found: Diagnostics, message: String) -> anyhow::Error {
    found.hide_secrets();
    found.iter().for_each(|one| say(&one.to_string()));
    Mistaken { message, found }.into()
}

/// The error for a run that does not start because of problems, which have names.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Prevented {
    message: String,
    findings: Vec<Finding>,
}

/// Returns the error for a run that does not start because of problems.
pub(crate) fn prevented(findings: Vec<Finding>, message: String) -> anyhow::Error {
    Prevented { message, findings }.into()
}

/// Returns an error for a wrong command line or a wrong definition.
pub(crate) fn invalid(message: impl Into<String>) -> anyhow::Error {
    Stop { exit: Exit::Invalid, message: message.into() }.into()
}

/// Returns an error of the states' code as the commands have it: a failed call to AWS is recognized by its type.
pub(crate) fn plain(error: goldsmith_states::Error) -> anyhow::Error {
    match error {
        goldsmith_states::Error::Cloud(error) => error.into(),
        goldsmith_states::Error::Store(error) => error.into(),
        other => other.into(),
    }
}

/// Returns an error for a machine that lacks something that is needed.
pub(crate) fn lacking(message: impl Into<String>) -> anyhow::Error {
    Stop { exit: Exit::Machine, message: message.into() }.into()
}

/// Prints an error with its causes on standard error, and returns its exit code. A program that reads JSON also gets the
/// error as a document on standard output, unless a result was printed.
pub(crate) fn report(error: &anyhow::Error, format: Format) -> Exit {
    // This is only our own output: a pipe that breaks below a call is a failed call.
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return Exit::Success; // the reader of the output has seen enough
    }
    say(&format!("goldsmith: error: {error}"));
    for cause in causes(error) {
        say(&format!("  because: {cause}"));
    }
    if error.chain().any(lacks_credentials) {
        say(&format!("help: {CREDENTIALS}"));
    }
    if format == Format::Json {
        Failure::of(error).print();
    }
    exit_of(error)
}

/// Returns the causes of an error. Below an AWS error, only the last source says more than that some layer failed. If
/// no credentials are configured, the last source is left out, because it only lists every place that the SDK has
/// tried.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let chain: Vec<_> = error.chain().collect();
    let ours = chain.iter().position(|cause| is_aws(*cause)).map_or(chain.len(), |at| at + 1);
    let last = chain.last().filter(|_| ours < chain.len() && !has_no_source(chain[ours - 1]));
    chain[..ours].iter().skip(1).chain(last).map(ToString::to_string).collect()
}

fn lacks_credentials(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<CloudError>().is_some_and(|error| error.code == "NoCredentials")
}

/// Returns whether no source of credentials is configured that the SDK could have asked.
fn has_no_source(cause: &(dyn Error + 'static)) -> bool {
    lacks_credentials(cause) && cause.downcast_ref::<CloudError>().is_some_and(|error| error.kind == Kind::Denied)
}

fn is_aws(cause: &(dyn Error + 'static)) -> bool {
    cause.is::<CloudError>() || cause.is::<StoreError>()
}

fn exit_of(error: &anyhow::Error) -> Exit {
    let known = error.chain().find_map(|cause| {
        let stop = cause.downcast_ref::<Stop>().map(|stop| stop.exit);
        let stop = stop.or_else(|| cause.is::<Prevented>().then_some(Exit::Failed));
        stop.or_else(|| is_aws(cause).then_some(Exit::Aws))
    });
    // The rest are errors about files and texts that the user named.
    known.unwrap_or(Exit::Invalid)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use goldsmith_cloud::{CloudError, Kind};
    use goldsmith_store::StoreError;
    use serde_json::json;

    use super::{Exit, Failure, Stop, causes, exit_of, invalid, prevented};

    #[test]
    fn errors_set_the_exit_code_wherever_they_are_in_the_chain() {
        let aws: Result<(), StoreError> = Err(StoreError::Busy { code: "Throttling".to_owned() });
        assert_eq!(exit_of(&aws.context("the pipeline cannot be read").unwrap_err()), Exit::Aws);
        assert_eq!(exit_of(&invalid("no such pipeline")), Exit::Invalid);
        let machine = Stop { exit: Exit::Machine, message: "root is needed".to_owned() };
        assert_eq!(exit_of(&anyhow::Error::from(machine).context("the stack cannot be started")), Exit::Machine);
        assert_eq!(exit_of(&anyhow::anyhow!("no such file")), Exit::Invalid);
        assert_eq!(exit_of(&prevented(Vec::new(), "it does not start".to_owned())), Exit::Failed);
    }

    #[test]
    fn only_a_detailed_plan_shares_a_code_with_another_ending() {
        let codes =
            [Exit::Success, Exit::Failed, Exit::Invalid, Exit::Machine, Exit::Aws, Exit::Interrupted, Exit::Reboot];
        assert_eq!(codes.map(Exit::code), [0, 1, 2, 3, 4, 130, 194]);
        assert_eq!(Exit::Changes.code(), 2);
    }

    #[test]
    fn the_last_error_of_a_long_chain_is_shown() {
        let sdk = || anyhow::anyhow!("connection refused").context("io error").context("dispatch failure");
        let unanswered = |code: &str| CloudError {
            operation: "GetParameter",
            region: "eu-west-1".to_owned(),
            code: code.to_owned(),
            message: "no".to_owned(),
            kind: Kind::Unanswered,
            source: Some(sdk().into()),
        };
        let error = anyhow::Error::from(unanswered("NoAnswer")).context("the stack is not found");
        assert_eq!(causes(&error), ["GetParameter in eu-west-1 failed: NoAnswer: no", "connection refused"]);
        assert_eq!(causes(&unanswered("NoCredentials").into()), ["connection refused"]);
        let none = CloudError { kind: Kind::Denied, ..unanswered("NoCredentials") };
        assert_eq!(causes(&none.into()), [""; 0]);
    }

    #[test]
    fn programs_get_the_code_of_aws_and_advice() {
        let denied = |code: &str| CloudError {
            operation: "GetParameter",
            region: "eu-west-1".to_owned(),
            code: code.to_owned(),
            message: "no".to_owned(),
            kind: Kind::Denied,
            source: None,
        };
        let told = |error: anyhow::Error| serde_json::to_value(Failure::of(&error)).unwrap();
        let error = anyhow::Error::from(denied("AccessDenied")).context("the stack is not found");
        let because = ["GetParameter in eu-west-1 failed: AccessDenied: no"];
        let expected = json!({"message": "the stack is not found", "because": because, "code": "AccessDenied"});
        assert_eq!(told(error), expected);
        let none = told(denied("NoCredentials").into());
        assert!(none["fix"].as_str().unwrap().starts_with("give --profile"), "{none}");
        assert_eq!(told(StoreError::Busy { code: "Throttling".to_owned() }.into())["code"], "Throttling");
    }
}
