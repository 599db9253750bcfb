//! RPM's packages. The database has had four formats, so the program `rpm` of this machine reads it.

use std::process::Command;

use super::child::output;
use super::scene::Scene;
use crate::{Package, PackageSource, PackageType};

/// The new and the old place of RPM's database.
const PLACES: [&str; 2] = ["usr/lib/sysimage/rpm", "var/lib/rpm"];
/// The files of the database's formats, with rpm's name of the backend that reads them. Without that name, rpm would make
/// a database of its own format next to one of another format. Berkeley DB has no name that all releases know.
const FORMATS: [(&str, Option<&str>); 3] =
    [("rpmdb.sqlite", Some("sqlite")), ("Packages.db", Some("ndb")), ("Packages", None)];
/// The fields of a package. `EVR` has the epoch only if the package has one, as `rpm -q` users know it. Licenses and names
/// of files may contain any character that people can type, so control characters separate them.
const FIELDS: &str = "%{NAME}\x1f%{EVR}\x1f%{ARCH}\x1f%{LONGSIZE}\x1f%{SOURCERPM}\x1f%{LICENSE}";
/// The label of the module, which the rpm of RHEL 7 and Amazon Linux 2 does not know.
const MODULE: &str = "\x1f%{MODULARITYLABEL}";
/// What separates fields and records.
const FIELD: char = '\x1f';
const RECORD: char = '\x1e';
/// One record for each file of each package. The `=` repeats the package's name.
const FILES: &str = "[%{=NAME}\x1f%{FILEFLAGS}\x1f%{FILEDIGESTS}\x1f%{FILENAMES}\x1e]";
/// The keys that `rpm --import` has recorded look like packages.
const KEYS: &str = "gpg-pubkey";
/// The bit of `FILEFLAGS` for configuration files, and the bit for those that need not exist (`%ghost`).
const IS_CONFIGURATION: u32 = 1;
const IS_GHOST: u32 = 1 << 6;

pub(super) fn read(scene: &mut Scene<'_>) {
    let found = PLACES.into_iter().find_map(|place| Some((place, format_in(scene, place)?)));
    let Some((place, backend)) = found else {
        return;
    };
    let Ok(database) = scene.tree.resolved(place).and_then(|place| place.canonicalize()) else {
        return;
    };
    let until = scene.until();
    let ask = |format: &str| {
        let mut rpm = Command::new("rpm");
        if let Some(backend) = backend {
            rpm.args(["--define", &format!("_db_backend {backend}")]);
        }
        output(rpm.arg("--dbpath").arg(&database).args(["-qa", "--qf", format]), until)
    };
    let packages = ask(&format!("{FIELDS}{MODULE}{RECORD}")).or_else(|_| ask(&format!("{FIELDS}{RECORD}")));
    match packages {
        Ok(text) if text.is_empty() => {
            scene.lack(format!("rpm lists no packages, although its database is in /{place}"));
        }
        Ok(text) => text.split_terminator(RECORD).for_each(|record| take(scene, record, place)),
        Err(why) => {
            scene.lack(format!("the RPM packages cannot be listed: {why}"));
            return;
        }
    }
    match ask(FILES) {
        Ok(text) => text.split_terminator(RECORD).for_each(|record| take_file(scene, record)),
        Err(why) => scene.note(format!("the files of the RPM packages cannot be listed: {why}")),
    }
}

/// Returns the backend of the database in a folder. `None` if there is no database: an empty folder belongs to a system
/// where only the program is installed.
fn format_in(scene: &Scene<'_>, place: &str) -> Option<Option<&'static str>> {
    let found = FORMATS.iter().find(|(name, _)| scene.tree.open(&format!("{place}/{name}")).is_ok());
    found.map(|(_, backend)| *backend)
}

fn take(scene: &mut Scene<'_>, record: &str, place: &str) {
    let fields: Vec<&str> = record.split(FIELD).collect();
    let [name, version, arch, size, source, license, ref module @ ..] = fields[..] else {
        return;
    };
    if name == KEYS {
        return;
    }
    let known = |text: &str| Some(text.to_owned()).filter(|text| text != "(none)" && !text.is_empty());
    scene.add(Package {
        arch: known(arch).unwrap_or_default(),
        source: source_of(source),
        module: module.first().and_then(|label| known(label)),
        license: known(license),
        installed_size: size.parse().ok(),
        ..Package::new(PackageType::Rpm, name, version, &format!("/{place}"))
    });
}

/// Returns the source package of `NAME-VERSION-RELEASE.src.rpm`.
fn source_of(file: &str) -> Option<PackageSource> {
    let file = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
    let (rest, release) = file.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some(PackageSource { name: name.to_owned(), version: format!("{version}-{release}") })
}

fn take_file(scene: &mut Scene<'_>, record: &str) {
    let mut fields = record.splitn(4, FIELD);
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
