//! `goldsmith apply PATH`

mod automatic;
mod bump;
mod differences;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use anyhow::Result;
use goldsmith_document::{Diagnostic, Diagnostics};
use goldsmith_model::Name;
use goldsmith_model::definitions::{Definitions, Draft, Reference, Settled, SourceFile, VersionPlace};
use goldsmith_store::{ApplyError, Change, Outcome, Taken};

use crate::args::Globals;
use crate::ask::consents;
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid, mistaken};
use crate::folder;
use crate::output::{self, Show};
use crate::render::{columns, count_in_words, word};
use crate::schedules;
use bump::Bumped;
pub(crate) use differences::differences;

/// Check the definitions of a folder or file and store them.
///
/// Says which pipelines each change affects. Asks before it replaces a configuration that is used by a pipeline outside
/// these files.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A definition file, or a folder whose *.yml and *.yaml files are all read.
    #[arg(value_name = "PATH")]
    path: PathBuf,
    #[command(flatten)]
    secrets: Secrets,
    #[command(flatten)]
    consent: Consent,
}

/// How values that look like secrets are treated.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Secrets {
    /// Accept parameter values even if they look like secrets.
    #[arg(long)]
    pub(crate) allow_plain_secrets: bool,
}

/// What `apply` may change in the stack and in the files.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(crate) struct Consent {
    /// Replace configurations without asking, even if pipelines outside these files use them.
    #[arg(long)]
    pub(crate) yes: bool,
    /// If a component or recipe has changed without a new version, write the next free patch version into its file.
    #[arg(long)]
    pub(crate) bump: bool,
}

/// What a user can do if a value only looks like a secret.
pub(crate) const NO_SECRET: &str = "if it is not a secret, use --allow-plain-secrets";

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let (_, _, changes) = apply(globals, &args.path, args.secrets, args.consent, |_| Ok(())).await?;
    output::show(globals, &changes)?;
    Ok(Exit::Success)
}

/// Reads, checks and stores definitions, and updates their schedules. Mistakes in the files are reported before the stack is
/// looked up. Nothing is stored if `accepts` fails.
pub(crate) async fn apply(
    globals: &Globals,
    path: &Path,
    secrets: Secrets,
    consent: Consent,
    accepts: impl FnOnce(&Definitions) -> Result<()>,
) -> Result<(Connection, Definitions, Vec<Change>)> {
    let purpose = Purpose::Apply { bump: consent.bump };
    let mut files = folder::read(path, purpose.nothing())?;
    let Checked { connection, definitions, changes, bumped } =
        check(globals, path, &mut files, secrets, purpose).await?;
    accepts(&definitions)?;
    let beyond = beyond(&changes, &definitions);
    // Without a terminal, the lines are in the error, which a program reads.
    if consent.yes || std::io::stdin().is_terminal() {
        beyond.iter().for_each(|line| output::say(line));
    }
    let nothing = format!("{}\nnothing was applied", beyond.join("\n"));
    if !beyond.is_empty() && !consents("Replace them?", &nothing, consent.yes)? {
        return Err(Stop { exit: Exit::Failed, message: "nothing was applied".to_owned() }.into());
    }
    bump::write(&files, &bumped)?;
    connection.store.write_definitions(&definitions, &changes).await.map_err(|error| match error {
        ApplyError::Taken(taken) => invalid(ApplyError::Taken(taken).to_string()),
        ApplyError::Store(error) => error.into(),
    })?;
    schedules::keep(&connection, &definitions).await?;
    Ok((connection, definitions, changes))
}

/// Why definitions are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// They will be stored. With `bump`, versions that are taken are raised in the texts of the files.
    Apply { bump: bool },
    /// A plan shows what would be stored.
    Plan,
}

