//! `goldsmith explain NAME`

use anyhow::Result;
use goldsmith_document::did_you_mean;
use goldsmith_states::{Problem, Severity};
use serde::Serialize;

use crate::args::Globals;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::render::labelled;

/// Explain a problem that a plan has found.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the problem, such as ami-name-taken.
    #[arg(value_name = "NAME")]
    name: String,
}

/// The explanation of a problem.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explanation {
    name: &'static str,
    severity: Severity,
    explanation: String,
    remedy: &'static str,
    /// What would happen in a build without the check.
    without_check: String,
}

pub(crate) fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    output::show(globals, &explain(&args.name)?)?;
    Ok(Exit::Success)
}

fn explain(name: &str) -> Result<Explanation> {
    let Some(problem) = Problem::all().find(|problem| problem.name() == name) else {
        let near = did_you_mean(name, Problem::all().map(|problem| problem.name()));
        let near = near.map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
        return Err(invalid(format!("there is no problem `{name}`{near}")));
    };
    Ok(Explanation {
        name: problem.name(),
        severity: problem.severity(),
        explanation: problem.explanation(),
        remedy: problem.remedy(),
        without_check: problem.cost().to_string(),
    })
}

impl Show for Explanation {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let severity = match self.severity {
            Severity::Refusal => "refusal: Plan does not start the build",
            Severity::Warning => "warning: the build starts",
        };
        labelled([
            ("problem", self.name.to_owned()),
            ("severity", severity.to_owned()),
            ("means", self.explanation.clone()),
            ("fix", self.remedy.to_owned()),
            ("cost", self.without_check.clone()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::explain;
    use crate::output::Show;
    use crate::testing::globals;

    #[test]
    fn a_problem_is_explained_and_a_wrong_name_is_corrected() {
        let lines = explain("ami-name-taken").unwrap().lines(&globals(""));
        assert_eq!(lines[1], "severity  refusal: Plan does not start the build");
        assert!(lines[2].starts_with("means     The AMI's name is taken in a Region"), "{lines:?}");
        let wrong = explain("ami-name-takn").unwrap_err().to_string();
        assert_eq!(wrong, "there is no problem `ami-name-takn`: did you mean `ami-name-taken`?");
    }
}
