//! Watches how CloudFormation changes a stack.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;
use goldsmith_cloud_account::{Event, Outcome, Stacks};
use tokio::time::sleep;

use crate::patience::Patience;

/// How often progress is printed while nothing fails.
const EVERY: Duration = Duration::from_secs(10);
/// The resource type of a stack.
const STACK: &str = "AWS::CloudFormation::Stack";
/// The status of a deleted stack.
const GONE: &str = "DELETE_COMPLETE";

/// How often the program asks CloudFormation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Pause between two calls.
    pub(crate) pause: Duration,
}

/// A stack that is being changed.
pub(crate) struct Progress<'a> {
    stacks: &'a Stacks,
    /// The stack's id, by which it can be found even after its deletion.
    id: &'a str,
    pace: Pace,
    say: &'a dyn Fn(&str),
    latest: Option<String>,
    /// Whether the stack itself has had an event since the change began. Until then, its status may be outdated.
    is_fresh: bool,
    done: BTreeSet<String>,
    failures: Vec<String>,
}

/// How a change ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Status of the stack, or `DELETE_COMPLETE` if it is deleted.
    pub(crate) status: String,
    /// Resources whose own change failed, and the reasons.
    pub(crate) failures: Vec<String>,
}

impl Ended {
    /// Returns whether the stack is deleted.
    pub(crate) fn is_gone(&self) -> bool {
        self.status == GONE
    }
}

impl<'a> Progress<'a> {
    /// Watches the stack with this id.
    pub(crate) fn new(stacks: &'a Stacks, id: &'a str, pace: Pace, say: &'a dyn Fn(&str)) -> Self {
        let (done, failures) = (BTreeSet::new(), Vec::new());
        Self { stacks, id, pace, say, latest: None, is_fresh: false, done, failures }
    }

    /// Skips the events that CloudFormation has reported so far.
    pub(crate) async fn skip_what_was(&mut self) -> Result<()> {
        let mut patience = Patience::default();
        loop {
            let look = async { Ok(self.stacks.newest_event(self.id).await?) }.await;
            if let Some(newest) = patience.take(look)? {
                self.latest = newest;
                return Ok(());
            }
            sleep(self.pace.pause).await;
        }
    }

    /// Skips the events of earlier operations: the current operation began after the last one ended.
    pub(crate) async fn skip_what_had_ended(&mut self) -> Result<()> {
        let mut patience = Patience::default();
        loop {
            let look = async { Ok(self.stacks.events(self.id, None).await?) }.await;
            if let Some(events) = patience.take(look)? {
                let ended = |event: &&Event| event.kind == STACK && has_ended(&event.status);
                self.latest = events.iter().rev().find(ended).map(|event| event.id.clone());
                // The stack was seen busy, so its operation has an end, which may already be the last of these events.
                self.is_fresh = true;
                return Ok(());
            }
            sleep(self.pace.pause).await;
        }
    }

    /// Waits until the stack no longer changes. `expected` contains the resources that change, or is empty if they are
    /// unknown.
    pub(crate) async fn follow(mut self, expected: &BTreeSet<String>) -> Result<Ended> {
        let (mut patience, mut said) = (Patience::default(), Instant::now());
        loop {
            let look = async { Ok(self.look().await?) }.await;
            if let Some(status) = patience.take(look)? {
                match status {
                    Some(status) => return Ok(Ended { status, failures: self.failures }),
                    None if said.elapsed() >= EVERY => {
                        said = Instant::now();
                        (self.say)(&counted(&self.done, expected));
                    }
                    None => {}
                }
            }
            sleep(self.pace.pause).await;
        }
    }

    /// Returns the stack's status once it is final. The events are read after the status, so that none of the last
    /// events is missed.
    async fn look(&mut self) -> goldsmith_cloud::Result<Option<String>> {
        let stack = self.stacks.find(self.id).await?;
        for event in self.stacks.events(self.id, self.latest.as_deref()).await? {
            self.note(&event);
            self.latest = Some(event.id);
        }
        Ok(match stack {
            None => Some(GONE.to_owned()),
            Some(stack) if stack.is_busy() || stack.is_proposed() || !self.is_fresh => None,
            Some(stack) => Some(stack.status),
        })
    }

    fn note(&mut self, event: &Event) {
        self.is_fresh |= event.kind == STACK;
        match event.outcome() {
            Outcome::Done if event.kind == STACK => {}
            Outcome::Done => drop(self.done.insert(event.resource.clone())),
            Outcome::Failed => {
                let reason = event.reason.as_deref().unwrap_or("CloudFormation does not say why");
                let failure = format!("{} ({}): {reason}", event.resource, event.kind);
                (self.say)(&failure);
                self.failures.push(failure);
            }
            // CloudFormation cancels the resources next to one that has failed: only that one says why.
            Outcome::Going | Outcome::Cancelled => {}
        }
    }
}

