//! Topics that are told how builds end: what arrives, what SNS refuses, and what happens then.

use aws_sdk_sns::Client;
use aws_sdk_sns::config::Region;
use aws_sdk_sns::error::ProvideErrorMetadata as _;
use aws_sdk_sns::operation::publish::builders::PublishFluentBuilder;
use aws_sdk_sns::types::MessageAttributeValue;
use goldsmith_store::BuildStatus;
use serde_json::{Value, json};

use super::Case;
use crate::cases::rules::make_key;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

/// The second one waits for the reaper.
pub(super) const CASES: &[(&str, Case)] = &[
    ("a_topic_is_told_how_each_build_has_ended", told),
    ("a_topic_that_refuses_is_told_by_the_reaper_and_holds_no_build_up", refusing),
    ("the_local_sns_takes_only_what_sns_takes", rules),
];

const HOME: &str = "eu-west-1";
const AWAY: &str = "us-east-1";

fn sns(stack: &Stack, region: &'static str) -> Client {
    let config = aws_sdk_sns::config::Builder::from(stack.sdk()).region(Region::new(region));
    Client::from_conf(config.build())
}

/// Makes a topic; its ARN.
fn topic(stack: &Stack, region: &'static str, name: &str) -> String {
    let mut made = sns(stack, region).create_topic().name(name);
    if name.ends_with(".fifo") {
        made = made.attributes("FifoTopic", "true");
    }
    stack.block_on(made.send()).unwrap().topic_arn.unwrap()
}

/// A queue in the home Region.
struct Queue<'s> {
    stack: &'s Stack,
    url: String,
}

impl<'s> Queue<'s> {
    /// Subscribes a new queue to a topic: to the messages with these statuses, or to all messages if none are given. `None`
    /// if the AWS CLI is not installed.
    fn of(stack: &'s Stack, topic: &str, name: &str, statuses: &[&str]) -> Option<Self> {
        let arn = format!("arn:aws:sqs:{HOME}:000000000000:{name}");
        let allowed = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }]});
        let mut attributes = json!({"Policy": allowed.to_string()});
        if name.ends_with(".fifo") {
            attributes["FifoQueue"] = json!("true");
        }
        let made =
            stack.aws_cli(&["sqs", "create-queue", "--queue-name", name, "--attributes", &attributes.to_string()])?;
        let region = if topic.contains(AWAY) { AWAY } else { HOME };
        let mut subscribed = sns(stack, region).subscribe().topic_arn(topic).protocol("sqs").endpoint(&arn);
        if !statuses.is_empty() {
            subscribed = subscribed.attributes("FilterPolicy", json!({"status": statuses}).to_string());
        }
        stack.block_on(subscribed.send()).unwrap();
        Some(Self { stack, url: made["QueueUrl"].as_str().unwrap().to_owned() })
    }

    fn look(&self, seconds: &str) -> Option<Value> {
        let call = ["sqs", "receive-message", "--queue-url", &self.url, "--wait-time-seconds", seconds];
        let received = self.stack.aws_cli(&call).unwrap();
        let message = received["Messages"].get(0)?.clone();
        let receipt = message["ReceiptHandle"].as_str().unwrap();
        self.stack.aws_cli(&["sqs", "delete-message", "--queue-url", &self.url, "--receipt-handle", receipt]);
        Some(serde_json::from_str(message["Body"].as_str().unwrap()).unwrap())
    }

    /// The next message.
    fn next(&self) -> Value {
        self.stack.wait_for("the message", || self.look("5"))
    }

    /// Holds that there is no further message.
    fn is_empty(&self) {
        assert_eq!(self.look("1"), None);
    }
}

/// A pipeline whose builds a topic is told of.
fn told_to(pipeline: &Pipeline, topic: &str) -> tempfile::TempDir {
    let types = "instanceTypes: [t3.small]\n";
    folder(&pipeline.text().replace(types, &format!("{types}snsTopicArn: {topic}\n")))
}

/// Attribute of a message.
fn attribute<'m>(message: &'m Value, name: &str) -> &'m str {
    message["MessageAttributes"][name]["Value"].as_str().unwrap_or_else(|| panic!("{name}: {message:#}"))
}

