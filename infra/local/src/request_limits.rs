//! How long a request may take to arrive, and how large it may be: the endpoint must not wait for ever for a client
//! that stops halfway.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::api::NoAnswer;

/// The limits of one request. The time of its answer has no limit: a fault may hold the answer.
#[derive(Debug, Clone, Copy)]
pub struct RequestLimits {
    /// From the connection, or the previous answer, to the end of the head.
    pub head: Duration,
    /// From the end of the head to the end of the body.
    pub body: Duration,
    /// Size of a body, in bytes.
    pub bytes: usize,
}

impl Default for RequestLimits {
    /// The largest request is a block of a snapshot, 512 KiB. A minute is ample for that on one machine.
    fn default() -> Self {
        RequestLimits { head: Duration::from_secs(60), body: Duration::from_secs(60), bytes: 1024 * 1024 }
    }
}

impl RequestLimits {
    /// Reads a body; returns `None` if it is too large. Such a body is read to its end, but not kept: a client that is
    /// still sending does not wait for an answer yet.
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
