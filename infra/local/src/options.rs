//! What the endpoint is started with, and the delays that it imitates.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How an endpoint is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one, see [`crate::Server::address`].
    pub listen: SocketAddr,
    /// Folder for disks and images; made when missing, emptied at the start: images live as long as their endpoint. One
    /// endpoint at a time may use it.
    pub state_dir: PathBuf,
    /// How long instances and images take from state to state.
    pub delays: DelayProfile,
    /// Root file system (tar) that instances of the source image start from: [`crate::ensure_base_image`] makes one.
    pub base_image: PathBuf,
    /// Address of the emulator that takes events and log lines (`http://127.0.0.1:4566`); none: they go nowhere.
    pub events_url: Option<String>,
    /// How old the answers of describe calls are: EC2 is eventually consistent, and so is this when it is not zero.
    pub describe_lag: Duration,
}

/// The two speeds of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DelayProfile {
    /// Short, but long enough to see each state: for demonstrations and end-to-end tests.
    Demo,
    /// No waiting at all.
    Instant,
}

/// Time that an instance spends in each passing state (`pending`, `stopping`, `shutting-down`).
pub(crate) const DEMO_STATE: Duration = Duration::from_millis(200);
/// Time from `running` until Systems Manager reports the instance online.
pub(crate) const DEMO_ONLINE: Duration = Duration::from_millis(500);
/// Time that an image stays `pending` at least; copying its content may take longer.
pub(crate) const DEMO_IMAGE: Duration = Duration::from_secs(1);

/// The delays of one profile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delays {
    pub(crate) state: Duration,
    pub(crate) online: Duration,
    pub(crate) image: Duration,
}

impl From<DelayProfile> for Delays {
    fn from(profile: DelayProfile) -> Self {
        match profile {
            DelayProfile::Demo => Delays { state: DEMO_STATE, online: DEMO_ONLINE, image: DEMO_IMAGE },
            DelayProfile::Instant => Delays { state: Duration::ZERO, online: Duration::ZERO, image: Duration::ZERO },
        }
    }
}
