//! Standard output that never delays a step.
//!
//! The SSM agent reads a script's output through a pipe and writes it byte by byte, at about 0.7 MB a second (measured
//! with amazon-ssm-agent 3.3.1142.0). A program with more output would wait for the SSM agent while its own time runs.
//! So lines go through a buffer. When the buffer is full, lines of steps are left out, and a line in their place says
//! how many. All of them are in the run's `console.log`. Event lines are never left out, and the order of lines never
//! changes.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use goldsmith_executor::EVENT_PREFIX;

/// The largest number of bytes that wait: what the SSM agent reads in about six seconds.
const ROOM: usize = 4 * 1024 * 1024;

#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    buffer: Mutex<Buffer>,
    changed: Condvar,
}

/// A writer that takes one whole line per call and writes the lines in a thread of its own.
pub(crate) struct Paced {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    left_out: u64,
}

impl Paced {
    /// Begins to write to `target`.
    pub(crate) fn new(target: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.write_on(target)
        });
        Self { shared, writer: Some(writer), left_out: 0 }
    }

    /// Returns the line about the lines that are left out. Empty if there are none.
    fn note(&self) -> String {
        match self.left_out {
            0 => String::new(),
            lines => {
                format!("[{lines} lines are left out here: Systems Manager cannot take more; console.log has them]\n")
            }
        }
    }

    fn put(&mut self, line: &[u8]) {
        let mut buffer = self.shared.lock();
        let is_event = line.starts_with(EVENT_PREFIX.as_bytes());
        let note = self.note();
        // Event lines may exceed the limit: without them, nobody would know which step is running. There are few of
        // them.
        if !is_event && buffer.bytes.len() + note.len() + line.len() > ROOM {
            self.left_out += 1;
            return;
        }
        buffer.bytes.extend_from_slice(note.as_bytes());
        buffer.bytes.extend_from_slice(line);
        self.left_out = 0;
        // The writer would only wait for the lock if it were still held.
        drop(buffer);
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes lines until there are no more. If the reader is gone, the lines are dropped and nothing else ends.
    fn write_on(&self, mut target: impl Write) {
        loop {
            let mut buffer = self.lock();
            while buffer.bytes.is_empty() && !buffer.closed {
                buffer = self.changed.wait(buffer).unwrap_or_else(PoisonError::into_inner);
            }
            let bytes = std::mem::take(&mut buffer.bytes);
            let closed = buffer.closed;
            drop(buffer);
            let _ = target.write_all(&bytes).and_then(|()| target.flush());
            if closed {
                return;
            }
        }
    }
}

impl Write for Paced {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    /// Does nothing: written lines are already queued.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Paced {
    /// Waits until everything is written.
    fn drop(&mut self) {
        let note = self.note();
        let mut buffer = self.shared.lock();
        buffer.bytes.extend_from_slice(note.as_bytes());
        buffer.closed = true;
        drop(buffer);
        self.shared.changed.notify_one();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}
