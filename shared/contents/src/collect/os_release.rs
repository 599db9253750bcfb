//! `/etc/os-release`.

use super::tree::{SMALL, Tree};
use crate::OsRelease;

/// The longest value of a field in characters.
const LONGEST: usize = 200;

pub(super) fn read(tree: Tree<'_>) -> OsRelease {
    // The first is usually a link to the second.
    let text = ["etc/os-release", "usr/lib/os-release"].into_iter().find_map(|path| tree.text(path, SMALL).ok());
    parse(&text.unwrap_or_default())
}

fn parse(text: &str) -> OsRelease {
    let field = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let value = value.unwrap_or_default().trim().trim_matches(['"', '\'']);
        value.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
    };
    OsRelease {
        id: field("ID"),
        id_like: field("ID_LIKE"),
        version_id: field("VERSION_ID"),
        version_codename: field("VERSION_CODENAME"),
        pretty_name: field("PRETTY_NAME"),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_qualifier_of_package_urls_names_the_distribution_and_its_version() {
        for (text, distro) in [
            ("PRETTY_NAME=\"Amazon Linux 2023\"\nVERSION_ID=\"2023\"\nID=\"amzn\"\n", Some("amzn-2023")),
            ("ID=debian\nVERSION_CODENAME=trixie\n", Some("debian-trixie")),
            ("ID='arch'\n", Some("arch")),
            ("", None),
        ] {
            assert_eq!(parse(text).distro().as_deref(), distro);
        }
    }
}
