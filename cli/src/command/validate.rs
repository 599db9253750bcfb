//! `goldsmith validate PATH...`

mod check;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use goldsmith_document::{Diagnostics, Platform, Target};
use serde::Serialize;

use crate::args::Globals;
use crate::command::apply::Secrets;
use crate::exit::Exit;
use crate::output::{self, Show};
use crate::render::count;
use crate::{folder, parameters};

/// Check documents and definitions, and report every mistake.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A document, a definition file, or a folder whose *.yml and *.yaml files are all checked.
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// The operating system on which the documents will run.
    #[arg(long, value_enum, default_value_t = System::Linux)]
    platform: System,
    /// Values for the documents' parameters, which are checked too.
    #[arg(long, value_name = "NAME=VALUE,...")]
    parameters: Vec<String>,
    #[command(flatten)]
    secrets: Secrets,
}

/// An operating system, in the user's spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum System {
    Linux,
    Windows,
    #[value(alias = "darwin")]
    Macos,
}

impl From<System> for Platform {
    fn from(system: System) -> Self {
        match system {
            System::Linux => Platform::Linux,
            System::Windows => Platform::Windows,
            System::Macos => Platform::Macos,
        }
    }
}

pub(crate) fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let given = parameters::parse(&args.parameters)?;
    let target = Target { platform: Some(args.platform.into()), blocked: Vec::new() };
    let (mut files, mut found, mut documents) = (0, Diagnostics::new(), Vec::new());
    for path in &args.paths {
        let names = folder::files(path)?;
        files += names.len();
        let checked = check::files(&names, &target, args.secrets)?;
        documents.extend(checked.documents);
        found.extend(checked.found);
    }
    for document in &documents {
        found.extend(parameters::refused(document, &given, parameters::OPTION));
    }
    if !found.has_errors() {
        // A document with mistakes is not among `documents`, so its parameters would count as unknown.
        found.extend(parameters::unknown(&documents, &given, parameters::OPTION));
    }
    let validated = Validated { found, files };
    output::show(globals, &validated)?;
    Ok(if validated.found.has_errors() { Exit::Failed } else { Exit::Success })
}

/// The findings, and the number of files that were checked.
#[derive(Serialize)]
#[serde(transparent)]
struct Validated {
    found: Diagnostics,
    #[serde(skip)]
    files: usize,
}

impl Show for Validated {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let errors = self.found.errors();
        let warnings = match self.found.len() - errors {
            0 => String::new(),
            warnings => format!(", {}", count(warnings, "warning")),
        };
        let files = count(self.files, "file");
        let last = match errors {
            0 => format!("{files}: valid{warnings}"),
            errors => format!("{files}: {}{warnings}", count(errors, "error")),
        };
        self.found.iter().map(ToString::to_string).chain([last]).collect()
    }
}