impl Purpose {
    /// Returns what mistakes have prevented.
    pub(crate) fn nothing(self) -> &'static str {
        match self {
            Self::Apply { .. } => "nothing was applied",
            Self::Plan => "nothing was planned",
        }
    }

    /// Returns what helps if a version is taken.
    fn remedy(self) -> &'static str {
        match self {
            Self::Apply { .. } => "--bump writes the next free version into the file",
            Self::Plan => "change the version, or let `goldsmith build --bump` write the next free one into the file",
        }
    }
}

/// Definitions without mistakes, the stack in which they will be stored, and what would change there.
pub(crate) struct Checked {
    pub(crate) connection: Connection,
    pub(crate) definitions: Definitions,
    pub(crate) changes: Vec<Change>,
    /// Versions that were raised in the texts of the files.
    bumped: Vec<Bumped>,
}

/// Checks the definitions in these files, which were read from this path. It writes nothing.
pub(crate) async fn check(
    globals: &Globals,
    path: &Path,
    files: &mut [SourceFile],
    secrets: Secrets,
    purpose: Purpose,
) -> Result<Checked> {
    // The stack is not needed for these mistakes, so a person without credentials sees them too.
    drop(read(path, files, &Settled::new(), secrets, purpose)?);
    let connection = Connection::open(globals).await?;
    let (Judged { mut definitions, changes }, bumped) = judge(&connection, path, files, secrets, purpose).await?;
    definitions.warnings.hide_secrets();
    for warning in definitions.warnings.iter() {
        output::say(&warning.to_string());
    }
    // This comes before the table is written: otherwise the pipeline would be stored without its schedule.
    schedules::check(&connection, &definitions)?;
    Ok(Checked { connection, definitions, changes, bumped })
}

/// Reads a draft, and rejects it if it contains mistakes itself.
fn read<'t>(
    path: &Path,
    files: &'t [SourceFile],
    settled: &Settled,
    secrets: Secrets,
    purpose: Purpose,
) -> Result<Draft<'t>> {
    let mut draft = Draft::read_with(files, &folder::documents(files), settled);
    if !secrets.allow_plain_secrets {
        draft.refuse_secrets(NO_SECRET);
    }
    if draft.has_errors() {
        let found = draft.check_alone().err().unwrap_or_default();
        return Err(refused(path, found, purpose));
    }
    if draft.is_empty() {
        let what = "a component's document is stored with the Component whose uri names it";
        return Err(invalid(format!("there is no definition in {}: {what}", path.display())));
    }
    Ok(draft)
}

/// Definitions that may be stored, and what would change in the stack.
struct Judged {
    definitions: Definitions,
    changes: Vec<Change>,
}

/// Checks the files against the stored definitions. If a version with an `x` is taken, it becomes the next free
/// version. With `bump`, all other versions that are taken are raised in the texts of the files, until no version is
/// taken. Also returns these edits, which are not written yet.
async fn judge(
    connection: &Connection,
    path: &Path,
    files: &mut [SourceFile],
    secrets: Secrets,
    purpose: Purpose,
) -> Result<(Judged, Vec<Bumped>)> {
    let store = &connection.store;
    let mut bumped = Vec::new();
    let mut settled = automatic::newest(store, &read(path, files, &Settled::new(), secrets, purpose)?).await?;
    loop {
        let draft = read(path, files, &settled, secrets, purpose)?;
        let versions = draft.version_places();
        let stored = store.stored_for(&draft).await?;
        let references: Vec<Reference> = draft.references().cloned().collect();
        let definitions = draft.check(&stored).map_err(|found| refused(path, found, purpose))?;
        let edits = match store.changes(&definitions).await {
            Ok(mut changes) => {
                store.reach(&mut changes, &definitions, &stored).await?;
                return Ok((Judged { definitions, changes }, bumped));
            }
            Err(ApplyError::Taken(taken)) if automatic::raise(&mut settled, &versions, &taken) => continue,
            Err(ApplyError::Taken(taken)) if purpose == (Purpose::Apply { bump: true }) => {
                bump::exact_references(&references, &taken).iter().for_each(|line| output::say(line));
                bump::edits(&versions, &taken)?
            }
            Err(ApplyError::Taken(taken)) => {
                return Err(refused(path, taken_versions(&versions, &taken, purpose.remedy()), purpose));
            }
            Err(ApplyError::Store(error)) => return Err(error.into()),
        };
        bump::make(files, &edits)?;
        bumped.extend(edits);
    }
}

