//! `goldsmith explain [NAME]`

use anyhow::Result;
use goldsmith_document::did_you_mean;
use goldsmith_states::error_names::{ErrorName, Handling};
use goldsmith_states::{Problem, Severity};
use serde::Serialize;

use crate::args::Globals;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::render::{labelled, table};

/// The page that explains the errors, whose rows this command prints.
const ERRORS: &str = include_str!("../../../docs/errors.md");

/// Explain a problem that a plan has found, or the error of a failed build.
///
/// Without a name, list all of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the problem or error, such as ami-name-taken or Goldsmith.CopyFailed.
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

/// An explanation.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Explanation {
    Problem(ProblemExplanation),
    Error(ErrorExplanation),
}

/// The explanation of a problem.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProblemExplanation {
    name: &'static str,
    severity: Severity,
    explanation: String,
    remedy: &'static str,
    /// What would happen in a build without the check.
    without_check: String,
}

/// The explanation of an error.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorExplanation {
    name: &'static str,
    /// The states that raise it.
    raised_by: Vec<String>,
    /// Whether the state machine tries the state again.
    is_retried: bool,
    explanation: String,
}

/// Everything that can be explained.
#[derive(Debug, Serialize)]
struct Names {
    problems: Vec<&'static str>,
    errors: Vec<&'static str>,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    match &args.name {
        Some(name) => output::show(globals, &explain(name)?)?,
        None => output::show(globals, &names())?,
    }
    Ok(Exit::Success)
}

fn names() -> Names {
    Names {
        problems: Problem::all().map(|problem| problem.name()).collect(),
        errors: ErrorName::ALL.iter().map(|error| error.as_str()).collect(),
    }
}

fn explain(name: &str) -> Result<Explanation> {
    if let Some(problem) = Problem::all().find(|problem| problem.name() == name) {
        return Ok(Explanation::Problem(ProblemExplanation {
            name: problem.name(),
            severity: problem.severity(),
            explanation: problem.explanation(),
            remedy: problem.remedy(),
            without_check: problem.cost().to_string(),
        }));
    }
    if let Some(error) = ErrorName::ALL.iter().find(|error| error.as_str() == name || short(error) == name) {
        return Ok(Explanation::Error(ErrorExplanation {
            name: error.as_str(),
            raised_by: error.raised_by().iter().map(ToString::to_string).collect(),
            is_retried: error.handling() == Handling::Retried,
            explanation: on_the_page(error.as_str()).unwrap_or_default(),
        }));
    }
    let Names { problems, errors } = names();
    let near = did_you_mean(name, problems.into_iter().chain(errors));
    let near =
        near.map_or_else(|| "`goldsmith explain` lists all".to_owned(), |near| format!("did you mean `{near}`?"));
    Err(invalid(format!("there is no problem or error `{name}`: {near}")))
}

/// Returns the name of an error without `Goldsmith.`.
fn short(error: &ErrorName) -> &'static str {
    error.as_str().trim_start_matches("Goldsmith.")
}

/// Returns what the page says about an error, without its links.
fn on_the_page(name: &str) -> Option<String> {
    let row = ERRORS.lines().find(|line| line.starts_with(&format!("| `{name}` |")))?;
    let cells: Vec<&str> = row.split(" | ").collect();
    let mut rest = cells.get(3)?.trim_end_matches([' ', '|']);
    let mut text = String::new();
    while let Some((before, link)) = rest.split_once('[') {
        let (words, after) = link.split_once("](")?;
        text.extend([before, words]);
        rest = after.split_once(')')?.1;
    }
    Some(text + rest)
}

impl Show for Explanation {
    fn lines(&self, _: &Globals) -> Vec<String> {
        match self {
            Self::Problem(problem) => {
                let severity = match problem.severity {
                    Severity::Refusal => "refusal: Plan does not start the build",
                    Severity::Warning => "warning: the build starts",
                };
                labelled([
                    ("problem", problem.name.to_owned()),
                    ("severity", severity.to_owned()),
                    ("means", problem.explanation.clone()),
                    ("fix", problem.remedy.to_owned()),
                    ("without it", problem.without_check.clone()),
                ])
            }
            Self::Error(error) => labelled([
                ("error", error.name.to_owned()),
                ("raised by", error.raised_by.join(", ")),
                ("means", error.explanation.clone()),
                ("look at", "goldsmith show BUILD, which has the cause of one build and what helps".to_owned()),
            ]),
        }
    }
}

impl Show for Names {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let rows = |kind: &'static str, names: &[&'static str]| {
            names.iter().map(|name| vec![(*name).to_owned(), kind.to_owned()]).collect::<Vec<_>>()
        };
        let rows = [rows("problem", &self.problems), rows("error", &self.errors)].concat();
        table(["name", "kind"], rows.into_iter())
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_states::error_names::ErrorName;

    use super::{explain, names, on_the_page};
    use crate::output::Show;
    use crate::testing::globals;

    #[test]
    fn a_problem_is_explained_and_a_wrong_name_is_corrected() {
        let lines = explain("ami-name-taken").unwrap().lines(&globals(""));
        assert_eq!(lines[1], "severity    refusal: Plan does not start the build");
        assert!(lines[2].starts_with("means       The AMI's name is taken in a Region"), "{lines:?}");
        let unknown = explain("zzz").unwrap_err().to_string();
        assert_eq!(unknown, "there is no problem or error `zzz`: `goldsmith explain` lists all");
        for (wrong, right) in [("ami-name-takn", "ami-name-taken"), ("Goldsmith.CopyFail", "Goldsmith.CopyFailed")] {
            let said = explain(wrong).unwrap_err().to_string();
            assert_eq!(said, format!("there is no problem or error `{wrong}`: did you mean `{right}`?"));
        }
    }

    #[test]
    fn every_error_is_explained_without_links() {
        for error in ErrorName::ALL {
            let text = on_the_page(error.as_str()).unwrap();
            assert!(text.ends_with('.') && !text.contains("](") && !text.contains('|'), "{text}");
        }
        let lines = explain("Refused").unwrap().lines(&globals(""));
        assert_eq!(lines[1], "raised by  Plan, Build, BuildRest, BuildAgain, ExecuteTest");
        assert!(lines[2].contains("If Plan finds several problems, the message names all of them."), "{lines:?}");
    }

    #[test]
    fn everything_that_is_listed_is_explained() {
        let names = names();
        assert_eq!(names.lines(&globals("")).len(), 1 + names.problems.len() + names.errors.len());
        for name in names.problems.iter().chain(&names.errors) {
            explain(name).unwrap();
        }
    }
}
