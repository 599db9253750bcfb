//! Alpine's packages, from apk's text file.

use super::scene::Scene;
use super::tree::DATABASE;
use crate::{Package, PackageSource, PackageType};

/// The database's places: the one of apk 2, and the one of apk 3.
const PLACES: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];

pub(super) fn read(scene: &mut Scene<'_>) {
    let found = PLACES.iter().find_map(|place| Some((*place, scene.database(place, DATABASE)?)));
    let Some((place, database)) = found else {
        return;
    };
    for block in database.split("\n\n").filter(|block| !block.trim().is_empty()) {
        if !scene.has_time() {
            return;
        }
        take(scene, block, place);
    }
}

fn take(scene: &mut Scene<'_>, block: &str, place: &str) {
    let mut folder = "";
    for line in block.lines() {
        match line.split_once(':') {
            Some(("F", path)) => folder = path,
            Some(("R", name)) => scene.owners.own(&format!("{folder}/{name}")),
            _ => {}
        }
    }
    let field = |key: &str| block.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let (Some(name), Some(version)) = (field("P"), field("V")) else {
        return;
    };
    let origin = field("o").map(|origin| PackageSource { name: origin.to_owned(), version: version.to_owned() });
    let package = Package {
        arch: field("A").unwrap_or_default().to_owned(),
        source: origin,
        license: field("L").map(str::to_owned),
        installed_size: field("I").and_then(|bytes| bytes.parse().ok()),
        ..Package::new(PackageType::Apk, name, version, &format!("/{place}"))
    };
    scene.add(package);
}
