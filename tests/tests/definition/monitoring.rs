//! What the template does with the failures that nobody waits for: where they go, and what tells of them.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_tests::graph::levels;

use crate::template::{Resource, resources};
use crate::{DEFINITION, TEMPLATE};

/// Functions that events start; finish is one of them, since the end of an execution that was stopped is an event.
const BY_EVENTS: &[&str] = &["Finish", "Signal", "Trigger", "Reap"];

fn of_kind(kind: &str) -> Vec<Resource<'static>> {
    resources(TEMPLATE).into_iter().filter(|resource| resource.kind == kind).collect()
}

fn text_of(id: &str) -> &'static str {
    resources(TEMPLATE).into_iter().find(|one| one.id == id).map_or("", |one| one.text)
}

/// What stands behind a key.
fn value<'t>(resource: Resource<'t>, key: &str) -> &'t str {
    let line = resource.text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{} has no {key}", resource.id))
}

#[test]
fn an_event_that_is_given_up_is_kept_with_its_error() {
    for name in BY_EVENTS {
        let function = text_of(&format!("{name}Function"));
        for part in [
            "MaximumRetryAttempts: ",
            "MaximumEventAgeInSeconds: ",
            "DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt DeadLetters.Arn}}",
        ] {
            assert!(function.contains(part), "{name}: {part}");
        }
        assert!(text_of(&format!("{name}Role")).contains("!Ref ReportFailures"), "{name} may not write to the queue");
    }
    let others = TEMPLATE.matches("!Ref ReportFailures").count();
    assert_eq!(others, BY_EVENTS.len(), "only these functions write to the queue");
}

#[test]
fn the_queue_is_encrypted_and_closed_to_outsiders() {
    let queues = of_kind("AWS::SQS::Queue");
    assert_eq!(queues.iter().map(|queue| queue.id).collect::<Vec<_>>(), ["DeadLetters"]);
    assert!(queues.iter().all(|queue| queue.text.contains("SqsManagedSseEnabled: true")));
    assert_eq!(of_kind("AWS::SQS::QueuePolicy"), []);
}

#[test]
fn an_alarm_tells_of_each_function_that_is_stuck() {
    let found: BTreeSet<String> = of_kind("AWS::CloudWatch::Alarm")
        .into_iter()
        .map(|alarm| {
            let of = value(alarm, "Dimensions");
            let of = of.rsplit_once("Value: ").map_or(of, |(_, of)| of.trim_end_matches("}]"));
            format!("{} of {of}, missing is {}", value(alarm, "MetricName"), value(alarm, "TreatMissingData"))
        })
        .collect();
    let functions = BY_EVENTS.iter().flat_map(|name| {
        ["Errors", "Throttles"].map(|metric| format!("{metric} of !Ref {name}Function, missing is notBreaching"))
    });
    let others = [
        "Invocations of !Ref ReapFunction, missing is breaching",
        "ApproximateNumberOfMessagesVisible of !GetAtt DeadLetters.QueueName, missing is notBreaching",
        "LeftBehind of !Ref AWS::StackName, missing is notBreaching",
        "GivenUp of !Ref AWS::StackName, missing is notBreaching",
        "Strangers of !Ref AWS::StackName, missing is notBreaching",
        "ExecutionsFailed of !Ref ImageBuild, missing is notBreaching",
        "ExecutionsTimedOut of !Ref ImageBuild, missing is notBreaching",
    ];
    assert_eq!(found, functions.chain(others.map(str::to_owned)).collect());
}

#[test]
fn reap_is_reported_as_stopped_after_a_quarter_of_an_hour() {
    let alarm = of_kind("AWS::CloudWatch::Alarm").into_iter().find(|alarm| alarm.id == "ReapSilent");
    let alarm = alarm.unwrap_or_else(|| panic!("there is no alarm ReapSilent"));
    let number = |key| value(alarm, key).parse::<u32>().unwrap_or_else(|_| panic!("{key} is no number"));
    assert_eq!(number("Period") * number("EvaluationPeriods"), 15 * 60);
    assert_eq!((value(alarm, "ComparisonOperator"), number("Threshold")), ("LessThanThreshold", 1));
}

