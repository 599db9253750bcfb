//! Tests what a topic is told of every kind of end.

use goldsmith_cloud::fake::{Fault, HOME, Outcome as CommandOutcome};
use goldsmith_cloud::{ExecutionStatus, Kind, Message};
use goldsmith_model::definitions::Definitions;
use goldsmith_store::{Failures, ImageRecord, ImageStatus, LeftBehind, OwnedCopy};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::news::News;
use super::{id, line, message, subject};
use crate::testing::{AWAY, BUILD, Stack, Task, built, check_event, kept_for_a_while, reach_on};
use crate::{State, own_events};

/// The one message of the stack, and its document.
fn only(stack: &Stack) -> (Message, Value) {
    let messages = stack.cloud.messages();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let message = messages[0].message.clone();
    let document = serde_json::from_str(&message.default).unwrap();
    check_event(&document);
    (message, document)
}

/// What follows `NAME: ` in a text.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// The news of an image that has failed as the record says.
fn news(image: &ImageRecord) -> News {
    let detail = json!({"image": image.image.to_string(), "copies": [], "leftBehind": []});
    News {
        detail_type: own_events::IMAGE,
        resources: [image.image.to_string(), image.pipeline.to_string()],
        failure: image.failure.clone(),
        tried_again_at: None,
        given_up: false,
        stopped: None,
        left: 0,
        detail,
    }
}

#[tokio::test]
async fn a_published_image_is_told_with_its_amis() {
    let stack = reach_on(Stack::with_topic().await, &Task::new(State::Finish)).await;
    stack.run(&Task::new(State::Finish)).await.unwrap();
    let (message, document) = only(&stack);
    let image = stack.image().await;
    assert_eq!(message.subject, "Goldsmith: web/1.0.0/1 is published");
    assert_eq!(message.texts["sms"], message.subject);
    let attributes = [("image", "web/1.0.0/1"), ("pipeline", "web"), ("status", "AVAILABLE")];
    assert_eq!(message.attributes, attributes.map(|(name, value)| (name, value.to_owned())).into());
    let text = &message.texts["email"];
    assert!(text.starts_with("web/1.0.0/1 is published.\n\nStack:"), "{text}");
    assert_eq!(field(text, "Stack"), Some("goldsmith in eu-west-1"));
    for region in [HOME, AWAY] {
        assert_eq!(field(text, &format!("  {region}")), Some(image.amis[region].as_str()));
    }
    assert!(text.ends_with("\nFor more, run: goldsmith show web/1.0.0/1\n"), "{text}");
    // Programs get the event.
    let event = stack.cloud.events().pop().unwrap();
    let detail: Value = serde_json::from_str(&event.detail).unwrap();
    let expected = json!({
        "source": "goldsmith", "detail-type": event.detail_type, "region": HOME, "resources": event.resources,
        "detail": detail,
    });
    assert_eq!(document, expected);
}

#[tokio::test]
async fn a_failed_step_is_told_without_its_output() {
    let stack = Stack::with_topic().await;
    let mut infrastructure = stack.store().infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
    infrastructure.keep_on_failure = SignedDuration::from_hours(4);
    let definitions = Definitions { infrastructures: vec![infrastructure], ..Definitions::default() };
    stack.store().apply(&definitions).await.unwrap();
    let result = json!({"status": "failed", "failureMessage": "Document nginx failed!", "failureContext": {
        "document": "nginx", "phase": "build", "step": "Install", "action": "ExecuteBash", "exitCode": 1,
        "message": "exit status 1", "lastLines": ["the password is xyzzy"],
    }});
    stack.cloud.next_command(CommandOutcome::failed(1, &result.to_string()));
    stack.execute().await.unwrap();
    let (message, document) = only(&stack);
    assert_eq!(message.subject, "Goldsmith: the build of web/1.0.0/1 failed in Build");
    assert_eq!(message.attributes["status"], "FAILED");
    let text = &message.texts["email"];
    assert!(text.starts_with("The build of web/1.0.0/1 failed in Build.\n"), "{text}");
    let fields = [
        ("Pipeline", "web"),
        ("State", "Build"),
        ("Step", "nginx / build / Install"),
        ("Error", "Goldsmith.CommandFailed"),
    ];
    for (name, value) in fields {
        assert_eq!(field(text, name), Some(value), "{text}");
    }
    assert!(field(text, "Cause").unwrap().ends_with("exit status 1"), "{text}");
    assert!(text.contains("\nThe build instance is kept until 2026-11-24T"), "{text}");
    assert!(text.contains("run: goldsmith show web/1.0.0/1\n"), "{text}");
    assert_eq!(document["detail"]["failure"]["step"], "Install");
    assert!(!message.body().contains("xyzzy") && !message.body().contains("lastLines"), "{}", message.body());
}

