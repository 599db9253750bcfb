//! A judgement as a short text for people.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use crate::finding::{Fix, Unjudged};
use crate::judge::{Judged, Judgement, Outcome, Owner};
use crate::severity::Severity;

/// How many findings that count are listed.
const LISTED: usize = 20;

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", if self.allowed { "Allowed." } else { "Rejected." })?;
        for reason in &self.reasons {
            writeln!(f, "{reason}")?;
        }
        writeln!(f, "{}", self.found())?;
        self.list(f)?;
        for used in &self.waivers {
            let waiver = &used.waiver;
            writeln!(f, "The waiver of {} holds until {}: {}", waiver.id, waiver.until, waiver.reason)?;
        }
        for waiver in &self.expired_waivers {
            writeln!(f, "The waiver of {} ended on {}.", waiver.id, waiver.until)?;
        }
        for waiver in &self.unused_waivers {
            writeln!(f, "The waiver of {} accepts nothing in the image.", waiver.id)?;
        }
        self.limits(f)
    }
}

impl Judgement {
    /// One sentence with the numbers.
    fn found(&self) -> String {
        if self.counts.found == 0 {
            return "No vulnerabilities were found.".to_owned();
        }
        let by: Vec<_> = Severity::ALL
            .into_iter()
            .rev()
            .filter_map(|severity| Some(format!("{} {severity}", self.counts.by_severity.get(&severity)?)))
            .collect();
        let counts = &self.counts;
        let noun = if counts.found == 1 { "vulnerability" } else { "vulnerabilities" };
        format!(
            "{} {noun} found ({}): {} counting, {} new, {} with a fix.",
            counts.found,
            by.join(", "),
            counts.counting,
            counts.new,
            counts.with_fix
        )
    }

    /// The findings that count. Packages of one source are one line.
    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: BTreeMap<_, (&Judged, usize)> = BTreeMap::new();
        for judged in self.findings.iter().filter(|j| j.outcome == Outcome::Counts) {
            let package = &judged.finding.package;
            let source = package.source.as_deref().unwrap_or(&package.name);
            let key = (std::cmp::Reverse(judged.severity), source, &judged.finding.id);
            lines.entry(key).and_modify(|(_, more)| *more += 1).or_insert((judged, 0));
        }
        let hidden = lines.len().saturating_sub(LISTED);
        for (judged, more) in lines.into_values().take(LISTED) {
            writeln!(f, "  {}", line(judged, more)?)?;
        }
        if hidden > 0 {
            writeln!(f, "  and {hidden} more")?;
        }
        Ok(())
    }

    /// What the judgement does not know.
    fn limits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in self.covered.iter().filter(|c| c.advisories == 0 && !c.kind.is_of_the_system()) {
            writeln!(f, "The folder has no advisories for the {} packages ({}).", part.kind.word(), part.packages)?;
        }
        if let Some(Unjudged { package, advisory, reason }) = self.unjudged.first() {
            match self.unjudged.len() {
                1 => write!(f, "A package could not be compared with an advisory:")?,
                many => write!(f, "{many} comparisons of a package with an advisory were not possible, such as")?,
            }
            writeln!(f, " {} with {advisory}, because {reason}.", package.name)?;
        }
        if let Some(first) = self.issues.first() {
            match self.issues.len() {
                1 => write!(f, "A part of the folder was not read:")?,
                many => write!(f, "{many} parts of the folder were not read, such as")?,
            }
            writeln!(f, " {first}")?;
        }
        Ok(())
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
