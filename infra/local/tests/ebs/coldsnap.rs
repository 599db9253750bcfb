//! coldsnap, the tool that Bottlerocket uploads its disks with, as a client of the EBS direct APIs. It comes from crates.io and
//! compiles an AWS SDK of its own, which takes minutes: `make clients` runs this, `make test` does not.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::caller::{BLOCK, Ebs, in_state, json};
use crate::common::{Client, endpoint, require_or_skip};

const VERSION: &str = "0.12.0";

/// The program, installed once; none when it cannot be had.
fn coldsnap() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("coldsnap-{VERSION}"));
    let (program, build) = (root.join("bin/coldsnap"), root.join("build"));
    if !program.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["install", "--debug", "--locked", "--quiet", "coldsnap", "--version", VERSION, "--root"])
            .arg(&root);
        // Without debug information: it would be most of the half a gigabyte.
        cargo.env("CARGO_TARGET_DIR", &build).env("CARGO_PROFILE_DEV_DEBUG", "0");
        if !cargo.status().is_ok_and(|status| status.success()) {
            return None;
        }
        fs::remove_dir_all(build).ok();
    }
    Some(program)
}

/// What a call of the program prints.
async fn call(program: &Path, client: Client, words: &[&str]) -> String {
    let mut coldsnap = Command::new(program);
    coldsnap.args(["--region", "eu-west-1", "--endpoint", &client.url()]).args(words);
    coldsnap.env("AWS_ACCESS_KEY_ID", "000000000000").env("AWS_SECRET_ACCESS_KEY", "test");
    coldsnap.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    let output = tokio::task::spawn_blocking(move || coldsnap.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Block 1 is all zeros, and the last one is not full.
fn disk() -> Vec<u8> {
    let letters = [b'a', 0, b'c', b'd'];
    let mut disk: Vec<u8> = letters.iter().flat_map(|letter| vec![*letter; BLOCK]).collect();
    disk.extend_from_slice(b"the end");
    disk
}

fn indexes(client: Client, path: &str, name: &str) -> Vec<u64> {
    let listed = json(&client.get(path));
    listed[name].as_array().unwrap().iter().map(|block| block["BlockIndex"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "compiles an AWS SDK of its own: make clients"]
async fn a_disk_goes_up_and_comes_down_again() {
    let program = coldsnap();
    if !require_or_skip(program.is_some(), "coldsnap from crates.io") {
        return;
    }
    let (program, endpoint, folder) = (program.unwrap(), endpoint().await, tempfile::tempdir().unwrap());
    let client = endpoint.client;
    let text = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (up, down) = (text("disk.img"), text("back.img"));
    fs::write(&up, disk()).unwrap();
    let upload = ["upload", "--no-progress", "--description", "disk", "--tag", "Key=role,Value=disk", &up];
    let whole = call(&program, client, &upload).await;
    let wait = ["wait", "--successes-required", "1", "--seconds-between-attempts", "1", &whole];
    call(&program, client, &wait).await;
    let tagged = [("Filter.1.Name", "tag:role"), ("Filter.1.Value.1", "disk")];
    assert_eq!(client.ec2_value("DescribeSnapshots", &tagged, "snapshotId"), whole);
    assert_eq!(indexes(client, &format!("{whole}/blocks"), "Blocks"), [0, 1, 2, 3, 4]);
    let sparse = call(&program, client, &["upload", "--no-progress", "--omit-zero-blocks", &up]).await;
    in_state(client, &sparse, "completed").await;
    assert_eq!(indexes(client, &format!("{sparse}/blocks"), "Blocks"), [0, 2, 3, 4]);
    for snapshot in [&whole, &sparse] {
        call(&program, client, &["download", "--no-progress", "--force", snapshot, &down]).await;
        assert_eq!(fs::metadata(&down).unwrap().len(), 1 << 30);
        let mut back = vec![0; 8 * BLOCK];
        fs::File::open(&down).unwrap().read_exact(&mut back).unwrap();
        let (start, rest) = back.split_at(disk().len());
        assert!(start == disk(), "{snapshot} comes down as something else");
        assert!(rest.iter().all(|byte| *byte == 0));
    }
    let child = call(&program, client, &["upload", "--no-progress", "--parent-snapshot-id", &whole, &up]).await;
    in_state(client, &child, "completed").await;
    let changed = format!("{child}/changedblocks?firstSnapshotId={whole}");
    assert_eq!(indexes(client, &changed, "ChangedBlocks"), [0, 1, 2, 3, 4]);
    endpoint.end().await;
}
