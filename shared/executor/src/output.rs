//! The outputs of a run. The steps' lines and the event lines go to the agent's standard output, and both go with times
//! to the log folder. Secrets are masked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

use crate::secrets::Secrets;
use crate::{Event, Nonce};

/// The first character of an event line. A line of a step that begins with it is escaped.
const MARK: char = '\u{1e}';

/// The outputs of a run. Lines that cannot be written are dropped, because a full disk or a closed pipe must not stop a
/// step in its middle. The problem shows when the state is saved or the caller is gone.
pub(crate) struct Output<'o> {
    stdout: &'o mut dyn Write,
    console: Option<File>,
    application: Option<File>,
    /// The nonce that seals the event lines.
    nonce: Option<Nonce>,
    /// The values that must not be shown.
    pub(crate) secrets: Secrets,
    /// Whether the lines of steps are currently dropped: `disableLogging`.
    pub(crate) muted: bool,
}

impl<'o> Output<'o> {
    /// Opens the logs of a folder. A missing folder is created, and existing logs are continued.
    pub(crate) fn open(
        stdout: &'o mut dyn Write,
        folder: &Path,
        secrets: Secrets,
        nonce: Option<Nonce>,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let open = |name| OpenOptions::new().create(true).append(true).open(folder.join(name));
        let (console, application) = (Some(open("console.log")?), Some(open("application.log")?));
        Ok(Self { stdout, console, application, nonce, secrets, muted: false })
    }

    /// Writes a line of a step, given without its line end. Returns the text that was shown.
    pub(crate) fn line(&mut self, stream: &str, line: &[u8]) -> Option<String> {
        if self.muted {
            return None;
        }
        let text = String::from_utf8_lossy(line);
        let text = self.secrets.masked(&text).into_owned();
        let shown = match text.strip_prefix(MARK) {
            Some(rest) => format!("\\x1e{rest}\n"),
            None => format!("{text}\n"),
        };
        let _ = self.stdout.write_all(shown.as_bytes()).and_then(|()| self.stdout.flush());
        self.console_line(&format!("{stream}: {text}"));
        Some(text)
    }

    /// Writes an event line.
    pub(crate) fn event(&mut self, event: &Event) {
        let line = format!("{}\n", event.to_line(self.nonce.as_ref())); // in one piece, like the lines of steps
        let _ = self.stdout.write_all(line.as_bytes()).and_then(|()| self.stdout.flush());
        let step = event.step.as_ref().map(|step| format!(" step {step}")).unwrap_or_default();
        let status = event.status.map(|status| format!(": {status:?}")).unwrap_or_default();
        self.log(&format!("{:?} document {} phase {}{step}{status}", event.kind, event.document, event.phase));
    }

    /// Writes a line of the agent itself between the lines of the steps, for people who watch the run.
    pub(crate) fn remark(&mut self, text: &str) {
        self.line("Goldsmith", text.as_bytes());
    }

    /// Writes a line to the logs, for people who search for a fault.
    pub(crate) fn log(&mut self, text: &str) {
        let text = self.secrets.masked(text).into_owned();
        write_line(&mut self.application, "Debug", &text);
        self.console_line(&text);
    }

    fn console_line(&mut self, text: &str) {
        write_line(&mut self.console, "Info", text);
    }
}

fn write_line(file: &mut Option<File>, level: &str, text: &str) {
    let time = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.3f");
    let line = format!("{time} {level} {text}\n"); // one write; formatting into a file would write each piece separately
    if let Some(open) = file
        && open.write_all(line.as_bytes()).is_err()
    {
        // The log may end in the middle of a line now, so nothing more is added to it.
        *file = None;
    }
}
