//! `goldsmith apply PATH`

use std::path::{Path, PathBuf};

use anyhow::Result;
use goldsmith_document::Diagnostics;
use goldsmith_model::definitions::{Definitions, Draft, SourceFile, VersionPlace};
use goldsmith_store::{ApplyError, Change, Outcome, Taken};

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::folder;
use crate::output::{self, Show};
use crate::render::{columns, count_in_words, word};
use crate::schedules;

/// Check the definitions of a folder or file and store them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A definition file, or a folder whose *.yml and *.yaml files are all read.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(flatten)]
    secrets: Secrets,
}

/// How to treat values that look like secrets.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Secrets {
    /// Store values of parameters even if they look like secrets.
    #[arg(long)]
    pub(crate) allow_plain_secrets: bool,
}

/// What a user can do if a value only looks like a secret.
pub(crate) const NO_SECRET: &str = "if it is not a secret, use --allow-plain-secrets";

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let (_, _, changes) = apply(globals, &args.path, args.secrets).await?;
    output::show(globals, &changes)?;
    Ok(Exit::Success)
}

/// Reads, checks and stores definitions, and updates their schedules. Mistakes in the files are reported before the stack is
/// looked up.
pub(crate) async fn apply(
    globals: &Globals,
    path: &Path,
    secrets: Secrets,
) -> Result<(Connection, Definitions, Vec<Change>)> {
    let files = folder::read(path)?;
    let Checked { connection, definitions, versions } = check(globals, path, &files, secrets).await?;
    let changes = connection.store.apply(&definitions).await.map_err(|error| unapplied(path, &versions, error))?;
    schedules::keep(&connection, &definitions).await?;
    Ok((connection, definitions, changes))
}

/// Definitions without mistakes, and the stack that they are for.
pub(crate) struct Checked<'f> {
    pub(crate) connection: Connection,
    pub(crate) definitions: Definitions,
    pub(crate) versions: Vec<VersionPlace<'f>>,
}

/// Checks the definitions of these files, which were read from this path. Nothing is written.
pub(crate) async fn check<'f>(
    globals: &Globals,
    path: &Path,
    files: &'f [SourceFile],
    secrets: Secrets,
) -> Result<Checked<'f>> {
    let mut draft = Draft::read(files, &folder::documents(files));
    if !secrets.allow_plain_secrets {
        draft.refuse_secrets(NO_SECRET);
    }
    // The stack is not needed for these mistakes, so a person without credentials sees them too.
    if draft.has_errors() {
        let found = draft.check_alone().err().unwrap_or_default();
        return Err(refused(path, found));
    }
    if draft.is_empty() {
        let what = "a component's document is stored with the Component whose uri names it";
        return Err(invalid(format!("there is no definition in {}: {what}", path.display())));
    }
    let versions = draft.version_places();
    let connection = Connection::open(globals).await?;
    let stored = connection.store.stored_for(&draft).await?;
    let mut definitions = draft.check(&stored).map_err(|found| refused(path, found))?;
    definitions.warnings.hide_secrets();
    for warning in definitions.warnings.iter() {
        output::say(&warning.to_string());
    }
    // This comes before the table is written: otherwise the pipeline would be stored without its schedule.
    schedules::check(&connection, &definitions)?;
    Ok(Checked { connection, definitions, versions })
}

/// Returns the error for definitions that cannot be applied.
pub(crate) fn unapplied(path: &Path, versions: &[VersionPlace<'_>], error: ApplyError) -> anyhow::Error {
    match error {
        ApplyError::Taken(taken) => refused(path, taken_versions(versions, &taken)),
        ApplyError::Store(error) => error.into(),
    }
}

/// Reports versions that are already stored with different content, each at its place in the files.
fn taken_versions(versions: &[VersionPlace<'_>], taken: &[Taken]) -> Diagnostics {
    let mut found = Diagnostics::default();
    for one in taken {
        let same =
            |place: &&VersionPlace<'_>| (place.kind, &place.name, place.version) == (one.kind, &one.name, one.version);
        if let Some(place) = versions.iter().find(same) {
            found.push(place.error("version-taken", one.to_string()));
        }
    }
    found
}

fn refused(path: &Path, mut found: Diagnostics) -> anyhow::Error {
    found.hide_secrets();
    output::say(&found.to_string());
    let mistakes = count_in_words(found.errors(), "mistake");
    Stop { exit: Exit::Invalid, message: format!("{mistakes} in {}: nothing was applied", path.display()) }.into()
}

impl Show for Vec<Change> {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let row = |change: &Change| {
            let version = change.version.map(|version| format!(" {version}")).unwrap_or_default();
            vec![word(change.outcome), change.kind.clone(), format!("{}{version}", change.name)]
        };
        columns(&self.iter().map(row).collect::<Vec<_>>())
    }
}

/// Returns how many definitions were written.
pub(crate) fn written(changes: &[Change]) -> usize {
    changes.iter().filter(|change| change.outcome != Outcome::Unchanged).count()
}

#[cfg(test)]
mod tests {
    use goldsmith_model::definitions::{Draft, Kind, SourceFile};
    use goldsmith_store::Taken;

    use super::taken_versions;

    #[test]
    fn a_version_that_is_taken_is_reported_with_its_place() {
        let text = "kind: Component\nname: nginx\nsemanticVersion: 1.0.0\nplatform: Linux\n\
                    data: '{schemaVersion: 1.0, phases: [{name: build, steps: []}]}'\n";
        let files = [SourceFile { path: "web/nginx.yml".to_owned(), text: text.to_owned() }];
        let draft = Draft::read(&files, &|_| Ok(String::new()));
        let version = "1.0.0".parse().unwrap();
        let next = Some("1.0.1".parse().unwrap());
        let taken = [Taken { kind: Kind::Component, name: "nginx".parse().unwrap(), version, next }];
        let said = taken_versions(&draft.version_places(), &taken).to_string();
        let expected = "web/nginx.yml:3:18: error: component `nginx` 1.0.0 is stored with other content, and versions never \
                        change: the next free one is 1.0.1\n";
        assert!(said.starts_with(expected), "{said}");
    }
}
