//! The command line: its commands, one file each, and the function that runs each of them.

mod advisories;
mod apply;
mod audit;
mod build;
mod cancel;
mod channels;
mod clean;
mod completion;
mod definitions;
mod delete;
mod deploy;
mod deprecate;
mod diff;
mod disable;
mod distribute;
mod doctor;
mod enable;
mod explain;
mod graph;
mod images;
mod import;
mod init;
mod local;
mod logs;
mod pipelines;
mod plan;
mod promote;
mod provenance;
mod report;
mod retention;
mod retire;
mod revoke;
mod rollback;
mod run;
mod sbom;
mod schema;
mod show;
mod test;
mod validate;
mod verify;
mod watch;

use anyhow::Result;
use clap::{Parser, Subcommand};
use goldsmith_document::secret_in;

use crate::args::Globals;
use crate::exit::{EXIT_CODES, Exit, Failure, invalid};
use crate::output;

/// Builds golden Amazon Machine Images in your own AWS account, or on this machine.
#[derive(Debug, Parser)]
#[command(name = "goldsmith", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Returns the command line, or ends the program with clap's message about a mistake in it.
    pub(crate) fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            let told = error.to_string();
            let arguments: Vec<String> =
                std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
            let harmless = arguments.iter().fold(told.clone(), |told, argument| without_secret(&told, argument));
            if harmless == told {
                let _ = error.print(); // as clap prints it, in color
            } else {
                output::say(harmless.trim_end());
            }
            if error.use_stderr() && wants_json(&arguments) {
                Failure::of_usage(&harmless).print();
            }
            std::process::exit(plan::code_of_mistake(error.exit_code(), std::env::args_os()))
        })
    }
}

/// Returns whether the options of a command line that could not be read ask for JSON.
fn wants_json(arguments: &[String]) -> bool {
    let options = arguments.split(|argument| argument == "--").next().unwrap_or_default();
    options.iter().any(|option| option == "--output=json")
        || options.windows(2).any(|pair| pair == ["--output", "json"])
}

/// Returns clap's message without the secret in an argument, which clap may repeat: `NAME=SECRET`, or `--FLAG=SECRET`.
fn without_secret(told: &str, argument: &str) -> String {
    let Some(secret) = secret_in(argument) else { return told.to_owned() };
    let of_flag = argument.starts_with("--").then(|| argument.split_once('=')).flatten();
    let value = of_flag.map_or(argument, |(_, value)| value);
    let shown = value.strip_suffix(secret).unwrap_or_default();
    told.replace(value, &format!("{shown}****"))
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a starter folder of definitions.
    Init(init::Args),
    /// Check the definitions of a folder or file and store them.
    Apply(apply::Args),
    /// Show what all instances of an image would share: keys, identities, credentials, histories.
    Audit(audit::Args),
    /// Judge the packages of an image by a folder of security advisories.
    Advisories(advisories::Args),
    /// Show what a build of a pipeline would do, and everything that would stop it. This changes nothing.
    Plan(plan::Args),
    /// Explain a problem that a plan has found, or the error of a failed build.
    Explain(explain::Args),
    /// Build a pipeline's image and watch the build.
    Build(build::Args),
    /// Run a pipeline's tests on any AMI, on fresh instances.
    Test(test::Args),
    /// Bring a published image to where its distribution wants it and where it is missing.
    Distribute(distribute::Args),
    /// Watch a build until its end, as `build` does, with the same result and exit code.
    Watch(watch::Args),
    /// Stop a build and wait until nothing of it is left.
    Cancel(cancel::Args),
    /// Remove the resources that a deleted stack has left in the account.
    Clean(clean::Args),
    /// Create a stack from a release, or update one.
    Deploy(deploy::Args),
    /// Remove a stack, but keep its table, its bucket and its images.
    Retire(retire::Args),
    /// Check everything that a build needs in the account, and suggest how to fix problems.
    Doctor(doctor::Args),
    /// List pipelines, what starts them, and when they start next.
    Pipelines(pipelines::Args),
    /// Show which pipelines start from which images, and where their images go.
    Graph(graph::Args),
    /// List images.
    Images(images::Args),
    /// List all stored definitions, and what uses each of them.
    Definitions(definitions::Args),
    /// Show an image or its build, a pipeline with its last builds, or another definition.
    Show(show::Args),
    /// Write a report of a build, or of a pipeline and its builds, as HTML pages.
    Report(report::Args),
    /// Show what differs between two images: packages, files, units, users and more.
    Diff(diff::Args),
    /// Write the bill of materials of an image, as CycloneDX or SPDX.
    Sbom(sbom::Args),
    /// Write the signed provenance of an image, or parts of it.
    Provenance(provenance::Args),
    /// Check the signature of an image, and whether its AMIs still contain what was signed.
    Verify(verify::Args),
    /// Print the output of the steps of an image's build.
    Logs(logs::Args),
    /// List channels and the images to which they point, or the channels of a pipeline with their history.
    Channels(channels::Args),
    /// Make a channel of a pipeline point to an image.
    Promote(promote::Args),
    /// Make the parameters or a channel of a pipeline name an earlier image again.
    Rollback(rollback::Args),
    /// Keep a pipeline from starting automatically, or keep an image from being launched.
    Disable(disable::Args),
    /// Undo `disable`.
    Enable(enable::Args),
    /// Mark an image as deprecated, in all Regions.
    Deprecate(deprecate::Args),
    /// Disable an image that must no longer be used, and name everything that was built on it.
    Revoke(revoke::Args),
    /// Delete an image that nothing refers to, definitions that nothing uses, or a channel.
    Delete(delete::Args),
    /// Delete the images of a pipeline that exceed its retention.
    Retention(retention::Args),
    /// Run documents on this machine, as an image build runs them on its instance.
    Run(run::Args),
    /// Print the JSON Schema of documents, definitions, events or errors.
    Schema(schema::Args),
    /// Print the script that lets a shell complete the commands and options.
    Completion(completion::Args),
    /// Translate definitions of EC2 Image Builder or Packer, and list what could not be translated.
    Import(import::Args),
    /// Check documents and definitions, and report every mistake.
    Validate(validate::Args),
    /// Run AWS on this machine: the stack for `--local`.
    Local(local::Args),
}

