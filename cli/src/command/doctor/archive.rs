//! Finds out which agents are in the functions' archive. It reads only the end of the archive, which contains the list
//! of files.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_cloud::aws::{SdkConfig, home_region};
use goldsmith_cloud_account::Stacks;
use goldsmith_cloud_account::stack::{ObjectEnd, StackParts};
use goldsmith_cloud_ec2::Ec2;
use goldsmith_cloud_ec2::account::TypeFacts;

use super::definitions::Definitions;
use super::finding::Finding;
use crate::args::Globals;
use crate::connection::Connection;
use crate::zip::Zip;

const NAME: &str = "agents";
/// EC2's names of architectures, and the file of the agent for each.
const AGENTS: [(&str, &str); 2] = [("x86_64", "agent-x86_64"), ("arm64", "agent-aarch64")];
pub(super) async fn examine(
    globals: &Globals,
    config: &SdkConfig,
    connection: Option<&Connection>,
    definitions: &Definitions,
) -> Vec<Finding> {
    let Some(connection) = connection else { return Vec::new() };
    let (services, home) = (StackParts::new(config), home_region(config));
    let template = match Stacks::new(config).template(&connection.stack).await {
        Ok(template) => template,
        Err(error) => return vec![Finding::unseen(NAME, "cloudformation:GetTemplate", &error)],
    };
    let Some((bucket, key)) = place_of_code(&template) else {
        let message = "The stack's template does not say where its functions' archive is.";
        return vec![Finding::unseen_because(NAME, "cloudformation:GetTemplate", message)];
    };
    let end = match services.end_of_object(bucket, key).await {
        Ok(Some(end)) => end,
        Ok(None) => {
            let message = format!("s3://{bucket}/{key}, from which the functions were deployed, is gone");
            return vec![Finding::unseen_because(NAME, "s3:GetObject", &message)];
        }
        Err(error) => return vec![Finding::unseen(NAME, "s3:GetObject", &error)],
    };
    let Some(files) = names(&end) else {
        let message = format!("s3://{bucket}/{key}, from which the functions were deployed, is not a zip");
        return vec![Finding::unseen_because(NAME, "s3:GetObject", &message)];
    };
    let types: Vec<&str> = definitions.types().into_keys().collect();
    let known = match types.as_slice() {
        [] => Ok(BTreeMap::new()),
        types => Ec2::new(config).types(&home, types).await,
    };
    match known {
        Ok(known) => vec![judge(&files, &known, definitions, &globals.again())],
        Err(error) => vec![Finding::unseen(NAME, "ec2:DescribeInstanceTypes", &error)],
    }
}

/// Returns the bucket and the key of `CodeUri: s3://BUCKET/KEY`.
fn place_of_code(template: &str) -> Option<(&str, &str)> {
    let (_, rest) = template.split_once("CodeUri")?;
    let (_, rest) = rest.split_once("s3://")?;
    let end = rest.find(|one: char| one.is_whitespace() || matches!(one, '"' | '\'' | ',' | '}')).unwrap_or(rest.len());
    rest.get(..end)?.split_once('/')
}

/// Returns the names of the files in an archive, given its end.
fn names(end: &ObjectEnd) -> Option<BTreeSet<String>> {
    let entries = Zip { bytes: &end.bytes, before: end.before }.entries()?;
    Some(entries.into_iter().map(|entry| String::from_utf8_lossy(entry.name).into_owned()).collect())
}

/// Judges the agents. A missing agent is a problem if instance types of the definitions need it, and a note otherwise.
fn judge(
    files: &BTreeSet<String>,
    known: &BTreeMap<String, TypeFacts>,
    definitions: &Definitions,
    again: &str,
) -> Finding {
    let missing = AGENTS.into_iter().filter(|(_, agent)| !files.contains(*agent)).map(|(architecture, _)| architecture);
    let missing: Vec<&str> = missing.collect();
    if missing.is_empty() {
        return Finding::good(NAME, "The functions' archive has the agents of x86_64 and arm64.");
    }
    let has = |architecture: &String| !missing.contains(&architecture.as_str());
    let needing: Vec<String> = definitions
        .infrastructures
        .values()
        .filter(|one| {
            // If there are several types, Plan takes those that fit the source, so one possible type is enough.
            let mut facts = one.instance_types.iter().filter_map(|name| known.get(name)).peekable();
            facts.peek().is_some() && !facts.any(|facts| facts.architectures.iter().any(has))
        })
        .map(|one| one.name.to_string())
        .collect();
    let agents = missing.join(" and ");
    let remedy = format!(
        "Run `{again} deploy` with an archive that has the agent; in a checkout, `make release` says what it needs to make one."
    );
    if needing.is_empty() {
        return Finding::note(
            NAME,
            format!("The functions' archive has no agent for {agents}: such images cannot be built."),
            remedy,
        );
    }
    let message = format!(
        "The functions' archive has no agent for {agents}, which these infrastructure configurations launch: {}.",
        needing.join(", ")
    );
    Finding::problem(NAME, message, remedy)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::testing::launching;
    use super::*;
    use crate::zip::testing::zip;

    /// Returns the file names from the end of an archive with these files.
    fn names_of(files: &[&str]) -> BTreeSet<String> {
        let files: Vec<(&str, &[u8], bool)> = files.iter().map(|name| (*name, [7; 90].as_slice(), false)).collect();
        let bytes = zip(&files).split_off(50);
        names(&ObjectEnd { before: 50, bytes }).unwrap()
    }

    #[test]
    fn the_archive_is_where_the_template_says() {
        assert_eq!(place_of_code("Globals:\n    CodeUri: s3://b/a/c.zip\n    X: y"), Some(("b", "a/c.zip")));
        assert_eq!(place_of_code(r#"{"CodeUri":"s3://b/c.zip","X":1}"#), Some(("b", "c.zip")));
        assert_eq!(place_of_code("CodeUri: functions.zip"), None);
    }

    #[test]
    fn an_agent_that_is_missing_is_a_problem_only_where_it_is_needed() {
        let facts = |architecture: &str| TypeFacts { architectures: vec![architecture.to_owned()], vcpus: 2 };
        let known = [("t3.small".to_owned(), facts("x86_64")), ("t4g.small".to_owned(), facts("arm64"))].into();
        let files = names_of(&["agent-x86_64", "bootstrap"]);
        let verdict = |types: &[&str]| judge(&files, &known, &launching(types, &[]), "goldsmith").verdict;
        assert_eq!(verdict(&["t3.small"]), Verdict::Note);
        assert_eq!(verdict(&["t3.small", "t4g.small"]), Verdict::Note);
        assert_eq!(verdict(&["t4g.small"]), Verdict::Problem);
        let both = names_of(&["agent-aarch64", "agent-x86_64"]);
        assert_eq!(judge(&both, &known, &launching(&["t4g.small"], &[]), "goldsmith").verdict, Verdict::Good);
    }
}
