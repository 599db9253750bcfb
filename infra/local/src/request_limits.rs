//! How long a request may take to come, and how large it may be: a client that stops halfway must not be waited for for ever.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::dispatch::NoAnswer;

/// What one request is given. How long its answer takes is not bounded: a fault may hold it.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// From the connection, or the answer before, to the end of the head.
    pub head: Duration,
    /// From there to the end of the body.
    pub body: Duration,
    /// Bytes of a body.
    pub bytes: usize,
}

impl Default for RequestLimits {
    /// The largest request is a block of a snapshot, 512 KiB. A minute is much for that on one machine.
    fn default() -> Self {
        RequestLimits { head: Duration::from_secs(60), body: Duration::from_secs(60), bytes: 1024 * 1024 }
    }
}

impl RequestLimits {
    /// A body; none when it is too large. That is read to its end and not kept: a client that is still sending does not look
    /// for an answer.
    pub(crate) async fn read(&self, mut body: Incoming) -> Result<Option<Bytes>, NoAnswer> {
        let read = async {
            let mut kept = Some(Vec::new());
            while let Some(frame) = body.frame().await {
                let Ok(data) = frame.map_err(|_| NoAnswer)?.into_data() else { continue };
                kept = kept.filter(|bytes| bytes.len() + data.len() <= self.bytes);
                if let Some(bytes) = &mut kept {
                    bytes.extend_from_slice(&data);
                }
            }
            Ok(kept.map(Bytes::from))
        };
        timeout(self.body, read).await.unwrap_or(Err(NoAnswer))
    }
}