/// Runs the command.
pub(crate) async fn run(cli: &Cli) -> Result<Exit> {
    let globals = &cli.globals;
    if globals.regions.len() > 1 && !matches!(cli.command, Command::Clean(_)) {
        return Err(invalid("only `clean` takes more than one --region"));
    }
    match &cli.command {
        Command::Advisories(args) => advisories::run(globals, args).await,
        Command::Apply(args) => apply::run(globals, args).await,
        Command::Audit(args) => audit::run(globals, args).await,
        Command::Cancel(args) => cancel::run(globals, args).await,
        Command::Channels(args) => channels::run(globals, args).await,
        Command::Promote(args) => promote::run(globals, args).await,
        Command::Revoke(args) => revoke::run(globals, args).await,
        Command::Clean(args) => clean::run(globals, args).await,
        Command::Definitions(args) => definitions::run(globals, args).await,
        Command::Delete(args) => delete::run(globals, args).await,
        Command::Deprecate(args) => deprecate::run(globals, args).await,
        Command::Diff(args) => diff::run(globals, args).await,
        Command::Disable(args) => disable::run(globals, args).await,
        Command::Enable(args) => enable::run(globals, args).await,
        Command::Doctor(args) => doctor::run(globals, args).await,
        Command::Plan(args) => plan::run(globals, args).await,
        Command::Explain(args) => explain::run(globals, args),
        Command::Build(args) => build::run(globals, args).await,
        Command::Graph(args) => graph::run(globals, args).await,
        Command::Provenance(args) => provenance::run(globals, args).await,
        Command::Test(args) => test::run(globals, args).await,
        Command::Verify(args) => verify::run(globals, args).await,
        Command::Distribute(args) => distribute::run(globals, args).await,
        Command::Images(args) => images::run(globals, args).await,
        Command::Pipelines(args) => pipelines::run(globals, args).await,
        Command::Show(args) => show::run(globals, args).await,
        Command::Report(args) => report::run(globals, args).await,
        Command::Logs(args) => logs::run(globals, args).await,
        Command::Watch(args) => watch::run(globals, args).await,
        Command::Retention(args) => retention::run(globals, args).await,
        Command::Rollback(args) => rollback::run(globals, args).await,
        Command::Run(args) => run::run(args),
        Command::Sbom(args) => sbom::run(globals, args).await,
        Command::Schema(args) => schema::run(args),
        Command::Completion(args) => completion::run(globals, args),
        Command::Import(args) => import::run(globals, args),
        Command::Init(args) => init::run(globals, args),
        Command::Validate(args) => validate::run(globals, args),
        Command::Deploy(args) => deploy::run(globals, args).await,
        Command::Retire(args) => retire::run(globals, args).await,
        Command::Local(args) => local::run(globals, args).await,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn commands_that_write_a_file_have_the_same_option_for_it() {
        for command in ["report", "sbom"] {
            for option in ["-o", "--to", "--file"] {
                let parsed = Cli::try_parse_from(["goldsmith", command, "web/1.0.0/1", option, "out"]);
                assert!(parsed.is_ok(), "{command} {option}");
            }
        }
    }

    #[test]
    fn the_help_says_which_image_is_the_latest() {
        let mut told = 0;
        for command in Cli::command().get_subcommands() {
            for argument in command.get_positionals() {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                if help.contains("NAME/latest") {
                    let rule = "NAME/latest is the newest image that can be used, which leaves out failed ones";
                    assert!(help.contains(rule), "{}: {help}", command.get_name());
                    told += 1;
                }
            }
        }
        assert!(told >= 9, "{told}");
    }

    #[test]
    fn the_folder_of_commands_lists_the_commands() {
        let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/command")).unwrap();
        let files: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        let listed: BTreeSet<&str> = files.iter().filter_map(|name| name.strip_suffix(".rs")).collect();
        let cli = Cli::command();
        assert_eq!(listed, cli.get_subcommands().map(clap::Command::get_name).collect());
    }

    #[test]
    fn programs_are_told_of_each_command_whether_it_changes_something() {
        let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../AGENTS.md")).unwrap();
        let (_, table) = page.split_once("\n| commands | what they do |\n").unwrap();
        let rows = table.lines().take_while(|line| line.starts_with('|')).filter_map(|row| row.split('|').nth(1));
        let told: Vec<&str> = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
        for command in Cli::command().get_subcommands().map(clap::Command::get_name) {
            assert_eq!(told.iter().filter(|name| **name == command).count(), 1, "{command}");
        }
    }

    /// Finds the calls of this program in a page, from the name of the command on: in backquotes, or on their own line.
    fn calls(page: &str) -> impl Iterator<Item = &str> {
        let calls = page.match_indices("goldsmith ").filter(|(at, _)| {
            let before = page[..*at].trim_end_matches(' ');
            before.ends_with('`') || before.ends_with('\n')
        });
        let rest = calls.map(|(at, name)| &page[at + name.len()..]);
        rest.filter_map(|rest| rest.split(['`', '#', '\n', '|']).next()).filter(|call| !call.starts_with('-'))
    }

    #[test]
    fn the_pages_call_only_commands_and_options_that_exist() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let pages = fs::read_dir(root.join("docs")).unwrap().map(|page| page.unwrap().path());
        let pages = pages.filter(|page| page.extension().is_some_and(|extension| extension == "md"));
        let (mut cli, mut seen) = (Cli::command(), 0);
        cli.build(); // now each command has the global options, too
        for page in pages.chain(["README.md", "AGENTS.md", "CONTRIBUTING.md"].map(|name| root.join(name))) {
            for call in calls(&fs::read_to_string(&page).unwrap()) {
                let mut words = call.split([' ', '[', ']']).filter(|word| !word.is_empty()).peekable();
                let place = format!("{}: goldsmith {call}", page.display());
                let mut command = cli.find_subcommand(words.next().unwrap()).unwrap_or_else(|| panic!("{place}"));
                while let Some(below) = words.peek().and_then(|word| command.find_subcommand(word)) {
                    (command, _) = (below, words.next());
                }
                for flag in words.filter_map(|word| word.strip_prefix("--")) {
                    assert!(command.get_arguments().any(|one| one.get_long() == Some(flag)), "{place}");
                }
                seen += 1;
            }
        }
        assert!(seen > 50, "{seen}");
    }
}
