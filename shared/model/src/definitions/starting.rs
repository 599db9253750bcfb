//! When a pipeline starts automatically: `schedule`, `rebuildOn`, `autoDisablePolicy` and `freeze`.

use goldsmith_document::yaml::Node;
use goldsmith_document::{MapReader, Reader, Spanned};
use jiff::civil::Date;

use super::{fields, keys};
use crate::{AutoDisablePolicy, Freeze, RebuildOn, Schedule, ScheduleExpression, StartCondition, time_zone};

/// What starts a pipeline automatically, and what prevents an automatic start.
#[derive(Default)]
pub(super) struct Starting {
    pub(super) schedule: Option<Schedule>,
    pub(super) rebuild_on: Vec<RebuildOn>,
    pub(super) auto_disable_policy: Option<AutoDisablePolicy>,
    pub(super) freeze: Vec<Freeze>,
}

pub(super) fn read(reader: &mut Reader<'_>, map: &mut MapReader<'_>) -> Starting {
    // Image Builder has the policy in the schedule. Here it counts for every automatic start, so it stands beside the
    // schedule too.
    let own = map.optional("autoDisablePolicy").map(|node| (node, policy(reader, node)));
    let (schedule, of_schedule) = map.optional("schedule").map(|node| schedule(reader, node)).unwrap_or_default();
    let rebuild_on = map.optional("rebuildOn").map(|node| rebuild_on(reader, node)).unwrap_or_default();
    let freeze = map.optional("freeze").map(|node| freeze(reader, node)).unwrap_or_default();
    if let (Some((node, _)), Some(_)) = (&own, of_schedule) {
        let message = "`autoDisablePolicy` is in the pipeline and in its `schedule`: write it once";
        reader.error(node.span, "duplicate", message);
    }
    let auto_disable_policy = own.and_then(|(_, policy)| policy).or(of_schedule);
    Starting { schedule, rebuild_on, auto_disable_policy, freeze }
}

/// Reads a schedule, and the `autoDisablePolicy` that Image Builder has within it.
fn schedule(reader: &mut Reader<'_>, node: &Node) -> (Option<Schedule>, Option<AutoDisablePolicy>) {
    let Some(mut map) = reader.map(node, "`schedule`") else { return (None, None) };
    let expression = map.required(reader, "scheduleExpression");
    let expression = expression.and_then(|node| {
        fields::parse::<ScheduleExpression>(reader, node, "`scheduleExpression`")?;
        node.text().map(str::to_owned)
    });
    let timezone = map.optional("timezone").and_then(|node| zone(reader, node));
    let condition = map.optional("pipelineExecutionStartCondition").and_then(|node| {
        let choices = [
            ("EXPRESSION_MATCH_ONLY", StartCondition::ExpressionMatchOnly),
            (
                "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE",
                StartCondition::ExpressionMatchAndDependencyUpdatesAvailable,
            ),
        ];
        reader.choice(node, "`pipelineExecutionStartCondition`", &choices)
    });
    let policy = map.optional("autoDisablePolicy").and_then(|node| policy(reader, node));
    map.finish(reader);
    let schedule = expression.map(|schedule_expression| Schedule {
        schedule_expression,
        timezone,
        pipeline_execution_start_condition: condition.unwrap_or_default(),
    });
    (schedule, policy)
}

fn policy(reader: &mut Reader<'_>, node: &Node) -> Option<AutoDisablePolicy> {
    let mut map = reader.map(node, "`autoDisablePolicy`")?;
    let count = map.required(reader, "failureCount");
    let count = count.and_then(|node| fields::number(reader, node, "`failureCount`", keys::FAILURES));
    map.finish(reader);
    Some(AutoDisablePolicy { failure_count: count? })
}

fn zone(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let zone = reader.text(node, "`timezone`")?;
    if let Err(error) = time_zone(&zone.value) {
        let help = error.near.as_ref().map(|near| format!("did you mean `{near}`?"));
        reader.error_with_help(zone.span, "wrong-value", error.to_string(), help);
        return None;
    }
    Some(zone.value)
}

fn rebuild_on(reader: &mut Reader<'_>, node: &Node) -> Vec<RebuildOn> {
    let choices = [("source-update", RebuildOn::SourceUpdate), ("dependency", RebuildOn::Dependency)];
    let mut changes = Vec::new();
    for item in reader.list(node, "`rebuildOn`").unwrap_or_default() {
        let Some(change) = reader.choice(item, "`rebuildOn`", &choices) else { continue };
        if changes.contains(&change) {
            let word = item.text().unwrap_or_default();
            reader.error(item.span, "duplicate", format!("`{word}` is in `rebuildOn` twice"));
        } else {
            changes.push(change);
        }
    }
    changes
}

fn freeze(reader: &mut Reader<'_>, node: &Node) -> Vec<Freeze> {
    let items = reader.list(node, "`freeze`").unwrap_or_default();
    if items.len() > Freeze::MAX {
        let message = format!("`freeze` has {} windows: {} are allowed", items.len(), Freeze::MAX);
        reader.error(node.span, "too-many", message);
        return Vec::new();
    }
    items.iter().filter_map(|item| window(reader, item)).collect()
}

fn window(reader: &mut Reader<'_>, node: &Node) -> Option<Freeze> {
    let mut map = reader.map(node, "a window of `freeze`")?;
    let from = map.required(reader, "from").and_then(|node| day(reader, node, "from"));
    let until = map.required(reader, "until").and_then(|node| day(reader, node, "until"));
    let timezone = map.optional("timezone").map(|node| zone(reader, node));
    map.finish(reader);
    let (from, until) = (from?, until?);
    // An empty window is nearly always a typing mistake, and would freeze nothing.
    if until.value <= from.value {
        let message =
            format!("`until` must be after `from`, which is {}: it is the first day after the freeze", from.value);
        reader.error(until.span, "wrong-value", message);
        return None;
    }
    let timezone = match timezone {
        Some(zone) => Some(zone?),
        None => None,
    };
    Some(Freeze { from: from.value, until: until.value, timezone })
}

/// Reads a day.
pub(super) fn day(reader: &mut Reader<'_>, node: &Node, key: &str) -> Option<Spanned<Date>> {
    let text = reader.text(node, &format!("`{key}`"))?;
    // The library reads more forms of ISO 8601, among them those with a time, which would be ignored.
    let day = text.value.parse::<Date>().ok().filter(|day| day.to_string() == text.value);
    if day.is_none() {
        let message = format!("`{key}` must be a day such as 2026-12-20, not `{}`", text.value);
        reader.error(text.span, "wrong-value", message);
    }
    Some(Spanned { value: day?, span: text.span })
}
