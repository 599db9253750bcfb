//! What becomes of a script's output, as the SSM agent handles it.
//!
//! The agent reads both outputs from pipes and writes each to two files below its orchestration folder: `stdout` is
//! read again, by its path, by the upload to CloudWatch, `stdoutConsole`, by its path, when the script is over: that is
//! the answer. A script that removes the files removes its answer. (amazon-ssm-agent 3.3.1142.0, commandoutput.go.)

use std::fs::File;
use std::io::{self, Write as _};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinHandle;

use super::logs::LogStream;
use crate::guest::Guest;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;
/// Bytes of an output that the agent answers with.
const ANSWER: usize = 24_000;
/// What the agent puts at the end of an answer that it has cut.
const CUT: &[u8] = b"--output truncated--";
/// Bytes of a log that are read in one look: what one call to CloudWatch takes.
const UPLOAD: u64 = 4 * super::logs::EVENT_BYTES as u64;

/// One of the two outputs of a script.
#[derive(Debug)]
pub(super) struct Output {
    /// The file for the log; with `Console` after it, the one for the answer.
    path: String,
    logs: Option<LogStream>,
    /// How much of the log is sent.
    sent: u64,
}

impl Output {
    /// An output whose files have this path.
    pub(super) fn new(path: String, logs: Option<LogStream>) -> Self {
        Output { path, logs, sent: 0 }
    }

    /// Begins to copy a pipe to the two files; what was there stays. It ends when nobody holds the pipe's other end.
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
        // The upload knows nothing of what an earlier start of the agent has sent: it begins anew.
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

    /// Sends the complete lines that the log has got since the last look.
    pub(super) async fn upload(&mut self, guest: &Guest) {
        let Some(logs) = &mut self.logs else { return };
        let Some(bytes) = guest.read(&self.path, self.sent, UPLOAD).await else { return };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        // A line that fills a whole look is cut.
        let whole = if whole == 0 && bytes.len() as u64 == UPLOAD { bytes.len() } else { whole };
        logs.send(&bytes[..whole]).await;
        self.sent += whole as u64;
    }

    /// Sends the rest of the log, now that the script is over. A log that is gone is waited for.
    pub(super) async fn finish_upload(&mut self, guest: &Guest, wait: Duration) {
        let Some(logs) = &mut self.logs else { return };
        loop {
            let Some(bytes) = guest.read(&self.path, self.sent, UPLOAD).await else {
                return tokio::time::sleep(wait).await;
            };
            match bytes.as_slice() {
                [] => return,
                // The uploader skips an empty line and takes it for one that is still to come.
                b"\n" => return tokio::time::sleep(wait).await,
                _ => logs.send(&bytes).await,
            }
            self.sent += bytes.len() as u64;
        }
    }

    /// The answer: what the file holds now; `words` of the agent's own stand at its end. Nothing where it is gone.
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
