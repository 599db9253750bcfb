//! What is in an image: listed as its own tools list it, and compared with the image before it.

use serde_json::Value;

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("an_image_is_listed_and_compared_with_the_one_before_it", compared),
    ("an_image_without_tests_is_listed_on_its_build_instance", untested),
];

/// Makes and installs a package: its name, and its version.
const DEB: &str = "set -e
deb() {
  mkdir -p /tmp/$1/DEBIAN
  printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' \"$1\" \"$2\" > /tmp/$1/DEBIAN/control
  dpkg-deb --root-owner-group --build /tmp/$1 /tmp/$1.deb > /dev/null
  dpkg -i /tmp/$1.deb > /dev/null
}
";
/// The tests come after the collection, and what they install is nobody's but the instance's. They say what is installed.
const TEST: &str = "dpkg-query -W -f 'LISTED ${db:Status-Status} ${Package} ${Version} ${Architecture}\\n'
deb intruder 1.0";

fn listed(stack: &Stack, image: &str) -> Vec<String> {
    let sbom = stack.goldsmith(&["sbom", image, "--local"]);
    assert_eq!(sbom.status.code(), Some(0), "{}", String::from_utf8_lossy(&sbom.stderr));
    let sbom: Value = serde_json::from_slice(&sbom.stdout).unwrap();
    assert_eq!((sbom["bomFormat"].as_str(), sbom["specVersion"].as_str()), (Some("CycloneDX"), Some("1.6")));
    let components = sbom["components"].as_array().unwrap().iter().filter_map(|one| one["purl"].as_str());
    components.filter(|purl| purl.starts_with("pkg:deb/")).map(str::to_owned).collect()
}

fn compared(stack: &Stack) {
    let (first, second, test) = (
        format!("{DEB}deb greeter 1.0-1\nprintf one > /srv/greeting"),
        format!("{DEB}deb greeter 1.0-2\ndeb visitor 3.0\nprintf two > /srv/greeting\nprintf more > /srv/new"),
        format!("{DEB}{TEST}"),
    );
    let pipeline = |build: &str| Pipeline {
        regions: &["eu-west-1"],
        ..Pipeline::new("compared", &[("build", "Install", build), ("test", "List", test.as_str())])
    };
    let one = stack.build(pipeline(&first).write().path());
    assert_eq!((one.exit, one.json["outcome"].as_str()), (0, Some("built")), "{one:?}");
    let mut found = listed(stack, one.image());
    let said = stack.goldsmith(&["logs", one.image(), "--local"]);
    let said = String::from_utf8_lossy(&said.stdout);
    let installed = said.lines().filter_map(|line| line.split_once("LISTED installed ").map(|(_, rest)| rest));
    let mut expected: Vec<String> = installed
        .map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let version = fields[1].replace('+', "%2B");
            format!("pkg:deb/debian/{}@{version}?arch={}&distro=debian-12", fields[0].replace('+', "%2B"), fields[2])
        })
        .collect();
    found.sort();
    expected.sort();
    assert!(expected.len() > 50, "{said}");
    assert_eq!(found, expected, "what dpkg-query lists, and nothing that a test has installed");
    let greeter = "pkg:deb/debian/greeter@1.0-1?arch=all&distro=debian-12";
    assert!(found.iter().any(|purl| purl == greeter) && !found.iter().any(|purl| purl.contains("intruder")));
    let shown = stack.goldsmith(&["show", one.image(), "--local"]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    let counted = format!(" {} packages, ", found.len());
    assert!(shown.lines().any(|line| line.starts_with("contents ") && line.contains(&counted)), "{shown}");

    let text = pipeline(&second).text().replace("semanticVersion: 1.0.0", "semanticVersion: 1.1.0");
    let two = stack.build(folder(&text).path());
    assert_eq!((two.exit, two.json["outcome"].as_str()), (0, Some("built")), "{two:?}");
    let diff = stack.goldsmith(&["diff", two.image(), "--local"]);
    let diff = String::from_utf8_lossy(&diff.stdout).into_owned();
    // The size and the time of a boot differ between any two builds.
    let lines: Vec<&str> =
        diff.lines().filter(|line| !line.starts_with("size: ") && !line.starts_with("boot: ")).collect();
    let expected = format!(
        "\
{} → {}
packages: 1 added, 1 changed
  + deb visitor 3.0
  ~ deb greeter 1.0-1 → 1.0-2
files that no package owns: 1 added, 1 changed
  + /srv/new (4 B)
  ~ /srv/greeting (content)",
        one.image(),
        two.image()
    );
    assert_eq!(lines.join("\n"), expected);
    let json = stack.goldsmith(&["diff", one.image(), two.image(), "--local", "--output", "json"]);
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["packages"]["changed"][0]["direction"], "upgrade");
    let own = stack.goldsmith(&["sbom", two.image(), "--local", "--format", "spdx"]);
    let own: Value = serde_json::from_slice(&own.stdout).unwrap();
    assert_eq!(own["spdxVersion"], "SPDX-2.3");
}

fn untested(stack: &Stack) {
    let build = format!("{DEB}deb greeter 1.0-1");
    let more = "imageTestsConfiguration: {imageTestsEnabled: false}\n";
    let steps = [("build", "Install", build.as_str())];
    let pipeline = Pipeline { regions: &["eu-west-1"], more, ..Pipeline::new("listed-untested", &steps) };
    let built = stack.build(pipeline.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let found = listed(stack, built.image());
    assert!(found.iter().any(|purl| purl.starts_with("pkg:deb/debian/greeter@1.0-1?")), "{found:?}");
    let contents = stack.goldsmith(&["sbom", built.image(), "--local", "--format", "contents"]);
    let contents: Value = serde_json::from_slice(&contents.stdout).unwrap();
    // The clean-up comes first, so nothing that it removes is listed.
    let files = contents["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap());
    let left: Vec<&str> =
        files.filter(|path| path.contains("goldsmith") || path.starts_with("/etc/ssh/ssh_host")).collect();
    assert!(left.is_empty(), "{left:?}");
}
