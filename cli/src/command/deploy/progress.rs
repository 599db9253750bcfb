//! Watches CloudFormation change a stack.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Result;
use goldsmith_cloud_account::{Event, Outcome, Stacks};
use tokio::time::sleep;

use crate::watch::Patience;

/// How often something is said while nothing fails.
const EVERY: Duration = Duration::from_secs(10);
/// The type of the stack itself.
const STACK: &str = "AWS::CloudFormation::Stack";
/// The status of a stack that is gone.
const GONE: &str = "DELETE_COMPLETE";

/// How often CloudFormation is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Between two looks.
    pub(crate) pause: Duration,
}

/// A stack that is being changed.
pub(crate) struct Progress<'a> {
    stacks: &'a Stacks,
    /// The stack's id, by which it is found when it is gone too.
    id: &'a str,
    pace: Pace,
    say: &'a dyn Fn(&str),
    latest: Option<String>,
    /// Whether the stack itself has said something since the change began: what it says of its status before may be old.
    is_fresh: bool,
    done: BTreeSet<String>,
    failures: Vec<String>,
}

/// How a change has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The stack's status; `DELETE_COMPLETE` where it is gone.
    pub(crate) status: String,
    /// What failed by itself, and why.
    pub(crate) failures: Vec<String>,
}

impl Ended {
    /// Whether the stack is no more.
    pub(crate) fn is_gone(&self) -> bool {
        self.status == GONE
    }
}

impl<'a> Progress<'a> {
    /// Of the stack with this id.
    pub(crate) fn new(stacks: &'a Stacks, id: &'a str, pace: Pace, say: &'a dyn Fn(&str)) -> Self {
        let (done, failures) = (BTreeSet::new(), Vec::new());
        Self { stacks, id, pace, say, latest: None, is_fresh: false, done, failures }
    }

    /// Takes what CloudFormation has said so far for known.
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

    /// Waits until nothing changes any more. `expected` resources change; none: it is not known.
    pub(crate) async fn follow(mut self, expected: usize) -> Result<Ended> {
        let (mut patience, mut said) = (Patience::default(), Instant::now());
        loop {
            let look = async { Ok(self.look().await?) }.await;
            if let Some(status) = patience.take(look)? {
                match status {
                    Some(status) => return Ok(Ended { status, failures: self.failures }),
                    None if said.elapsed() >= EVERY => {
                        said = Instant::now();
                        (self.say)(&counted(self.done.len(), expected));
                    }
                    None => {}
                }
            }
            sleep(self.pace.pause).await;
        }
    }

    /// The stack's status once it has settled. The events are read after it, so that none of the last ones is missed.
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
            Outcome::Done => drop(self.done.insert(event.resource.clone())),
            Outcome::Failed => {
                let reason = event.reason.as_deref().unwrap_or("CloudFormation does not say why");
                let failure = format!("{} ({}): {reason}", event.resource, event.kind);
                (self.say)(&failure);
                self.failures.push(failure);
            }
            Outcome::Going | Outcome::Cancelled => {}
        }
    }
}

fn counted(done: usize, expected: usize) -> String {
    if expected == 0 {
        format!("{done} resources are done.")
    } else {
        format!("{done} of {expected} resources are done.")
    }
}
