//! Image pipelines.

use goldsmith_model::definitions::{Kind, elsewhere};
use goldsmith_model::{AutoDisablePolicy, ImagePipeline, Name, ScheduleExpression, time_zone};

use super::Translation;
use crate::fields::Fields;
use crate::finding::Outcome;
use crate::item::{Item, Mark, bare, shown, sole_mark};
use crate::resource::Identity;
use crate::yaml::Yaml;

pub(super) fn translate(
    translation: &mut Translation<'_>,
    fields: &mut Fields<'_>,
) -> Option<Vec<(&'static str, Yaml)>> {
    let mut entries = Vec::new();
    entries.extend(translation.description(fields).map(|text| ("description", Yaml::Text(text))));
    let container = fields.take("containerRecipeArn");
    if container.is_some() {
        let why = "Goldsmith builds AMIs, not container images";
        fields.tell(
            &mut translation.findings,
            Outcome::LeftOut,
            "containerRecipeArn",
            why,
            "keep this pipeline in Image Builder",
        );
        return None;
    }
    let recipe = reference(translation, fields, "imageRecipeArn", Kind::ImageRecipe)?;
    entries.push(("imageRecipe", Yaml::Text(format!("{}/{}", recipe.name, recipe.version))));
    translation.write_notes(&mut entries);
    let infrastructure =
        reference(translation, fields, "infrastructureConfigurationArn", Kind::InfrastructureConfiguration)?;
    entries.push(("infrastructureConfiguration", Yaml::Text(infrastructure.name)));
    translation.write_notes(&mut entries);
    if fields.take("distributionConfigurationArn").is_some() {
        let distribution =
            reference(translation, fields, "distributionConfigurationArn", Kind::DistributionConfiguration);
        entries.extend(distribution.map(|one| ("distributionConfiguration", Yaml::Text(one.name))));
    }
    translation.write_notes(&mut entries);
    let status = translation.text(fields, "status").filter(|status| status == "DISABLED");
    entries.extend(status.map(|status| ("status", Yaml::Text(status))));
    entries.extend(schedule(translation, fields));
    entries.extend(tests(translation, fields));
    let _ = translation.flag(fields, "enhancedImageMetadataEnabled"); // Image Builder's own lists, which change no image
    let scanning = fields.take("imageScanningConfiguration");
    let enabled = scanning.map(|item| fields.inner("imageScanningConfiguration", item));
    if enabled.is_some_and(|mut inner| translation.flag(&mut inner, "imageScanningEnabled") != Some(false)) {
        let why = "Goldsmith has no such field";
        let instead = elsewhere(Kind::ImagePipeline, "imageScanningConfiguration").unwrap_or_default();
        fields.tell(&mut translation.findings, Outcome::LeftOut, "imageScanningConfiguration", why, instead);
    }
    Some(entries)
}

/// Returns the definition that a field refers to. `None` and a finding if it was not taken over.
fn reference(
    translation: &mut Translation<'_>,
    fields: &mut Fields<'_>,
    key: &'static str,
    kind: Kind,
) -> Option<Identity> {
    let written = fields.take(key).and_then(Item::text).unwrap_or_default();
    let found = match sole_mark(written) {
        Some((Mark::Resource, address)) => translation.identities.get(address).filter(|one| one.kind == kind).cloned(),
        _ => translation.identities.named(kind, name_in(written, kind)).cloned(),
    };
    if found.is_some() {
        return found;
    }
    if let Some((Mark::Resource, address)) = sole_mark(written) {
        let why = format!("`{}` was not imported", bare(address));
        fields.tell(&mut translation.findings, Outcome::LeftOut, key, why, "see the remark about it");
        return None;
    }
    let name = name_in(written, kind);
    let name = if name.parse::<Name>().is_ok() { name } else { "to-fill-in" };
    let why = match written {
        "" => format!("the source names no {kind}"),
        written => format!("`{}`: the {kind} is not part of the source", shown(written)),
    };
    let instead = format!("`{name}` was written: apply one with this name, or name another one");
    translation.leave_to_fill_in(fields, key, why, instead);
    Some(Identity { kind, name: name.to_owned(), version: "x.x.x".to_owned() })
}

/// Returns the name in an ARN of this kind; an empty text if it is no such ARN.
fn name_in(arn: &str, kind: Kind) -> &str {
    let word = match kind {
        Kind::ImageRecipe => ":image-recipe/",
        Kind::InfrastructureConfiguration => ":infrastructure-configuration/",
        Kind::DistributionConfiguration => ":distribution-configuration/",
        Kind::Component | Kind::ImagePipeline => return "",
    };
    arn.split_once(word).and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default()
}

