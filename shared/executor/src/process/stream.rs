//! One of the two output pipes of a process, and the lines in it.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use rustix::fs::{OFlags, fcntl_setfl};

/// The longest line. A longer line is cut into several, because a program that never ends its line must not fill the
/// memory.
const LINE_LIMIT: usize = 64 * 1024;
/// The most that is read at once.
const CHUNK: usize = 8 * 1024;

pub(super) struct Stream {
    name: &'static str,
    pipe: File,
    /// The beginning of a line whose end has not arrived.
    line: Vec<u8>,
}

impl Stream {
    pub(super) fn new(name: &'static str, pipe: impl Into<OwnedFd>) -> Self {
        Self { name, pipe: pipe.into().into(), line: Vec::new() }
    }

    /// Sets whether a read waits for bytes. Other processes may read the same pipe, so what [`poll`] has announced may be
    /// gone, and a read that waits for more would outlast the deadline.
    ///
    /// [`poll`]: rustix::event::poll
    pub(super) fn set_waiting(&self, waits: bool) -> io::Result<()> {
        let flags = if waits { OFlags::empty() } else { OFlags::NONBLOCK };
        Ok(fcntl_setfl(&self.pipe, flags)?)
    }

    /// Takes what has arrived. Calls `each` for each line, or part of a line that is too long,
    /// and says whether more of the line follows. Returns whether the stream is still open.
    pub(super) fn take(&mut self, each: &mut dyn FnMut(&'static str, Vec<u8>, bool)) -> bool {
        let mut bytes = [0; CHUNK];
        match self.pipe.read(&mut bytes) {
            Ok(length @ 1..) => {
                self.split(bytes.get(..length).unwrap_or_default(), each);
                true
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => true,
            Ok(0) | Err(_) => {
                if let Some((name, line)) = self.beginning() {
                    each(name, line, false);
                }
                false
            }
        }
    }

    fn split(&mut self, mut bytes: &[u8], each: &mut dyn FnMut(&'static str, Vec<u8>, bool)) {
        while !bytes.is_empty() {
            let room = LINE_LIMIT - self.line.len();
            let _ = (&mut bytes).take(room as u64).read_until(b'\n', &mut self.line); // memory can always be read
            let is_whole = self.line.last() == Some(&b'\n');
            if is_whole || self.line.len() == LINE_LIMIT {
                each(self.name, std::mem::take(&mut self.line), !is_whole);
            }
        }
    }

    /// Returns the beginning of a line whose end has not arrived.
    pub(super) fn beginning(&mut self) -> Option<(&'static str, Vec<u8>)> {
        Some((self.name, std::mem::take(&mut self.line))).filter(|(_, line)| !line.is_empty())
    }

    /// Reads the rest, which nobody needs, in the background: without a reader, a process that stays after its step
    /// would be killed by its next line.
    pub(super) fn drop_rest(mut self) {
        let _ = self.set_waiting(true); // without it, the thread ends early
        let _ = thread::Builder::new().spawn(move || io::copy(&mut self.pipe, &mut io::sink()));
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{LINE_LIMIT, Stream};

    #[test]
    fn lines_are_split_whatever_pieces_they_arrive_in() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut stream = Stream::new("Stdout", reader);
        let mut lines = Vec::new();
        let mut take = |stream: &mut Stream| {
            stream.take(&mut |name, line, is_cut| lines.push((name, String::from_utf8(line).unwrap(), is_cut)))
        };
        for piece in ["a\n\nb", "c", "\nd\ne"] {
            writer.write_all(piece.as_bytes()).unwrap();
            assert!(take(&mut stream));
        }
        drop(writer);
        assert!(!take(&mut stream));
        let whole = |line: &str| ("Stdout", line.to_owned(), false);
        assert_eq!(lines, [whole("a\n"), whole("\n"), whole("bc\n"), whole("d\n"), whole("e")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut stream = Stream::new("Stderr", reader);
        let mut lines = Vec::new();
        let text = "x".repeat(LINE_LIMIT - 1) + "\n" + &"y".repeat(LINE_LIMIT) + "\n";
        for piece in text.as_bytes().chunks(1000) {
            stream.split(piece, &mut |_, line, is_cut| lines.push((line[0], line.len(), is_cut)));
        }
        assert_eq!(lines, [(b'x', LINE_LIMIT, false), (b'y', LINE_LIMIT, true), (b'\n', 1, false)]);
    }

    #[test]
    fn a_process_that_stays_can_go_on_writing() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        Stream::new("Stdout", reader).drop_rest();
        // More than a pipe holds, so somebody reads it.
        writer.write_all(&[b'x'; 4 * LINE_LIMIT]).unwrap();
    }
}