#[tokio::test]
async fn a_failed_distribution_tells_which_amis_are_kept_and_for_how_long() {
    let stack = kept_for_a_while().await;
    let (record, image) = (stack.record().await, stack.image().await);
    let message = message(&stack.context().config, &record, &image, &news(&image));
    let text = &message.texts["email"];
    assert_eq!(field(text, &format!("  {HOME}")), Some(image.amis[HOME].as_str()), "{text}");
    assert!(text.contains("\nThe AMIs are kept until 2026-11-27T"), "{text}");
    assert!(text.contains("Z. They are not published.\n"), "{text}");
}

#[tokio::test]
async fn a_stop_and_a_time_out_are_told() {
    let cases = [
        (ExecutionStatus::Aborted, "the build of web/1.0.0/1 was stopped", "CANCELLED"),
        (ExecutionStatus::TimedOut, "the build of web/1.0.0/1 failed", "FAILED"),
    ];
    for (status, what, attribute) in cases {
        let stack = reach_on(Stack::with_topic().await, &Task::new(State::Build)).await;
        stack.end_execution(status).await;
        let detail = json!({"name": BUILD, "status": "ABORTED"});
        crate::states::finish::handle_event(&stack.context(), detail).await.unwrap();
        let (message, _) = only(&stack);
        assert_eq!((message.subject, message.attributes["status"].as_str()), (format!("Goldsmith: {what}"), attribute));
        assert!(message.texts["email"].contains("\nNothing of it is kept.\n"), "{}", message.texts["email"]);
    }
}

#[tokio::test]
async fn a_verification_and_a_distribution_are_told_as_what_they_are() {
    let stack = Stack::with_topic().await;
    let ami = stack.source().await;
    let input = json!({"pipeline": "web", "from": {"at": "test", "image": ami}});
    stack.start_and_execute("verify-1", input).await.unwrap();
    let (message, document) = only(&stack);
    assert_eq!(message.subject, format!("Goldsmith: the verification web/1.0.0/1 of {ami} succeeded"));
    assert_eq!(message.attributes["status"], "VERIFIED");
    assert_eq!(document["detail-type"], "Goldsmith Verification State Change");

    // The topic is that of the definition now: the image was built without one.
    let stack = built().await;
    stack.name_topic(crate::testing::TOPIC).await;
    let input = json!({"pipeline": "web", "from": {"at": "distribute", "image": "web/1.0.0/1"}});
    stack.start_and_execute("run-1", input).await.unwrap();
    let (message, document) = only(&stack);
    assert_eq!(message.subject, "Goldsmith: the distribution web/1.0.0/2 of web/1.0.0/1 succeeded");
    assert_eq!(document["detail"]["distributed"], "web/1.0.0/1");
    assert!(message.texts["email"].contains("of account 444455556666\n"), "{}", message.texts["email"]);
}

#[tokio::test]
async fn an_image_that_waits_or_stays_unpublished_is_not_told_as_published() {
    let stack = Stack::with_topic().await;
    stack.need_approval().await;
    stack.start_and_execute("build-1", json!({"pipeline": "web"})).await.unwrap();
    assert_eq!(only(&stack).0.subject, "Goldsmith: web/1.0.0/1 is built, and waits for its approval");

    let stack = Stack::with_topic().await;
    let input = json!({"pipeline": "web", "parameters": {"nginx": {"port": "8080"}}});
    stack.start_and_execute("build-1", input).await.unwrap();
    assert_eq!(only(&stack).0.subject, "Goldsmith: web/1.0.0/1 is built, and stays unpublished");
}

