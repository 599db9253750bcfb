//! Shows a plan as text for people.

use goldsmith_model::Name;
use goldsmith_states::{
    Chosen, Estimate, Existing, Finding, InstanceTime, Preview, PreviewedCheckpoint, PreviewedFirmware,
    PreviewedRegion, PreviewedSource, Verdict,
};
use goldsmith_store::{Change, Outcome};

use super::Planned;
use crate::args::Globals;
use crate::command::apply;
use crate::output::Show;
use crate::render::{self, count_in_words, duration, labelled, word};
use crate::since::told;

impl Show for Planned {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let Preview { recipe, source, components, regions, newest, changes, skips, findings, .. } = &self.preview;
        let mut rows = vec![("plan", verdict(self))];
        rows.extend(recipe.iter().map(|recipe| ("recipe", chosen(recipe))));
        rows.extend(source.iter().map(|source| ("source", described(source))));
        rows.extend(components.iter().map(|component| ("component", chosen(component))));
        rows.extend(self.preview.firmware.iter().map(|firmware| ("boots", boots(firmware))));
        rows.extend(self.preview.checkpoint.iter().map(|one| ("checkpoint", begins(one))));
        // Without tests, only the audit has an instance.
        let tested = if self.preview.untested.is_some() { "audited on" } else { "tested on" };
        let types = [("instances", &self.preview.instance_types), (tested, &self.preview.test_types)];
        rows.extend(types.into_iter().filter(|(_, types)| !types.is_empty()).map(|(label, of)| (label, of.join(", "))));
        rows.extend(self.preview.untested.iter().map(|why| ("untested", format!("no test runs: {why}"))));
        rows.extend(regions.iter().map(|region| ("goes to", place(region))));
        rows.extend(self.preview.copies_with_tests.then(|| ("copies", "begin with the tests".to_owned())));
        let approval = self.preview.approval.iter();
        rows.extend(approval.map(|channel| ("approval", format!("a promotion to {channel} publishes it"))));
        rows.extend(self.preview.topic.iter().map(|topic| ("tells", topic.clone())));
        rows.extend(self.preview.input_digest.iter().map(|digest| ("inputs", digest.clone())));
        let is_same =
            newest.as_ref().is_some_and(|newest| Some(&newest.input_digest) == self.preview.input_digest.as_ref());
        rows.extend(newest.iter().map(|newest| (if is_same { "exists" } else { "newest" }, existing(newest))));
        let applied = self.definitions.iter().filter(|change| change.outcome != Outcome::Unchanged);
        for change in applied {
            rows.push(("apply", definition(change)));
            rows.extend(apply::differences(change).into_iter().map(|line| ("", line)));
        }
        rows.extend(changes.iter().map(|change| ("changed", told(change))));
        rows.extend(self.preview.estimate.iter().flat_map(|estimate| estimated(estimate, regions)));
        rows.extend(skips.iter().map(|skip| ("note", skip.clone())));
        labelled(rows).into_iter().chain(findings.iter().flat_map(finding)).collect()
    }
}

fn verdict(planned: &Planned) -> String {
    let Planned { preview: Preview { pipeline, verdict, image, findings, .. }, running, .. } = planned;
    let image = image.as_ref().map_or_else(|| "an image".to_owned(), ToString::to_string);
    match (verdict, running) {
        (Verdict::Refused, _) => {
            let refusals = findings.iter().filter(|finding| finding.is_refusal()).count();
            format!("{pipeline}: Plan would reject a build because of {}", count_in_words(refusals, "problem"))
        }
        (Verdict::Unchanged, Some(_)) => {
            let why = "a start would end at once, because a build is running";
            format!("{pipeline}: nothing has changed since the newest image, and {why}")
        }
        (Verdict::Unchanged, None) => {
            let by_hand = "this does not stop a start by hand (`goldsmith build`)";
            format!("{pipeline}: nothing has changed since the newest image; {by_hand}")
        }
        (Verdict::Build, Some(_)) => {
            let why = "a start would end at once, because a build is running";
            format!("{pipeline}: {why}; after it, a start would build {image}")
        }
        (Verdict::Build, None) => format!("{pipeline}: a start would build {image}"),
    }
}

fn chosen(chosen: &Chosen) -> String {
    let Chosen { name, version, pattern, parameters } = chosen;
    let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
    // Values may be secrets.
    let sets = if names.is_empty() { String::new() } else { format!(", sets {}", names.join(", ")) };
    format!("{name} {version} ({pattern}){sets}")
}

fn boots(firmware: &PreviewedFirmware) -> String {
    let PreviewedFirmware { boot_mode, tpm_support, uefi_data } = firmware;
    render::firmware(*boot_mode, *tpm_support, uefi_data.as_deref()).unwrap_or_default()
}

