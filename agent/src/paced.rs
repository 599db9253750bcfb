//! Standard output that never holds a step up.
//!
//! The SSM agent reads a script's output through a pipe and writes it on byte by byte, at about 0.7 MB a second
//! (measured with amazon-ssm-agent 3.3.1142.0). A program that says more would wait for it, and its time would run. So
//! lines go through a buffer; when it is full, steps' lines are left out here, and how many is said in their place. All
//! of them are in the run's `console.log`. Event lines are never left out, and nothing changes its place.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use goldsmith_executor::EVENT_PREFIX;

/// Bytes that wait at most: what the SSM agent takes in about six seconds.
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

/// A writer that takes whole lines, one a call, and hands them on by a thread of its own.
pub(crate) struct Paced {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
    left_out: u64,
}

impl Paced {
    /// Begins to write on to `target`.
    pub(crate) fn new(target: impl Write + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.write_on(target)
        });
        Self { shared, writer: Some(writer), left_out: 0 }
    }

    /// What is said of the lines that are left out; empty where there are none.
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
        if !is_event && buffer.bytes.len() + note.len() + line.len() > ROOM {
            self.left_out += 1;
            return;
        }
        buffer.bytes.extend_from_slice(note.as_bytes());
        buffer.bytes.extend_from_slice(line);
        self.left_out = 0;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what comes until there will be no more. A reader that is gone ends nothing: the lines are dropped.
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

    /// What was written is on its way.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Paced {
    /// Waits until all is written on.
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
