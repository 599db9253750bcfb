//! The metadata service as its instance knows it: an address, and an end.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// The metadata service of one instance. It answers as long as this value exists and is not closed.
#[derive(Debug)]
pub(crate) struct Service {
    pub(super) address: SocketAddr,
    pub(super) emulator: Option<String>,
    /// The listener ends when this sender is dropped.
    pub(super) open: Mutex<Option<oneshot::Sender<()>>>,
}

impl Service {
    /// Returns the variables with which programs in the instance find this service, and AWS.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&'static str, String)> {
        let metadata = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}", self.address));
        let aws = self.emulator.as_ref().map(|url| ("AWS_ENDPOINT_URL", url.clone()));
        [metadata].into_iter().chain(aws)
    }

    /// Ends the listener, even if other tasks still know the instance.
    pub(crate) fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}
