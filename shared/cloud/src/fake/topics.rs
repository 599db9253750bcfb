//! SNS. Every topic exists, unless a test says otherwise, and keeps its messages.

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use crate::topics::{is_fifo, region_of};
use crate::{Kind, Message, Result, Topics};

/// A message that was sent to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedMessage {
    /// ARN of the topic.
    pub topic: String,
    /// The message.
    pub message: Message,
}

#[async_trait]
impl Topics for FakeCloud {
    async fn has_topic(&self, arn: &str) -> Result<bool> {
        let call = Call::new("GetTopicAttributes", region_of(arn));
        self.read(call, |world| Ok(!world.account.missing.contains(arn))).await
    }

    async fn publish(&self, arn: &str, message: &Message) -> Result<()> {
        let call = Call::new("Publish", region_of(arn));
        self.effect(call, arn, |world| {
            if world.account.missing.contains(arn) {
                return Err(call.error(Kind::NotFound, "NotFound", "Topic does not exist"));
            }
            if let Some(wrong) = wrong(message) {
                return Err(call.error(Kind::Invalid, "InvalidParameter", format!("Invalid parameter: {wrong}")));
            }
            let is_known = |one: &PublishedMessage| one.topic == arn && one.message.id == message.id;
            // No test waits for the five minutes after which a FIFO topic forgets an id.
            if !(is_fifo(arn) && world.messages.iter().any(is_known)) {
                world.messages.push(PublishedMessage { topic: arn.to_owned(), message: message.clone() });
            }
            Ok(())
        })
        .await
    }
}

/// Returns what SNS does not accept in a message.
fn wrong(message: &Message) -> Option<&'static str> {
    let is_printable = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    let is_name = |text: &str| (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    let subject = &message.subject;
    match message {
        _ if subject.is_empty() || subject.len() > Message::LONGEST_SUBJECT || !is_printable(subject) => {
            Some("Subject")
        }
        _ if message.attributes.values().any(String::is_empty) => Some("MessageAttributes"),
        _ if !is_name(&message.group) => Some("MessageGroupId"),
        _ if !is_name(&message.id) => Some("MessageDeduplicationId"),
        _ if message.size() > Message::LARGEST => Some("Message too long"),
        _ => None,
    }
}

impl FakeCloud {
    /// Returns the messages that topics have accepted so far, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<PublishedMessage> {
        self.world().messages.clone()
    }
}

#[cfg(test)]
mod tests {
    use crate::fake::FakeCloud;
    use crate::{Kind, Message, Topics as _};

    fn message() -> Message {
        let text = |text: &str| text.to_owned();
        Message { subject: text("s"), default: text("d"), group: text("web"), id: text("web-1"), ..Message::default() }
    }

    #[tokio::test]
    async fn a_topic_keeps_each_message_and_a_fifo_topic_keeps_each_id_once() {
        let cloud = FakeCloud::new();
        for (topic, kept) in [("arn:aws:sns:eu-west-1:111122223333:web", 2), ("arn:aws:sns:eu-west-1:1:web.fifo", 3)] {
            for _ in 0..2 {
                cloud.publish(topic, &message()).await.unwrap();
            }
            assert_eq!(cloud.messages().len(), kept, "{topic}");
        }
    }

    #[tokio::test]
    async fn what_sns_does_not_take_is_refused() {
        let cloud = FakeCloud::new();
        let topic = "arn:aws:sns:eu-west-1:111122223333:web";
        let long = "x".repeat(Message::LARGEST);
        for wrong in [
            Message { subject: "x".repeat(100), ..message() },
            Message { subject: "two\nlines".to_owned(), ..message() },
            Message { attributes: [("image", String::new())].into(), ..message() },
            Message { group: "web server".to_owned(), ..message() },
            Message { id: String::new(), ..message() },
            Message { default: long, ..message() },
        ] {
            assert_eq!(cloud.publish(topic, &wrong).await.unwrap_err().kind, Kind::Invalid);
        }
        cloud.set_up(|account| _ = account.missing.insert(topic.to_owned()));
        assert_eq!(cloud.publish(topic, &message()).await.unwrap_err().kind, Kind::NotFound);
        assert!(!cloud.has_topic(topic).await.unwrap() && cloud.messages().is_empty());
    }
}