/// Returns a line for each configuration that would be replaced and that is used by a pipeline outside the files.
fn beyond(changes: &[Change], definitions: &Definitions) -> Vec<String> {
    let own = |name: &&Name| definitions.pipelines.iter().any(|pipeline| pipeline.name == **name);
    let line = |change: &Change| {
        let others: Vec<&str> = change.pipelines.iter().filter(|name| !own(name)).map(Name::as_str).collect();
        let (kind, name) = (&change.kind, &change.name);
        (!others.is_empty()).then(|| {
            let use_it =
                if others.len() == 1 { " outside these files uses it" } else { "s outside these files use it" };
            format!("{kind} `{name}` is stored with other content, and pipeline{use_it}: {}", others.join(", "))
        })
    };
    changes.iter().filter(|change| change.outcome == Outcome::Replaced).filter_map(line).collect()
}

/// Reports versions that are already stored with different content, each at its place in the files.
fn taken_versions(versions: &[VersionPlace<'_>], taken: &[Taken], help: &str) -> Diagnostics {
    let mut found = Diagnostics::default();
    for one in taken {
        let same =
            |place: &&VersionPlace<'_>| (place.kind, &place.name, place.version) == (one.kind, &one.name, one.version);
        if let Some(place) = versions.iter().find(same) {
            let help = Some(help.to_owned());
            found.push(Diagnostic { help, ..place.error("version-taken", one.to_string()) });
        }
    }
    found
}

fn refused(path: &Path, found: Diagnostics, purpose: Purpose) -> anyhow::Error {
    let mistakes = count_in_words(found.errors(), "mistake");
    mistaken(found, format!("{mistakes} in {}: {}", path.display(), purpose.nothing()))
}

impl Show for Vec<Change> {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let row = |change: &Change| {
            let version = change.version.map(|version| format!(" {version}")).unwrap_or_default();
            let mut row = vec![word(change.outcome), change.kind.clone(), format!("{}{version}", change.name)];
            if !change.pipelines.is_empty() {
                let names: Vec<&str> = change.pipelines.iter().map(Name::as_str).collect();
                row.push(format!("changes {}", names.join(", ")));
            }
            row
        };
        let rows = columns(&self.iter().map(row).collect::<Vec<_>>());
        rows.into_iter().zip(self).flat_map(|(line, change)| std::iter::once(line).chain(differences(change))).collect()
    }
}

