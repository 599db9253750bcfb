//! What differs between the contents of two images, in few sentences.

use goldsmith_contents::{Diff, UnitState};
use serde::Serialize;

/// The most lines.
const MOST: usize = 8;
/// The most lines of a kind, if there are others.
const OF_KIND: usize = 3;

/// The differences between the image of a failed build and the last good one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InImage {
    /// The first differences, each in words.
    pub(crate) lines: Vec<String>,
    /// How many more there are.
    pub(crate) more: usize,
    /// The units that are no longer enabled.
    #[serde(skip)]
    pub(crate) no_longer_enabled: Vec<String>,
}

impl InImage {
    /// Returns the differences in words.
    pub(crate) fn of(diff: &Diff) -> Self {
        let kinds = [units(diff), sockets(diff), packages(diff), files(diff), configuration(diff), accounts(diff)];
        let all: usize = kinds.iter().map(Vec::len).sum();
        let mut lines: Vec<String> = kinds.iter().flat_map(|kind| kind.iter().take(OF_KIND)).cloned().collect();
        lines.truncate(MOST);
        for line in kinds.iter().flat_map(|kind| kind.iter().skip(OF_KIND)) {
            if lines.len() < MOST {
                lines.push(line.clone());
            }
        }
        let lines: Vec<String> = lines.iter().map(|line| in_one_line(line)).collect();
        let enabled = diff.units.removed.iter().filter(|unit| unit.state == UnitState::Enabled);
        let no_longer_enabled = enabled.map(|unit| in_one_line(&unit.name)).collect();
        Self { more: all - lines.len(), lines, no_longer_enabled }
    }
}

fn units(diff: &Diff) -> Vec<String> {
    let word = |state: UnitState| match state {
        UnitState::Enabled => "enabled",
        UnitState::Masked => "masked",
    };
    let gone = diff.units.removed.iter().map(|one| format!("{} is no longer {}", one.name, word(one.state)));
    let other = diff.units.changed.iter().map(|one| format!("{} is now {}", one.to.name, word(one.to.state)));
    let new = diff.units.added.iter().map(|one| format!("{} is now {}", one.name, word(one.state)));
    gone.chain(other).chain(new).collect()
}

fn sockets(diff: &Diff) -> Vec<String> {
    let place = |one: &goldsmith_contents::Socket| format!("{} {}:{}", one.protocol, one.address, one.port);
    let gone = diff.sockets.removed.iter().map(|one| format!("{} no longer listens on {}", one.program, place(one)));
    let new = diff.sockets.added.iter().map(|one| format!("{} now listens on {}", one.program, place(one)));
    gone.chain(new).collect()
}

fn packages(diff: &Diff) -> Vec<String> {
    let packages = &diff.packages;
    let changed = packages.changed.iter().map(|one| format!("{} {} → {}", one.name, one.from, one.to));
    let gone = packages.removed.iter().map(|one| format!("{} {} is gone", one.name, one.version));
    let new = packages.added.iter().map(|one| format!("{} {} is new", one.name, one.version));
    changed.chain(gone).chain(new).collect()
}

fn files(diff: &Diff) -> Vec<String> {
    let new = diff.files.added.iter().map(|one| format!("new file {}", one.path));
    let gone = diff.files.removed.iter().map(|one| format!("{} is gone", one.path));
    let changed = diff.files.changed.iter().map(|one| format!("{} has changed", one.to.path));
    new.chain(gone).chain(changed).collect()
}

fn configuration(diff: &Diff) -> Vec<String> {
    let changes = &diff.configuration;
    let own =
        changes.added.iter().map(|one| format!("{} of {} is no longer that of the package", one.path, one.package));
    let changed = changes.changed.iter().map(|one| format!("{} has changed", one.to.path));
    let back =
        changes.removed.iter().map(|one| format!("{} of {} is that of the package again", one.path, one.package));
    own.chain(changed).chain(back).collect()
}

fn accounts(diff: &Diff) -> Vec<String> {
    let users = diff.users.added.iter().map(|one| format!("the user {} is new", one.name));
    let gone = diff.users.removed.iter().map(|one| format!("the user {} is gone", one.name));
    let changed = diff.users.changed.iter().map(|one| format!("the user {} has changed", one.to.name));
    let kernels = diff.kernels.added.iter().map(|one| format!("the kernel {} is new", one.release));
    let old = diff.kernels.removed.iter().map(|one| format!("the kernel {} is gone", one.release));
    let os = diff.os.iter().map(|os| format!("{} → {}", os.from.pretty_name, os.to.pretty_name));
    os.chain(kernels).chain(old).chain(users).chain(gone).chain(changed).collect()
}

/// Returns a line in which control characters are escapes: the name of a file may contain the text of other lines.
fn in_one_line(line: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    line.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use goldsmith_contents::{Contents, Diff, OsRelease, Package, PackageType, Socket, Unit, UnitState, UnownedFile};

    use super::InImage;

    fn deb(name: &str, version: &str) -> Package {
        Package::new(PackageType::Deb, name, version, "").with_purl(&OsRelease::default())
    }

    fn file(path: &str) -> UnownedFile {
        UnownedFile { path: path.to_owned(), size: 1, mode: "0600".to_owned(), sha256: None }
    }

    #[test]
    fn each_difference_is_named_and_the_rest_counted() {
        let unit = Unit { name: "app.service".to_owned(), state: UnitState::Enabled };
        let socket = Socket {
            protocol: "tcp".to_owned(),
            port: 18088,
            address: "127.0.0.1".to_owned(),
            program: "server".to_owned(),
        };
        let before = Contents {
            units: vec![unit],
            sockets: vec![socket],
            packages: vec![deb("acme-agent", "3.2-1")],
            ..Contents::default()
        };
        let mut packages = vec![deb("acme-agent", "3.2-2")];
        packages.extend((0..9).map(|number| deb(&format!("p{number}"), "1")));
        let files = vec![file("/var/lib/acme-agent/client.pem"), file("/a\nb")];
        let found = InImage::of(&Diff::of(&before, &Contents { packages, files, ..Contents::default() }));
        let expected = [
            "app.service is no longer enabled",
            "server no longer listens on tcp 127.0.0.1:18088",
            "acme-agent 3.2-1 → 3.2-2",
            "p0 1 is new",
            "p1 1 is new",
            "new file /a\\nb",
            "new file /var/lib/acme-agent/client.pem",
            "p2 1 is new",
        ];
        assert_eq!((found.lines.as_slice(), found.more), (expected.map(str::to_owned).as_slice(), 6));
        assert_eq!(found.no_longer_enabled, ["app.service"]);
        assert_eq!(InImage::of(&Diff::default()), InImage::default());
    }
}
