//! Decides whether an image may be published.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_model::{Severity, VulnerabilityPolicy, Waiver};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::finding::{Covered, Finding, Findings, Fix, Subject, Unjudged};
use crate::matching::find;
use crate::package::{Inventory, Kind};
use crate::read::{Advisories, Issue};

/// Everything on which a judgement depends.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The packages of the image.
    pub image: &'a Inventory,
    /// The packages of the image's parent. Without them, every package is the image's own, and every finding is new.
    pub parent: Option<&'a Inventory>,
    /// The advisories. They must have been read for the image and the parent.
    pub advisories: &'a Advisories,
    /// The rules.
    pub policy: &'a VulnerabilityPolicy,
    /// The day, in UTC, which decides which waivers hold.
    pub today: Date,
}

/// Whether an image may be published, and why.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// Whether it may.
    pub allowed: bool,
    /// Why it may not, as sentences. Empty if it may.
    pub reasons: Vec<String>,
    /// What was not compared, as sentences. They are among the reasons, unless the policy allows it.
    #[serde(default)]
    pub uncovered: Vec<String>,
    /// How many findings there are of each severity.
    pub counts: Counts,
    /// The findings: those that count first, then by severity, then by package.
    pub findings: Vec<Judged>,
    /// The waivers that are in use.
    pub waivers: Vec<UsedWaiver>,
    /// The waivers whose last day is over.
    pub expired_waivers: Vec<Waiver>,
    /// The waivers that hold, but concern no finding, so that they can be removed.
    pub unused_waivers: Vec<Waiver>,
    /// The packages of which nothing can be said.
    pub unjudged: Vec<Unjudged>,
    /// How much of the image the advisories cover.
    pub covered: Vec<Covered>,
    /// The date of the newest advisory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newest_advisory: Option<String>,
    /// What could not be read in the folder.
    pub issues: Vec<Issue>,
}

/// A finding, and what the policy makes of it.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// The severity by which it was judged.
    pub severity: Severity,
    /// Where the package comes from.
    pub owner: Owner,
    /// Whether the parent lacks this vulnerability in this package.
    pub new: bool,
    /// What the policy makes of it.
    pub outcome: Outcome,
    /// The last day of an expired waiver that once accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiver_ended: Option<Date>,
}

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    /// The parent has it in the same version.
    Parent,
    /// The image has installed or changed it.
    Ours,
}

/// What a policy makes of a finding. The first that applies is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It rejects the image.
    Counts,
    /// A waiver accepts it.
    Waived,
    /// The parent has it too, and only new ones count.
    Inherited,
    /// There is no fix, and only those with a fix count.
    NoFix,
    /// It is below the threshold.
    BelowThreshold,
}

/// How many findings there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All findings.
    pub found: usize,
    /// Those that reject the image.
    pub counting: usize,
    /// Those that the parent lacks.
    pub new: usize,
    /// Those with a fix.
    pub with_fix: usize,
    /// All findings, by severity.
    pub by_severity: BTreeMap<Severity, usize>,
}

/// A waiver, and how many findings it accepts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsedWaiver {
    /// The waiver.
    #[serde(flatten)]
    pub waiver: Waiver,
    /// How many findings would count without it.
    pub findings: usize,
}

/// Judges an image. The same case gives the same judgement.
#[must_use]
pub fn judge(case: Case<'_>) -> Judgement {
    let Findings { found, unjudged, covered } = find(case.image, case.advisories);
    let parent = Parent::of(case);
    let mut findings: Vec<_> = found.into_iter().map(|finding| judged(finding, &parent, case)).collect();
    findings.sort_by(|a, b| {
        let key = |j: &Judged| (j.outcome, std::cmp::Reverse(j.severity));
        key(a).cmp(&key(b)).then_with(|| (&a.finding.package, &a.finding.id).cmp(&(&b.finding.package, &b.finding.id)))
    });
    let uncovered = uncovered(&covered, case);
    let reasons = reasons(&findings, &uncovered, case);
    let (waivers, unused_waivers) = waivers(&findings, case);
    Judgement {
        allowed: reasons.is_empty(),
        reasons,
        uncovered,
        counts: counts(&findings),
        waivers,
        expired_waivers: case.policy.waivers.iter().filter(|w| w.until < case.today).cloned().collect(),
        unused_waivers,
        findings,
        unjudged,
        covered,
        newest_advisory: case.advisories.newest.clone(),
        issues: case.advisories.issues.clone(),
    }
}

/// What the parent has.
#[derive(Default)]
struct Parent<'a> {
    packages: BTreeSet<(Kind, &'a str, &'a str, Option<&'a str>)>,
    findings: BTreeSet<(Kind, String, String)>,
}

