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
touch /etc/goldsmith-host-test
rm /etc/passwd
echo done";
/// What is seen of them.
const LOOK: &str =
    "cd \"$1\" && cat text && ls && ls folder && stat -c '%a %u' mode && ls /etc/passwd /etc/goldsmith-host-test";

/// A folder with files to change, in a place that an instance does not have for itself.
fn victim() -> tempfile::TempDir {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    for name in ["text", "gone", "mode", "folder/old"] {
        std::fs::write(folder.path().join(name), "as it was\n").unwrap();
    }
    folder
}

/// Everything that could have changed, on the host.
fn state_of(folder: &Path) -> Vec<(String, u32, u32, i64, String)> {
    let mut seen = Vec::new();
    for name in ["text", "gone", "mode", "folder", "folder/old"] {
        let path = folder.join(name);
        let facts = path.metadata().unwrap();
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        seen.push((name.to_owned(), facts.mode(), facts.uid(), facts.ctime(), text));
    }
    seen
}

fn script(text: &str, folder: &Path) -> String {
    format!("set -- {}\n{text}", folder.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_files_are_there_and_never_change() {
    if !require_or_skip(rustix::process::geteuid().is_root(), "root") {
        return;
    }
    let endpoint = TestEndpoint::start(HOST.as_ref(), None).await;
    let client = endpoint.client;
    assert_eq!(client.admin("GET", "inventory", &Value::Null)["isolation"], "namespaces");
    let folder = victim();
    let (victim, before) = (folder.path().canonicalize().unwrap(), state_of(folder.path()));
    let passwd = std::fs::read("/etc/passwd").unwrap();
    let builder = launch(client, &source(client)).await;
    let release = std::fs::read_to_string("/etc/os-release").unwrap();
    assert_eq!(run(client, &builder, "cat /etc/os-release").await["StandardOutputContent"], release);
    assert_eq!(run(client, &builder, "stat -c %a /tmp /run").await["StandardOutputContent"], "1777\n755\n");
    let done = run(client, &builder, &script(CHANGES, &victim)).await;
    assert_eq!(done["StandardOutputContent"], "done\n", "{done}");
    let reboot = "[ -e /var/goldsmith-host-test ] || { touch /var/goldsmith-host-test; exit 194; }";
    assert_eq!(run(client, &builder, reboot).await["Status"], "Success");
    client.ec2("StopInstances", &[("InstanceId.1", &builder)]);
    wait_for_state(client, &builder, "stopped").await;
    let image = client.ec2_value("CreateImage", &[("InstanceId", &builder), ("Name", "one")], "imageId");
    wait_for_image(client, &image).await;
    let offspring = launch(client, &image).await;
    let expected = "changed\nfolder\nmode\ntext\nnew\n600 12\n/etc/goldsmith-host-test\n";
    let seen = run(client, &offspring, &script(LOOK, &victim)).await;
    assert_eq!(seen["StandardOutputContent"], expected, "{seen}");
    run(client, &offspring, "echo second > /etc/second").await;
    let again = client.ec2_value("CreateImage", &[("InstanceId", &offspring), ("Name", "two")], "imageId");
    wait_for_image(client, &again).await;
    let third = launch(client, &again).await;
    let seen = run(client, &third, &script(&format!("cat /etc/second; {LOOK}"), &victim)).await;
    assert_eq!(seen["StandardOutputContent"], format!("second\n{expected}"), "{seen}");
    let sibling = launch(client, &source(client)).await;
    let seen = run(client, &sibling, &script("cat \"$1/text\"", &victim)).await;
    assert_eq!(seen["StandardOutputContent"], "as it was\n", "{seen}");
    client.admin("POST", "reset", &Value::Null);
    assert_eq!(traces_of(&endpoint.state_dir().join("state/instances")), [""; 0]);
    assert_eq!((state_of(&victim), std::fs::read("/etc/passwd").unwrap()), (before, passwd));
    for name in ["/etc/goldsmith-host-test", "/var/goldsmith-host-test", "/etc/second"] {
        assert!(!Path::new(name).exists(), "{name}");
    }
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
