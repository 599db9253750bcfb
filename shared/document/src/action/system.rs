//! Inputs of the actions on the operating system.

use super::input::{inputs, optional_texts, value_or};
use crate::{Setting, Template};

inputs! {
    /// Inputs of `Reboot`.
    Reboot on NOT_MACOS {
        /// Seconds to wait before the reboot.
        delay_seconds: Setting<u64> = value_or("delaySeconds", "0"),
    }
}

inputs! {
    /// Inputs of `UpdateOS`.
    UpdateOs on NOT_MACOS {
        /// The names of what is updated: packages on Linux, updates by name or number on Windows. An empty list updates
        /// everything.
        include: Vec<Template> = optional_texts("include", "an update"),
        /// The names of what is not updated.
        exclude: Vec<Template> = optional_texts("exclude", "an update"),
    }
}
