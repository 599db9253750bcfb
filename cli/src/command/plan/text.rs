//! Shows a plan as text for people.

use goldsmith_states::{Chosen, Difference, Existing, Finding, Preview, PreviewedRegion, PreviewedSource, Verdict};
use goldsmith_store::{Change, Outcome};

use super::Planned;
use crate::args::Globals;
use crate::output::Show;
use crate::render::{count_in_words, labelled, word};

impl Show for Planned {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let Preview { recipe, source, components, regions, newest, changes, skips, findings, .. } = &self.preview;
        let mut rows = vec![("plan", verdict(&self.preview))];
        rows.extend(recipe.iter().map(|recipe| ("recipe", chosen(recipe))));
        rows.extend(source.iter().map(|source| ("source", described(source))));
        rows.extend(components.iter().map(|component| ("component", chosen(component))));
        let types = [("instances", &self.preview.instance_types), ("tested on", &self.preview.test_types)];
        rows.extend(types.into_iter().filter(|(_, types)| !types.is_empty()).map(|(label, of)| (label, of.join(", "))));
        rows.extend(regions.iter().map(|region| ("goes to", place(region))));
        let approval = self.preview.approval.iter();
        rows.extend(approval.map(|channel| ("approval", format!("a promotion to {channel} publishes it"))));
        rows.extend(self.preview.input_digest.iter().map(|digest| ("inputs", digest.clone())));
        let is_same =
            newest.as_ref().is_some_and(|newest| Some(&newest.input_digest) == self.preview.input_digest.as_ref());
        rows.extend(newest.iter().map(|newest| (if is_same { "exists" } else { "newest" }, existing(newest))));
        let applied = self.definitions.iter().filter(|change| change.outcome != Outcome::Unchanged);
        rows.extend(applied.map(|change| ("apply", definition(change))));
        rows.extend(changes.iter().map(|change| ("changed", changed(change))));
        rows.extend(skips.iter().map(|skip| ("note", skip.clone())));
        labelled(rows).into_iter().chain(findings.iter().flat_map(finding)).collect()
    }
}

fn verdict(preview: &Preview) -> String {
    let Preview { pipeline, findings, .. } = preview;
    match (preview.verdict, &preview.image) {
        (Verdict::Refused, _) => {
            let refusals = findings.iter().filter(|finding| finding.is_refusal()).count();
            format!("{pipeline}: Plan would reject a build because of {}", count_in_words(refusals, "problem"))
        }
        (Verdict::Unchanged, _) => format!("{pipeline}: nothing has changed since the newest image"),
        (Verdict::Build, Some(image)) => format!("{pipeline}: a start would build {image}"),
        (Verdict::Build, None) => format!("{pipeline}: a start would build an image"),
    }
}

fn chosen(chosen: &Chosen) -> String {
    let Chosen { name, version, pattern, parameters } = chosen;
    let names: Vec<&str> = parameters.keys().map(String::as_str).collect();
    // Values may be secrets.
    let sets = if names.is_empty() { String::new() } else { format!(", sets {}", names.join(", ")) };
    format!("{name} {version} ({pattern}){sets}")
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
    let PreviewedRegion { region, name, parameters, launch_templates, shared_with } = region;
    let parameters = parameters.iter().map(|parameter| format!(", parameter {parameter}")).collect::<String>();
    let templates = launch_templates.iter().map(|template| format!(", launch template {template}")).collect::<String>();
    let shared = match shared_with.as_slice() {
        [] => String::new(),
        with => format!(", shared with {}", with.join(", ")),
    };
    format!("{region} as {name}{parameters}{templates}{shared}")
}

fn existing(existing: &Existing) -> String {
    let amis = existing.amis.iter().map(|(region, id)| format!("{id} in {region}")).collect::<Vec<_>>();
    format!("{} of {}: {}", existing.image, existing.created_at, amis.join(", "))
}

fn definition(change: &Change) -> String {
    let version = change.version.map(|version| format!(" {version}")).unwrap_or_default();
    let verb = match change.outcome {
        Outcome::Created => "would create",
        Outcome::Replaced => "would replace",
        Outcome::Unchanged => "would leave",
    };
    format!("{verb} {} {}{version}", change.kind, change.name)
}

fn changed(change: &Difference) -> String {
    let what = &change.what;
    match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{what}: {from} → {to}"),
        (Some(from), None) => format!("{what}: {from} is gone"),
        (None, Some(to)) => format!("{what}: {to} is new"),
        (None, None) => what.clone(),
    }
}

fn finding(finding: &Finding) -> Vec<String> {
    let word = word(finding.problem.severity());
    let word = if finding.is_refusal() { word.to_uppercase() } else { word };
    vec![
        format!("{word:8} {:22} {}", finding.problem.name(), finding.problem),
        format!("{:8} {:22} `{}` of {}", "", "", finding.place.field, finding.place.definition),
        format!("{:8} {:22} Fix: {}", "", "", finding.problem.remedy()),
    ]
}
