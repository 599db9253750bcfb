//! What a state waits for, and how long a function itself keeps looking.

use std::time::Duration;

use goldsmith_store::{Place, PlannedRegion, Wait};
use jiff::{SignedDuration, Timestamp};

use crate::WokenBy;
use crate::engine::drive::Scene;

/// How long a function keeps looking if an event will wake it again, or if the tick has woken it: enough for what
/// follows at once, and for the time in which EC2 still describes an older state than its event does. A function that
/// only waits costs money, and takes one of the ten places that a new account has for functions at once.
const BRIEFLY: SignedDuration = SignedDuration::from_secs(3);
/// How long a function keeps looking that has begun something whose event is far away, which is one or two more looks: an
/// event that came before the wait was parked has found nobody.
const TWICE: SignedDuration = SignedDuration::from_millis(300);
/// How long a function keeps looking if no event will wake it and the end is near. This time is half of the functions'
/// time-out.
pub(super) const SOON: SignedDuration = SignedDuration::from_secs(55);
/// How long the first invocation of a state keeps looking if no event will wake it and the end is far away.
const LATER: SignedDuration = SignedDuration::from_secs(10);
/// How long a launch that EC2 has refused the room of an instance is left alone when others end: many may end that
/// leave no room for it, as when an Auto Scaling group replaces its instances.
pub(crate) const REST: SignedDuration = SignedDuration::from_secs(10);
/// Longest pause between two checks.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Longest pause if the end is near and nothing but a check will tell.
const SHORT_PAUSE: Duration = Duration::from_secs(1);

/// What a state waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    /// Id of the resource that the awaited event names.
    pub resource: String,
    /// Region of the resource.
    pub region: String,
    /// What the state waits for at the moment, in words for people.
    pub detail: String,
    /// How the wait ends.
    pub ends: Ends,
    /// The pause of a launch that waits for room, or `None` if every tick looks.
    pub pause: Option<Pause>,
}

/// A pause before the next look of a launch that waits for room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pause {
    /// When the tick looks again.
    pub until: Timestamp,
    /// Whether the launch lets another one ask first, in its own line or, if it is new, in one with a lower rank. It
    /// asks within a minute after it has become the first of its line.
    pub behind: bool,
}

/// A launch that waits for room, as its last look has left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InLine {
    /// Its place.
    pub place: Place,
    /// Its pause.
    pub pause: Pause,
    /// Whether there may be room for it now, so that its pause has ended early.
    pub has_room: bool,
}

impl InLine {
    /// Returns the place and the pause of a wait for room, or `None` if the wait is for anything else.
    pub(super) fn of(wait: &Wait) -> Option<Self> {
        // A wait whose time cannot be read is looked at by every tick.
        let until = wait.next_look.parse().unwrap_or(Timestamp::MIN);
        Some(Self { place: wait.place()?, pause: Pause { until, behind: wait.behind }, has_room: wait.has_room })
    }
}

/// How a wait ends, which decides for how long a function keeps looking before the tick continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// An event of the home Region names the resource when the wait ends well, and the template has a rule for it, but
    /// EC2 needs more than some seconds. What goes wrong may be seen by the tick only.
    WithEvent,
    /// The same, but the wait may be short. The end of an instance on which a command runs may be seen by the tick only.
    SoonWithEvent,
    /// No event tells, and the wait usually ends within a minute.
    Soon,
    /// No event tells, and the wait may take long.
    Later,
}

impl Ends {
    /// Returns how long a function keeps looking that was woken by this, or started.
    pub(super) fn patience(self, woken: Option<WokenBy>) -> SignedDuration {
        match (self, woken) {
            (Self::Soon, _) => SOON,
            (Self::Later, None) => LATER,
            // Nothing may have happened at all.
            (Self::WithEvent | Self::SoonWithEvent, Some(WokenBy::Tick)) => SignedDuration::ZERO,
            (Self::WithEvent, None) => TWICE,
            (Self::WithEvent | Self::SoonWithEvent, _) | (Self::Later, Some(_)) => BRIEFLY,
        }
    }

    pub(super) fn longest_pause(self) -> Duration {
        match self {
            Self::Soon => SHORT_PAUSE,
            Self::WithEvent | Self::SoonWithEvent | Self::Later => LONGEST_PAUSE,
        }
    }
}

impl Pending {
    /// Returns a wait for a resource of the home Region.
    pub(crate) fn at_home(scene: &Scene<'_>, resource: impl Into<String>, detail: String, ends: Ends) -> Self {
        Self { resource: resource.into(), region: scene.home().to_owned(), detail, ends, pause: None }
    }

    /// Returns a wait for a resource of any Region. EventBridge has the events of another Region only there, and EC2
    /// sends none about an export.
    pub(crate) fn in_region(planned: &PlannedRegion, resource: impl Into<String>, detail: String) -> Self {
        Self { resource: resource.into(), region: planned.region.clone(), detail, ends: Ends::Later, pause: None }
    }

    /// Returns the wait of a launch for room. The end of any instance may give it room.
    pub(crate) fn for_room(scene: &Scene<'_>, place: &Place, detail: String, pause: Pause) -> Self {
        Self { pause: Some(pause), ..Self::at_home(scene, place.to_string(), detail, Ends::Later) }
    }
}
