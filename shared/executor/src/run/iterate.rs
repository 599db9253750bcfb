//! One attempt of a step: it runs the action once, or once for each value of the loop.
//!
//! If an iteration asks for a reboot, the loop resumes after it with the same iteration, or, after the action `Reboot`,
//! with the next one. Empty pieces of a delimited list are skipped: a command with an empty value seldom does what its
//! author intends.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use goldsmith_document::{DEFAULT_TIMEOUT, Loop, Over, Range};

use super::{Run, Scope, WORKING_DIRECTORY};
use crate::KeptDownload;
use crate::aws::Aws;
use crate::http::PAST_LIMIT;
use crate::modules::{End, Outcome, TIMED_OUT, Task, Work};
use crate::overwrite::remove_folder;
use crate::place::Place;
use crate::process::CAPTURE_LIMIT as LIMIT;
use crate::resolve::{ResolveError, Resolver, Scene};
use crate::state::{At, Iterations};
use crate::store::StoreError;

/// The data that all iterations of an attempt share.
pub(super) struct Room {
    working_directory: PathBuf,
    scratch: PathBuf,
    deadline: Option<Instant>,
    mark: String,
    stored: RefCell<BTreeMap<String, String>>,
}

/// Why an attempt cannot begin.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be created", path.display())]
struct FolderError {
    path: PathBuf,
    source: io::Error,
}

impl<'r> Run<'r, '_> {
    /// Makes one attempt, from the replacement of references to the end of the started process.
    pub(super) fn attempt(&mut self, at: At, scope: Scope<'_>) -> Result<Outcome, StoreError> {
        let room = match self.prepare(at, scope) {
            Ok(room) => room,
            Err(outcome) => return Ok(outcome),
        };
        let outcome = match &scope.step.repeat {
            None => self.once(at, scope, &room, None),
            Some(repeat) => self.iterate(at, scope, &room, repeat),
        };
        let outcome =
            outcome.map(|outcome| Outcome { end: with_limit(outcome.end, scope.step.timeout_seconds), ..outcome });
        let _ = remove_folder(&room.scratch); // if something remains, it is removed before the next attempt
        outcome
    }

    /// Prepares the folders of an attempt. Its time begins now.
    pub(super) fn prepare(&self, at: At, scope: Scope<'_>) -> Result<Room, Outcome> {
        let working_directory = self.order.working_directory.clone().unwrap_or_else(|| WORKING_DIRECTORY.into());
        let failed = |path: PathBuf| move |source| Outcome::failed(&FolderError { path, source });
        fs::create_dir_all(&working_directory).map_err(failed(working_directory.clone()))?;
        let scratch = self.store.scratch().map_err(failed(self.order.state_directory.clone()))?;
        let deadline = scope.step.timeout_seconds.and_then(|s| Instant::now().checked_add(Duration::from_secs(s)));
        Ok(Room { working_directory, scratch, deadline, mark: self.mark(at), stored: RefCell::default() })
    }

    pub(super) fn resolver<'a>(
        &'a self,
        at: At,
        scope: Scope<'a>,
        room: &'a Room,
        iteration: Option<(usize, &'a str)>,
    ) -> Resolver<'a> {
        Resolver {
            values: scope.values,
            record: &self.state.documents[at.document],
            place: room.place(self.around.aws, &self.order.downloads),
            scene: Scene {
                execution: &self.order.execution,
                phase: &scope.phase.name.value,
                step: &scope.step.name.value,
            },
            secrets: &self.around.output.secrets,
            iteration,
            stored: &room.stored,
        }
    }

    fn once(
        &mut self,
        at: At,
        scope: Scope<'_>,
        room: &Room,
        iteration: Option<(usize, &str)>,
    ) -> Result<Outcome, StoreError> {
        let task = match Task::new(&scope.step.action, &self.resolver(at, scope, room, iteration)) {
            Ok(task) => task,
            Err(error) => return Ok(Outcome::failed(&error)),
        };
        self.step_record(at).inputs = task.inputs;
        let place = room.place(self.around.aws, &self.order.downloads);
        match &task.work {
            Work::Here(work) => Ok(work.perform(&place, self.around.output)),
            Work::Document(call) => {
                let index = iteration.map_or(0, |(index, _)| index);
                self.nested(at, call, index, &place)
            }
        }
    }

    fn iterate(&mut self, at: At, scope: Scope<'_>, room: &Room, repeat: &Loop) -> Result<Outcome, StoreError> {
        // The progress leaves the record, so that another attempt begins with the first iteration. Only a reboot
        // restores it.
        let mut course = match self.step_record(at).iterations.take() {
            Some(course) => course,
            None => match list_values(&repeat.over, &self.resolver(at, scope, room, None)) {
                Ok(values) => Iterations { values, ..Iterations::default() },
                Err(error) => return Ok(Outcome::failed(&error)),
            },
        };
        let mut kept = Kept::of(&course.outputs);
        let mut last = Outcome::default();
        while let Some(value) = value_at(&repeat.over, &course.values, course.next) {
            let index = course.next;
            // Quick actions do not check the time themselves, so a long loop of them is stopped here.
            if room.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                last.end = End::Failed(TIMED_OUT.to_owned());
                break;
            }
            self.open_iteration(scope, room, index, &value);
            last = self.once(at, scope, room, Some((index, &value)))?;
            // A failed iteration, or one that runs again after the reboot, is not over: it stays the next one.
            if !matches!(last.end, End::Failed(_) | End::Reboot { again: true, .. }) {
                course.next += 1;
                for (key, value) in std::mem::take(&mut last.outputs) {
                    if let Some(cut) = kept.keep(&mut course.outputs, key, value) {
                        self.around.output.remark(&cut);
                    }
                }
            }
            if last.end != End::Success {
                break;
            }
        }
        let is_over = value_at(&repeat.over, &course.values, course.next).is_none();
        let outputs = course.outputs.iter().map(|(key, values)| (key.clone(), values.join("\n"))).collect();
        let end = loop_end(last.end, course.next, is_over, scope.step.timeout_seconds);
        if matches!(end, End::Reboot { .. }) {
            self.step_record(at).iterations = Some(course);
        }
        Ok(Outcome { end, outputs, ..last })
    }

    fn open_iteration(&mut self, scope: Scope<'_>, room: &Room, index: usize, value: &str) {
        // The next iteration must not see files of an earlier one. If they cannot be removed, the next iteration
        // reports why.
        if index > 0 && remove_folder(&room.scratch).is_ok() {
            let _ = self.store.scratch();
        }
        if !scope.muted {
            self.around.output.log(&format!("iteration {index}: {value}"));
        }
    }
}