fn told(stack: &Stack) {
    let away = topic(stack, AWAY, "e2e-told");
    let Some(all) = Queue::of(stack, &away, "e2e-told", &[]) else { return };
    let failed = Queue::of(stack, &away, "e2e-told-failed", &["FAILED"]).unwrap();
    let built = stack.build(told_to(&Pipeline::quick("told", ""), &away).path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    let message = all.next();
    assert_eq!((&message["TopicArn"], &message["Type"]), (&json!(away), &json!("Notification")));
    assert_eq!(message["Subject"], format!("Goldsmith: {} is published", built.image()));
    let attributes = ["image", "pipeline", "status"].map(|name| attribute(&message, name));
    assert_eq!(attributes, [built.image(), "told", "AVAILABLE"]);
    let document: Value = serde_json::from_str(message["Message"].as_str().unwrap()).unwrap();
    assert_eq!(document["detail-type"], "Goldsmith Image State Change");
    assert_eq!(document["detail"]["amis"], json!(stack.image(built.image()).amis));

    all.is_empty();
    failed.is_empty();

    let home = topic(stack, HOME, "e2e-told.fifo");
    let queue = Queue::of(stack, &home, "e2e-told.fifo", &[]).unwrap();
    let steps = [("build", "Fails", "echo the last words\nexit 1")];
    let built = stack.build(told_to(&Pipeline::new("told-of-failure", &steps), &home).path());
    assert_eq!((built.exit, &built.json["outcome"]), (1, &json!("failed")), "{built:?}");
    let message = queue.next();
    assert_eq!(message["Subject"], format!("Goldsmith: the build of {} failed in Build", built.image()));
    assert_eq!(attribute(&message, "status"), "FAILED");
    let document: Value = serde_json::from_str(message["Message"].as_str().unwrap()).unwrap();
    let failure = &document["detail"]["failure"];
    assert_eq!(
        (&failure["state"], &failure["step"], &failure["exitCode"]),
        (&json!("Build"), &json!("Fails"), &json!(1))
    );
    assert!(!message.to_string().contains("the last words"), "{message:#}");
    queue.is_empty();
}

fn refusing(stack: &Stack) {
    let home = topic(stack, HOME, "e2e-encrypted");
    let Some(queue) = Queue::of(stack, &home, "e2e-encrypted", &[]) else { return };
    let encrypt = |key: &str| {
        let set = sns(stack, HOME).set_topic_attributes().topic_arn(&home).attribute_name("KmsMasterKeyId");
        stack.block_on(set.attribute_value(key).send()).unwrap();
    };
    // The policy of a new key allows nothing to the stack's roles, which have no right of their own.
    encrypt(&make_key(stack, HOME));
    let folder = told_to(&Pipeline::quick("untold", ""), &home);
    let built = stack.build(folder.path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    let record = || stack.block_on(stack.store().build(built.build())).unwrap().unwrap();
    let after = stack.wait_for("the refusal", || Some(record().after).filter(|after| !after.is_untold));
    assert!(after.is_unnotified && !after.is_untagged, "{after:?}");
    assert_eq!(record().status, BuildStatus::Closed);
    let lease = stack.block_on(stack.store().running_build(&"untold".parse().unwrap())).unwrap();
    assert_eq!(lease, None, "the pipeline may build again");
    queue.is_empty();
    encrypt("");
    let message = queue.next();
    assert_eq!(attribute(&message, "image"), built.image());
    stack.wait_for("the end of the work", || Some(record().after).filter(goldsmith_store::Aftermath::is_over));
    // The reaper and a late event of the execution may both have found the message unsent: it comes at least once.
    while let Some(again) = queue.look("1") {
        assert_eq!(again["Message"], message["Message"]);
    }
}

/// A message that SNS takes.
fn good(client: &Client, topic: &str) -> PublishFluentBuilder {
    client.publish().topic_arn(topic).message(r#"{"default": "text"}"#).message_structure("json").subject("Subject")
}

fn rules(stack: &Stack) {
    let home = sns(stack, HOME);
    let (plain, fifo) = (topic(stack, HOME, "e2e-rules"), topic(stack, HOME, "e2e-rules.fifo"));
    let code = |publish: PublishFluentBuilder| match stack.block_on(publish.send()) {
        Ok(_) => String::new(),
        Err(error) => error.code().unwrap().to_owned(),
    };
    let attribute =
        |kind: &str, value: &str| MessageAttributeValue::builder().data_type(kind).string_value(value).build().unwrap();
    let in_group =
        |publish: PublishFluentBuilder, group: &str| publish.message_group_id(group).message_deduplication_id("one");
    let cases = [
        (good(&home, &plain), ""),
        (good(&home, &plain).message_attributes("status", attribute("String", "FAILED")), ""),
        (in_group(good(&home, &fifo), "web"), ""),
        (good(&home, &plain).subject("x".repeat(100)), "InvalidParameter"),
        (good(&home, &plain).subject("two\nlines"), "InvalidParameter"),
        (good(&home, &plain).message("text"), "InvalidParameter"),
        (good(&home, &plain).message(r#"{"email": "text"}"#), "InvalidParameter"),
        (good(&home, &plain).message_structure("xml"), "InvalidParameter"),
        (good(&home, &plain).message(json!({"default": "x".repeat(256 * 1024)}).to_string()), "InvalidParameter"),
        (good(&home, &plain).message_attributes("status", attribute("String", "")), "ParameterValueInvalid"),
        (good(&home, &plain).message_attributes("status", attribute("Text", "FAILED")), "ParameterValueInvalid"),
        (good(&home, &plain).message_deduplication_id("one"), "InvalidParameter"),
        (good(&home, &fifo), "InvalidParameter"),
        (in_group(good(&home, &fifo), "web server"), "InvalidParameter"),
        (good(&home, &format!("{plain}-gone")), "NotFound"),
        (good(&sns(stack, AWAY), &plain), "InvalidParameter"),
    ];
    for (n, (publish, expected)) in cases.into_iter().enumerate() {
        assert_eq!(code(publish), expected, "case {n}");
    }
}
