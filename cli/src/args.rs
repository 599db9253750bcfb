//! The arguments of the command line, and its help.

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::command;
use crate::exit::EXIT_CODES;

/// Builds golden Amazon Machine Images in your own AWS account, or on this machine.
#[derive(Debug, Parser)]
#[command(name = "goldsmith", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Name of the stack that Goldsmith was deployed as.
    #[arg(long, global = true, value_name = "NAME", env = "GOLDSMITH_STACK", default_value = "goldsmith", value_parser = stack)]
    pub(crate) stack: String,
    /// Use the stack on this machine, and start it if it is down.
    #[arg(long, global = true, conflicts_with_all = ["profile", "regions", "endpoint_url"])]
    pub(crate) local: bool,
    /// Profile of the shared AWS configuration.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// AWS Region of the stack; `clean` takes several.
    #[arg(long = "region", global = true, value_name = "REGION", value_parser = region)]
    pub(crate) regions: Vec<String>,
    /// Endpoint to send every request to.
    #[arg(long, global = true, value_name = "URL", value_parser = endpoint_url)]
    pub(crate) endpoint_url: Option<String>,
    /// Format of the result on standard output. Progress and errors always go to standard error as text.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

/// Checks that a stack can be deployed under this name.
fn stack(text: &str) -> Result<String, String> {
    command::stack_name::check(text).map(|()| text.to_owned())
}

/// Checks how a Region is written, because it becomes part of a host name.
fn region(text: &str) -> Result<String, String> {
    let fits = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits && (1..=63).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(text.to_owned());
    }
    Err("a Region is written like eu-west-1".to_owned())
}

fn endpoint_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') => Ok(text.to_owned()),
        _ => Err("an endpoint is written like http://127.0.0.1:4566".to_owned()),
    }
}

/// Form of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check the definitions of a folder or file and store them.
    Apply(command::apply::Args),
    /// Show what every instance of an image would share: keys, identities, credentials, histories.
    Audit(command::audit::Args),
    /// Build a pipeline's image and watch the build.
    Build(command::build::Args),
    /// Stop a build and wait until nothing of it is left.
    Cancel(command::cancel::Args),
    /// Remove the resources that a deleted stack has left in the account.
    Clean(command::clean::Args),
    /// Create a stack from a release, or update one.
    Deploy(command::deploy::Args),
    /// Remove a stack, but keep its table, its bucket and its images.
    Retire(command::retire::Args),
    /// Check everything that a build needs in the account, and suggest fixes.
    Doctor(command::doctor::Args),
    /// List pipelines, what starts them, and when they start next.
    Pipelines(command::pipelines::Args),
    /// List images.
    Images(command::images::Args),
    /// Show an image or its build, or a pipeline: when it starts next and why it was last built.
    Show(command::show::Args),
    /// Print the output of the steps of an image's build.
    Logs(command::logs::Args),
    /// Run documents on this machine, as an image build runs them on its instance.
    Run(command::run::Args),
    /// Print the JSON Schema of documents or definitions, for editors.
    Schema(command::schema::Args),
    /// Check documents and definitions, and report every mistake.
    Validate(command::validate::Args),
    /// Run AWS on this machine: the stack for `--local`.
    Local(crate::local::Args),
}

impl Globals {
    /// Returns the Region of the stack, if one is given.
    pub(crate) fn region(&self) -> Option<&str> {
        self.regions.first().map(String::as_str)
    }

    /// Returns how to call Goldsmith again for the same stack.
    pub(crate) fn again(&self) -> String {
        let mut call = "goldsmith".to_owned();
        if self.stack != "goldsmith" {
            call = format!("{call} --stack {}", self.stack);
        }
        if self.local {
            call.push_str(" --local");
        }
        let (profile, endpoint_url) = (self.profile.as_deref(), self.endpoint_url.as_deref());
        with_given(call, &[("--profile", profile), ("--region", self.region()), ("--endpoint-url", endpoint_url)])
    }

    /// Returns how to call the AWS CLI for the same account and Region.
    pub(crate) fn aws(&self) -> String {
        self.aws_in(self.region())
    }

    /// Returns how to call the AWS CLI for a Region, or for the configured Region if it is `None`. For the local AWS,
    /// the call has its address and its keys: without them, the AWS CLI would call the configured account.
    pub(crate) fn aws_in(&self, region: Option<&str>) -> String {
        if self.local
            && let Some(call) = crate::local::aws(&self.stack, region)
        {
            return call;
        }
        let (profile, endpoint_url) = (self.profile.as_deref(), self.endpoint_url.as_deref());
        with_given("aws".to_owned(), &[("--profile", profile), ("--region", region), ("--endpoint-url", endpoint_url)])
    }
}

/// Returns a call with those flags that have a value.
fn with_given(call: String, flags: &[(&str, Option<&str>)]) -> String {
    let given = flags.iter().filter_map(|(flag, value)| Some((flag, (*value)?)));
    given.fold(call, |call, (flag, value)| format!("{call} {flag} {value}"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_next_call_names_the_same_stack() {
        for line in ["goldsmith", "goldsmith --stack two --local", "goldsmith --profile p --region eu-west-1"] {
            let words = line.split(' ').chain(["images"]);
            assert_eq!(Cli::parse_from(words).globals.again(), line);
        }
    }

    #[test]
    fn the_aws_cli_is_called_for_the_same_account_and_region() {
        let globals =
            Cli::parse_from(["goldsmith", "--stack", "s", "--profile", "p", "--region", "eu-west-1", "images"]);
        assert_eq!(globals.globals.aws(), "aws --profile p --region eu-west-1");
        assert_eq!(globals.globals.aws_in(Some("us-east-1")), "aws --profile p --region us-east-1");
        let own = Cli::parse_from(["goldsmith", "images", "--endpoint-url", "http://127.0.0.1:4566"]).globals;
        assert_eq!(own.aws(), "aws --endpoint-url http://127.0.0.1:4566");
    }

    #[test]
    fn a_region_or_endpoint_that_cannot_be_is_refused() {
        for (flag, value) in [("--region", "nowhere!"), ("--region", ""), ("--endpoint-url", "127.0.0.1:4566")] {
            assert!(Cli::try_parse_from(["goldsmith", "images", flag, value]).is_err(), "{flag} {value}");
        }
        assert!(Cli::try_parse_from(["goldsmith", "images", "--endpoint-url", "https://host/path"]).is_ok());
    }

    #[test]
    fn the_local_stack_is_not_looked_for_elsewhere() {
        assert!(Cli::try_parse_from(["goldsmith", "images", "--local", "--region", "eu-west-1"]).is_err());
    }
}