#[test]
fn what_costs_money_can_be_left_out_and_alarms_go_where_they_are_to_go() {
    for resource in resources(TEMPLATE).iter().filter(|resource| resource.kind.starts_with("AWS::CloudWatch::")) {
        assert!(resource.text.contains("Condition: HasMonitoring\n"), "{} cannot be left out", resource.id);
        let action = resource.text.contains("AlarmActions: !If [HasAlarmTopic, [!Ref AlarmTopic], !Ref AWS::NoValue]");
        assert_eq!(action, resource.kind == "AWS::CloudWatch::Alarm", "{}", resource.id);
    }
}

#[test]
fn the_dashboard_shows_every_function_and_is_json() {
    let (_, body) = text_of("Dashboard").split_once("DashboardBody: !Sub |\n").unwrap_or_default();
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}"));
    let metrics = |title: &str| {
        let widgets = body["widgets"].as_array().unwrap_or_else(|| panic!("there are no widgets"));
        let widget = widgets.iter().find(|widget| widget["properties"]["title"] == title);
        let metrics = widget.and_then(|widget| widget["properties"]["metrics"].as_array());
        metrics.unwrap_or_else(|| panic!("nothing shows {title}")).clone()
    };
    let functions: BTreeSet<String> =
        of_kind("AWS::Serverless::Function").iter().map(|function| format!("${{{}}}", function.id)).collect();
    for title in ["Errors of functions", "Throttles of functions"] {
        let shown = metrics(title);
        let shown: BTreeSet<String> =
            shown.iter().filter_map(|metric| Some(metric.as_array()?.last()?.as_str()?.to_owned())).collect();
        assert_eq!(shown, functions, "{title}");
    }
    assert_eq!(metrics("Builds").len(), 5);
    assert_eq!(metrics("Events that were given up").len(), 1);
}

/// The page for the person on call.
const PAGE: &str = include_str!("../../../docs/operations.md");

/// The sections of the page about alarms, by the name of the alarm.
fn sections() -> BTreeMap<&'static str, &'static str> {
    let (_, alarms) = PAGE.split_once("\n## Alarms\n").expect("the page is about alarms");
    let alarms = alarms.split("\n## ").next().unwrap_or_default();
    alarms.split("\n### ").skip(1).filter_map(|section| section.split_once('\n')).collect()
}

/// When an alarm goes off, in words.
fn condition(alarm: Resource<'_>) -> String {
    let [metric, namespace, threshold] = ["MetricName", "Namespace", "Threshold"].map(|key| value(alarm, key));
    let number = |key| value(alarm, key).split(' ').next().and_then(|number| number.parse::<u32>().ok());
    let (Some(seconds), Some(periods)) = (number("Period"), number("EvaluationPeriods")) else {
        panic!("{} has no period", alarm.id)
    };
    let statistic = value(alarm, "Statistic").to_lowercase();
    let comparison = match value(alarm, "ComparisonOperator") {
        "GreaterThanOrEqualToThreshold" => "at least",
        "LessThanThreshold" => "below",
        other => panic!("no words for {other}"),
    };
    let minutes = seconds / 60;
    let when = if periods == 1 {
        format!("{minutes} minutes.")
    } else {
        format!("each of {periods} periods of {minutes} minutes.")
    };
    let missing =
        if value(alarm, "TreatMissingData") == "breaching" { " A period without data counts, too." } else { "" };
    format!("Condition: the {statistic} of `{metric}` in `{namespace}` is {comparison} {threshold} in {when}{missing}")
}

