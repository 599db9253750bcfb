//! Where a run's words go: the steps' lines and the event lines to the agent's standard output, both with times to the
//! log folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use jiff::Timestamp;

use crate::Event;

/// The first character of an event line; a step's own line that begins with it is escaped.
const MARK: u8 = 0x1e;

/// The run's outputs. What cannot be written is dropped: a full disk or a closed pipe shows when the state is saved or
/// when the caller is gone, and must not stop a step in its middle.
pub(crate) struct Output<'o> {
    stdout: &'o mut dyn Write,
    console: Option<File>,
    application: Option<File>,
}

impl<'o> Output<'o> {
    /// Opens the logs of a folder, creating it where needed, and goes on with those that are there.
    pub(crate) fn open(stdout: &'o mut dyn Write, folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let open = |name| OpenOptions::new().create(true).append(true).open(folder.join(name));
        Ok(Self { stdout, console: Some(open("console.log")?), application: Some(open("application.log")?) })
    }

    /// A line that a step wrote, without its end.
    pub(crate) fn line(&mut self, stream: &str, line: &[u8]) {
        let escaped = line.first() == Some(&MARK);
        let (prefix, rest) = if escaped { (&b"\\x1e"[..], &line[1..]) } else { (&b""[..], line) };
        let whole = [prefix, rest, b"\n"].concat();
        let _ = self.stdout.write_all(&whole).and_then(|()| self.stdout.flush());
        self.console_line(&format!("{stream}: {}", String::from_utf8_lossy(line)));
    }

    /// A start or an end.
    pub(crate) fn event(&mut self, event: &Event) {
        let _ = writeln!(self.stdout, "{}", event.to_line()).and_then(|()| self.stdout.flush());
        let step = event.step.as_ref().map(|step| format!(" step {step}")).unwrap_or_default();
        let status = event.status.map(|status| format!(": {status:?}")).unwrap_or_default();
        self.log(&format!("{:?} document {} phase {}{step}{status}", event.kind, event.document, event.phase));
    }

    /// A line for whoever looks for a fault.
    pub(crate) fn log(&mut self, text: &str) {
        write_line(&mut self.application, "Debug", text);
        self.console_line(text);
    }

    fn console_line(&mut self, text: &str) {
        write_line(&mut self.console, "Info", text);
    }
}

fn write_line(file: &mut Option<File>, level: &str, text: &str) {
    let time = Timestamp::now().strftime("%Y-%m-%d %H:%M:%S%.3f");
    if let Some(open) = file
        && writeln!(open, "{time} {level} {text}").is_err()
    {
        *file = None;
    }
}
