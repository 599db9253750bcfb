//! The result of a check.

use goldsmith_cloud::{CloudError, Kind};
use serde::Serialize;

use crate::args::Globals;
use crate::render::{count, word};

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Everything is as required.
    Good,
    /// Builds work, but a person should know something.
    Note,
    /// Builds fail.
    Problem,
    /// The result is unknown, because a call was denied or not answered.
    Unseen,
}

/// The result of one check, with a name on which programs may rely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
    /// What a person can do about the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

impl Finding {
    pub(crate) fn good(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Good, message: message.into(), remedy: None }
    }

    pub(crate) fn note(name: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Note, message: message.into(), remedy: Some(remedy.into()) }
    }

    pub(crate) fn problem(name: &'static str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Problem, message: message.into(), remedy: Some(remedy.into()) }
    }

    /// Returns the finding for a failed call that needs this permission.
    pub(crate) fn unseen(name: &'static str, right: &str, error: &CloudError) -> Self {
        match error.kind {
            Kind::Denied => Self::unseen_because(name, right, &error.to_string()),
            _ => {
                let message = format!("This could not be checked: {error}");
                let remedy = Some("Try again. If it still fails, the message names the call that fails.".to_owned());
                Self { name, verdict: Verdict::Unseen, message, remedy }
            }
        }
    }

    pub(crate) fn unseen_because(name: &'static str, right: &str, error: &str) -> Self {
        let message = format!("This could not be checked: {error}");
        let remedy = Some(format!("To have it checked, allow the caller `{right}`."));
        Self { name, verdict: Verdict::Unseen, message, remedy }
    }

    /// Turns a good finding into an unseen one, because something on which it depends could not be read.
    pub(crate) fn without(self, missing: &'static str) -> Self {
        if self.verdict != Verdict::Good {
            return self;
        }
        let message = format!(
            "Not all of this could be checked, because {missing} could not be read; the rest: {}",
            self.message
        );
        Self { verdict: Verdict::Unseen, message, remedy: Some(format!("See the findings about {missing}.")), ..self }
    }

    /// Returns the finding as text for people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let word = word(self.verdict);
        // A problem is found at once among many lines.
        let word = if self.verdict == Verdict::Problem { word.to_uppercase() } else { word };
        let told = format!("{word:8} {:20} {}", self.name, self.message);
        let remedy = self.remedy.as_ref().map(|remedy| format!("{:8} {:20} {remedy}", "", ""));
        std::iter::once(told).chain(remedy).collect()
    }
}

/// Returns the findings of one area. None of them is good if a part of the area could not be checked.
pub(crate) fn whole(findings: Vec<Finding>, missing: &'static str) -> Vec<Finding> {
    if findings.iter().any(|finding| finding.verdict == Verdict::Unseen) {
        return findings.into_iter().map(|finding| finding.without(missing)).collect();
    }
    findings
}

/// Returns the remedy if a part of the stack was deleted. CloudFormation does not notice a deleted part, so a
/// deployment without changes restores nothing (CloudFormation user guide, "Detect unmanaged configuration changes with
/// drift detection").
pub(crate) fn anew(globals: &Globals) -> String {
    let again = globals.again();
    format!(
        "A deployment does not restore deleted parts. `{again} retire` and then `{again} deploy --table TABLE` create \
         the stack again, with its pipelines and images; `retire` names the table."
    )
}

/// Returns the last line, which counts the findings that are not good.
pub(crate) fn summary(findings: &[Finding]) -> String {
    let of = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let counts = [count(of(Verdict::Problem), "problem"), count(of(Verdict::Note), "note")].join(", ");
    match of(Verdict::Unseen) {
        0 => format!("\n{counts}."),
        unseen => format!("\n{counts}, {unseen} not checked."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: Kind, code: &str) -> CloudError {
        CloudError {
            operation: "GetServiceQuota",
            region: "eu-west-1".to_owned(),
            kind,
            code: code.to_owned(),
            message: "no".to_owned(),
            source: None,
        }
    }

    #[test]
    fn a_denied_look_names_the_permission_and_an_unanswered_one_does_not() {
        let denied = Finding::unseen("vcpus", "servicequotas:GetServiceQuota", &error(Kind::Denied, "AccessDenied"));
        assert_eq!(
            denied.lines(),
            [
                "unseen   vcpus                This could not be checked: GetServiceQuota in eu-west-1 failed: \
                 AccessDenied: no",
                "                              To have it checked, allow the caller `servicequotas:GetServiceQuota`.",
            ]
        );
        let lost = Finding::unseen("vcpus", "servicequotas:GetServiceQuota", &error(Kind::Unanswered, "NoAnswer"));
        assert!(lost.remedy.unwrap().starts_with("Try again"));
    }

    #[test]
    fn what_rests_on_something_unseen_is_not_called_good() {
        let good = Finding::good("subnets", "Instances have subnets.").without("the definitions");
        assert_eq!(good.verdict, Verdict::Unseen);
        let message = "Not all of this could be checked, because the definitions could not be read; the rest: Instances have subnets.";
        assert_eq!(good.message, message);
        let problem = Finding::problem("subnets", "There are none.", "Make some.");
        assert_eq!(problem.clone().without("the definitions"), problem);
        let unseen = Finding::unseen_because("keys", "kms:DescribeKey", "no");
        let good = Finding::good("sharing", "Fine.");
        assert_eq!(whole(vec![good.clone()], "it")[0], good);
        assert_eq!(whole(vec![unseen, good], "it")[1].verdict, Verdict::Unseen);
    }

    #[test]
    fn the_last_line_counts() {
        let all = [
            Finding::good("a", "x"),
            Finding::problem("b", "x", "y"),
            Finding::note("c", "x", "y"),
            Finding::note("d", "x", "y"),
        ];
        assert_eq!(summary(&all), "\n1 problem, 2 notes.");
        let unseen = Finding::unseen("e", "r", &error(Kind::Denied, "AccessDenied"));
        assert_eq!(summary(&[unseen]), "\n0 problems, 0 notes, 1 not checked.");
    }
}
