//! Follows the files that a script's output goes to: what an answer keeps, and the lines for the log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;
/// Most bytes that one log event may have (CloudWatch's limit is 256 KiB with 26 bytes of its own).
const LONGEST_LINE: usize = 256 * 1024 - 26;

/// One of the two outputs of a script.
#[derive(Debug)]
pub(super) struct Output {
    file: Option<File>,
    offset: u64,
    /// Characters that the answer keeps.
    limit: usize,
    kept: Vec<u8>,
    /// The line that has not ended yet.
    open_line: Vec<u8>,
    lines: Vec<String>,
}

impl Output {
    pub(super) fn new(limit: usize) -> Self {
        Output { file: None, offset: 0, limit, kept: Vec::new(), open_line: Vec::new(), lines: Vec::new() }
    }

    /// Follows a file from where the last one ended: after a reboot it is the same one, or a new one if the script
    /// removed it.
    pub(super) fn follow(&mut self, file: File) -> io::Result<()> {
        self.offset = self.offset.min(file.metadata()?.len());
        self.file = Some(file);
        Ok(())
    }

    /// Lets go of the file, so that its disk can be unmounted.
    pub(super) fn release(&mut self) {
        self.file = None;
    }

    /// Reads what was added.
    pub(super) fn read(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        while let Some(file) = &self.file {
            let size = file.read_at(&mut chunk, self.offset)?;
            if size == 0 {
                break;
            }
            self.offset += size as u64;
            // A character has four bytes at most.
            let room = (self.limit * 4).saturating_sub(self.kept.len()).min(size);
            self.kept.extend_from_slice(&chunk[..room]);
            for part in chunk[..size].split_inclusive(|byte| *byte == b'\n') {
                self.open_line.extend_from_slice(part);
                if part.ends_with(b"\n") || self.open_line.len() >= LONGEST_LINE {
                    self.end_line();
                }
            }
        }
        Ok(())
    }

    /// Makes a line of what has no end yet: the script is over.
    pub(super) fn end_line(&mut self) {
        let line = std::mem::take(&mut self.open_line);
        let text = String::from_utf8_lossy(&line);
        // CloudWatch refuses empty events.
        let text = text.trim_end_matches('\n');
        if !text.is_empty() {
            self.lines.push(text.to_owned());
        }
    }

    /// Takes the lines that are complete.
    pub(super) fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// What the answer keeps: the first characters, and `more` if they still fit.
    pub(super) fn kept(&self, more: &str) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        text.chars().chain(more.chars()).take(self.limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn keeps_the_first_characters_and_hands_out_whole_lines() {
        let mut file = tempfile::tempfile().unwrap();
        let mut output = Output::new(6);
        output.follow(file.try_clone().unwrap()).unwrap();
        file.write_all("äb\ncd".as_bytes()).unwrap();
        output.read().unwrap();
        assert_eq!(output.take_lines(), ["äb"]);
        file.write_all(b"ef\n\ng").unwrap();
        output.read().unwrap();
        output.end_line();
        assert_eq!(output.take_lines(), ["cdef", "g"]);
        assert_eq!(output.kept("more"), "äb\ncde");
    }
}
