//! The target for which a document is checked.

use crate::{Module, Platform};

/// The environment in which a document is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The operating system. Modules that it does not have are errors. `None` accepts every module.
    pub platform: Option<Platform>,
    /// Modules that must not be used.
    pub blocked: Vec<Module>,
}
