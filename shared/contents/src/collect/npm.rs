//! Packages of Node.js: `node_modules/NAME/package.json`, also nested, and `node_modules/@SCOPE/NAME/package.json`.

use serde::Deserialize;
use serde_json::Value;

use super::scene::Scene;
use super::tree::SMALL;
use super::walk::Walk;
use crate::{Package, PackageType};

#[derive(Deserialize)]
struct Manifest {
    name: String,
    version: String,
    #[serde(default)]
    license: Value,
}

pub(super) fn read(scene: &mut Scene<'_>, walk: &Walk) {
    for found in walk.files.iter().filter(|found| found.is_of_image) {
        if let Some(modules) = modules_of(&found.path) {
            if !scene.has_time() {
                return;
            }
            take(scene, &found.path, modules);
        }
    }
}

/// Returns the folder `node_modules` if the path is that of a package in it. The packages themselves may contain other
/// files with the name `package.json`.
fn modules_of(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/package.json")?;
    let (parent, _) = folder.rsplit_once('/')?;
    let last = parent.rsplit('/').next().unwrap_or_default();
    let modules = if last.starts_with('@') { parent.rsplit_once('/')?.0 } else { parent };
    (modules.rsplit('/').next() == Some("node_modules")).then_some(modules)
}

fn take(scene: &mut Scene<'_>, path: &str, modules: &str) {
    let manifest = scene.text(path, SMALL).and_then(|json| serde_json::from_str::<Manifest>(&json).ok());
    let Some(manifest) = manifest.filter(|found| !found.name.is_empty() && !found.version.is_empty()) else {
        return;
    };
    let license = match &manifest.license {
        Value::String(license) => Some(license.clone()),
        // The form before SPDX: `{"type": "MIT", "url": …}`.
        Value::Object(license) => license.get("type").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let package =
        Package { license, ..Package::new(PackageType::Npm, manifest.name, manifest.version, &format!("/{path}")) };
    scene.add(package);
    scene.owners.own_folder_of_language(modules);
}

#[cfg(test)]
mod tests {
    use super::modules_of;

    #[test]
    fn only_the_manifest_of_a_package_counts() {
        for (path, modules) in [
            ("app/node_modules/a/package.json", Some("app/node_modules")),
            ("app/node_modules/@s/a/package.json", Some("app/node_modules")),
            ("app/node_modules/a/node_modules/b/package.json", Some("app/node_modules/a/node_modules")),
            ("app/node_modules/a/esm/package.json", None),
            ("app/package.json", None),
            ("node_modules/package.json", None),
        ] {
            assert_eq!(modules_of(path), modules, "{path}");
        }
    }
}