fn begins(checkpoint: &PreviewedCheckpoint) -> String {
    render::checkpoint(checkpoint.after.as_str(), checkpoint.found.as_ref())
}

fn described(source: &PreviewedSource) -> String {
    let PreviewedSource { reference, image_id, name, owner, architecture } = source;
    let owner = owner.as_ref().map(|owner| format!("of {owner}"));
    let facts: Vec<&str> = [name, architecture, &owner].into_iter().flatten().map(String::as_str).collect();
    let facts = if facts.is_empty() { String::new() } else { format!(": {}", facts.join(", ")) };
    match image_id {
        Some(id) if id == reference => format!("{id}{facts}"),
        Some(id) => format!("{id} ({reference}){facts}"),
        None => reference.clone(),
    }
}

fn place(region: &PreviewedRegion) -> String {
    let PreviewedRegion { region, name, parameters, launch_templates, license_configurations, export, shared_with } =
        region;
    let parameters = parameters.iter().map(|parameter| format!(", parameter {parameter}")).collect::<String>();
    let templates = launch_templates.iter().map(|template| format!(", launch template {template}")).collect::<String>();
    let licenses = license_configurations.iter().map(|license| format!(", license {license}")).collect::<String>();
    let exported = export.as_ref().map(|to| format!(", exported to {to} as {}", to.disk_image_format.as_str()));
    let shared = match shared_with.as_slice() {
        [] => String::new(),
        with => format!(", shared with {}", with.join(", ")),
    };
    format!("{region} as {name}{parameters}{templates}{licenses}{shared}{}", exported.unwrap_or_default())
}

fn existing(existing: &Existing) -> String {
    let amis = existing.amis.iter().map(|(region, id)| format!("{id} in {region}")).collect::<Vec<_>>();
    format!("{} of {}: {}", existing.image, existing.created_at, amis.join(", "))
}

/// Returns the rows about what a build takes.
fn estimated(estimate: &Estimate, regions: &[PreviewedRegion]) -> Vec<(&'static str, String)> {
    let Estimate { builds, seconds, states, instances, snapshot_gib } = estimate;
    let time = match (seconds, builds.len()) {
        (Some(seconds), 1) => format!("about {}, as the last good build took", spell(*seconds)),
        (Some(seconds), of) => format!("about {}, the median of the last {of} good builds", spell(*seconds)),
        (None, _) => "no estimate yet, because no build of this pipeline has succeeded".to_owned(),
    };
    let long = states.iter().filter(|one| one.seconds > 0);
    let parts: Vec<String> = long.map(|one| format!("{} {}", one.state, spell(one.seconds))).collect();
    let parts = if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) };
    let mut rows = vec![("time", format!("{time}{parts}"))];
    let used = |what: &str, one: &InstanceTime| {
        let seconds = one.seconds.map(|seconds| format!(" for about {}", spell(seconds))).unwrap_or_default();
        ("uses", format!("{} {what}{seconds}", one.instance_type))
    };
    let mut instances = instances.iter();
    rows.extend(instances.next().map(|one| used("to build", one)));
    rows.extend(instances.map(|one| used("to test", one)));
    let places: Vec<&str> = regions.iter().map(|one| one.region.as_str()).collect();
    rows.extend(snapshot_gib.map(|gib| ("stores", format!("at most {gib} GiB of snapshots in {}", places.join(", ")))));
    rows
}

/// Spells a duration. A build is far shorter than the numbers that a float cannot hold exactly.
fn spell(seconds: u64) -> String {
    duration(u32::try_from(seconds).unwrap_or(u32::MAX).into())
}

fn definition(change: &Change) -> String {
    let version = change.version.map(|version| format!(" {version}")).unwrap_or_default();
    let verb = match change.outcome {
        Outcome::Created => "would create",
        Outcome::Replaced => "would replace",
        Outcome::Unchanged => "would leave",
    };
    let names: Vec<&str> = change.pipelines.iter().map(Name::as_str).collect();
    let reach = if names.is_empty() { String::new() } else { format!(", which changes {}", names.join(", ")) };
    format!("{verb} {} {}{version}{reach}", change.kind, change.name)
}

/// Returns a problem of a plan as text for people.
pub(crate) fn finding(finding: &Finding) -> Vec<String> {
    let word = word(finding.problem.severity());
    let word = if finding.is_refusal() { word.to_uppercase() } else { word };
    vec![
        format!("{word:8} {:22} {}", finding.problem.name(), finding.problem),
        format!("{:8} {:22} `{}` of {}", "", "", finding.place.field, finding.place.definition),
        format!("{:8} {:22} Fix: {}", "", "", finding.problem.remedy()),
    ]
}