#[tokio::test]
async fn what_happens_next_is_told() {
    let stack = kept_for_a_while().await;
    let (config, record, mut image) = (stack.context().config, stack.record().await, stack.image().await);
    let count = Failures {
        count: 5,
        build: BUILD.to_owned(),
        image: image.image.clone(),
        stopped_at: Some("2026-11-24T04:00:00Z".to_owned()),
    };
    let told = |news: &News| message(&config, &record, &image, news).texts["email"].clone();
    let again = News { tried_again_at: Some("2026-11-24T05:00:00Z".to_owned()), ..news(&image) };
    assert!(told(&again).contains("\nIt is tried again at 2026-11-24T05:00:00Z.\n"));
    let stopped = News { stopped: Some(count), given_up: true, ..news(&image) };
    assert!(told(&stopped).contains("no longer starts by itself, because 5 builds in a row have failed.\n"));
    let given_up = News { given_up: true, ..news(&image) };
    assert!(told(&given_up).contains("\nIt is not tried again.\n"));
    let left = News { left: 2, ..news(&image) };
    assert!(told(&left).contains("\n2 resources could not be removed or restored yet.\n"));
    // Names may have spaces, and stacks have names.
    image.image.name = "web server".parse().unwrap();
    let config = crate::Config { stack: "team".to_owned(), ..config };
    let text = message(&config, &record, &image, &news(&image)).texts["email"].clone();
    assert!(text.ends_with("run: goldsmith --stack team show 'web server/1.0.0/1'\n"), "{text}");
}

#[tokio::test]
async fn a_message_is_never_longer_than_sns_takes() {
    let stack = kept_for_a_while().await;
    let (config, record, mut image) = (stack.context().config, stack.record().await, stack.image().await);
    let many = "a message of AWS, \"quoted\"\n".repeat(8_000);
    image.failure.as_mut().unwrap().message = many.clone();
    let copy = |n: u32| OwnedCopy { account: format!("{n:012}"), region: HOME.to_owned(), ami: format!("ami-{n}") };
    let copies: Vec<OwnedCopy> = (0..1_000).map(copy).collect();
    let left = LeftBehind { what: "ami-1".to_owned(), region: HOME.to_owned(), reason: many.clone() };
    image.copies = (0..10_000).map(copy).collect();
    let mut told = news(&image);
    told.detail = json!({"image": "web/1.0.0/1", "copies": copies, "leftBehind": [left], "failure": {"message": many}});
    let message = message(&config, &record, &image, &told);
    assert!(message.size() <= Message::LARGEST, "{}", message.size());
    let document: Value = serde_json::from_str(&message.default).unwrap();
    assert_eq!((&document["detail"]["shortened"], &document["detail"]["copies"]), (&json!(true), &json!([])));
    assert_eq!(document["detail"]["failure"]["message"], "a message of AWS, \"quoted\"");
    let text = &message.texts["email"];
    assert_eq!(field(text, "Cause"), Some("a message of AWS, \"quoted\""));
    assert!(text.contains("\n  and 9950 more of other accounts\n"), "{text}");
}

#[test]
fn subjects_and_lines_have_their_forms() {
    assert_eq!(subject("web/1.0.0/1\nfailed \u{fc}"), "web/1.0.0/1?failed ?");
    let long = subject(&"a".repeat(200));
    assert_eq!((long.len(), &long[96..]), (Message::LONGEST_SUBJECT, "..."));
    assert_eq!(line("\n  one\ttwo \nthree"), "one two");
    let long = line(&"\u{fc}".repeat(501));
    assert_eq!((long.chars().count(), long.ends_with("...")), (500, true));
    assert_eq!(id("web server"), "web_server");
}

#[tokio::test]
async fn a_table_that_is_busy_delays_the_message() {
    let stack = Stack::with_topic().await;
    let stack = reach_on(stack, &Task::new(State::Build)).await;
    stack.end_execution(ExecutionStatus::TimedOut).await;
    stack.cloud.fail_next("Publish", Fault::Refuse(Kind::Denied));
    let detail = json!({"name": BUILD, "status": "TIMED_OUT"});
    crate::states::finish::handle_event(&stack.context(), detail).await.unwrap();
    assert_eq!(stack.image().await.status, ImageStatus::Failed);
    stack.cloud.fail_always(crate::testing::TABLE_READ, HOME, Fault::Refuse(Kind::Throttled));
    stack.clock.advance(SignedDuration::from_mins(20));
    let _ = crate::events::reap::handle(&stack.context(), json!({})).await;
    assert!(stack.cloud.messages().is_empty());
    stack.cloud.heal();
    stack.clock.advance(SignedDuration::from_mins(20));
    crate::events::reap::handle(&stack.context(), json!({})).await.unwrap();
    only(&stack);
}
