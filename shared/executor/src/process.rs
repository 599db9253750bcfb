//! One child process with all processes that it starts: its lines as they appear, its end, and its forced end.

mod capture;
mod command;
mod end;
mod family;
mod spawn;
mod stream;

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal};

use crate::evidence::Watch;
use crate::output::Output;
use crate::place::Place;
use capture::Capture;
pub(crate) use capture::LIMIT as CAPTURE_LIMIT;
pub(crate) use command::Command;
use family::Family;
pub(crate) use family::{VARIABLE as MARK_VARIABLE, end_marked};
use spawn::{Started, spawn, wait};
use stream::Stream;

/// The time between the terminating signal and the killing signal.
const GRACE: Duration = Duration::from_secs(5);
/// How long to wait for the output of processes that the child left behind.
const DRAIN: Duration = Duration::from_secs(1);

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

/// Runs a command until it ends. At the deadline, the command is ended with all processes that it started. Call this
/// function from a thread that lives as long as the program: the child is killed when that thread ends.
pub(crate) fn run(command: Command, place: &Place<'_>, output: &mut Output<'_>) -> io::Result<Finished> {
    let command = command.env(MARK_VARIABLE, place.mark);
    let Started { pid, stdout, stderr } = spawn(&command, place.working_directory)?;
    let mut pump = Pump {
        child: pid,
        end: None,
        streams: vec![Stream::new("Stdout", stdout), Stream::new("Stderr", stderr)],
        family: Family::new(pid, place.mark),
        deadline: place.deadline,
        killed_at: None,
        timed_out: false,
        capture: Capture::new(place.working_directory),
    };
    match pump.run(output) {
        Ok(exit) => Ok(pump.capture.finish(exit, output)),
        Err(error) => {
            // A process that nobody watches must not go on.
            pump.family.signal(Signal::KILL);
            let _ = wait(pid); // the first error says more
            Err(error)
        }
    }
}

/// Waits for lines, the end and the deadline in one place. A thread for each would cost more than a short program.
struct Pump {
    child: Pid,
    /// Is readable when the child has ended. `None` if this is known.
    end: Option<OwnedFd>,
    /// The pipes that are still open.
    streams: Vec<Stream>,
    family: Family,
    deadline: Option<Instant>,
    killed_at: Option<Instant>,
    timed_out: bool,
    capture: Capture,
}

impl Pump {
    fn run(&mut self, output: &mut Output<'_>) -> io::Result<Exit> {
        self.streams.iter().try_for_each(|stream| stream.set_waiting(false))?;
        self.end = Some(end::of(self.child)?);
        while self.end.is_some() {
            if !self.wait(self.wake_at(), output)? {
                self.end_family();
            }
        }
        let status = wait(self.child)?;
        if self.timed_out {
            // The first process may have obeyed although its children did not.
            self.family.signal(Signal::KILL);
        }
        self.drain(output)?;
        Ok(match status.exit_status() {
            // A program that handles the signal may end with 0, although its work is not complete.
            _ if self.timed_out => Exit::TimedOut,
            Some(code) => Exit::Code(code),
            None => Exit::Signal(status.terminating_signal().unwrap_or_default()),
        })
    }

    /// Waits until there is output or an end, and takes it. Returns `false` if the time has come instead. A program
    /// that writes faster than the logs are written waits, because nothing is read in the meantime.
    fn wait(&mut self, until: Option<Instant>, output: &mut Output<'_>) -> io::Result<bool> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // The time is checked first: a process that never stops writing must not delay its own end.
        if left == Some(Duration::ZERO) {
            return Ok(false);
        }
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut watched: Vec<_> = self.streams.iter().map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
        watched.extend(self.end.as_ref().map(|end| PollFd::new(end, PollFlags::IN)));
        match poll(&mut watched, left.as_ref()) {
            Ok(0) => return Ok(false),
            Err(Errno::INTR) => return Ok(true),
            found => found?,
        };
        let mut ready = watched.iter().map(|watched| !watched.revents().is_empty()).collect::<Vec<_>>().into_iter();
        let mut is_ready = || ready.next().unwrap_or_default();
        let capture = &mut self.capture;
        let mut take = |name, line, is_cut| capture.take(name, line, is_cut, output);
        self.streams.retain_mut(|stream| !is_ready() || stream.take(&mut take));
        self.end.take_if(|_| is_ready());
        Ok(true)
    }

    /// Reads what is left in the pipes. The time is limited because a process that stays in the background keeps the
    /// pipes open.
    fn drain(&mut self, output: &mut Output<'_>) -> io::Result<()> {
        let until = Instant::now() + DRAIN;
        while !self.streams.is_empty() && self.wait(Some(until), output)? {}
        for mut stream in self.streams.drain(..) {
            // The beginning of a line is output too.
            if let Some((name, line)) = stream.beginning() {
                self.capture.take(name, line, false, output);
            }
            stream.drop_rest();
        }
        Ok(())
    }

    /// Returns the time at which the pump must act even if nothing happens.
    fn wake_at(&self) -> Option<Instant> {
        match self.killed_at {
            // The killing signal was sent too, and no process survives it, so the end needs no deadline.
            None if self.timed_out => None,
            None => self.deadline,
            Some(at) => Some(at + GRACE),
        }
    }

    fn end_family(&mut self) {
        let signal = if self.timed_out { Signal::KILL } else { Signal::TERM };
        self.killed_at = if self.timed_out { None } else { Some(Instant::now()) };
        self.timed_out = true;
        self.family.signal(signal);
    }
}