/// Returns how many definitions were written.
pub(crate) fn written(changes: &[Change]) -> usize {
    changes.iter().filter(|change| change.outcome != Outcome::Unchanged).count()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use goldsmith_model::definitions::{Definitions, Draft, Kind, SourceFile};
    use goldsmith_store::{Change, Outcome, Taken};

    use super::{Purpose, Secrets, beyond, judge, taken_versions};
    use crate::exit::Failure;
    use crate::output::Show;
    use crate::testing::{Stack, WEB, globals};

    #[test]
    fn a_version_that_is_taken_is_reported_with_its_place() {
        let text = "kind: Component\nname: nginx\nsemanticVersion: 1.0.0\nplatform: Linux\n\
                    data: '{schemaVersion: 1.0, phases: [{name: build, steps: []}]}'\n";
        let files = [SourceFile { path: "web/nginx.yml".to_owned(), text: text.to_owned() }];
        let draft = Draft::read(&files, &|_| Ok(String::new()));
        let version = "1.0.0".parse().unwrap();
        let next = Some("1.0.1".parse().unwrap());
        let taken = [Taken { kind: Kind::Component, name: "nginx".parse().unwrap(), version, next }];
        let said = taken_versions(&draft.version_places(), &taken, "raise it").to_string();
        let expected = "web/nginx.yml:3:18: error: component `nginx` 1.0.0 is stored with other content, and versions never \
                        change: the next free one is 1.0.1\n";
        assert!(said.starts_with(expected) && said.contains("\nhelp: raise it"), "{said}");
    }

    #[tokio::test]
    async fn what_helps_against_a_taken_version_is_an_option_of_the_command() {
        let stack = Stack::new();
        stack.apply(WEB).await;
        for (purpose, message, help) in [
            (
                Purpose::Apply { bump: false },
                "one mistake in web: nothing was applied",
                "--bump writes the next free version into the file",
            ),
            (
                Purpose::Plan,
                "one mistake in web: nothing was planned",
                "change the version, or let `goldsmith build --bump` write the next free one into the file",
            ),
        ] {
            let text = WEB.replace("\"true\"", "\"false\"");
            let mut files = [SourceFile { path: "web.yml".to_owned(), text }];
            let judged = judge(&stack.connection, Path::new("web"), &mut files, Secrets::default(), purpose).await;
            let told = serde_json::to_value(Failure::of(&judged.err().unwrap())).unwrap();
            assert_eq!((&told["message"], &told["problems"][0]["help"]), (&message.into(), &help.into()), "{told}");
        }
    }

    #[tokio::test]
    async fn each_field_of_a_replaced_configuration_is_shown_with_both_values() {
        let stack = Stack::new();
        stack.apply(WEB).await;
        let text = WEB.replace("[t3.small]", "[t3.small, t3.large]");
        assert_ne!(text, WEB);
        let mut files = [SourceFile { path: "web.yml".to_owned(), text }];
        let judged = judge(&stack.connection, Path::new("web"), &mut files, Secrets::default(), Purpose::Plan).await;
        let changes = judged.unwrap().0.changes;
        let lines = changes.lines(&globals(""));
        let at = lines.iter().position(|line| line.starts_with("replaced ")).unwrap();
        assert_eq!(lines[at + 1], r#"  ~ instanceTypes: ["t3.small"] → ["t3.small","t3.large"]"#, "{lines:?}");
        let told = serde_json::to_value(changes.iter().find(|change| change.outcome == Outcome::Replaced)).unwrap();
        let expected = serde_json::json!([{
            "field": "instanceTypes", "from": ["t3.small"], "to": ["t3.small", "t3.large"],
        }]);
        assert_eq!(told["fields"], expected);
    }

    #[test]
    fn only_replacements_that_reach_beyond_the_files_need_consent() {
        let pipeline = serde_json::json!({"name": "own", "imageRecipe": "web", "infrastructureConfiguration": "small"});
        let pipelines = vec![serde_json::from_value(pipeline).unwrap()];
        let definitions = Definitions { pipelines, ..Definitions::default() };
        let change = |outcome, pipelines: &[&str]| Change {
            kind: "distribution configuration".to_owned(),
            name: "two".parse().unwrap(),
            version: None,
            outcome,
            fields: Vec::new(),
            pipelines: pipelines.iter().map(|name| name.parse().unwrap()).collect(),
        };
        let created = change(Outcome::Created, &["web"]);
        let of_own = change(Outcome::Replaced, &["own"]);
        assert!(beyond(&[created, of_own.clone()], &definitions).is_empty());
        let of_others = change(Outcome::Replaced, &["own", "web", "api"]);
        let expected = "distribution configuration `two` is stored with other content, and pipelines outside these \
                        files use it: web, api";
        assert_eq!(beyond(std::slice::from_ref(&of_others), &definitions), [expected]);
        let lines = vec![of_own, of_others].lines(&globals(""));
        assert_eq!(lines[1], "replaced  distribution configuration  two  changes own, web, api");
    }
}
