//! What every instance of an image would share: told, or no image at all; and two instances that share nothing.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_store::ImageStatus;

use super::{Case, fail};
use crate::definitions::Pipeline;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("what_every_instance_would_share_is_reported_for_an_image", warns),
    ("what_every_instance_would_share_fails_a_build_that_may_not", fails),
    ("an_audit_that_may_fail_gets_an_instance_if_no_test_needs_one", without_tests),
    ("two_instances_of_an_image_differ_in_every_identity", identities),
];

/// A key that openssl would have made, as far as anybody can tell, and one of a package.
const LEAVE_KEYS: &str = "set -e
body=$(head -c 48 /dev/urandom | base64 -w 0)
printf -- '-----BEGIN PRIVATE KEY-----\\n%s\\n-----END PRIVATE KEY-----\\n' \"$body\" > /srv/service.conf
mkdir -p /etc/munge && head -c 128 /dev/urandom > /etc/munge/munge.key
echo bash_history > /root/.bash_history";
/// The tests come after the audit, and what they make is nobody's but the instance's.
const MAKE_ANOTHER: &str = "cp /srv/service.conf /srv/another.conf";

fn paths(audit: &serde_json::Value) -> Vec<&str> {
    audit["findings"].as_array().unwrap().iter().map(|finding| finding["path"].as_str().unwrap()).collect()
}

fn warns(stack: &Stack) {
    let steps = [("build", "LeaveKeys", LEAVE_KEYS), ("test", "MakeAnother", MAKE_ANOTHER)];
    let built = stack.build(Pipeline::new("warned", &steps).write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let expected = ["/etc/munge/munge.key", "/srv/service.conf"];
    assert_eq!(paths(&built.json["audit"]), expected, "{built:?}");
    let audited = stack.goldsmith(&["audit", built.image(), "--local", "--output", "json"]);
    let audit = serde_json::from_slice(&audited.stdout).unwrap();
    assert_eq!((audited.status.code(), paths(&audit)), (Some(1), expected.to_vec()));
    let shown = stack.goldsmith(&["show", built.image(), "--local"]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains("2 things that every instance would share"), "{shown}");
}

fn fails(stack: &Stack) {
    let more = "audit: fail\n";
    let steps = [("build", "LeaveKeys", LEAVE_KEYS), ("test", "NeverRuns", "exit 9")];
    let failure = fail(stack, &Pipeline { more, ..Pipeline::new("refused", &steps) });
    assert_eq!((failure.state.as_str(), failure.error.as_str()), ("ExecuteTest", "Goldsmith.AuditFailed"));
    assert!(failure.last_lines[0].starts_with("/etc/munge/munge.key: MUNGE key"), "{failure:?}");
    assert!(failure.last_lines[1].starts_with("/srv/service.conf: private key (PEM)"), "{failure:?}");
}

fn without_tests(stack: &Stack) {
    let more = "audit: fail\nimageTestsConfiguration: {imageTestsEnabled: false}\n";
    let clean =
        Pipeline { regions: &["eu-west-1"], more, ..Pipeline::new("shared-nothing", &[("build", "Fine", "true")]) };
    let built = stack.build(clean.write().path());
    assert_eq!((built.exit, paths(&built.json["audit"]).len()), (0, 0), "{built:?}");
    assert_eq!(stack.image(built.image()).status, ImageStatus::Available);
}

/// Says each identity of the machine that it runs on, and by a number which machine that is.
const SAY: &str = r#"who=$(cat /proc/sys/kernel/random/uuid)
say() { value=$(eval "$2" 2> /dev/null | tr -d '\n '); echo "IDENTITY $who $1 ${value:--}"; }
say machine-id 'cat /etc/machine-id'
say dbus 'cat /var/lib/dbus/machine-id'
say host-key-rsa 'cut -c 1-400 /etc/ssh/ssh_host_rsa_key.pub | cut -d " " -f 2'
say host-key-ecdsa 'cut -d " " -f 2 /etc/ssh/ssh_host_ecdsa_key.pub'
say host-key-ed25519 'cut -d " " -f 2 /etc/ssh/ssh_host_ed25519_key.pub'
say iscsi 'grep ^InitiatorName= /etc/iscsi/initiatorname.iscsi'
say nvme-id 'cat /etc/nvme/hostid'
say nvme-name 'cat /etc/nvme/hostnqn'
say random-seed 'test -s /var/lib/systemd/random-seed && sha256sum < /var/lib/systemd/random-seed'
say hostname 'cat /etc/hostname'"#;
const INSTALL: &str = "set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -q update
apt-get -q -y --no-install-recommends install openssh-server open-iscsi nvme-cli dbus
";
/// What the first boot does, in those isolations that boot no init.
const BOOT: &str = r#"[ -d /run/systemd/system ] || {
  systemd-machine-id-setup && dbus-uuidgen --ensure
  sed -n 's/^ExecStart=//p' /etc/systemd/system/goldsmith-keys.service | sh
}
# The first use of iSCSI makes a name, not the boot.
/lib/open-iscsi/startup-checks.sh
"#;

/// The builder and two test instances.
fn identities(stack: &Stack) {
    let (install, boot) = (format!("{INSTALL}{SAY}"), format!("{BOOT}{SAY}"));
    let steps = [("build", "Install", install.as_str()), ("test", "Say", boot.as_str())];
    let more =
        "audit: fail\nimageTestsConfiguration: {imageTestsEnabled: true, instanceTypes: [t3.small, t3.medium]}\n";
    let pipeline = Pipeline { regions: &["eu-west-1"], more, ..Pipeline::new("twins", &steps) };
    let built = stack.build(pipeline.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let said = stack.goldsmith(&["logs", built.image(), "--local"]);
    let said = String::from_utf8_lossy(&said.stdout);
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut machines = BTreeSet::new();
    for line in said.lines().filter_map(|line| line.split_once("IDENTITY ")) {
        let words: Vec<&str> = line.1.split(' ').collect();
        machines.insert(words[0]);
        values.entry(words[1]).or_default().extend(words[2..].iter().filter(|value| **value != "-"));
    }
    assert_eq!((machines.len(), values.len()), (3, 10), "{said}");
    for (name, values) in &values {
        let different: BTreeSet<_> = values.iter().collect();
        assert_eq!(different.len(), values.len(), "{name}: {values:?}");
    }
    for name in ["machine-id", "dbus", "host-key-rsa", "host-key-ecdsa", "host-key-ed25519", "iscsi"] {
        assert!(values[name].len() >= 2, "{name} is there on both instances: {:?}", values[name]);
    }
}
