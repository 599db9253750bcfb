//! What is left on a disk: an image has the blocks of its volume, not only the files, so the whole disk is searched.

use std::fs;
use std::process::Command;

use goldsmith_executor::WorkOrder;

use crate::cloud::Cloud;
use crate::machine::Machine;

const SECRET: &str = "correct-horse-battery";
const KEY: &str = "private-key-of-the-builder";

/// Where the script cannot mount anything, as in a container without rights.
const CANNOT: i32 = 77;

/// A machine on an ext4 file system in the file `disk`, with its programs from outside. It is "rebooted" between the two
/// starts of the order, and the clean-up's last pass is waited for. After each step the whole disk is searched.
const SCRIPT: &str = r#"
mount -t tmpfs tmpfs /run || exit 77
mount -o loop disk root || exit 77
cd root
for name in bin sbin lib lib64 usr; do
    if [ -L /$name ]; then cp -P /$name $name; elif [ -d /$name ]; then mkdir $name; mount --bind /$name $name; fi
done
mkdir -p proc dev run tmp etc/ssh root var/lib/goldsmith
mount -t proc proc proc
mount --bind /dev dev
mount -t tmpfs tmpfs run
cp ../orders/* var/lib/goldsmith
for number in $(seq 100); do echo "$KEY $number"; done > etc/ssh/ssh_host_rsa_key
searched() {
    sync
    for word in "$SECRET" "$KEY"; do printf '%s ' $(grep -c -a -e "$word" ../disk) >> ../found; done
}
start() { chroot . /var/lib/goldsmith/agent /var/lib/goldsmith/$1.json > ../said-$2 2>&1; echo $? >> ../status; searched; }
start order 1
mount -t tmpfs tmpfs run
start order 2
start clean 3
while grep -qs 'last-pas[s]' /proc/[0-9]*/cmdline; do sleep 0.1; done
searched
"#;

#[test]
fn neither_a_secret_nor_a_key_is_found_on_the_disk() {
    let cloud = Cloud::start();
    cloud.parameter("/app/key", "SecureString", SECRET);
    let mut machine = Machine::with_steps(
        "      - {name: Say, action: ExecuteBash, inputs: {commands: ['echo \"{{ aws:ssm:/app/key }}\"']}}\n      \
         - {name: Restart, action: Reboot}\n      \
         - {name: Same, action: ExecuteBash, inputs: {commands: ['test \"{{ build.Say.outputs.stdout }}\" = \"{{ aws:ssm:/app/key }}\"']}}\n",
    );
    machine.order.state_directory = "/var/lib/goldsmith/state".into();
    machine.order.log_directory = "/var/lib/goldsmith/log".into();
    machine.order.working_directory = None;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("orders")).unwrap();
    fs::create_dir(path("root")).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_goldsmith-agent"), path("orders/agent")).unwrap();
    fs::write(path("orders/order.json"), serde_json::to_vec(&machine.order).unwrap()).unwrap();
    fs::write(path("orders/clean.json"), serde_json::to_vec(&WorkOrder::clean("web-1/Snapshot")).unwrap()).unwrap();
    fs::File::create(path("disk")).unwrap().set_len(512 << 20).unwrap();
    let made = Command::new("mke2fs").args(["-q", "-t", "ext4"]).arg(path("disk")).status();
    if !made.is_ok_and(|status| status.success()) || !rustix::process::geteuid().is_root() {
        eprintln!("not tried: only root can mount a disk, and mke2fs has to make one");
        return;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", SCRIPT]).current_dir(folder.path());
    cloud.serve(&mut command);
    command.env("SECRET", SECRET).env("KEY", KEY).env("SSM_COMMAND_ID", "c-1").env("NO_PROXY", "127.0.0.1");
    let done = command.output().unwrap();
    if done.status.code() == Some(CANNOT) {
        eprintln!("not tried: {}", String::from_utf8_lossy(&done.stderr));
        return;
    }
    let said =
        || ["said-1", "said-2", "said-3"].map(|name| fs::read_to_string(path(name)).unwrap_or_default()).concat();
    let word = |name: &str| fs::read_to_string(path(name)).unwrap_or_default();
    assert_eq!(word("status"), "194\n0\n0\n", "{}{}", said(), String::from_utf8_lossy(&done.stderr));
    let found: Vec<_> = word("found").split_whitespace().map(str::to_owned).collect();
    assert_eq!(found, ["0", "100", "0", "100", "0", "0", "0", "0"], "secret and key after each step, and at the end");
}
