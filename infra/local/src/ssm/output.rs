//! The processing of a script's output, as the SSM agent does it.
//!
//! The agent reads both outputs from pipes and writes each to two files below its orchestration folder. The upload to
//! CloudWatch reads `stdout` again, by its path. When the script has ended, the agent reads `stdoutConsole`, by its
//! path: its content is the answer. A script that removes the files removes its answer. (amazon-ssm-agent 3.3.1142.0,
//! commandoutput.go.)

use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinHandle;

use super::logs::LogStream;
use crate::guest::Guest;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;
/// Most bytes of an output in the agent's answer.
const ANSWER: usize = 24_000;
/// Text that the agent adds to an answer that it has cut.
const CUT: &[u8] = b"--output truncated--";
/// Most bytes of a log that are read at a time: the amount that one call to CloudWatch takes.
const UPLOAD: u64 = 4 * super::logs::EVENT_BYTES as u64;

/// One of the two outputs of a script.
#[derive(Debug)]
pub(super) struct Output {
    /// The file for the log. With `Console` after it, the path names the file for the answer.
    path: String,
    logs: Option<LogStream>,
    /// How much of the log has been sent.
    sent: u64,
}

impl Output {
    /// Returns an output whose files have this path.
    pub(super) fn new(path: String, logs: Option<LogStream>) -> Self {
        Output { path, logs, sent: 0 }
    }

    /// Starts to copy a pipe to the two files, and keeps their content. The copy ends when no process holds the pipe's
    /// other end.
    pub(super) async fn copy(
        &mut self,
        guest: &Guest,
        pipe: impl AsyncRead + Unpin + Send + 'static,
        rate: Option<f64>,
    ) -> io::Result<JoinHandle<()>> {
        let mut files = Vec::new();
        for path in [self.path.clone(), self.console()] {
            files.push(guest.open(&path).await.map_err(io::Error::other)?);
        }
        // The upload does not know what an earlier start of the agent has sent, so it starts from the beginning.
        self.sent = 0;
        Ok(tokio::spawn(async move {
            if let Err(error) = copy(pipe, files, rate).await {
                tracing::warn!(%error, "output is lost");
            }
        }))
    }

    fn console(&self) -> String {
        format!("{}Console", self.path)
    }

    /// Sends the complete lines that were added to the log since the last call.
    pub(super) async fn upload(&mut self, guest: &Guest) {
        let Some(logs) = &mut self.logs else { return };
        let Some(bytes) = guest.read(&self.path, self.sent, UPLOAD).await else { return };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        // A line that fills a whole read is cut.
        let whole = if whole == 0 && bytes.len() as u64 == UPLOAD { bytes.len() } else { whole };
        logs.send(&bytes[..whole]).await;
        self.sent += whole as u64;
    }

    /// Sends the rest of the log after the script has ended. If the log is gone, this function waits for it.
    pub(super) async fn finish_upload(&mut self, guest: &Guest, wait: Duration) {
        let Some(logs) = &mut self.logs else { return };
        loop {
            let Some(bytes) = guest.read(&self.path, self.sent, UPLOAD).await else {
                return tokio::time::sleep(wait).await;
            };
            match bytes.as_slice() {
                [] => return,
                // The uploader skips an empty line and assumes that more is still to come.
                b"\n" => return tokio::time::sleep(wait).await,
                _ => logs.send(&bytes).await,
            }
            self.sent += bytes.len() as u64;
        }
    }

    /// Returns the answer: the current content of the file, followed by `words`, the agent's own message. Without the
    /// file, the content is empty.
    pub(super) async fn answer(&self, guest: &Guest, words: &str) -> String {
        let Some(mut bytes) = guest.read(&self.console(), 0, ANSWER as u64).await else { return String::new() };
        bytes.extend_from_slice(words.as_bytes());
        if bytes.len() >= ANSWER {
            bytes.truncate(ANSWER - CUT.len());
            bytes.extend_from_slice(CUT);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

async fn copy(mut pipe: impl AsyncRead + Unpin, mut files: Vec<File>, rate: Option<f64>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let size = pipe.read(&mut chunk).await?;
        if size == 0 {
            return Ok(());
        }
        for file in &mut files {
            file.write_all(&chunk[..size])?;
        }
        if let Some(rate) = rate {
            tokio::time::sleep(Duration::from_secs_f64(size as f64 / rate)).await;
        }
    }
}
