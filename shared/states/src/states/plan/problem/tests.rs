//! The table of problems, and the page that lists them.

use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn every_problem_has_its_own_name_a_remedy_and_an_explanation() {
    let problems: Vec<Problem> = Problem::all().collect();
    let names: BTreeSet<&str> = problems.iter().map(Problem::name).collect();
    assert_eq!(names.len(), problems.len());
    for problem in &problems {
        assert!(!problem.remedy().is_empty() && problem.explanation().ends_with('.'), "{}", problem.name());
        assert!(problem.cost().to_string().ends_with('.'), "{} has no cost", problem.name());
    }
}

/// `GOLDSMITH_WRITE_EXPECTED=1` writes the page.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test has no configuration that is read at a start")]
fn the_page_lists_every_problem() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, _) = page.split_once("| name |").unwrap();
    let mut expected = before.to_owned()
        + "| name | kind | what it means | what helps | without the check |\n| --- | --- | --- | --- | --- |\n";
    let mut problems: Vec<Problem> = Problem::all().collect();
    problems.sort_by_key(Problem::name);
    for problem in problems {
        let severity = match problem.severity() {
            Severity::Refusal => "refusal",
            Severity::Warning => "warning",
        };
        let mut remedy = problem.remedy().to_owned();
        remedy[..1].make_ascii_uppercase();
        let (name, explanation, cost) = (problem.name(), problem.explanation(), problem.cost());
        expected += &format!("| `{name}` | {severity} | {explanation} | {remedy}. | {cost} |\n");
    }
    if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    assert_eq!(page, expected, "GOLDSMITH_WRITE_EXPECTED=1 writes docs/problems.md anew");
}
