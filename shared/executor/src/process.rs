//! One child process with all processes that it starts: its lines as they appear, its end, and its forced end.

mod capture;
mod family;

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::evidence::Watch;
use crate::output::Output;
use crate::place::Place;
use capture::Capture;
pub(crate) use capture::LIMIT as CAPTURE_LIMIT;
use family::Family;
pub(crate) use family::{VARIABLE as MARK_VARIABLE, end_marked};

/// The time between the terminating signal and the killing signal.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait for the output of processes that the child left behind.
const DRAIN: Duration = Duration::from_secs(1);
/// The longest line. A longer line is cut into several.
const LINE_LIMIT: u64 = 64 * 1024;

/// How a process ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) exit: Exit,
    /// Standard output without the newlines at its end.
    pub(crate) stdout: String,
    pub(crate) last_lines: Vec<String>,
    /// What the output says about the machine.
    pub(crate) watch: Watch,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
    TimedOut,
}

enum Message {
    Line(&'static str, Vec<u8>),
    Closed,
    Exited(io::Result<ExitStatus>),
}

/// Runs a command until it ends. At the deadline, the command is ended with all processes that it started. Call this
/// function from a thread that lives as long as the program: the child is killed when that thread ends.
pub(crate) fn run(command: &mut Command, place: &Place<'_>, output: &mut Output<'_>) -> io::Result<Finished> {
    let deadline = place.deadline;
    // The step gets a process group of its own, so that signals reach its processes but not the agent. A program that
    // asks a question reads the end of its input instead of waiting for its time-out.
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: between fork and exec only one system call is made; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
    Family::mark(command, place.mark);
    let mut child = command.spawn()?;
    let family = Family::new(&child, place.mark);
    // The channel is bounded: a program that writes faster than the logs are written waits, and the memory does not
    // fill.
    let (sender, receiver) = sync_channel(256);
    if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
        read_lines("Stdout", stdout, sender.clone());
        read_lines("Stderr", stderr, sender.clone());
    }
    // A thread waits for the child, so that the pump waits for lines, the end and the deadline in one place.
    thread::spawn(move || sender.send(Message::Exited(child.wait())));
    let capture = Capture::new(place.working_directory);
    Pump { receiver, family, deadline, killed_at: None, timed_out: false, open: 2, capture }.run(output)
}

fn read_lines(stream: &'static str, pipe: impl Read + Send + 'static, sender: SyncSender<Message>) {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        loop {
            let mut line = Vec::new();
            // A program that never ends its line must not fill the memory.
            match (&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut line) {
                Ok(length) if length > 0 => {
                    if sender.send(Message::Line(stream, line)).is_err() {
                        return;
                    }
                }
                _ => break,
            }
        }
        let _ = sender.send(Message::Closed); // the receiver may already be gone
    });
}

struct Pump {
    receiver: Receiver<Message>,
    family: Family,
    deadline: Option<Instant>,
    killed_at: Option<Instant>,
    timed_out: bool,
    open: u8,
    capture: Capture,
}

impl Pump {
    fn run(mut self, output: &mut Output<'_>) -> io::Result<Finished> {
        let status = loop {
            match self.next(self.wake_at())? {
                Some(Message::Line(stream, line)) => self.take(stream, line, output),
                Some(Message::Closed) => self.open = self.open.saturating_sub(1),
                Some(Message::Exited(status)) => break status?,
                None => self.end_family(),
            }
        };
        if self.timed_out {
            // The first process may have obeyed although its children did not.
            self.family.signal(Signal::KILL);
        }
        self.drain(output)?;
        let exit = match status.code() {
            // A program that handles the signal may end with 0, although its work is not complete.
            _ if self.timed_out => Exit::TimedOut,
            Some(code) => Exit::Code(code),
            None => Exit::Signal(status.signal().unwrap_or_default()),
        };
        Ok(self.capture.finish(exit, output))
    }

    fn take(&mut self, stream: &'static str, line: Vec<u8>, output: &mut Output<'_>) {
        let is_cut = line.len() as u64 == LINE_LIMIT && line.last() != Some(&b'\n');
        self.capture.take(stream, line, is_cut, output);
    }

    /// Reads what is left in the pipes. The time is limited because a process that stays in the background keeps the
    /// pipes open.
    fn drain(&mut self, output: &mut Output<'_>) -> io::Result<()> {
        let until = Instant::now() + DRAIN;
        while self.open > 0 {
            match self.next(Some(until))? {
                Some(Message::Line(stream, line)) => self.take(stream, line, output),
                Some(_) => self.open = self.open.saturating_sub(1),
                None => break,
            }
        }
        Ok(())
    }

    /// Returns the time at which the pump must act even if no message arrives.
    fn wake_at(&self) -> Option<Instant> {
        match self.killed_at {
            // The killing signal was sent too, and no process survives it, so the end needs no deadline.
            None if self.timed_out => None,
            None => self.deadline,
            Some(at) => Some(at + GRACE),
        }
    }

    fn next(&self, until: Option<Instant>) -> io::Result<Option<Message>> {
        let gone = || io::Error::other("the process can no longer be watched");
        match until {
            None => self.receiver.recv().map(Some).map_err(|_| gone()),
            // The time is checked first: a process that never stops writing must not delay its own end.
            Some(until) if until <= Instant::now() => Ok(None),
            Some(until) => match self.receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(message) => Ok(Some(message)),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => Err(gone()),
            },
        }
    }

    fn end_family(&mut self) {
        let signal = if self.timed_out { Signal::KILL } else { Signal::TERM };
        self.killed_at = if self.timed_out { None } else { Some(Instant::now()) };
        self.timed_out = true;
        self.family.signal(signal);
    }
}