#[test]
fn the_page_says_of_each_alarm_when_it_goes_off_and_what_to_do() {
    let mut sections = sections();
    for alarm in of_kind("AWS::CloudWatch::Alarm") {
        let section = sections.remove(alarm.id).unwrap_or_else(|| panic!("docs/operations.md has no {}", alarm.id));
        let text = section.split_whitespace().collect::<Vec<_>>().join(" ");
        let condition = condition(alarm);
        assert!(text.starts_with(&condition), "{} must begin with: {condition}", alarm.id);
        let parts = ["What it means", "What users see", "How to find the cause", "What to do"];
        let places = parts.map(|part| text.find(&format!("- **{part}**: ")));
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{}: {places:?}", alarm.id);
    }
    assert_eq!(sections.keys().collect::<Vec<_>>(), Vec::<&&str>::new(), "the template has no such alarms");
}

#[test]
fn the_page_names_each_widget_of_the_dashboard_the_log_groups_and_the_number_of_rules() {
    let (_, body) = text_of("Dashboard").split_once("DashboardBody: !Sub |\n").unwrap_or_default();
    let body: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}"));
    let widgets = body["widgets"].as_array().expect("there are widgets");
    for title in widgets.iter().filter_map(|widget| widget["properties"]["title"].as_str()) {
        assert!(PAGE.contains(&format!("\n| {title} | ")), "{title}");
    }
    for group in of_kind("AWS::Logs::LogGroup") {
        let (_, name) = group.text.split_once("LogGroupName: !Sub \"").unwrap_or_default();
        let name = name.split('"').next().unwrap_or_default().replace("${AWS::StackName}", "goldsmith");
        assert!(!name.is_empty() && PAGE.contains(&format!("`{name}`")), "{name}");
    }
    let kinds = ["Type: EventBridgeRule\n", "Type: Schedule\n"];
    assert_eq!(kinds.iter().map(|kind| TEMPLATE.matches(kind).count()).sum::<usize>(), 10);
    assert!(PAGE.contains("a stack has ten rules"));
}

/// The longest times of states on the page are those of the definition.
#[test]
fn the_page_names_the_time_limit_of_each_state() {
    let definition: serde_json::Value = serde_json::from_str(DEFINITION).expect("the definition is JSON");
    let (_, table) = PAGE.split_once("| state | longest time |").expect("the page has the table");
    let table = table.split("\n\n").next().unwrap_or_default();
    let row = |name: &str| {
        let of_state = |line: &&str| {
            let states = line.trim_start_matches("| ").split(" | ").next().unwrap_or_default();
            states.split(", ").any(|state| state == name)
        };
        table.lines().find(of_state).unwrap_or_else(|| panic!("no time of {name}"))
    };
    assert_eq!(definition["TimeoutSeconds"], 7 * 24 * 3600);
    assert!(row("the whole execution").contains("| 7 days |"));
    let mut named = 0;
    for (name, state) in levels(&definition).into_iter().flat_map(|level| level.states) {
        let Some(seconds) = state["TimeoutSeconds"].as_u64() else { continue };
        let hours = if seconds == 3600 { "1 hour".to_owned() } else { format!("{} hours", seconds / 3600) };
        assert!(row(name).contains(&format!("| {hours}")), "{name}: {hours}");
        named += 1;
    }
    assert_eq!(named, 11);
}

/// A person looks for these messages in the logs.
#[test]
fn the_page_quotes_messages_that_the_functions_log() {
    let sources = [
        include_str!("../../../shared/states/src/events/signal.rs"),
        include_str!("../../../shared/states/src/events/trigger/sources.rs"),
        include_str!("../../../shared/states/src/events/reap.rs"),
        include_str!("../../../shared/states/src/events/reap/sweep.rs"),
        include_str!("../../../shared/states/src/parts/tagged.rs"),
        include_str!("../../../shared/states/src/states/finish/after.rs"),
    ];
    let page = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
    for message in [
        "the next tick will wake it",
        "a watched source cannot be looked up",
        "left to the next tick",
        "the sweep will continue the next time",
        "resources of this kind are left to the next sweep",
        "this is still left behind after a month",
    ] {
        assert!(page.contains(&format!("`{message}`")), "{message}");
        assert!(sources.iter().any(|source| source.contains(&format!("\"{message}\""))), "{message}");
    }
}
