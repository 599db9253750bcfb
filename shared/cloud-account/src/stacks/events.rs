//! CloudFormation's events while it changes a stack.

use aws_sdk_cloudformation::types::StackEvent;
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::failure;

use super::Stacks;

/// An event about a resource of a stack, or about the stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Id, unique in the stack.
    pub id: String,
    /// The resource's name in the template, or the name of the stack if the event is about the stack.
    pub resource: String,
    /// Its type.
    pub kind: String,
    /// Status, such as `CREATE_COMPLETE`.
    pub status: String,
    /// The reason, if CloudFormation gives one.
    pub reason: Option<String>,
}

/// What an event reports about its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The resource is being changed.
    Going,
    /// The change is done.
    Done,
    /// The change of this resource itself failed.
    Failed,
    /// The change was canceled because the change of another resource failed.
    Cancelled,
}

impl Event {
    /// Returns what the event reports about its resource.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let cancelled = self.reason.as_deref().is_some_and(|reason| reason.contains("cancelled"));
        match self.status.as_str() {
            status if status.ends_with("_FAILED") && cancelled => Outcome::Cancelled,
            status if status.ends_with("_FAILED") => Outcome::Failed,
            status if status.ends_with("_COMPLETE") || status.ends_with("_SKIPPED") => Outcome::Done,
            _ => Outcome::Going,
        }
    }
}

impl Stacks {
    /// Returns the id of the stack's newest event, or `None` if it has no events.
    ///
    /// # Errors
    /// The errors of the call.
    pub async fn newest_event(&self, stack: &str) -> Result<Option<String>> {
        let page = self.client.describe_stack_events().stack_name(stack).send().await;
        let page = page.map_err(failure("DescribeStackEvents", &self.region))?;
        Ok(page.stack_events.unwrap_or_default().into_iter().find_map(|event| event.event_id))
    }

    /// Returns the stack's events after the event with this id, oldest first, or all events if `after` is `None`. If
    /// the stack may be deleted, `stack` must be its id: the events of a deleted stack are kept for 90 days.
    ///
    /// # Errors
    /// Fails if a call fails.
    pub async fn events(&self, stack: &str, after: Option<&str>) -> Result<Vec<Event>> {
        let mut found = Vec::new();
        let mut next = None;
        loop {
            let call = self.client.describe_stack_events().stack_name(stack).set_next_token(next);
            let page = call.send().await.map_err(failure("DescribeStackEvents", &self.region))?;
            // CloudFormation returns the newest events first.
            for event in page.stack_events.unwrap_or_default() {
                if after.is_some() && event.event_id.as_deref() == after {
                    found.reverse();
                    return Ok(found);
                }
                found.push(event_of(event));
            }
            next = page.next_token;
            if next.is_none() {
                found.reverse();
                return Ok(found);
            }
        }
    }
}

fn event_of(event: StackEvent) -> Event {
    Event {
        id: event.event_id.unwrap_or_default(),
        resource: event.logical_resource_id.unwrap_or_default(),
        kind: event.resource_type.unwrap_or_default(),
        status: event.resource_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: event.resource_status_reason,
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::{Canned, Replay};

    use super::*;

    #[tokio::test]
    async fn only_what_is_new_comes_oldest_first() {
        let event = |id: &str, status: &str| {
            format!("<member><EventId>{id}</EventId><ResourceStatus>{status}</ResourceStatus></member>")
        };
        let events = [event("3", "CREATE_COMPLETE"), event("2", "CREATE_IN_PROGRESS"), event("1", "CREATE_FAILED")];
        let result = format!("<StackEvents>{}</StackEvents>", events.concat());
        let result = format!("<DescribeStackEventsResult>{result}</DescribeStackEventsResult>");
        let answer = Canned::ok(format!("<DescribeStackEventsResponse>{result}</DescribeStackEventsResponse>"));
        let stacks = Stacks::new(&Replay::new([answer.clone(), answer]).config());
        let ids = async |after| {
            let events = stacks.events("s", after).await.unwrap();
            events.into_iter().map(|event| event.id).collect::<Vec<_>>()
        };
        assert_eq!(ids(None).await, ["1", "2", "3"]);
        assert_eq!(ids(Some("1")).await, ["2", "3"]);
    }

    #[test]
    fn what_was_given_up_has_not_failed_by_itself() {
        let event = |status: &str, reason: Option<&str>| Event {
            id: String::new(),
            resource: String::new(),
            kind: String::new(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
        };
        let cases = [
            ("CREATE_FAILED", Some("Resource creation cancelled"), Outcome::Cancelled),
            ("UPDATE_FAILED", Some("no such role"), Outcome::Failed),
            ("DELETE_SKIPPED", None, Outcome::Done),
            ("UPDATE_COMPLETE", None, Outcome::Done),
            ("DELETE_IN_PROGRESS", None, Outcome::Going),
        ];
        for (status, reason, outcome) in cases {
            assert_eq!(event(status, reason).outcome(), outcome, "{status}");
        }
    }
}
