//! What the endpoint is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use crate::delays::DelayProfile;
use crate::guest::isolation::Isolation;
use crate::guest::network::Network;
use crate::secret::Secret;

/// Longest lag of describe calls.
pub const LONGEST_LAG: Duration = Duration::from_secs(5);

/// How an endpoint is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// What callers must know. They sign with it, under any access key id.
    pub secret: Secret,
    /// Where to listen; port 0 takes a free one, see [`crate::Server::address`].
    pub listen: SocketAddr,
    /// Folder for what exists and for disks and images; made when missing. An endpoint that is started on the folder of
    /// an earlier one goes on where that one ended. One endpoint at a time may use it.
    pub state_dir: PathBuf,
    /// How long instances and images take from state to state.
    pub delays: DelayProfile,
    /// Root file system (tar) that instances of the source image start from, or `/`, this machine's own files:
    /// [`crate::SourceImage::ensure`] names one.
    pub base_image: PathBuf,
    /// How instances' processes are kept together; none: the first that works, in the order of [`Isolation::ALL`].
    pub isolation: Option<Isolation>,
    /// The network of instances; none: one of their own where that works, otherwise this machine's. One of their own that is
    /// asked for and does not work is an error.
    pub network: Option<Network>,
    /// Address of the emulator that takes events and log lines (`http://127.0.0.1:4566`); none: they go nowhere.
    pub events_url: Option<String>,
    /// How old the answers of describe calls are: EC2 is eventually consistent, and so is this when it is not zero.
    /// [`LONGEST_LAG`] at most.
    pub describe_lag: Duration,
    /// Whether an instance's first contact with Systems Manager is an event (`SSM Managed Instance Registration`).
    pub registration_events: bool,
}
