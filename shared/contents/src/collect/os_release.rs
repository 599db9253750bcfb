//! `/etc/os-release`.

use std::path::Path;

use super::text;
use crate::OsRelease;

pub(super) fn read(root: &Path) -> OsRelease {
    // The first is usually a link to the second. In a tree, an absolute link would lead out of it.
    let etc = root.join("etc/os-release");
    let is_link_out = std::fs::read_link(&etc).is_ok_and(|to| to.is_absolute());
    let etc = if is_link_out { None } else { text(&etc) };
    parse(&etc.or_else(|| text(&root.join("usr/lib/os-release"))).unwrap_or_default())
}

fn parse(text: &str) -> OsRelease {
    let field = |key: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        value.unwrap_or_default().trim().trim_matches(['"', '\'']).to_owned()
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
