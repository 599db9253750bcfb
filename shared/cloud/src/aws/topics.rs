//! SNS.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;

use super::{Regional, failure, known, malformed};
use crate::topics::{is_fifo, region_of};
use crate::{Message, Result, Topics};

/// The topics of every Region.
#[derive(Debug)]
pub struct SnsTopics(Regional<Client>);

impl SnsTopics {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Regional::new(config, Client::new))
    }
}

#[async_trait]
impl Topics for SnsTopics {
    async fn has_topic(&self, arn: &str) -> Result<bool> {
        let region = region_of(arn);
        let answer = self.0.client(region).get_topic_attributes().topic_arn(arn).send().await;
        Ok(known(answer.map_err(failure("GetTopicAttributes", region)))?.is_some())
    }

    async fn publish(&self, arn: &str, message: &Message) -> Result<()> {
        const OPERATION: &str = "Publish";
        let region = region_of(arn);
        // A topic can be called only in its own Region.
        let mut request = self.0.client(region).publish().topic_arn(arn).subject(&message.subject);
        request = request.message(message.body()).message_structure("json");
        for (name, value) in &message.attributes {
            let value = MessageAttributeValue::builder().data_type(Message::ATTRIBUTE_TYPE).string_value(value);
            request = request.message_attributes(*name, value.build().map_err(malformed(OPERATION, region))?);
        }
        if is_fifo(arn) {
            request = request.message_group_id(&message.group).message_deduplication_id(&message.id);
        }
        request.send().await.map_err(failure(OPERATION, region))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::replay::{Canned, Replay};
    use super::*;
    use crate::Kind;

    const TOPIC: &str = "arn:aws:sns:us-east-1:444455556666:images";
    const FIFO: &str = "arn:aws:sns:us-east-1:444455556666:images.fifo";

    fn refused(status: u16, code: &str) -> Canned {
        let error = format!("<Error><Type>Sender</Type><Code>{code}</Code><Message>because</Message></Error>");
        Canned::Answer(status, format!("<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>"))
    }

    fn published() -> Canned {
        let result = "<PublishResult><MessageId>m</MessageId></PublishResult>";
        Canned::ok(format!("<PublishResponse>{result}</PublishResponse>"))
    }

    fn message() -> Message {
        Message {
            subject: "web/1.0.0/1 failed".to_owned(),
            default: "{}".to_owned(),
            texts: [("sms", "failed & gone".to_owned())].into(),
            attributes: [("image", "web/1.0.0/1".to_owned()), ("status", "FAILED".to_owned())].into(),
            group: "web".to_owned(),
            id: "web-1".to_owned(),
        }
    }

    /// Returns the fields of the form that was sent.
    fn form(body: &str) -> BTreeMap<String, String> {
        form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    }

    #[tokio::test]
    async fn a_message_goes_to_the_region_of_its_topic_with_its_texts_and_attributes() {
        let replay = Replay::new([published()]);
        SnsTopics::new(&replay.config()).publish(TOPIC, &message()).await.unwrap();
        let sent = &replay.sent()[0];
        assert_eq!(sent.uri, "https://sns.us-east-1.amazonaws.com/");
        let expected = [
            ("Action", "Publish"),
            ("Version", "2010-03-31"),
            ("TopicArn", TOPIC),
            ("Subject", "web/1.0.0/1 failed"),
            ("Message", r#"{"default":"{}","sms":"failed & gone"}"#),
            ("MessageStructure", "json"),
        ];
        let mut form = form(&sent.body);
        for (name, value) in expected {
            assert_eq!(form.remove(name).as_deref(), Some(value), "{name}");
        }
        // The order of the attributes is not fixed.
        let entry = |number: usize, field: &str| form[&format!("MessageAttributes.entry.{number}.{field}")].clone();
        let attributes: BTreeMap<String, String> = (1..=2)
            .map(|number| {
                assert_eq!(entry(number, "Value.DataType"), "String");
                (entry(number, "Name"), entry(number, "Value.StringValue"))
            })
            .collect();
        let expected = [("image", "web/1.0.0/1"), ("status", "FAILED")];
        assert_eq!(attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
        assert_eq!(form.len(), 6, "only a FIFO topic takes a group and an id: {form:?}");
    }

    #[tokio::test]
    async fn a_fifo_topic_gets_a_group_and_an_id() {
        let replay = Replay::new([published()]);
        SnsTopics::new(&replay.config()).publish(FIFO, &message()).await.unwrap();
        let form = form(&replay.sent()[0].body);
        assert_eq!((form["MessageGroupId"].as_str(), form["MessageDeduplicationId"].as_str()), ("web", "web-1"));
    }

    #[tokio::test]
    async fn a_refused_message_is_an_error_and_says_what_can_be_done() {
        let cases = [
            (403, "AuthorizationError", Kind::Denied),
            (404, "NotFound", Kind::NotFound),
            (400, "KMSAccessDenied", Kind::Denied),
            (400, "KMSThrottling", Kind::Throttled),
            (400, "KMSDisabled", Kind::Invalid),
            (400, "InvalidParameter", Kind::Invalid),
            (500, "InternalError", Kind::Unanswered),
        ];
        for (status, code, kind) in cases {
            let replay = Replay::new(std::iter::repeat_n(refused(status, code), 3));
            let error = SnsTopics::new(&replay.config()).publish(TOPIC, &message()).await.unwrap_err();
            assert_eq!((error.kind, error.code.as_str(), error.region.as_str()), (kind, code, "us-east-1"));
        }
    }

    #[tokio::test]
    async fn a_topic_is_there_or_not_and_may_be_denied() {
        let entry = format!("<entry><key>TopicArn</key><value>{TOPIC}</value></entry>");
        let result = format!("<GetTopicAttributesResult><Attributes>{entry}</Attributes></GetTopicAttributesResult>");
        let there = format!("<GetTopicAttributesResponse>{result}</GetTopicAttributesResponse>");
        let replay = Replay::new([Canned::ok(there), refused(404, "NotFound"), refused(403, "AuthorizationError")]);
        let topics = SnsTopics::new(&replay.config());
        assert!(topics.has_topic(TOPIC).await.unwrap());
        assert!(!topics.has_topic(TOPIC).await.unwrap());
        assert_eq!(topics.has_topic(TOPIC).await.unwrap_err().kind, Kind::Denied);
        let form = form(&replay.sent()[0].body);
        assert_eq!((form["Action"].as_str(), form["TopicArn"].as_str()), ("GetTopicAttributes", TOPIC));
    }
}
