//! Tests of the adapters against the emulator, for what canned answers cannot show, such as the addressing of a bucket.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use super::emulator::Emulator;
use super::*;
use crate::{
    Answer, Events, ExecutionStatus, Executions, Functions, Kind, LogPage, Logs, Objects, Parameter, Parameters,
    Schedule, Schedules, Started,
};

const REGION: &str = "eu-west-1";

#[tokio::test]
async fn every_service_answers() {
    let Some(emulator) = Emulator::start().unwrap() else { return };
    let config = emulator.config().await;
    keeps_objects(&config).await;
    keeps_parameters(&config).await;
    runs_executions(&config).await;
    reads_logs(&config).await;
    keeps_schedules(&config).await;
    EventBridge::new(&config).emit("Goldsmith Build Ended", &[], "{}").await.unwrap();
    let unknown = LambdaFunctions::new(&config).wake("unknown", "{}").await.unwrap_err();
    assert_eq!(unknown.kind, Kind::NotFound);
}

async fn keeps_objects(config: &SdkConfig) {
    use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
    let here = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(REGION)).build();
    let bucket = aws_sdk_s3::Client::new(config).create_bucket().bucket("goldsmith-bucket");
    bucket.create_bucket_configuration(here).send().await.unwrap();
    let objects = S3Objects::new(config, "goldsmith-bucket");
    assert!(!objects.exists("orders/a").await.unwrap());
    objects.put("orders/a", b"the order".to_vec()).await.unwrap();
    assert!(objects.exists("orders/a").await.unwrap());
    let answer = get(&objects.presign("orders/a", Duration::from_secs(60)).await.unwrap());
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("the order"), "{answer}");
}

/// A GET without credentials, as the instance sends it.
fn get(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

async fn keeps_parameters(config: &SdkConfig) {
    let parameters = SsmParameters::new(config);
    let name = "/images/web-server";
    assert_eq!(parameters.get(REGION, name).await.unwrap(), None);
    for value in ["first", "second"] {
        let parameter = Parameter { value: value.to_owned(), data_type: "text".to_owned() };
        parameters.put(REGION, name, &parameter).await.unwrap();
        assert_eq!(parameters.get(REGION, name).await.unwrap(), Some(parameter));
    }
    parameters.delete(REGION, name).await.unwrap();
    parameters.delete(REGION, name).await.unwrap();
    assert_eq!(parameters.get(REGION, name).await.unwrap(), None);
}

async fn runs_executions(config: &SdkConfig) {
    let definition = json!({"StartAt": "Stay", "States": {"Stay": {"Type": "Wait", "Seconds": 600, "End": true}}});
    let machine = aws_sdk_sfn::Client::new(config).create_state_machine().name("stay");
    let machine = machine.role_arn("arn:aws:iam::000000000000:role/any").definition(definition.to_string());
    let machine = machine.send().await.unwrap().state_machine_arn;
    let executions = StepFunctions::new(config);
    let Started::New(arn) = executions.start(&machine, "build-1", r#"{"pipeline":"a"}"#).await.unwrap() else {
        panic!("the name was free");
    };
    assert_eq!(executions.start(&machine, "build-1", r#"{"pipeline":"b"}"#).await.unwrap(), Started::NameTaken);
    let running = executions.execution(&arn).await.unwrap().unwrap();
    assert_eq!((running.status, running.name.as_str()), (ExecutionStatus::Running, "build-1"));
    assert_eq!(running.input, r#"{"pipeline":"a"}"#);
    executions.stop(&arn, "Goldsmith.Stopped", "by a test").await.unwrap();
    let stopped = executions.execution(&arn).await.unwrap().unwrap();
    assert_eq!((stopped.status, stopped.error.as_deref()), (ExecutionStatus::Aborted, Some("Goldsmith.Stopped")));
    executions.stop(&arn, "Goldsmith.Stopped", "again").await.unwrap();
    assert_eq!(executions.execution(&format!("{arn}-other")).await.unwrap(), None);
    assert_eq!(executions.succeed("unknown", "{}").await.unwrap(), Answer::Late);
    assert_eq!(executions.fail("unknown", "Goldsmith.Timeout", "late").await.unwrap(), Answer::Late);
}

async fn keeps_schedules(config: &SdkConfig) {
    let group = aws_sdk_scheduler::Client::new(config).create_schedule_group().name("goldsmith");
    group.send().await.unwrap();
    let schedules = EventBridgeScheduler::new(config);
    assert_eq!(schedules.get("goldsmith", "web").await.unwrap(), None);
    let mut schedule = Schedule {
        group: "goldsmith".to_owned(),
        name: "web".to_owned(),
        expression: "cron(0 3 * * ? *)".to_owned(),
        timezone: "Europe/Berlin".to_owned(),
        enabled: true,
        target: "arn:aws:lambda:eu-west-1:000000000000:function:trigger".to_owned(),
        role: "arn:aws:iam::000000000000:role/schedule".to_owned(),
        input: r#"{"at": "<aws.scheduler.scheduled-time>"}"#.to_owned(),
    };
    for enabled in [true, true, false] {
        schedule.enabled = enabled;
        schedules.put(&schedule).await.unwrap();
        assert_eq!(schedules.get("goldsmith", "web").await.unwrap().unwrap().0, schedule);
    }
    schedules.delete("goldsmith", "web").await.unwrap();
    schedules.delete("goldsmith", "web").await.unwrap();
    assert_eq!(schedules.get("goldsmith", "web").await.unwrap(), None);
}

async fn reads_logs(config: &SdkConfig) {
    use aws_sdk_cloudwatchlogs::types::InputLogEvent;
    let client = aws_sdk_cloudwatchlogs::Client::new(config);
    let (group, stream) = ("/goldsmith/g/builds", "c-1/i-1/aws-runShellScript/stdout");
    let logs = CloudWatchLogs::new(config);
    assert_eq!(logs.page(REGION, group, stream, None).await.unwrap(), LogPage::default());
    client.create_log_group().log_group_name(group).send().await.unwrap();
    assert!(logs.tail(REGION, group, stream, 2).await.unwrap().is_empty());
    client.create_log_stream().log_group_name(group).log_stream_name(stream).send().await.unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    let lines = ["one", "two", "three"];
    let events = lines
        .iter()
        .enumerate()
        .map(|(index, line)| InputLogEvent::builder().message(*line).timestamp(now + index as i64).build().unwrap());
    let put = client.put_log_events().log_group_name(group).log_stream_name(stream);
    put.set_log_events(Some(events.collect())).send().await.unwrap();
    let page = logs.page(REGION, group, stream, None).await.unwrap();
    assert_eq!(page.lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), lines);
    let today = jiff::Timestamp::now().duration_since(page.lines[0].time.unwrap()).as_secs().abs();
    assert!(today < 24 * 60 * 60, "{page:?}");
    let end = logs.page(REGION, group, stream, page.cursor.as_deref()).await.unwrap();
    assert!(end.lines.is_empty());
    assert_eq!(logs.tail(REGION, group, stream, 2).await.unwrap(), lines[1..]);
}
