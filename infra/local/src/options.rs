//! The options that an endpoint is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::delays::DelayProfile;
use crate::guest::isolation::{Isolation, Network};
use crate::secret::Secret;

/// Longest lag of describe calls.
pub const LONGEST_LAG: Duration = Duration::from_secs(5);

/// The configuration of an endpoint.
#[derive(Debug, Clone)]
pub struct Options {
    /// The secret that callers must know. They sign with it, under any access key id.
    pub secret: Secret,
    /// Address to listen on. Port 0 takes a free port, see [`crate::Server::address`].
    pub listen: SocketAddr,
    /// Folder for the state, for disks and for images. It is created if it is missing. An endpoint that is started on
    /// the folder of an earlier one continues where that one ended. Only one endpoint at a time may use the folder.
    pub state_dir: PathBuf,
    /// How long instances and images take from one state to the next.
    pub delays: DelayProfile,
    /// Root file system (tar) that instances of the source image start from, or `/` for this machine's own files.
    /// [`crate::SourceImage::ensure`] returns a path for this field.
    pub base_image: PathBuf,
    /// How instances' processes are isolated. `None` takes the first isolation that works, in the order of
    /// [`Isolation::ALL`].
    pub isolation: Option<Isolation>,
    /// The network of instances. `None` gives them one of their own if that works, otherwise this machine's. It is an
    /// error if a network of their own is requested and does not work.
    pub network: Option<Network>,
    /// Address of the emulator that takes events and log lines (`http://127.0.0.1:4566`). With `None`, they are
    /// dropped.
    pub events_url: Option<String>,
    /// How old the answers of describe calls are, at most [`LONGEST_LAG`]. EC2 is eventually consistent, and so is this
    /// endpoint unless the lag is zero.
    pub describe_lag: Duration,
    /// Whether an instance's first contact with Systems Manager sends an event (`SSM Managed Instance Registration`).
    pub registration_events: bool,
}
