//! Tests of components that only read a machine.

use crate::machine::Machine;

#[test]
fn hello_world_says_hello_in_every_phase() {
    let Some(machine) = Machine::new("debian") else { return };
    let ran = machine.run("hello-world-linux", "");
    ran.ends_with(0);
    for phase in ["Build", "Validate", "Test"] {
        ran.says(&format!("  | Hello World! {phase}.\n"));
    }
}

#[test]
fn a_booted_machine_passes_the_simple_boot_test() {
    let Some(machine) = Machine::new("debian") else { return };
    let ran = machine.run("simple-boot-test-linux", "");
    ran.ends_with(0);
    ran.says("NoFailedService: skipped");
    machine.write("run/systemd/system/.here", "");
    machine.program("systemctl", "case $* in *--failed*) echo nginx.service loaded failed;; esac");
    let ran = machine.run("simple-boot-test-linux", "");
    ran.ends_with(0);
    ran.says("  | failed: nginx.service loaded failed\n");
    ran.says("NoFailedService: failed, which is ignored");
}

#[test]
fn the_reboot_test_passes_only_after_a_reboot() {
    let Some(machine) = Machine::new("debian") else { return };
    let call = format!("-s {}", machine.path("state").display());
    machine.run("reboot-test-linux", &call).ends_with(194);
    let ran = machine.run("reboot-test-linux", &call);
    ran.ends_with(1);
    ran.says("HasRebooted (Assert)");
    machine.run("reboot-test-linux", &call).ends_with(194);
    machine.write("boot_id", "00000000-0000-4000-8000-000000000000\n");
    machine.run("reboot-test-linux", &call).ends_with(0);
}

#[test]
fn a_full_volume_fails() {
    let Some(machine) = Machine::new("debian") else { return };
    let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a 1000 400 600 40% /\n\
                 /dev/b 1000 910 90 91% /data\n/dev/a 1000 400 600 40% /same";
    machine.program("df", &format!("cat <<'END'\n{table}\nEND"));
    let ran = machine.run("ebs-volume-usage-test-linux", "");
    ran.ends_with(1);
    ran.says("  | /: 40% of 1000 KiB are used\n  | /data: 91% of 1000 KiB are used\n  | /data is fuller than 90%\n");
    machine.run("ebs-volume-usage-test-linux", "--parameters maximumPercent=91").ends_with(0);
    assert_eq!(machine.calls(), "df -P -l -x squashfs -x tmpfs -x devtmpfs -x efivarfs\n".repeat(2));
}

#[test]
fn chrony_has_to_ask_the_time_server() {
    let Some(machine) = Machine::new("amzn") else { return };
    machine.run("chrony-time-configuration-test", "").says("the assertion is false");
    machine.program("chronyd", "");
    machine.run("chrony-time-configuration-test", "").says("chrony has no configuration");
    machine.write("etc/chrony.conf", "pool 0.pool.ntp.org iburst\n# server 169.254.169.123\n");
    machine.run("chrony-time-configuration-test", "").ends_with(1);
    machine.write("etc/chrony.d/amazon.sources", "server 169.254.169.123 prefer iburst minpoll 4\n");
    machine.run("chrony-time-configuration-test", "").ends_with(0);
    machine.run("chrony-time-configuration-test", "--parameters server=0.pool.ntp.org").ends_with(0);
}

#[test]
fn a_repository_that_does_not_answer_fails() {
    let Some(machine) = Machine::new("debian") else { return };
    machine.program("apt-cache", "");
    machine.program("apt-get", "echo 'Hit:1 http://mirror one InRelease'");
    machine.run("apt-repository-test-linux", "").ends_with(0);
    let update = "apt-get -q -o APT::Update::Error-Mode=any update\n";
    assert_eq!(machine.calls(), format!("{update}apt-cache policy\n"));
    machine.program("apt-get", "echo 'Err:1 http://mirror one InRelease'");
    machine.run("apt-repository-test-linux", "").ends_with(1);
    assert_eq!(machine.calls(), format!("{update}apt-cache policy\n{}", update.repeat(3)));
}

#[test]
fn every_yum_repository_is_asked() {
    let Some(machine) = Machine::new("amzn") else { return };
    machine.program("dnf", "");
    machine.run("yum-repository-test-linux", "").ends_with(0);
    let calls =
        "dnf -q clean expire-cache\ndnf -q --setopt=*.skip_if_unavailable=0 makecache\ndnf -q repolist enabled\n";
    assert_eq!(machine.calls(), calls);
    machine.program("dnf", "case $* in *makecache*) exit 1;; esac");
    machine.run("yum-repository-test-linux", "").ends_with(1);
}

#[test]
fn reboot_linux_reboots_once() {
    let Some(machine) = Machine::new("debian") else { return };
    let call = format!("-s {}", machine.path("state").display());
    machine.run("reboot-linux", &call).ends_with(194);
    machine.run("reboot-linux", &call).ends_with(0);
}
