//! The options that all commands have.

use clap::{ArgAction, Args, ValueEnum};

use crate::stack_name;

/// The variable that stands for `--local`.
const LOCAL: &str = "GOLDSMITH_LOCAL";

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Name under which the Goldsmith stack was deployed.
    #[arg(long, global = true, value_name = "NAME", env = "GOLDSMITH_STACK", default_value = "goldsmith", value_parser = stack)]
    pub(crate) stack: String,
    /// Use the stack on this machine, and start it if it is not running.
    #[arg(long, global = true, env = LOCAL, value_parser = switch, action = ArgAction::SetTrue, conflicts_with_all = ["profile", "regions", "endpoint_url"])]
    pub(crate) local: bool,
    /// Profile of the shared AWS configuration.
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// AWS Region of the stack; `clean` accepts several.
    #[arg(long = "region", global = true, value_name = "REGION", value_parser = region)]
    pub(crate) regions: Vec<String>,
    /// Endpoint that receives every request.
    #[arg(long, global = true, value_name = "URL", value_parser = endpoint_url)]
    pub(crate) endpoint_url: Option<String>,
    /// Format of the result on standard output. Progress and errors always go to standard error as text.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
}

/// Checks that a stack with this name can be deployed.
fn stack(text: &str) -> Result<String, String> {
    stack_name::check(text).map(|()| text.to_owned())
}

/// Reads the variable that stands for `--local`. An empty one is as none.
fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(format!(
            "the variable {LOCAL} is 1, true or yes for the stack on this machine, and 0, false or no otherwise"
        )),
    }
}

/// Checks how a Region is spelled, because it becomes part of a host name.
fn region(text: &str) -> Result<String, String> {
    let fits = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits && (1..=63).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-') {
        return Ok(text.to_owned());
    }
    Err("expected a Region such as eu-west-1".to_owned())
}

fn endpoint_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host {
        Some(host) if !host.is_empty() && !host.starts_with('/') => Ok(text.to_owned()),
        _ => Err("expected an endpoint such as http://127.0.0.1:4566".to_owned()),
    }
}

/// Format of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl Globals {
    /// Returns the Region of the stack, if one is given.
    pub(crate) fn region(&self) -> Option<&str> {
        self.regions.first().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::switch;
    use crate::command::Cli;

    #[test]
    fn a_region_or_endpoint_that_cannot_be_is_refused() {
        for (flag, value) in [("--region", "nowhere!"), ("--region", ""), ("--endpoint-url", "127.0.0.1:4566")] {
            assert!(Cli::try_parse_from(["goldsmith", "images", flag, value]).is_err(), "{flag} {value}");
        }
        assert!(Cli::try_parse_from(["goldsmith", "images", "--endpoint-url", "https://host/path"]).is_ok());
    }

    #[test]
    fn a_switch_of_the_environment_is_read_as_people_write_it() {
        for (text, expected) in [("1", true), ("true", true), ("Yes", true), ("0", false), ("no", false), ("", false)] {
            assert_eq!(switch(text), Ok(expected), "{text}");
        }
        assert!(switch("2").unwrap_err().contains("GOLDSMITH_LOCAL"));
        let local = |call: &[&str]| Cli::try_parse_from(call).unwrap().globals.local;
        assert!(local(&["goldsmith", "images", "--local"]));
    }

    #[test]
    fn the_local_stack_is_not_looked_for_elsewhere() {
        assert!(Cli::try_parse_from(["goldsmith", "images", "--local", "--region", "eu-west-1"]).is_err());
    }
}
