//! The differences as text for people.

use super::{Change, Changed, Diff, Direction};
use crate::{ChangedConfiguration, Group, Socket, UnitState, UnownedFile, User};

impl Diff {
    /// Returns the differences as lines of text: a headline for each kind, and a line for each difference, which begins
    /// with `+`, `-` or `~`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(Changed { from, to }) = &self.os {
            lines.push(format!("operating system: {} → {}", from.pretty_name, to.pretty_name));
        }
        self.packages(&mut lines);
        list(
            &mut lines,
            "kernels",
            &self.kernels,
            |kernel| kernel.release.clone(),
            |_, to| {
                let word = if to.is_running { "runs now" } else { "runs no longer" };
                format!("{} ({word})", to.release)
            },
        );
        let unit = |state: UnitState| match state {
            UnitState::Enabled => "enabled",
            UnitState::Masked => "masked",
        };
        list(
            &mut lines,
            "units",
            &self.units,
            |one| format!("{} ({})", one.name, unit(one.state)),
            |from, to| format!("{} ({} → {})", to.name, unit(from.state), unit(to.state)),
        );
        let title = "configuration of packages that was changed";
        list(&mut lines, title, &self.configuration, configuration, |_, to| configuration(to));
        let added = |one: &UnownedFile| format!("{} ({})", one.path, size(one.size));
        list(&mut lines, "files that no package owns", &self.files, added, file);
        list(&mut lines, "users", &self.users, user, |from, to| format!("{} (was {})", user(to), user(from)));
        list(&mut lines, "groups", &self.groups, group, |from, to| format!("{} (was {})", group(to), group(from)));
        list(&mut lines, "listening sockets", &self.sockets, socket, |_, to| socket(to));
        self.figures(&mut lines);
        if lines.is_empty() {
            lines.push("Nothing differs.".to_owned());
        }
        if self.is_incomplete {
            lines.push("note: not everything could be collected, so differences may be missing".to_owned());
        }
        lines.iter().map(|line| in_one_line(line)).collect()
    }

    fn packages(&self, lines: &mut Vec<String>) {
        let packages = &self.packages;
        let counts = (packages.added.len(), packages.removed.len(), packages.changed.len());
        lines.extend(headline("packages", counts));
        let named = |arch: &str, name: &str, kind| match arch {
            "" | "all" | "noarch" => format!("{kind} {name}"),
            _ if self.is_multiarch(name) => format!("{kind} {name}:{arch}"),
            _ => format!("{kind} {name}"),
        };
        let line = |sign: char, one: &crate::Package| {
            format!("  {sign} {} {}", named(&one.arch, &one.name, one.kind), one.version)
        };
        lines.extend(packages.added.iter().map(|one| line('+', one)));
        lines.extend(packages.removed.iter().map(|one| line('-', one)));
        for one in &packages.changed {
            let older = if one.direction == Direction::Downgrade { " (downgrade)" } else { "" };
            lines.push(format!("  ~ {} {} → {}{older}", named(&one.arch, &one.name, one.kind), one.from, one.to));
        }
    }

    /// Returns whether the differences name a package for several architectures, so that its name is not enough.
    fn is_multiarch(&self, name: &str) -> bool {
        let packages = &self.packages;
        let all = packages.added.iter().chain(&packages.removed).map(|one| (&one.name, &one.arch));
        let all = all.chain(packages.changed.iter().map(|one| (&one.name, &one.arch)));
        all.filter(|(other, _)| *other == name).map(|(_, arch)| arch).collect::<std::collections::BTreeSet<_>>().len()
            > 1
    }

    fn figures(&self, lines: &mut Vec<String>) {
        let Changed { from, to } = self.sizes;
        if from != to {
            lines.push(format!(
                "size: {} → {} in {} → {} files",
                size(from.bytes),
                size(to.bytes),
                from.files,
                to.files
            ));
        }
        if let Some(Changed { from, to }) = self.boot_millis.filter(|boot| boot.from != boot.to) {
            lines.push(format!("boot: {} → {}", seconds(from), seconds(to)));
        }
    }
}

/// Returns a line in which control characters are escapes: the name of a file may contain the text of other lines.
fn in_one_line(line: &str) -> String {
    line.chars().fold(String::with_capacity(line.len()), |mut shown, c| {
        if c.is_control() {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
        shown
    })
}

fn headline(title: &str, (added, removed, changed): (usize, usize, usize)) -> Option<String> {
    let counts = [(added, "added"), (removed, "removed"), (changed, "changed")];
    let counts: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    (!counts.is_empty()).then(|| format!("{title}: {}", counts.join(", ")))
}

fn list<T>(
    lines: &mut Vec<String>,
    title: &str,
    change: &Change<T>,
    one: impl Fn(&T) -> String,
    both: impl Fn(&T, &T) -> String,
) {
    lines.extend(headline(title, (change.added.len(), change.removed.len(), change.changed.len())));
    lines.extend(change.added.iter().map(|added| format!("  + {}", one(added))));
    lines.extend(change.removed.iter().map(|removed| format!("  - {}", one(removed))));
    lines.extend(change.changed.iter().map(|changed| format!("  ~ {}", both(&changed.from, &changed.to))));
}

fn configuration(file: &ChangedConfiguration) -> String {
    let removed = if file.sha256.is_none() { ", removed" } else { "" };
    format!("{} (of {}{removed})", file.path, file.package)
}

fn file(from: &UnownedFile, to: &UnownedFile) -> String {
    let mut what = Vec::new();
    if from.size != to.size {
        what.push(format!("{} → {}", size(from.size), size(to.size)));
    } else if from.sha256 != to.sha256 {
        what.push("content".to_owned());
    }
    if from.mode != to.mode {
        what.push(format!("mode {} → {}", from.mode, to.mode));
    }
    format!("{} ({})", to.path, what.join(", "))
}

fn user(user: &User) -> String {
    format!("{} (id {}, {})", user.name, user.uid, if user.shell.is_empty() { "no shell" } else { &user.shell })
}

fn group(group: &Group) -> String {
    match group.members.as_slice() {
        [] => format!("{} (id {})", group.name, group.gid),
        members => format!("{} (id {}: {})", group.name, group.gid, members.join(", ")),
    }
}

fn socket(socket: &Socket) -> String {
    let Socket { protocol, address, port, program } = socket;
    if address.contains(':') {
        format!("{protocol} [{address}]:{port} ({program})")
    } else {
        format!("{protocol} {address}:{port} ({program})")
    }
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit < UNITS.len() - 1 {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1000, millis % 1000 / 100)
}
