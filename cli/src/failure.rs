//! Shows why a build failed, as text for people.

use goldsmith_store::FailureCause;

use crate::diagnosis::collapsed;
use crate::render::labelled;

/// Returns the facts that follow the first sentence of a cause: the part that failed, the last lines of its output, and
/// what is known about the instance.
pub(crate) fn facts(cause: &FailureCause) -> Vec<String> {
    let mut lines = lines(rows(cause), &collapsed(&cause.last_lines));
    lines.extend(cause.evidence.iter().map(|fact| format!("  {fact}")));
    lines
}

/// Returns the labels and values of the part that failed, as far as they are known.
pub(crate) fn rows(cause: &FailureCause) -> [(&'static str, Option<String>); 8] {
    [
        ("component", cause.document.clone()),
        ("phase", cause.phase.clone()),
        ("step", step(cause.step.as_deref(), cause.action.as_deref())),
        ("exit code", cause.exit_code.map(|code| code.to_string())),
        ("Region", cause.region.clone()),
        ("resource", cause.resource.clone()),
        ("AWS's code", cause.code.clone()),
        ("error", Some(cause.error.clone()).filter(|error| !error.is_empty())),
    ]
}

/// Returns a step with its action.
pub(crate) fn step(name: Option<&str>, action: Option<&str>) -> Option<String> {
    Some(match (name?, action) {
        (name, Some(action)) => format!("{name} ({action})"),
        (name, None) => name.to_owned(),
    })
}

/// Returns those of the facts that are known, and the last lines of an output, as indented lines.
pub(crate) fn lines<const N: usize>(facts: [(&str, Option<String>); N], last_lines: &[String]) -> Vec<String> {
    let known = facts.into_iter().filter_map(|(label, value)| Some((label, value?)));
    let mut lines: Vec<String> = labelled(known).into_iter().map(|line| format!("  {line}")).collect();
    if !last_lines.is_empty() {
        lines.push("  last lines".to_owned());
        lines.extend(last_lines.iter().map(|line| format!("  | {line}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use goldsmith_store::FailureCause;

    use super::facts;

    #[test]
    fn only_what_is_known_is_said() {
        let cause = FailureCause {
            state: "Build".to_owned(),
            error: "Goldsmith.CommandFailed".to_owned(),
            document: Some("nginx".to_owned()),
            step: Some("Install".to_owned()),
            action: Some("ExecuteBash".to_owned()),
            exit_code: Some(1),
            last_lines: vec!["E: no such package".to_owned()],
            ..FailureCause::default()
        };
        let expected = "  component  nginx\n  step       Install (ExecuteBash)\n  exit code  1\n  \
                        error      Goldsmith.CommandFailed\n  last lines\n  | E: no such package";
        assert_eq!(facts(&cause).join("\n"), expected);
        assert!(facts(&FailureCause::default()).is_empty());
    }
}
