//! Instances over this machine's own files: they see them, change what they like, and the files never change.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::error::Error as _;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::guests::{launch, run, source, traces_of, wait_for_image, wait_for_state};
use common::rights::{Rights, again};
use common::{TestEndpoint, options, require_or_skip};
use goldsmith_local::{Isolation, Server};
use serde_json::Value;

/// What stands for this machine's own files.
const HOST: &str = "/";

/// Goes before all that writes: ends at once where that would reach the machine's own files.
const GUARD: &str = "for place in / \"$1\"; do
    [ \"$(stat -f -c %T \"$place\")\" = overlayfs ] || { echo \"$place is no overlay\" >&2; exit 9; }
done";
/// Changes files of all kinds: one is written over, one removed, one gets another mode and owner, a folder goes with all
/// that is in it, and one is new.
const CHANGES: &str = "set -e
echo changed > \"$1/text\"
rm \"$1/gone\"
chmod 600 \"$1/mode\"
chown 12:34 \"$1/mode\"
rm -r \"$1/folder\"
mkdir \"$1/folder\"
echo new > \"$1/folder/new\"
echo done";
/// What is seen of them.
const LOOK: &str = "cd \"$1\" && cat text && ls && ls folder && stat -c '%a %u' mode";

/// A folder of this test's with files to change, among the machine's own; it goes at the end.
fn victim() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("goldsmith-host-test-").tempdir_in("/etc").unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    for name in ["text", "gone", "mode", "folder/old"] {
        std::fs::write(folder.path().join(name), "as it was\n").unwrap();
    }
    folder
}

/// Everything that could have changed, on the host. A new file would change its folder's time.
fn state_of(folder: &Path) -> Vec<String> {
    let look = |name: &str| {
        let path = folder.join(name);
        let facts = path.metadata().unwrap();
        let times = (facts.ctime(), facts.ctime_nsec());
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        format!("{name} {:o} {} {times:?} {text}", facts.mode(), facts.uid())
    };
    ["", "text", "gone", "mode", "folder", "folder/old"].map(look).into()
}

fn script(text: &str, folder: &Path) -> String {
    format!("set -- {}\n{GUARD}\n{text}", folder.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_files_are_there_and_never_change() {
    if !require_or_skip(rustix::process::geteuid().is_root(), "root") {
        return;
    }
    let endpoint = TestEndpoint::start(HOST.as_ref(), None).await;
    let client = endpoint.client;
    let inventory = client.admin("GET", "inventory", &Value::Null);
    assert_eq!((&inventory["isolation"], &inventory["disk"]), (&"namespaces".into(), &"host".into()));
    let folder = victim();
    let (victim, before) = (folder.path(), state_of(folder.path()));
    let builder = launch(client, &source(client)).await;
    for file in ["/etc/os-release", "/etc/passwd"] {
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(run(client, &builder, &format!("cat {file}")).await["StandardOutputContent"], text);
    }
    assert_eq!(run(client, &builder, "stat -c %a /tmp /run").await["StandardOutputContent"], "1777\n755\n");
    let done = run(client, &builder, &script(CHANGES, victim)).await;
    assert_eq!(done["StandardOutputContent"], "done\n", "{done}");
    let reboot = "[ -e \"$1/again\" ] || { touch \"$1/again\"; exit 194; }";
    assert_eq!(run(client, &builder, &script(reboot, victim)).await["Status"], "Success");
    client.ec2("StopInstances", &[("InstanceId.1", &builder)]);
    wait_for_state(client, &builder, "stopped").await;
    let image = client.ec2_value("CreateImage", &[("InstanceId", &builder), ("Name", "one")], "imageId");
    wait_for_image(client, &image).await;
    let offspring = launch(client, &image).await;
    let expected = "changed\nagain\nfolder\nmode\ntext\nnew\n600 12\n";
    let seen = run(client, &offspring, &script(LOOK, victim)).await;
    assert_eq!(seen["StandardOutputContent"], expected, "{seen}");
    run(client, &offspring, &script("echo second > \"$1/folder/new\"", victim)).await;
    let again = client.ec2_value("CreateImage", &[("InstanceId", &offspring), ("Name", "two")], "imageId");
    wait_for_image(client, &again).await;
    let third = launch(client, &again).await;
    let seen = run(client, &third, &script(&format!("cat \"$1/folder/new\"; {LOOK}"), victim)).await;
    assert_eq!(seen["StandardOutputContent"], format!("second\n{expected}"), "{seen}");
    let sibling = launch(client, &source(client)).await;
    let seen = run(client, &sibling, &script("cat \"$1/text\"", victim)).await;
    assert_eq!(seen["StandardOutputContent"], "as it was\n", "{seen}");
    client.admin("POST", "reset", &Value::Null);
    assert_eq!(traces_of(&endpoint.state_dir().join("state/instances")), [""; 0]);
    assert_eq!(state_of(victim), before);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_with_its_cause() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), HOST.as_ref(), None, std::time::Duration::ZERO);
    options.isolation = Some(Isolation::SingleUid);
    let refused = Server::bind(options).await.unwrap_err();
    let cause = refused.source().unwrap().to_string();
    let reason = if rustix::process::geteuid().is_root() { "leave the isolation out" } else { "run as root" };
    assert!(cause.contains("`host`") && cause.contains(reason), "{cause}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_user_is_refused() {
    again(Rights::User, "single-uid", &["what_cannot_work"]).await;
}
