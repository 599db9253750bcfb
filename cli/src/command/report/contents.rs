//! What is in the image of a build, and what has changed since the image before it.

use goldsmith_contents::{Contents, Diff, Package};
use goldsmith_store::ImageRecord;

use super::page::{Fact, fact};
use crate::command::show::Shown;
use crate::connection::Connection;
use crate::contents;
use crate::render::count;
use crate::since::InImage;

/// The largest number of changes of a kind that a page lists.
const MOST: usize = 500;

/// The contents of an image, as far as a page shows them.
pub(super) struct Inside {
    pub(super) facts: Vec<Fact>,
    /// The packages by their package manager.
    pub(super) managers: Vec<Manager>,
    /// What could not be collected.
    pub(super) notes: Vec<String>,
    pub(super) since: Option<Since>,
}

/// A package manager with its packages.
pub(super) struct Manager {
    pub(super) name: String,
    pub(super) packages: Vec<Package>,
}

/// The comparison with the image before.
pub(super) struct Since {
    pub(super) image: String,
    pub(super) kinds: Vec<Kind>,
    /// The first differences, in words.
    pub(super) short: InImage,
    /// Why there is no comparison.
    pub(super) unread: Option<String>,
}

/// The changes of a kind, such as packages.
pub(super) struct Kind {
    /// The kind with its numbers, or a sentence that stands alone.
    pub(super) headline: String,
    pub(super) changes: Vec<Change>,
    /// Number of further changes.
    pub(super) left_out: usize,
}

/// A line of a comparison.
pub(super) struct Change {
    /// `+`, `-` or `~`.
    pub(super) sign: String,
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// Reads the contents of a build's image. Returns the reason if they cannot be read, and `None` if the build has not
/// collected any. The last parameter are all images of the stack.
pub(super) async fn read(
    connection: &Connection,
    shown: &Shown,
    all: &[ImageRecord],
) -> Option<Result<Inside, String>> {
    contents::record(&shown.image, &shown.states)?;
    Some(match contents::of(connection, &shown.image).await {
        Ok(found) => {
            // A run that tests or distributes an AMI has no image before it.
            let before = contents::before(all, &shown.image).filter(|_| shown.image.is_image());
            let since = match before {
                Some(before) => Some(since(connection, before, &found).await),
                None => None,
            };
            Ok(Inside { facts: facts(&found), since, notes: found.notes, managers: managers(found.packages) })
        }
        Err(error) => Err(error.to_string()),
    })
}

async fn since(connection: &Connection, before: &ImageRecord, contents: &Contents) -> Since {
    let (diff, unread) = match contents::of(connection, before).await {
        Ok(old) => (Some(Diff::of(&old, contents)), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let short = diff.as_ref().map(InImage::of).unwrap_or_default();
    let kinds = kinds(diff.map(|diff| diff.lines()).unwrap_or_default());
    Since { image: before.image.to_string(), kinds, short, unread }
}

fn facts(contents: &Contents) -> Vec<Fact> {
    let Contents { os, kernels, users, sockets, .. } = contents;
    let releases: Vec<&str> = kernels.iter().map(|kernel| kernel.release.as_str()).collect();
    let logins = users.iter().filter(|user| user.has_login_shell).map(|user| user.name.as_str());
    let ports = sockets.iter().map(|socket| format!("{} {} ({})", socket.protocol, socket.port, socket.program));
    let facts = [
        ("system", os.pretty_name.clone()),
        ("kernels", releases.join(", ")),
        ("packages", contents.packages.len().to_string()),
        ("other files", format!("{} that no package owns", contents.files.len() as u64 + contents.files_left_out)),
        ("users", logins.collect::<Vec<_>>().join(", ")),
        ("listening", ports.collect::<Vec<_>>().join(", ")),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).map(|(label, value)| fact(label, value)).collect()
}

/// Returns the packages, which are sorted by their manager, as a list for each manager.
fn managers(packages: Vec<Package>) -> Vec<Manager> {
    let mut managers: Vec<Manager> = Vec::new();
    for package in packages {
        let name = package.kind.to_string();
        match managers.last_mut() {
            Some(last) if last.name == name => last.packages.push(package),
            _ => managers.push(Manager { name, packages: vec![package] }),
        }
    }
    managers
}

/// Returns the lines of a comparison by kind. A line of a change is indented and begins with a sign.
fn kinds(lines: Vec<String>) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = Vec::new();
    for line in lines {
        match (change(&line), kinds.last_mut()) {
            (Some(_), Some(kind)) if kind.changes.len() == MOST => kind.left_out += 1,
            (Some(change), Some(kind)) => kind.changes.push(change),
            _ => kinds.push(Kind { headline: line, changes: Vec::new(), left_out: 0 }),
        }
    }
    kinds
}

fn change(line: &str) -> Option<Change> {
    let (sign, text) = line.strip_prefix("  ")?.split_once(' ')?;
    let class = match sign {
        "+" => "added",
        "-" => "removed",
        "~" => "changed",
        _ => return None,
    };
    Some(Change { sign: sign.to_owned(), class, text: text.to_owned() })
}

impl Manager {
    /// Returns the name of the manager with the number of its packages.
    pub(super) fn headline(&self) -> String {
        format!("{} of {}", count(self.packages.len(), "package"), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, kinds};

    #[test]
    fn the_lines_of_a_comparison_are_grouped_and_a_long_list_is_cut() {
        let mut lines: Vec<String> =
            ["packages: 1 added, 1 changed", "  + deb new 1", "  ~ deb a 1 → 2", "units: 600 added"]
                .map(str::to_owned)
                .into();
        lines.extend((0..MOST + 100).map(|number| format!("  + {number}.service (enabled)")));
        lines.push("boot: 9.0 s → 8.5 s".to_owned());
        let found = kinds(lines);
        let shown: Vec<_> = found.iter().map(|kind| (&*kind.headline, kind.changes.len(), kind.left_out)).collect();
        let boot = ("boot: 9.0 s → 8.5 s", 0, 0);
        assert_eq!(shown, [("packages: 1 added, 1 changed", 2, 0), ("units: 600 added", MOST, 100), boot]);
        let change = &found[0].changes[1];
        assert_eq!((&*change.sign, change.class, &*change.text), ("~", "changed", "deb a 1 → 2"));
    }
}
