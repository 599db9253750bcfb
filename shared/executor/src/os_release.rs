//! The information of `/etc/os-release` about the operating system.

use std::fs;

/// The fields that are used here. A field that the file does not have is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OsRelease {
    /// `amzn`, `debian`.
    pub(crate) id: String,
    /// The distributions from which it descends, the nearest first: `rhel centos fedora`.
    pub(crate) id_like: String,
    /// `Amazon Linux`.
    pub(crate) name: String,
    /// `2023`, `12`.
    pub(crate) version: String,
}

impl OsRelease {
    /// Reads the file of this machine.
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string("/etc/os-release").or_else(|_| fs::read_to_string("/usr/lib/os-release"));
        Self::parse(&text.unwrap_or_default())
    }

    fn parse(text: &str) -> Self {
        let field = |key: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            value.unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
        };
        Self { id: field("ID"), id_like: field("ID_LIKE"), name: field("NAME"), version: field("VERSION_ID") }
    }
}

#[cfg(test)]
mod tests {
    use super::OsRelease;

    #[test]
    fn quotes_are_left_out() {
        let text = "PRETTY_NAME=\"x\"\nNAME=\"Amazon Linux\"\nVERSION_ID='2023'\nID=amzn\nID_LIKE=\"fedora\"\n";
        let expected = OsRelease {
            id: "amzn".into(),
            id_like: "fedora".into(),
            name: "Amazon Linux".into(),
            version: "2023".into(),
        };
        assert_eq!(OsRelease::parse(text), expected);
        assert_eq!(OsRelease::parse(""), OsRelease::default());
    }
}