/// Counts the resources whose change has ended. Other work of CloudFormation, such as a rollback, is not counted.
fn counted(done: &BTreeSet<String>, expected: &BTreeSet<String>) -> String {
    if expected.is_empty() {
        format!("{} resources are done.", done.len())
    } else {
        format!("{} of {} resources are done.", done.intersection(expected).count(), expected.len())
    }
}

/// Returns whether an operation on a stack has ended with this status. After a failed creation or update, the operation
/// continues with a rollback.
fn has_ended(status: &str) -> bool {
    status.ends_with("_COMPLETE") || status.ends_with("ROLLBACK_FAILED") || status == "DELETE_FAILED"
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use goldsmith_cloud::aws::replay::{Canned, Replay};

    use super::*;

    fn event((id, kind, name, status): &(&str, &str, &str, &str)) -> String {
        format!(
            "<member><EventId>{id}</EventId><ResourceType>{kind}</ResourceType><LogicalResourceId>{name}</LogicalResourceId>\
             <ResourceStatus>{status}</ResourceStatus><ResourceStatusReason>why {id}</ResourceStatusReason></member>"
        )
    }

    fn events(newest_first: &[(&str, &str, &str, &str)]) -> Canned {
        let all: String = newest_first.iter().map(event).collect();
        let result = format!("<DescribeStackEventsResult><StackEvents>{all}</StackEvents></DescribeStackEventsResult>");
        Canned::ok(format!("<DescribeStackEventsResponse>{result}</DescribeStackEventsResponse>"))
    }

    fn stack(status: &str) -> Canned {
        let member = format!("<member><StackId>arn</StackId><StackStatus>{status}</StackStatus></member>");
        let stacks = format!("<DescribeStacksResult><Stacks>{member}</Stacks></DescribeStacksResult>");
        Canned::ok(format!("<DescribeStacksResponse>{stacks}</DescribeStacksResponse>"))
    }

    #[tokio::test]
    async fn what_failed_before_is_not_told_as_new() {
        let all = [
            ("7", STACK, "s", "UPDATE_ROLLBACK_COMPLETE"),
            ("6", "T", "New", "CREATE_FAILED"),
            ("5", STACK, "s", "UPDATE_FAILED"),
            ("4", STACK, "s", "UPDATE_IN_PROGRESS"),
            ("3", STACK, "s", "UPDATE_ROLLBACK_COMPLETE"),
            ("2", "T", "Old", "UPDATE_FAILED"),
            ("1", STACK, "s", "UPDATE_IN_PROGRESS"),
        ];
        let answers = [events(&all[2..]), stack("UPDATE_ROLLBACK_COMPLETE"), events(&all)];
        let stacks = Stacks::new(&Replay::new(answers).config());
        let said = RefCell::new(Vec::new());
        let say = |line: &str| said.borrow_mut().push(line.to_owned());
        let mut progress = Progress::new(&stacks, "arn", Pace { pause: Duration::ZERO }, &say);
        progress.skip_what_had_ended().await.unwrap();
        let ended = progress.follow(&BTreeSet::new()).await.unwrap();
        assert_eq!(ended.status, "UPDATE_ROLLBACK_COMPLETE");
        assert!(ended.failures.iter().any(|failure| failure == "New (T): why 6"), "{:?}", ended.failures);
        assert!(said.borrow().iter().all(|line| !line.contains("Old")), "{said:?}");
    }

    #[tokio::test]
    async fn the_wait_ends_if_an_operation_ends_before_its_events_are_read() {
        let all = [("2", STACK, "s", "UPDATE_COMPLETE"), ("1", STACK, "s", "UPDATE_IN_PROGRESS")];
        let answers = [events(&all), stack("UPDATE_COMPLETE"), events(&all)];
        let stacks = Stacks::new(&Replay::new(answers).config());
        let mut progress = Progress::new(&stacks, "arn", Pace { pause: Duration::ZERO }, &|_| {});
        progress.skip_what_had_ended().await.unwrap();
        assert_eq!(progress.follow(&BTreeSet::new()).await.unwrap().status, "UPDATE_COMPLETE");
    }

    #[test]
    fn progress_never_counts_more_than_was_planned() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let done = names(&["A", "B", "C", "D"]);
        assert_eq!(counted(&done, &names(&["A", "B", "E"])), "2 of 3 resources are done.");
        assert_eq!(counted(&done, &names(&[])), "4 resources are done.");
    }
}
