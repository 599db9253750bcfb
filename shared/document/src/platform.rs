//! The operating systems for which documents are written.

/// An operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Linux.
    Linux,
    /// macOS.
    Macos,
    /// Windows.
    Windows,
}

impl Platform {
    /// All platforms with the names that a user gives.
    pub const ALL: [(&'static str, Platform); 3] =
        [("linux", Platform::Linux), ("macos", Platform::Macos), ("windows", Platform::Windows)];

    /// Returns the name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Platform::Linux => "Linux",
            Platform::Macos => "macOS",
            Platform::Windows => "Windows",
        }
    }
}