/// Limits how much of each output is kept for all iterations together: as much as for one step without a loop. Later
/// output is also shown, but not kept for other steps.
struct Kept(BTreeMap<String, usize>);

impl Kept {
    fn of(outputs: &BTreeMap<String, Vec<String>>) -> Self {
        // The values are joined by line ends later, and each of these counts too.
        let length = |values: &Vec<String>| values.iter().map(|value| value.len() + 1).sum();
        Self(outputs.iter().map(|(key, values)| (key.clone(), length(values))).collect())
    }

    /// Keeps the output of an iteration. Returns a sentence about the first one that does not fit; nothing after it is
    /// kept.
    fn keep(&mut self, outputs: &mut BTreeMap<String, Vec<String>>, key: String, mut value: String) -> Option<String> {
        const FULL: usize = usize::MAX;
        let used = self.0.entry(key.clone()).or_default();
        if *used == FULL {
            return None;
        }
        let room = LIMIT.saturating_sub(*used);
        let cut = (room == 0 || value.len() > room).then(|| {
            let most = LIMIT / 1024;
            format!("the output `{key}` of this loop has more than {most} KiB: the rest is not kept for other steps")
        });
        value.truncate(value.floor_char_boundary(room));
        *used = if cut.is_some() { FULL } else { *used + value.len() + 1 };
        if room > 0 {
            outputs.entry(key).or_default().push(value);
        }
        cut
    }
}

/// Returns how a loop ended, from the end of its last iteration. `next` is the iteration that would run next.
fn loop_end(last: End, next: usize, is_over: bool, limit: Option<u64>) -> End {
    match last {
        End::Failed(message) if message == TIMED_OUT => {
            End::Failed(format!("the loop timed out in iteration {next}{}", after(limit)))
        }
        End::Failed(message) => End::Failed(format!("iteration {next} failed: {message}")),
        // After the last iteration, the step need not run again unless the iteration itself must.
        End::Reboot { again, delay } => End::Reboot { again: again || !is_over, delay },
        end => end,
    }
}

/// Adds the limit to the message of an attempt that took too long.
fn with_limit(end: End, limit: Option<u64>) -> End {
    match (end, limit) {
        (End::Failed(message), _) if message == TIMED_OUT => End::Failed(format!("{message}{}", after(limit))),
        (End::Failed(message), Some(limit)) => match message.strip_suffix(PAST_LIMIT) {
            Some(start) => End::Failed(format!("{start}took longer than {}", named(limit))),
            None => End::Failed(message),
        },
        (end, _) => end,
    }
}

