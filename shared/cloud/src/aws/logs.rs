//! CloudWatch Logs.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::operation::get_log_events::GetLogEventsOutput;
use aws_sdk_cloudwatchlogs::operation::get_log_events::builders::GetLogEventsFluentBuilder as Request;
use aws_sdk_cloudwatchlogs::types::OutputLogEvent;
use jiff::Timestamp;

use super::{Regional, failure, known};
use crate::{LogLine, LogPage, Logs, Result};

/// GetLogEvents' limit for one page.
const MAX_EVENTS: u16 = 10_000;
/// Number of pages that are read to find the last lines. GetLogEvents may return empty pages although there are more
/// events.
const MAX_TAIL_PAGES: usize = 10;

/// CloudWatch Logs in every Region.
#[derive(Debug)]
pub struct CloudWatchLogs(Regional<Client>);

impl CloudWatchLogs {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Regional::new(config, Client::new))
    }

    fn events(&self, region: &str, group: &str, stream: &str) -> Request {
        self.0.client(region).get_log_events().log_group_name(group).log_stream_name(stream)
    }
}

#[async_trait]
impl Logs for CloudWatchLogs {
    async fn page(&self, region: &str, group: &str, stream: &str, cursor: Option<&str>) -> Result<LogPage> {
        let request = self.events(region, group, stream).start_from_head(true);
        let cursor = cursor.map(str::to_owned);
        Ok(match read(request.set_next_token(cursor.clone()), region).await? {
            Some(answer) => LogPage { lines: lines_of(&answer), cursor: answer.next_forward_token },
            None => LogPage { lines: Vec::new(), cursor },
        })
    }

    async fn tail(&self, region: &str, group: &str, stream: &str, limit: u16) -> Result<Vec<String>> {
        let mut tail: Vec<String> = Vec::new();
        let mut cursor = None;
        for _ in 0..MAX_TAIL_PAGES {
            let missing = usize::from(limit) - tail.len();
            if missing == 0 {
                break;
            }
            let request = self.events(region, group, stream).start_from_head(false).set_next_token(cursor.clone());
            let request = request.limit(i32::from(limit.min(MAX_EVENTS)));
            let Some(answer) = read(request, region).await? else { break };
            let mut page: Vec<String> = lines_of(&answer).into_iter().map(|line| line.text).collect();
            page.drain(..page.len().saturating_sub(missing));
            page.append(&mut tail);
            tail = page;
            if answer.next_backward_token == cursor {
                break;
            }
            cursor = answer.next_backward_token;
        }
        Ok(tail)
    }
}

/// Returns the page, or `None` if the group or the stream does not exist.
async fn read(request: Request, region: &str) -> Result<Option<GetLogEventsOutput>> {
    known(request.send().await.map_err(failure("GetLogEvents", region)))
}

fn lines_of(answer: &GetLogEventsOutput) -> Vec<LogLine> {
    let line = |event: &OutputLogEvent| {
        // The writer of a message sets its `timestamp`; CloudWatch Logs sets the ingestion time itself.
        let time = event.ingestion_time().or(event.timestamp()).and_then(|time| Timestamp::from_millisecond(time).ok());
        Some(LogLine { text: event.message()?.to_owned(), time })
    };
    answer.events().iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::replay::{Canned, Replay};
    use super::*;

    fn page(lines: &[&str], forward: &str, backward: &str) -> Canned {
        let events: Vec<Value> = lines.iter().map(|line| json!({"message": line, "timestamp": 1})).collect();
        let page = json!({"events": events, "nextForwardToken": forward, "nextBackwardToken": backward});
        Canned::ok(page.to_string())
    }

    fn logs(answers: impl IntoIterator<Item = Canned>) -> (CloudWatchLogs, Replay) {
        let replay = Replay::new(answers);
        (CloudWatchLogs::new(&replay.config()), replay)
    }

    #[tokio::test]
    async fn pages_from_the_start() {
        let absent = || Canned::json_error(400, "ResourceNotFoundException");
        let (logs, replay) = logs([absent(), page(&["a", "b"], "f/1", "b/1"), page(&[], "f/1", "b/1"), absent()]);
        assert_eq!(logs.page("eu-west-1", "g", "s", None).await.unwrap(), LogPage::default());
        let first = logs.page("eu-west-1", "g", "s", None).await.unwrap();
        let line = |text: &str| LogLine { text: text.to_owned(), time: Timestamp::from_millisecond(1).ok() };
        assert_eq!(first, LogPage { lines: vec![line("a"), line("b")], cursor: Some("f/1".to_owned()) });
        let sent: Value = serde_json::from_str(&replay.sent()[1].body).unwrap();
        assert_eq!(sent, json!({"logGroupName": "g", "logStreamName": "s", "startFromHead": true}));
        let end = LogPage { lines: vec![], cursor: first.cursor };
        for _ in 0..2 {
            assert_eq!(logs.page("eu-west-1", "g", "s", end.cursor.as_deref()).await.unwrap(), end);
        }
    }

    /// The writer of a line may have invented the other time.
    #[tokio::test]
    async fn the_time_of_a_line_is_when_it_was_received() {
        let event = json!({"message": "a", "timestamp": 1, "ingestionTime": 1_767_225_600_000_i64});
        let answer = json!({"events": [event], "nextForwardToken": "f", "nextBackwardToken": "b"});
        let (logs, _) = logs([Canned::ok(answer.to_string())]);
        let page = logs.page("eu-west-1", "g", "s", None).await.unwrap();
        assert_eq!(page.lines[0].time, "2026-01-01T00:00:00Z".parse().ok());
    }

    #[tokio::test]
    async fn a_tail_reads_back_over_empty_pages() {
        let pages = [page(&["d"], "f", "b/1"), page(&[], "f", "b/2"), page(&["a", "b", "c"], "f", "b/3")];
        let (logs, replay) = logs(pages);
        assert_eq!(logs.tail("eu-west-1", "g", "s", 3).await.unwrap(), ["b", "c", "d"]);
        let sent: Value = serde_json::from_str(&replay.sent()[2].body).unwrap();
        assert_eq!((&sent["startFromHead"], &sent["nextToken"]), (&json!(false), &json!("b/2")));
    }

    #[tokio::test]
    async fn a_short_stream_has_a_short_tail() {
        let (logs, replay) = logs([page(&["a"], "f", "b"), page(&[], "f", "b")]);
        assert_eq!(logs.tail("eu-west-1", "g", "s", 3).await.unwrap(), ["a"]);
        assert_eq!(replay.sent().len(), 2);
        assert!(logs.tail("eu-west-1", "g", "s", 0).await.unwrap().is_empty());
    }
}
