//! What a document is checked for, besides itself.

use crate::{Module, Platform};

/// Where a document is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The operating system: modules that it does not have are errors. `None`: any that the modules have.
    pub platform: Option<Platform>,
    /// Modules that must not be used.
    pub blocked: Vec<Module>,
}
