//! How fast the resources of the fake change. They change when they are looked at, so that no test needs a clock.

/// A number of checks that is never used up.
pub const NEVER: u32 = u32::MAX;

/// Number of checks for which a resource stays unchanged before it changes. 0 means that it changes at once, and
/// [`NEVER`] means that it never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From `pending` to `running`.
    pub until_running: u32,
    /// From `running` until SSM reports the instance online, counted in checks of its ping status.
    pub until_online: u32,
    /// From `stopping` to `stopped`, and from `shutting-down` to `terminated`.
    pub until_stopped: u32,
    /// From `pending` to `available` or `failed`.
    pub until_image: u32,
    /// Until an export has ended.
    pub until_export: u32,
    /// Until a command has ended.
    pub until_command: u32,
    /// Number of checks for which a new instance, spot request, image or snapshot cannot be found, because EC2 is
    /// eventually consistent. Calls that change the resource always find it, except the call that cancels a request,
    /// which counts as a check.
    pub hide_new: u32,
    /// Until a parameter of the type `aws:ec2:image` returns the value that was written.
    pub until_parameter: u32,
    /// Number of calls that do not find a new command yet, neither by its id nor by its comment.
    pub hide_new_command: u32,
    /// Number of copies that may be pending in one Region; EC2's own limit is 20.
    pub copies_at_once: usize,
    /// Number of exports that may be in progress in one Region; EC2's own limit is 5.
    pub exports_at_once: usize,
    /// Whether `StartExecution` rejects even a call with the same input while the execution is running, as emulators
    /// do.
    pub refuse_repeated_start: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            until_running: 1,
            until_online: 1,
            until_stopped: 1,
            until_image: 1,
            until_export: 1,
            until_command: 1,
            hide_new: 0,
            until_parameter: 0,
            hide_new_command: 0,
            copies_at_once: 20,
            exports_at_once: 5,
            refuse_repeated_start: false,
        }
    }
}

/// Number of remaining checks until something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looks(pub(super) u32);

impl Looks {
    /// Counts one check. Returns false if no check was left.
    pub(super) fn spend(&mut self) -> bool {
        match self.0 {
            0 => false,
            NEVER => true,
            _ => {
                self.0 -= 1;
                true
            }
        }
    }

    pub(super) fn is_over(self) -> bool {
        self.0 == 0
    }

    /// Makes the change happen now, unless it can never happen.
    pub(super) fn settle(&mut self) {
        if self.0 != NEVER {
            self.0 = 0;
        }
    }
}
