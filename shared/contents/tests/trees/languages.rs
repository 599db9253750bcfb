//! Packages of languages: `pip list`, `npm ls` and `gem list` must be ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use goldsmith_contents::PackageType;
use serde_json::Value;

use super::{has, lines, of_tree, run, write};

/// Makes a wheel: a zip with a module and its metadata.
const WHEEL: &str = r#"
import sys, zipfile
folder, name, version = sys.argv[1:]
info = f"{name}-{version}.dist-info"
with zipfile.ZipFile(f"{folder}/{name}-{version}-py3-none-any.whl", "w") as wheel:
    wheel.writestr(f"{name}/__init__.py", "")
    wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n\nText\nName: not-this\n")
    wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(f"{info}/RECORD", f"{name}/__init__.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
"#;

#[test]
fn pythons_distributions_are_those_of_pip() {
    if !has(&["python3"])
        || !Command::new("python3").args(["-m", "pip", "--version"]).output().unwrap().status.success()
    {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    // One in the system's folder, one in a virtual environment, one of both kinds of metadata, and one of Debian.
    let system = root.join("usr/local/lib/python3.11/site-packages");
    let venv = root.join("opt/app/lib/python3.11/site-packages");
    for (target, name, version) in
        [(&system, "alpha_one", "1.0"), (&venv, "alpha_one", "1.0"), (&venv, "beta", "2.0rc1")]
    {
        let wheels = folder.path().join("wheels");
        fs::create_dir_all(&wheels).unwrap();
        run(Command::new("python3").args(["-c", WHEEL]).arg(&wheels).args([name, version]));
        let wheel = wheels.join(format!("{name}-{version}-py3-none-any.whl"));
        let options =
            ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check", "--target"];
        run(Command::new("python3").args(options).arg(target).arg(wheel));
    }
    write(&system.join("old-3.egg-info/PKG-INFO"), "Metadata-Version: 1.0\nName: old\nVersion: 3\nLicense: UNKNOWN\n");
    let ours = "usr/lib/python3/dist-packages/yaml-6.egg-info/PKG-INFO";
    write(&root.join(ours), "Metadata-Version: 1.0\nName: yaml\nVersion: 6\n");
    let status = "Package: python3-yaml\nStatus: install ok installed\nVersion: 6-1\nArchitecture: all\n";
    write(&root.join("var/lib/dpkg/status"), status);
    write(&root.join("var/lib/dpkg/info/python3-yaml.list"), &format!("/.\n/{ours}\n"));
    let contents = of_tree(&root);
    let mut expected = BTreeSet::new();
    for path in [&system, &venv] {
        let options = ["-m", "pip", "list", "--disable-pip-version-check", "--format", "json", "--path"];
        let listed: Value = serde_json::from_str(&run(Command::new("python3").args(options).arg(path))).unwrap();
        for one in listed.as_array().unwrap() {
            expected.insert(format!("{} {}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap()));
        }
    }
    let collected = lines(&contents, PackageType::Pypi, |package| format!("{} {}", package.name, package.version));
    assert_eq!(collected, expected.into_iter().collect::<Vec<_>>());
    assert_eq!(collected.len(), 3);
    let twice = contents.packages.iter().find(|package| package.name == "alpha_one").unwrap();
    assert_eq!((twice.locations.len(), twice.purl.as_str()), (2, "pkg:pypi/alpha-one@1.0"));
    assert_eq!(contents.files, [], "every file belongs to a package");
}

#[test]
fn packages_of_node_are_those_of_npm_also_nested_ones() {
    if !has(&["npm"]) {
        return;
    }
    let tree = tempfile::tempdir().unwrap();
    let app = tree.path().join("srv/app");
    let package = |path: &str, name: &str, version: &str, needs: &str| {
        let json = format!("{{\"name\": \"{name}\", \"version\": \"{version}\", \"license\": \"MIT\"{needs}}}");
        write(&app.join(path).join("package.json"), &json);
    };
    package("", "app", "1.0.0", ", \"dependencies\": {\"a\": \"1.0.0\", \"@scope/b\": \"2.0.0\"}");
    package("node_modules/a", "a", "1.0.0", ", \"dependencies\": {\"c\": \"1.0.0\"}");
    package("node_modules/a/node_modules/c", "c", "1.0.0", "");
    package("node_modules/@scope/b", "@scope/b", "2.0.0", "");
    // What is not a package: a module's own hint, and a test's fixture.
    write(&app.join("node_modules/a/esm/package.json"), "{\"type\": \"module\"}");
    write(&app.join("node_modules/a/test/x/package.json"), "{\"name\": \"fixture\", \"version\": \"9.9.9\"}");
    let json: Value =
        serde_json::from_str(&run(Command::new("npm").args(["ls", "--all", "--json"]).current_dir(&app))).unwrap();
    let mut expected = BTreeSet::new();
    gather(&json, &mut expected);
    let contents = of_tree(tree.path());
    let collected = lines(&contents, PackageType::Npm, |package| format!("{} {}", package.name, package.version));
    assert_eq!(collected, expected.into_iter().collect::<Vec<_>>());
    assert_eq!(collected.len(), 3);
    let files: Vec<&str> = contents.files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["/srv/app/package.json"]);
}

fn gather(node: &Value, into: &mut BTreeSet<String>) {
    for (name, one) in node["dependencies"].as_object().into_iter().flatten() {
        into.insert(format!("{name} {}", one["version"].as_str().unwrap()));
        gather(one, into);
    }
}

#[test]
fn gems_are_those_of_rubygems() {
    if !has(&["gem"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("root/usr/local/gems");
    let source = folder.path().join("source");
    let text = "Gem::Specification.new do |s|\n  s.name = 'greeter'\n  s.version = '1.2.0.pre1'\n  s.summary = 'x'\n  \
                s.authors = ['x']\n  s.licenses = ['MIT']\n  s.files = ['lib/greeter.rb']\nend\n";
    write(&source.join("greeter.gemspec"), text);
    write(&source.join("lib/greeter.rb"), "");
    run(Command::new("gem").args(["build", "--silent", "greeter.gemspec"]).current_dir(&source));
    let options = ["install", "--local", "--force", "--no-document", "--silent", "--install-dir"];
    run(Command::new("gem").args(options).arg(&home).arg("greeter-1.2.0.pre1.gem").current_dir(&source));
    let listed = run(Command::new("gem")
        .args(["list", "--local", "--prerelease"])
        .env("GEM_HOME", &home)
        .env("GEM_PATH", &home));
    assert!(listed.contains("greeter (1.2.0.pre1"), "{listed}");
    let contents = of_tree(&folder.path().join("root"));
    let collected = lines(&contents, PackageType::Gem, |package| {
        format!("{} {} {}", package.name, package.version, package.license.as_deref().unwrap_or("-"))
    });
    assert_eq!(collected, ["greeter 1.2.0.pre1 MIT"]);
    let path = Path::new("/usr/local/gems/specifications/greeter-1.2.0.pre1.gemspec");
    assert_eq!(Path::new(&contents.packages[0].locations[0]), path);
    assert_eq!(contents.files, [], "every file belongs to the gem");
}
