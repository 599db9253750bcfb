//! Shows the progress of a run on standard error: a line for each step that has ended and, on a terminal, a line for
//! the running step and the time that it has taken so far.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use goldsmith_executor::{Event, EventKind, Status};

use crate::paint;
use crate::render::duration;
use crate::watch::{redraw, width};

/// Pause between two updates of the time.
const TICK: Duration = Duration::from_millis(250);

/// Receives what the executor prints: the steps' lines and its own event lines.
pub(super) struct Progress {
    /// Whether the steps' lines are shown immediately.
    trace: bool,
    /// A line whose end has not arrived yet.
    line: Vec<u8>,
    screen: Arc<Mutex<Screen>>,
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

/// Standard error, and the content of its last line.
struct Screen {
    live: bool,
    running: Option<(String, Instant)>,
    drawn: usize,
}

impl Progress {
    /// Starts the display. On a terminal, the time of a running step is updated regularly.
    pub(super) fn start(trace: bool) -> Self {
        let live = io::stderr().is_terminal();
        let screen = Arc::new(Mutex::new(Screen { live, running: None, drawn: 0 }));
        let ticker = live.then(|| {
            let (stop, stopped) = mpsc::channel();
            let screen = Arc::clone(&screen);
            let tick = move || {
                while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    with(&screen, |screen| screen.show(&[]));
                }
            };
            (stop, thread::spawn(tick))
        });
        Self { trace, line: Vec::new(), screen, ticker }
    }

    /// Removes the lines that are only temporary.
    pub(super) fn end(&mut self) {
        if let Some((stop, ticker)) = self.ticker.take() {
            drop(stop);
            let _ = ticker.join(); // a ticker that has panicked shows nothing either
        }
        with(&self.screen, |screen| {
            screen.running = None;
            screen.show(&[]);
        });
    }

    fn take(&mut self, line: &str) {
        let (trace, now) = (self.trace, Instant::now());
        with(&self.screen, |screen| match Event::parse(line, None) {
            None if trace => screen.show(&[format!("  | {line}")]),
            None => {}
            Some(event) => match event.kind {
                EventKind::StepStarted => {
                    let name = name(&event);
                    let started = if trace { vec![format!("{name}: started")] } else { Vec::new() };
                    screen.running = Some((name, now));
                    screen.show(&started);
                }
                EventKind::StepEnded => {
                    screen.running = None;
                    screen.show(&[ended(&event)]);
                }
                EventKind::PhaseStarted | EventKind::PhaseEnded => {}
            },
        });
    }
}

impl Write for Progress {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                self.take(String::from_utf8_lossy(&line).trim_end_matches('\n'));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Screen {
    /// Writes the permanent lines, and rewrites the temporary one.
    fn show(&mut self, stay: &[String]) {
        let running = self.running.as_ref().filter(|_| self.live);
        let running: Vec<String> = running
            .map(|(name, since)| format!("{name}: {}", duration(since.elapsed().as_secs_f64())))
            .into_iter()
            .collect();
        let text = redraw(self.drawn, stay, &running, width(), paint::wanted(&io::stderr()));
        self.drawn = running.len();
        let mut out = io::stderr().lock();
        // If nothing can be shown, the run continues all the same.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// Locks the screen. The lock stays usable even if another thread has panicked while it held the lock.
fn with(screen: &Mutex<Screen>, act: impl FnOnce(&mut Screen)) {
    act(&mut screen.lock().unwrap_or_else(PoisonError::into_inner));
}

fn name(event: &Event) -> String {
    let step = event.step.as_deref().unwrap_or_default();
    let attempt = event.attempt.filter(|attempt| *attempt > 1);
    let attempt = attempt.map(|attempt| format!(" (attempt {attempt})")).unwrap_or_default();
    format!("{} / {} / {step}{attempt}", event.document, event.phase)
}

fn ended(event: &Event) -> String {
    let how = match event.status {
        Some(Status::Skipped) => "skipped",
        Some(Status::Failed) => "failed",
        Some(Status::IgnoredFailure) => "failed, which is ignored",
        Some(Status::Rebooting) => "runs again after a reboot",
        Some(Status::Success | Status::SuccessWithIgnoredFailure | Status::Running) | None => "success",
    };
    let code = event.exit_code.filter(|code| *code != 0).map(|code| format!(", exit code {code}")).unwrap_or_default();
    let took = event.seconds.map(|seconds| format!(" in {}", duration(seconds))).unwrap_or_default();
    format!("{}: {how}{code}{took}", name(event))
}
