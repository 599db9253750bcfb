//! How fast the world moves: by looks, so that no test needs a clock.

/// A number of looks that never run out.
pub const NEVER: u32 = u32::MAX;

/// How many looks at a resource find it unchanged before it has moved on; 0 is at once, [`NEVER`] is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From `pending` to `running`.
    pub until_running: u32,
    /// From `running` until SSM calls it online, in looks at that.
    pub until_online: u32,
    /// From `stopping` to `stopped`, and from `shutting-down` to `terminated`.
    pub until_stopped: u32,
    /// From `pending` to `available` or `failed`.
    pub until_image: u32,
    /// Until a command has ended.
    pub until_command: u32,
    /// How many looks do not find a new instance, image or snapshot at all, as EC2 is eventually consistent.
    /// Effects always find what is there.
    pub hide_new: u32,
    /// Until a parameter of the type `aws:ec2:image` holds what was put.
    pub until_parameter: u32,
    /// How many looks do not find a new command's invocation.
    pub hide_new_command: u32,
    /// Copies that may be pending in one Region; EC2's own limit is 20.
    pub copies_at_once: usize,
    /// Whether `StartExecution` refuses even the same input while the execution runs, as emulators do.
    pub refuse_repeated_start: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            until_running: 1,
            until_online: 1,
            until_stopped: 1,
            until_image: 1,
            until_command: 1,
            hide_new: 0,
            until_parameter: 0,
            hide_new_command: 0,
            copies_at_once: 20,
            refuse_repeated_start: false,
        }
    }
}

/// Looks that are left until something happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Looks(pub(super) u32);

impl Looks {
    /// Uses one; whether one was left to use.
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

    /// Lets it happen now, unless it never does.
    pub(super) fn settle(&mut self) {
        if self.0 != NEVER {
            self.0 = 0;
        }
    }
}
