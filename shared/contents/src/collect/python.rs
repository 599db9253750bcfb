//! Python distributions: `NAME-VERSION.dist-info/METADATA`, `NAME.egg-info` and `NAME.egg/EGG-INFO/PKG-INFO`, in the
//! system's folders and in virtual environments.

use super::scene::Scene;
use super::tree::{LIST, SMALL};
use super::walk::Walk;
use crate::{Package, PackageType};

pub(super) fn read(scene: &mut Scene<'_>, walk: &Walk) {
    for found in walk.files.iter().filter(|found| found.is_of_image) {
        let path = found.path.as_str();
        if !scene.has_time() {
            return;
        }
        if let Some(folder) = path.strip_suffix("/METADATA").filter(|folder| folder.ends_with(".dist-info")) {
            take(scene, path, folder, "RECORD");
        } else if let Some(folder) = path.strip_suffix("/PKG-INFO").filter(|folder| folder.ends_with(".egg-info")) {
            take(scene, path, folder, "installed-files.txt");
        } else if let Some(folder) = path.strip_suffix("/EGG-INFO/PKG-INFO").filter(|folder| folder.ends_with(".egg")) {
            take(scene, path, folder, "");
        } else if path.ends_with(".egg-info") {
            take(scene, path, path, "");
        }
    }
}

/// Takes one distribution. `folder` is the place of its own record, and `list` the file in it that names all files.
fn take(scene: &mut Scene<'_>, path: &str, folder: &str, list: &str) {
    let Some(metadata) = scene.text(path, SMALL) else {
        return;
    };
    let headers = metadata.split("\n\n").next().unwrap_or_default();
    let field = |name: &str| {
        let value = headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.map(str::trim).filter(|value| !value.is_empty() && *value != "UNKNOWN")
    };
    let (Some(name), Some(version)) = (field("Name"), field("Version")) else {
        return;
    };
    let package = Package {
        license: field("License-Expression").or_else(|| field("License")).map(str::to_owned),
        ..Package::new(PackageType::Pypi, name, version, &format!("/{path}"))
    };
    scene.add(package);
    if path == folder {
        scene.owners.own_file_of_language(path);
        return;
    }
    scene.owners.own_folder_of_language(folder);
    if list.is_empty() {
        return;
    }
    let listed = scene.text(&format!("{folder}/{list}"), LIST).unwrap_or_default();
    // RECORD is a CSV file whose paths begin at the parent folder. The other list begins at the folder itself.
    let begin = if list == "RECORD" { folder.rsplit_once('/').map_or("", |(parent, _)| parent) } else { folder };
    for line in listed.lines() {
        let file = match (list, line.strip_prefix('"')) {
            ("RECORD", Some(quoted)) => quoted.split('"').next().unwrap_or_default(),
            ("RECORD", None) => line.split(',').next().unwrap_or_default(),
            _ => line,
        };
        scene.owners.own_file_of_language(&joined(begin, file));
    }
}

/// Returns a path below a folder, without `.` and `..`. An absolute path stays as it is.
fn joined(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = if path.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::joined;

    #[test]
    fn a_record_may_name_files_outside_of_its_folder() {
        let folder = "usr/local/lib/python3.11/site-packages";
        assert_eq!(joined(folder, "../../../bin/tool"), "usr/local/bin/tool");
        assert_eq!(joined(folder, "tool/./__init__.py"), format!("{folder}/tool/__init__.py"));
        assert_eq!(joined(folder, "/etc/tool.conf"), "etc/tool.conf");
        assert_eq!(joined("a", "../../../x"), "x");
    }
}
