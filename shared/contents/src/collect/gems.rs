//! Ruby's gems: `specifications/NAME-VERSION.gemspec`, and `specifications/default` for those that Ruby brings.

use super::scene::Scene;
use super::tree::SMALL;
use super::walk::Walk;
use crate::{Package, PackageType};

pub(super) fn read(scene: &mut Scene<'_>, walk: &Walk) {
    for found in walk.files.iter().filter(|found| found.is_of_image) {
        let Some((folder, file)) = found.path.rsplit_once('/') else {
            continue;
        };
        let Some(full_name) = file.strip_suffix(".gemspec") else {
            continue;
        };
        let folder = folder.strip_suffix("/default").unwrap_or(folder);
        if let Some(home) = folder.strip_suffix("/specifications") {
            if !scene.has_time() {
                return;
            }
            take(scene, &found.path, home, full_name);
        }
    }
}

fn take(scene: &mut Scene<'_>, path: &str, home: &str, full_name: &str) {
    let Some(specification) = scene.text(path, SMALL) else {
        return;
    };
    let Some((name, version)) = stub(&specification).or_else(|| assigned(&specification)) else {
        return;
    };
    let license = value(&specification, "licenses").or_else(|| value(&specification, "license"));
    let package = Package {
        license: license.map(str::to_owned),
        ..Package::new(PackageType::Gem, name, version, &format!("/{path}"))
    };
    scene.add(package);
    scene.owners.own_file_of_language(path);
    scene.owners.own_file_of_language(&format!("{home}/cache/{full_name}.gem"));
    scene.owners.own_folder_of_language(&format!("{home}/gems/{full_name}"));
}

/// Reads the line that RubyGems itself reads first: `# stub: NAME VERSION PLATFORM PATHS`.
fn stub(specification: &str) -> Option<(&str, &str)> {
    let mut words = specification.lines().find_map(|line| line.strip_prefix("# stub: "))?.split(' ');
    Some((words.next()?, words.next()?))
}

/// Reads the assignments of a specification, which is a Ruby program.
fn assigned(specification: &str) -> Option<(&str, &str)> {
    Some((value(specification, "name")?, value(specification, "version")?))
}

/// Returns the first text in quotes that an attribute is assigned.
fn value<'s>(specification: &'s str, attribute: &str) -> Option<&'s str> {
    specification.lines().find_map(|line| {
        let (_, rest) = line.trim().split_once(&format!(".{attribute} ="))?;
        let begin = rest.find(['"', '\''])?;
        let quote = rest[begin..].chars().next()?;
        rest[begin + 1..].split(quote).next().filter(|value| !value.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::{assigned, stub, value};

    #[test]
    fn a_specification_is_read_by_its_stub_or_its_assignments() {
        let text = "# -*- encoding: utf-8 -*-\n# stub: rake 13.0.6 ruby lib\n\nGem::Specification.new do |s|\n  \
                    s.name = \"rake\".freeze\n  s.version = \"13.0.6\"\n  s.licenses = [\"MIT\".freeze]\nend\n";
        assert_eq!(stub(text), Some(("rake", "13.0.6")));
        assert_eq!(assigned(text), Some(("rake", "13.0.6")));
        assert_eq!(value(text, "licenses"), Some("MIT"));
        assert_eq!(value(text, "homepage"), None);
        assert_eq!(assigned("s.name = 'x'"), None);
    }
}
