//! SNS topics, for the people and programs that are told how a build has ended.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::Result;

/// A message for the subscribers of a topic, with a text for each kind of subscriber.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Subject of emails: printable ASCII characters, at most [`Message::LONGEST_SUBJECT`].
    pub subject: String,
    /// The text for each protocol that `texts` does not name.
    pub default: String,
    /// Texts by protocol, such as `email`.
    pub texts: BTreeMap<&'static str, String>,
    /// Attributes, by which subscriptions may filter messages. No value is empty.
    pub attributes: BTreeMap<&'static str, String>,
    /// The messages of one group keep their order in a FIFO topic: 1 to 128 printable ASCII characters without spaces.
    pub group: String,
    /// A FIFO topic delivers only one message with this id within five minutes. The rules are those of `group`.
    pub id: String,
}

impl Message {
    /// Most characters of a subject: SNS requires fewer than 100 (SNS API reference, `Publish`).
    pub const LONGEST_SUBJECT: usize = 99;
    /// Most bytes of the texts and the attributes together: 256 KiB (SNS API reference, `Publish`).
    pub const LARGEST: usize = 256 * 1024;
    /// The data type of every attribute.
    pub const ATTRIBUTE_TYPE: &'static str = "String";

    /// Returns all texts in the form that SNS expects with `MessageStructure: json`.
    #[must_use]
    pub fn body(&self) -> String {
        let texts = self.texts.iter().map(|(protocol, text)| (*protocol, text.as_str()));
        let all: BTreeMap<&str, &str> = texts.chain([("default", self.default.as_str())]).collect();
        serde_json::json!(all).to_string()
    }

    /// Returns the number of bytes that SNS compares with [`Message::LARGEST`].
    #[must_use]
    pub fn size(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(name, value)| name.len() + Self::ATTRIBUTE_TYPE.len() + value.len());
        self.body().len() + attributes.sum::<usize>()
    }
}

/// SNS topics of any account and Region, named by their ARNs.
#[async_trait]
pub trait Topics: Send + Sync {
    /// `GetTopicAttributes`. Returns whether the topic exists.
    async fn has_topic(&self, arn: &str) -> Result<bool>;
    /// Sends a message to a topic (`Publish`). *Effect*: every repetition sends it again, except that a FIFO topic drops
    /// it for five minutes. Nothing undoes it.
    async fn publish(&self, arn: &str, message: &Message) -> Result<()>;
}

/// Returns the Region of a topic, or an empty text if the ARN has none.
#[cfg(any(feature = "aws", feature = "fake"))]
pub(crate) fn region_of(arn: &str) -> &str {
    arn.split(':').nth(3).unwrap_or_default()
}

/// Returns whether this is a FIFO topic: their names end so, and no other names do (SNS API reference, `CreateTopic`).
#[cfg(any(feature = "aws", feature = "fake"))]
pub(crate) fn is_fifo(arn: &str) -> bool {
    arn.ends_with(".fifo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_a_text_for_each_protocol_and_counts_with_the_attributes() {
        let message = Message {
            default: r#"{"a":1}"#.to_owned(),
            texts: [("email", "Line 1\nLine 2".to_owned())].into(),
            attributes: [("status", "FAILED".to_owned())].into(),
            ..Message::default()
        };
        let body = r#"{"default":"{\"a\":1}","email":"Line 1\nLine 2"}"#;
        assert_eq!(message.body(), body);
        assert_eq!(message.size(), body.len() + "statusStringFAILED".len());
    }
}
