//! Inputs of the actions on the operating system.

use crate::{Setting, Template};

/// Inputs of `Reboot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reboot {
    /// Seconds to wait before the reboot. Default 0.
    pub delay_seconds: Setting<u64>,
}

/// Inputs of `UpdateOS`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateOs {
    /// The names of what is updated: packages on Linux, updates by name or number on Windows. An empty list updates
    /// everything.
    pub include: Vec<Template>,
    /// The names of what is not updated.
    pub exclude: Vec<Template>,
}
