//! What the template does with the failures that nobody waits for: where they go, and what tells of them.

use std::collections::BTreeSet;

use crate::TEMPLATE;
use crate::template::{Resource, resources};

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