impl<'a> Parent<'a> {
    fn of(case: Case<'a>) -> Parent<'a> {
        let Some(parent) = case.parent else { return Parent::default() };
        let packages = parent.packages.iter();
        let findings = find(parent, case.advisories).found.into_iter();
        Parent {
            packages: packages.map(|p| (p.kind, p.name.as_str(), p.version.as_str(), p.arch.as_deref())).collect(),
            findings: findings.map(|f| (f.package.kind, f.package.name, f.id)).collect(),
        }
    }

    /// Whether the parent has a package in the same version.
    fn has_package(&self, package: &Subject) -> bool {
        self.packages.contains(&(package.kind, &package.name, &package.version, package.arch.as_deref()))
    }

    /// Whether the parent has the same vulnerability in the same package, in whichever version.
    fn has_finding(&self, finding: &Finding) -> bool {
        self.findings.contains(&(finding.package.kind, finding.package.name.clone(), finding.id.clone()))
    }
}

fn judged(finding: Finding, parent: &Parent<'_>, case: Case<'_>) -> Judged {
    let severity = finding.rating.map_or(case.policy.unrated, |rating| rating.severity);
    let owner = if parent.has_package(&finding.package) { Owner::Parent } else { Owner::Ours };
    let new = !parent.has_finding(&finding);
    let outcome = outcome(&finding, severity, owner, new, case);
    let ended =
        case.policy.waivers.iter().filter(|w| w.until < case.today && accepts(w, &finding)).map(|w| w.until).max();
    let waiver_ended = ended.filter(|_| outcome == Outcome::Counts);
    Judged { finding, severity, owner, new, outcome, waiver_ended }
}

fn outcome(finding: &Finding, severity: Severity, owner: Owner, new: bool, case: Case<'_>) -> Outcome {
    let policy = case.policy;
    let threshold = match owner {
        Owner::Parent => policy.parent_severity.unwrap_or(policy.severity),
        Owner::Ours => policy.severity,
    };
    if !threshold.is_reached(severity) {
        Outcome::BelowThreshold
    } else if policy.fix_available && !matches!(finding.fix, Fix::Available(_)) {
        Outcome::NoFix
    } else if policy.only_new && !new {
        Outcome::Inherited
    } else if policy.waivers.iter().any(|w| w.until >= case.today && accepts(w, finding)) {
        Outcome::Waived
    } else {
        Outcome::Counts
    }
}

/// Whether the waiver is about a finding, whether or not it still holds.
fn accepts(waiver: &Waiver, finding: &Finding) -> bool {
    let named = finding.ids.iter().any(|id| id.eq_ignore_ascii_case(&waiver.id));
    let subject = &finding.package;
    named && waiver.package.as_ref().is_none_or(|name| *name == subject.name || subject.source.as_ref() == Some(name))
}

/// Why the image is rejected.
fn reasons(findings: &[Judged], uncovered: &[String], case: Case<'_>) -> Vec<String> {
    let mut reasons = counted(findings);
    if !case.policy.allow_uncovered {
        reasons.extend(uncovered.iter().cloned());
    }
    reasons
}

/// The findings that count, in a sentence for each severity.
fn counted(findings: &[Judged]) -> Vec<String> {
    let mut reasons = Vec::new();
    let counting: Vec<_> = findings.iter().filter(|j| j.outcome == Outcome::Counts).collect();
    for severity in Severity::ALL.into_iter().rev() {
        let of: Vec<_> = counting.iter().filter(|j| j.severity == severity).map(|j| &j.finding).collect();
        let ids: BTreeSet<_> = of.iter().map(|finding| &finding.id).collect();
        if let Some(Finding { id, package, .. }) = of.first() {
            let name = &package.name;
            reasons.push(match ids.len() {
                1 => format!("The policy counts a {severity} vulnerability: {id} in {name}."),
                many => format!("The policy counts {many} {severity} vulnerabilities, such as {id} in {name}."),
            });
        }
    }
    reasons
}

/// What was not compared, in sentences. A vulnerability in it would not be found.
fn uncovered(covered: &[Covered], case: Case<'_>) -> Vec<String> {
    let mut reasons = Vec::new();
    if !covered.iter().any(|part| part.kind.is_of_the_system()) {
        reasons.push("The contents list no packages of an operating system, so nothing of it is judged.".to_owned());
    }
    if case.image.packages_incomplete {
        reasons.push("The contents do not list all packages, so not all of them are judged.".to_owned());
    }
    for part in covered.iter().filter(|c| c.kind.is_of_the_system() && c.advisories == 0) {
        let (packages, kind) = (part.packages, part.kind.word());
        reasons.push(match part.ecosystems.first() {
            Some(ecosystem) => {
                format!("The folder has no advisories for {ecosystem}, so its {kind} packages ({packages}) are not judged.")
            }
            None => format!(
                "No format that is read has advisories for the operating system, so its {kind} packages ({packages}) are \
                 not judged."
            ),
        });
    }
    let unread: Vec<&Issue> = case.advisories.issues.iter().filter(|issue| issue.whole_file).collect();
    if let Some(Issue { file, message, .. }) = unread.first() {
        let files = if unread.len() == 1 { "a file".to_owned() } else { format!("{} files", unread.len()) };
        reasons.push(format!("The folder has {files} that cannot be read whole. {file}: {message}"));
    }
    reasons
}

fn counts(findings: &[Judged]) -> Counts {
    let mut counts = Counts { found: findings.len(), ..Counts::default() };
    for judged in findings {
        *counts.by_severity.entry(judged.severity).or_default() += 1;
        counts.counting += usize::from(judged.outcome == Outcome::Counts);
        counts.new += usize::from(judged.new);
        counts.with_fix += usize::from(matches!(judged.finding.fix, Fix::Available(_)));
    }
    counts
}

/// The waivers that hold: those in use, and the others.
fn waivers(findings: &[Judged], case: Case<'_>) -> (Vec<UsedWaiver>, Vec<Waiver>) {
    let mut used = Vec::new();
    let mut unused = Vec::new();
    for waiver in case.policy.waivers.iter().filter(|w| w.until >= case.today) {
        let waived = findings.iter().filter(|j| j.outcome == Outcome::Waived && accepts(waiver, &j.finding)).count();
        if waived > 0 {
            used.push(UsedWaiver { waiver: waiver.clone(), findings: waived });
        } else {
            unused.push(waiver.clone());
        }
    }
    (used, unused)
}
