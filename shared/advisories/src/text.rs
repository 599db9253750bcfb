//! A judgement as a short text for people.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::finding::{Fix, Unjudged};
use crate::judge::{Judged, Judgement, Outcome, Owner};
use goldsmith_model::Severity;

/// How many findings that count are listed, and how many issues of the folder.
const LISTED: usize = 20;

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names come from packages, advisories and files. A line break in one must not begin a line of the judgement.
        let in_one_line = |c: char| if c.is_control() { ' ' } else { c };
        self.lines()?.iter().try_for_each(|line| writeln!(f, "{}", line.chars().map(in_one_line).collect::<String>()))
    }
}

impl Judgement {
    fn lines(&self) -> Result<Vec<String>, fmt::Error> {
        let mut lines = vec![if self.allowed { "Allowed." } else { "Rejected." }.to_owned()];
        lines.extend(self.reasons.iter().cloned());
        lines.push(self.found());
        self.list(&mut lines)?;
        for used in &self.waivers {
            let waiver = &used.waiver;
            lines.push(format!("The waiver of {} holds until {}: {}", waiver.id, waiver.until, waiver.reason));
        }
        for waiver in &self.expired_waivers {
            lines.push(format!("The waiver of {} ended on {}.", waiver.id, waiver.until));
        }
        for waiver in &self.unused_waivers {
            lines.push(format!("The waiver of {} accepts nothing in the image.", waiver.id));
        }
        self.limits(&mut lines);
        Ok(lines)
    }

    /// One sentence with the numbers.
    fn found(&self) -> String {
        if self.counts.found == 0 {
            let has_compared = self.covered.iter().any(|part| part.advisories > 0);
            let nothing = if has_compared { "No vulnerabilities were found." } else { "No package was compared." };
            return nothing.to_owned();
        }
        let by: Vec<_> = Severity::ALL
            .into_iter()
            .rev()
            .filter_map(|severity| Some(format!("{} {severity}", self.counts.by_severity.get(&severity)?)))
            .collect();
        let counts = &self.counts;
        // A vulnerability in two packages is two findings.
        let noun = if counts.found == 1 { "finding" } else { "findings" };
        format!(
            "{} {noun} ({}): {} counting, {} new, {} with a fix.",
            counts.found,
            by.join(", "),
            counts.counting,
            counts.new,
            counts.with_fix
        )
    }

    /// The findings that count. Packages of one source are one line.
    fn list(&self, lines: &mut Vec<String>) -> fmt::Result {
        let mut found: BTreeMap<_, (&Judged, usize)> = BTreeMap::new();
        for judged in self.findings.iter().filter(|j| j.outcome == Outcome::Counts) {
            let package = &judged.finding.package;
            let source = package.source.as_deref().unwrap_or(&package.name);
            let key = (std::cmp::Reverse(judged.severity), source, &judged.finding.id);
            found.entry(key).and_modify(|(_, more)| *more += 1).or_insert((judged, 0));
        }
        let hidden = found.len().saturating_sub(LISTED);
        for (judged, more) in found.into_values().take(LISTED) {
            lines.push(format!("  {}", line(judged, more)?));
        }
        if hidden > 0 {
            lines.push(format!("  and {hidden} more"));
        }
        Ok(())
    }

    /// What the judgement does not know.
    fn limits(&self, lines: &mut Vec<String>) {
        lines.extend(self.uncovered.iter().filter(|sentence| !self.reasons.contains(sentence)).cloned());
        for part in self.covered.iter().filter(|c| c.advisories == 0 && !c.kind.is_of_the_system()) {
            let (kind, packages) = (part.kind.word(), part.packages);
            lines.push(format!("The folder has no advisories for the {kind} packages ({packages})."));
        }
        if let Some(Unjudged { package, advisory, reason }) = self.unjudged.first() {
            let what = match self.unjudged.len() {
                1 => "A package could not be compared with an advisory:".to_owned(),
                many => format!("{many} comparisons of a package with an advisory were not possible, such as"),
            };
            lines.push(format!("{what} {} with {advisory}, because {reason}.", package.name));
        }
        match self.issues.as_slice() {
            [] => {}
            [issue] => lines.push(format!("A part of the folder was not read: {issue}")),
            issues => {
                lines.push(format!("{} parts of the folder were not read:", issues.len()));
                lines.extend(issues.iter().take(LISTED).map(|issue| format!("  {issue}")));
                if issues.len() > LISTED {
                    lines.push(format!("  and {} more", issues.len() - LISTED));
                }
            }
        }
    }
}

fn line(judged: &Judged, more: usize) -> Result<String, fmt::Error> {
    let finding = &judged.finding;
    let package = &finding.package;
    let mut line = format!("{:8} {}  {} {}", judged.severity.word(), finding.id, package.name, package.version);
    if more > 0 {
        write!(line, " and {more} more of {}", package.source.as_deref().unwrap_or(&package.name))?;
    }
    match &finding.fix {
        Fix::Available(version) => write!(line, ", fixed in {version}")?,
        Fix::None => line.push_str(", no fix"),
        Fix::WontFix => line.push_str(", will not be fixed"),
    }
    line.push_str(if judged.new { ", new" } else { ", in the parent too" });
    if judged.owner == Owner::Parent {
        line.push_str(", package of the parent");
    }
    if let Some(until) = judged.waiver_ended {
        write!(line, ", its waiver ended on {until}")?;
    }
    Ok(line)
}
