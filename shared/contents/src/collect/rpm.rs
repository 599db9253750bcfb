//! RPM's packages. The database has had four formats, so the program `rpm` of this machine reads it.

use std::process::Command;

use super::Scene;
use super::child::output;
use crate::{Package, PackageSource, PackageType};

/// The new and the old place of RPM's database.
const PLACES: [&str; 2] = ["usr/lib/sysimage/rpm", "var/lib/rpm"];
/// The fields of a package. `EVR` has the epoch only if the package has one, as `rpm -q` users know it.
const FIELDS: &str = "%{NAME}\t%{EVR}\t%{ARCH}\t%{LONGSIZE}\t%{SOURCERPM}\t%{LICENSE}\n";
/// One line for each file of each package. The `=` repeats the package's name.
const FILES: &str = "[%{=NAME}\t%{FILEFLAGS}\t%{FILEDIGESTS}\t%{FILENAMES}\n]";
/// The keys that `rpm --import` has recorded look like packages.
const KEYS: &str = "gpg-pubkey";
/// The bit of `FILEFLAGS` for configuration files, and the bit for those that need not exist (`%ghost`).
const IS_CONFIGURATION: u32 = 1;
const IS_GHOST: u32 = 1 << 6;

pub(super) fn read(scene: &mut Scene<'_>) {
    let Some(place) = PLACES.into_iter().find(|place| has_database(scene, place)) else {
        return;
    };
    let Ok(database) = scene.root.join(place).canonicalize() else {
        return;
    };
    let until = scene.until;
    let ask = |format: &str| {
        let mut rpm = Command::new("rpm");
        output(rpm.arg("--dbpath").arg(&database).args(["-qa", "--qf", format]), until)
    };
    match ask(FIELDS) {
        Ok(text) => text.lines().for_each(|line| take(scene, line, place)),
        Err(why) => {
            scene.notes.push(format!("the RPM packages cannot be listed: {why}"));
            return;
        }
    }
    match ask(FILES) {
        Ok(text) => text.lines().for_each(|line| take_file(scene, line)),
        Err(why) => scene.notes.push(format!("the files of the RPM packages cannot be listed: {why}")),
    }
}

/// Returns whether a folder contains a database: an empty folder belongs to a system where only the program is
/// installed.
fn has_database(scene: &Scene<'_>, place: &str) -> bool {
    ["rpmdb.sqlite", "Packages.db", "Packages"].iter().any(|name| scene.root.join(place).join(name).is_file())
}

fn take(scene: &mut Scene<'_>, line: &str, place: &str) {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, version, arch, size, source, license] = fields[..] else {
        return;
    };
    if name == KEYS {
        return;
    }
    let known = |text: &str| Some(text.to_owned()).filter(|text| text != "(none)" && !text.is_empty());
    let package = Package {
        arch: known(arch).unwrap_or_default(),
        source: source_of(source),
        license: known(license),
        installed_size: size.parse().ok(),
        ..Package::new(PackageType::Rpm, name, version, &format!("/{place}"))
    };
    scene.packages.push(package.with_purl(&scene.os));
}

/// Returns the source package of `NAME-VERSION-RELEASE.src.rpm`.
fn source_of(file: &str) -> Option<PackageSource> {
    let file = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = file.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some(PackageSource { name: name.to_owned(), version: format!("{version}-{release}") })
}

fn take_file(scene: &mut Scene<'_>, line: &str) {
    let mut fields = line.splitn(4, '\t');
    let (Some(package), Some(flags), Some(digest), Some(path)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return;
    };
    let flags: u32 = flags.parse().unwrap_or(0);
    if flags & IS_CONFIGURATION != 0 && flags & IS_GHOST == 0 {
        scene.owners.configuration(path, package, digest);
    } else {
        scene.owners.own(path);
    }
}
