//! `goldsmith apply PATH`

use std::path::{Path, PathBuf};

use anyhow::Result;
use goldsmith_document::Diagnostics;
use goldsmith_model::definitions::{Definitions, Draft};
use goldsmith_store::{ApplyError, Change, Outcome};

use crate::args::{Format, Globals};
use crate::command::schedules;
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::render::{columns, word};
use crate::{folder, output};

/// Check the definitions of a folder or file and store them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A definition file, or a folder whose *.yml and *.yaml files are all read.
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let (_, _, changes) = apply(globals, &args.path).await?;
    match globals.output {
        Format::Json => output::json(&changes)?,
        Format::Text => lines(&changes).iter().try_for_each(|line| output::line(line))?,
    }
    Ok(Exit::Success)
}

/// Reads, checks, stores, and keeps schedules in step; what is wrong in the files themselves is said before any stack is looked for.
pub(crate) async fn apply(globals: &Globals, path: &Path) -> Result<(Connection, Definitions, Vec<Change>)> {
    let files = folder::read(path)?;
    let draft = Draft::read(&files, &|path| std::fs::read_to_string(path));
    if draft.has_errors() {
        let found = draft.check_alone().err().unwrap_or_default();
        return Err(refused(path, &found));
    }
    if draft.is_empty() {
        let what = "a component's document is stored through the Component whose uri names it";
        return Err(invalid(format!("there is no definition in {}: {what}", path.display())));
    }
    let connection = Connection::open(globals).await?;
    let stored = connection.store.stored_for(&draft).await?;
    let definitions = draft.check(&stored).map_err(|found| refused(path, &found))?;
    for warning in definitions.warnings.iter() {
        output::say(&warning.to_string());
    }
    schedules::check(&connection, &definitions)?;
    let changes = connection.store.apply(&definitions).await.map_err(|error| match error {
        ApplyError::Taken(_) => invalid(error.to_string()),
        ApplyError::Store(error) => error.into(),
    })?;
    schedules::keep(&connection, &definitions).await?;
    Ok((connection, definitions, changes))
}

fn refused(path: &Path, found: &Diagnostics) -> anyhow::Error {
    output::say(&found.to_string());
    let errors = found.iter().filter(|found| found.severity == goldsmith_document::Severity::Error).count();
    let mistakes = if errors == 1 { "one mistake".to_owned() } else { format!("{errors} mistakes") };
    Stop { exit: Exit::Invalid, message: format!("{mistakes} in {}: nothing was applied", path.display()) }.into()
}

/// A line for each definition.
pub(crate) fn lines(changes: &[Change]) -> Vec<String> {
    let row = |change: &Change| {
        let version = change.version.map(|version| format!(" {version}")).unwrap_or_default();
        vec![word(change.outcome), change.kind.clone(), format!("{}{version}", change.name)]
    };
    columns(&changes.iter().map(row).collect::<Vec<_>>())
}

/// How many definitions were written.
pub(crate) fn written(changes: &[Change]) -> usize {
    changes.iter().filter(|change| change.outcome != Outcome::Unchanged).count()
}
