//! The operating systems that documents are written for.

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
    /// All of them with the names that a user gives.
    pub const ALL: [(&'static str, Platform); 3] =
        [("linux", Platform::Linux), ("macos", Platform::Macos), ("windows", Platform::Windows)];

    /// The name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Platform::Linux => "Linux",
            Platform::Macos => "macOS",
            Platform::Windows => "Windows",
        }
    }
}
