//! Debian's packages, from dpkg's text files.

use std::collections::BTreeSet;

use super::scene::Scene;
use super::stanza::{self, Stanza};
use super::tree::{DATABASE, LIST, SMALL};
use crate::{Package, PackageSource, PackageType};

const STATUS: &str = "var/lib/dpkg/status";
/// Images without dpkg, such as distroless ones, have one file for each package.
const STATUS_FOLDER: &str = "var/lib/dpkg/status.d";
/// The folder with a list of files for each package.
const LISTS: &str = "var/lib/dpkg/info";

pub(super) fn read(scene: &mut Scene<'_>) {
    let mut known = BTreeSet::new();
    if let Some(status) = scene.database(STATUS, DATABASE) {
        stanza::each(&status, |stanza| {
            known.extend(stanza.field("Package").map(str::to_owned));
            take(scene, &stanza, STATUS, true);
        });
    }
    for name in scene.tree.names(STATUS_FOLDER) {
        if !scene.has_time() {
            return;
        }
        let path = format!("{STATUS_FOLDER}/{name}");
        let Some(content) = scene.database(&path, LIST) else {
            continue;
        };
        if name.ends_with(".md5sums") {
            content.lines().filter_map(|line| line.split_once("  ")).for_each(|(_, owned)| scene.owners.own(owned));
        } else {
            stanza::each(&content, |stanza| take(scene, &stanza, &path, false));
        }
        scene.owners.own(&path);
    }
    for name in scene.tree.names(LISTS).iter().filter(|name| name.ends_with(".list")) {
        if !scene.has_time() {
            return;
        }
        // `NAME.list`, or `NAME:ARCHITECTURE.list`. dpkg keeps one for each package of which there is a file.
        let package = name.trim_end_matches(".list").split(':').next().unwrap_or_default();
        if !known.contains(package) {
            scene.lack(format!("dpkg has a list of the files of {package}, but no such package"));
        }
        if let Some(list) = scene.text(&format!("{LISTS}/{name}"), LIST) {
            list.lines().for_each(|owned| scene.owners.own(owned));
        }
    }
    // Each diversion has three lines: the path, where the file of other packages is instead, and the package.
    let diversions = scene.text("var/lib/dpkg/diversions", SMALL).unwrap_or_default();
    diversions.lines().skip(1).step_by(3).for_each(|path| scene.owners.own(path));
}

/// Takes a package if it is installed. The wish before the state may be `install` or `hold`, or `deinstall` for a
/// package that is still installed. A package whose installation was interrupted is not counted, and a note names it.
fn take(scene: &mut Scene<'_>, stanza: &Stanza<'_>, location: &str, has_status: bool) {
    let state = stanza.field("Status").and_then(|status| status.split_whitespace().nth(2));
    if matches!(state, Some("not-installed" | "config-files")) {
        return;
    }
    let (Some(name), Some(version)) = (stanza.field("Package"), stanza.field("Version")) else {
        scene.lack(format!("/{location} has a package without a name or a version"));
        return;
    };
    match state {
        Some("installed") => {}
        None if !has_status => {}
        None => {
            scene.lack(format!("the package {name} is not counted, because it has no status"));
            return;
        }
        Some(other) => {
            scene.lack(format!("the package {name} is not counted, because dpkg says it is `{other}`"));
            return;
        }
    }
    for line in stanza.more("Conffiles") {
        let mut words = line.rsplitn(2, ' ');
        let (Some(last), Some(rest)) = (words.next(), words.next()) else {
            continue;
        };
        // `/path digest`, and `obsolete` after it if the package no longer ships the file.
        match rest.rsplit_once(' ').filter(|_| matches!(last, "obsolete" | "remove-on-upgrade")) {
            Some((path, _)) => scene.owners.own(path),
            None => scene.owners.configuration(rest, name, last),
        }
    }
    let size = stanza.field("Installed-Size").and_then(|kib| kib.parse::<u64>().ok());
    let package = Package {
        arch: stanza.field("Architecture").unwrap_or_default().to_owned(),
        source: Some(source(stanza.field("Source"), name, version)),
        installed_size: size.and_then(|kib| kib.checked_mul(1024)),
        ..Package::new(PackageType::Deb, name, version, &format!("/{location}"))
    };
    scene.add(package);
}

/// Returns the source package. The field is `NAME` or `NAME (VERSION)`. Without it, both are those of the package.
fn source(field: Option<&str>, name: &str, version: &str) -> PackageSource {
    let field = field.unwrap_or(name);
    let (name, rest) = field.split_once(' ').unwrap_or((field, ""));
    let stated = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    PackageSource { name: name.to_owned(), version: stated.unwrap_or(version).trim().to_owned() }
}