/// Returns the end of a message about a time-out.
fn after(limit: Option<u64>) -> String {
    limit.map(|limit| format!(" after {}", named(limit))).unwrap_or_default()
}

/// Returns a limit with the field that sets it.
fn named(limit: u64) -> String {
    match limit {
        DEFAULT_TIMEOUT => format!("{limit} s, the limit of a step without `timeoutSeconds`"),
        _ => format!("{limit} s, the limit that `timeoutSeconds` of the step sets"),
    }
}

impl Room {
    fn place<'a>(&'a self, aws: &'a Aws, downloads: &'a BTreeMap<String, KeptDownload>) -> Place<'a> {
        let (working_directory, scratch) = (&self.working_directory, &self.scratch);
        Place { working_directory, scratch, deadline: self.deadline, mark: &self.mark, aws, downloads }
    }
}

/// Returns the texts of a loop. Loops over numbers have none, because the numbers are computed when they are needed.
fn list_values(over: &Over, resolver: &Resolver<'_>) -> Result<Vec<String>, ResolveError> {
    match over {
        Over::Range(_) => Ok(Vec::new()),
        Over::List(items) => items.iter().map(|item| resolver.text(item)).collect(),
        Over::Delimited { list, delimiter } => {
            let text = resolver.text(list)?;
            Ok(text.split(*delimiter).filter(|piece| !piece.is_empty()).map(str::to_owned).collect())
        }
    }
}

fn value_at(over: &Over, values: &[String], index: usize) -> Option<String> {
    match over {
        Over::Range(range) => number_at(*range, index).map(|number| number.to_string()),
        Over::List(_) | Over::Delimited { .. } => values.get(index).cloned(),
    }
}

fn number_at(Range { start, end, step }: Range, index: usize) -> Option<i64> {
    let number = i128::from(step) * i128::try_from(index).ok()? + i128::from(start); // cannot overflow: both factors have 64 bits
    let is_inside = if step > 0 { number <= i128::from(end) } else { number >= i128::from(end) };
    i64::try_from(number).ok().filter(|_| is_inside)
}

#[cfg(test)]
mod tests {
    use goldsmith_document::Range;

    use super::{Kept, LIMIT, number_at, with_limit};
    use crate::modules::End;

    #[test]
    fn a_time_out_names_the_limit_and_what_sets_it() {
        let of = |message: &str, limit| match with_limit(End::Failed(message.to_owned()), limit) {
            End::Failed(message) => message,
            other => panic!("{other:?}"),
        };
        let set = "timed out after 40 s, the limit that `timeoutSeconds` of the step sets";
        assert_eq!(of("timed out", Some(40)), set);
        assert_eq!(
            of("timed out", Some(7_200)),
            "timed out after 7200 s, the limit of a step without `timeoutSeconds`"
        );
        let url = "http://a/b took longer than 40 s, the limit that `timeoutSeconds` of the step sets";
        assert_eq!(of("http://a/b took longer than the time limit of the step", Some(40)), url);
        assert_eq!(of("exit status 1", Some(40)), "exit status 1");
    }

    #[test]
    fn a_loop_keeps_no_more_output_than_one_step() {
        let mut outputs = [("stdout".to_owned(), vec!["before the reboot".to_owned()])].into();
        let mut kept = Kept::of(&outputs);
        let mut told = Vec::new();
        for _ in 0..2_000 {
            told.extend(kept.keep(&mut outputs, "stdout".to_owned(), "ü".repeat(100)));
            told.extend(kept.keep(&mut outputs, "other".to_owned(), String::new()));
        }
        let sentence = "the output `stdout` of this loop has more than 256 KiB: the rest is not kept for other steps";
        assert_eq!(told, [sentence]);
        let length = outputs["stdout"].join("\n").len();
        assert!(length <= LIMIT && length > LIMIT - 300, "{length}");
        assert_eq!((outputs["stdout"][1].as_str(), outputs["other"].len()), ("ü".repeat(100).as_str(), 2_000));
    }

    #[test]
    fn numbers_are_those_of_the_range() {
        for range in [(1, 10, 4), (3, 1, -1), (7, 7, -3), (i64::MAX - 1, i64::MAX, 5), (i64::MIN, i64::MAX, i64::MAX)] {
            let range = Range { start: range.0, end: range.1, step: range.2 };
            let counted: Vec<i64> = (0..).map_while(|index| number_at(range, index)).collect();
            assert_eq!(counted, range.values().collect::<Vec<_>>());
        }
    }
}