fn schedule(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Option<(&'static str, Yaml)> {
    let item = fields.take("schedule")?;
    let mut inner = fields.inner("schedule", item);
    let written = translation.text(&mut inner, "scheduleExpression");
    let condition = translation.text(&mut inner, "pipelineExecutionStartCondition");
    let zone = translation.text(&mut inner, "timezone").filter(|zone| time_zone(zone).is_ok());
    let expression = written.as_deref().and_then(accepted);
    match (&written, &expression) {
        (Some(written), None) => {
            let why = format!("`{written}` is not a schedule of EventBridge Scheduler");
            inner.tell(
                &mut translation.findings,
                Outcome::LeftOut,
                "scheduleExpression",
                why,
                "write `schedule` by hand",
            );
        }
        (Some(written), Some(expression)) if written != expression => {
            let why = format!("EventBridge Scheduler does not accept `{written}`");
            let instead = format!("`{expression}` was written");
            inner.tell(&mut translation.findings, Outcome::Changed, "scheduleExpression", why, instead);
        }
        _ => {}
    }
    let policy = inner.take("autoDisablePolicy").map(|item| inner.inner("autoDisablePolicy", item));
    let limit = policy.and_then(|mut policy| {
        let limit = translation.number(&mut policy, "failureCount", 1..=AutoDisablePolicy::MAX);
        policy.finish(&mut translation.findings);
        limit
    });
    inner.finish(&mut translation.findings);
    let mut entries = vec![("scheduleExpression", Yaml::Text(expression?))];
    entries.extend(zone.map(|zone| ("timezone", Yaml::Text(zone))));
    // Image Builder's default, which is not the default here.
    let only = condition.as_deref() == Some("EXPRESSION_MATCH_ONLY");
    let condition = if only { "EXPRESSION_MATCH_ONLY" } else { "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE" };
    entries.push(("pipelineExecutionStartCondition", Yaml::text(condition)));
    entries.extend(limit.map(|limit| ("autoDisablePolicy", Yaml::map(vec![("failureCount", Yaml::Text(limit))]))));
    Some(("schedule", Yaml::map(entries)))
}

/// Returns a schedule that is accepted here, if necessary with the year, and with `?` in one of the fields for days.
fn accepted(written: &str) -> Option<String> {
    let is_good = |text: &str| text.parse::<ScheduleExpression>().is_ok();
    if is_good(written) {
        return Some(written.to_owned());
    }
    let inner = written.strip_prefix("cron(")?.strip_suffix(')')?;
    let mut parts: Vec<&str> = inner.split_whitespace().collect();
    if parts.len() == 5 {
        parts.push("*");
    }
    let [_, _, day, _, weekday, _] = parts[..] else { return None };
    match (day, weekday) {
        ("?", "?" | "*") => (parts[2], parts[4]) = ("*", "?"),
        ("*", "?") => {}
        (_, "*") => parts[4] = "?",
        ("*", _) => parts[2] = "?",
        _ => {}
    }
    if parts[4] == "0" {
        parts[4] = "1"; // Sunday
    }
    Some(format!("cron({})", parts.join(" "))).filter(|text| is_good(text))
}

fn tests(translation: &mut Translation<'_>, fields: &mut Fields<'_>) -> Option<(&'static str, Yaml)> {
    let item = fields.take("imageTestsConfiguration")?;
    let mut inner = fields.inner("imageTestsConfiguration", item);
    let mut entries = Vec::new();
    let enabled = translation.flag(&mut inner, "imageTestsEnabled");
    entries.extend(enabled.map(|flag| ("imageTestsEnabled", Yaml::text(flag.to_string()))));
    let minutes = translation.number(&mut inner, "timeoutMinutes", 1..=ImagePipeline::MAX_MINUTES);
    entries.extend(minutes.map(|minutes| ("timeoutMinutes", Yaml::Text(minutes))));
    inner.finish(&mut translation.findings);
    (!entries.is_empty()).then(|| ("imageTestsConfiguration", Yaml::map(entries)))
}

#[cfg(test)]
mod tests_of_schedules {
    use super::accepted;

    #[test]
    fn a_schedule_of_image_builder_is_written_for_eventbridge() {
        for (written, expected) in [
            ("cron(0 3 * * ? *)", Some("cron(0 3 * * ? *)")),
            ("rate(7 days)", Some("rate(7 days)")),
            ("cron(0 3 * * *)", Some("cron(0 3 * * ? *)")),
            ("cron(0 3 ? * 0)", Some("cron(0 3 ? * 1 *)")),
            ("cron(0 3 * * ?)", Some("cron(0 3 * * ? *)")),
            ("cron(0 3 ? * *)", Some("cron(0 3 * * ? *)")),
            ("cron(0 3 ? * ?)", Some("cron(0 3 * * ? *)")),
            ("cron(0 3 1 * ?)", Some("cron(0 3 1 * ? *)")),
            ("cron(0 3 * * mon)", Some("cron(0 3 ? * mon *)")),
            ("every day", None),
            ("cron()", None),
        ] {
            assert_eq!(accepted(written).as_deref(), expected, "{written}");
        }
    }
}
