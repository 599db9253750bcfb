//! Tests the hardening baseline and the test of it.

use crate::machine::Machine;

fn open_machine() -> Option<Machine> {
    let machine = Machine::new("debian")?;
    machine.write("etc/ssh/sshd_config", "# sshd\nPermitRootLogin yes\nPasswordAuthentication yes\n");
    machine.write("etc/shadow", "root:*:1:0:99999:7:::\n");
    machine.write("etc/cron.d/job", "");
    for (path, mode) in [("etc/ssh/sshd_config", 0o644), ("etc/shadow", 0o644), ("etc/cron.d", 0o755)] {
        machine.set_mode(path, mode);
    }
    Some(machine)
}

#[test]
fn an_open_machine_fails_and_a_hardened_one_passes() {
    let Some(machine) = open_machine() else { return };
    let ran = machine.run("hardening-baseline-test-linux", "");
    ran.ends_with(1);
    let settings = "\
  | PermitRootLogin is yes, not no
  | PasswordAuthentication is yes, not no
  | PermitEmptyPasswords is not set, not no
";
    ran.says(settings);
    ran.says("  | there is no /etc/sysctl.d/60-hardening.conf\n");
    ran.says(
        "  | /etc/ssh/sshd_config has the mode 644, 600 is allowed\n  | /etc/shadow has the mode 644, 640 is allowed\n",
    );
    machine.run("hardening-baseline-linux", "").ends_with(0);
    machine.run("hardening-baseline-test-linux", "").ends_with(0);
    let modes = ["etc/ssh/sshd_config", "etc/shadow", "etc/cron.d"].map(|path| machine.mode(path));
    assert_eq!(modes, [0o600, 0o640, 0o700]);
}

#[test]
fn hardening_twice_is_hardening_once() {
    let Some(machine) = open_machine() else { return };
    machine.run("hardening-baseline-linux", "").ends_with(0);
    let once = machine.read("etc/ssh/sshd_config");
    assert!(once.starts_with("# begin hardening baseline\nPermitRootLogin no\n"), "{once}");
    assert!(
        once.ends_with("# end hardening baseline\n# sshd\nPermitRootLogin yes\nPasswordAuthentication yes\n"),
        "{once}"
    );
    machine.run("hardening-baseline-linux", "").ends_with(0);
    assert_eq!(machine.read("etc/ssh/sshd_config"), once);
}

#[test]
fn the_kernel_of_a_booted_machine_has_to_have_the_settings() {
    let Some(machine) = open_machine() else { return };
    machine.run("hardening-baseline-linux", "").ends_with(0);
    machine.write("run/systemd/system/.here", "");
    let wanted = r#"awk -v key="$2" '$1 == key { print $3 }' /etc/sysctl.d/60-hardening.conf"#;
    machine.program("sysctl", wanted);
    machine.run("hardening-baseline-test-linux", "").ends_with(0);
    machine.program("sysctl", "echo 5");
    machine.run("hardening-baseline-test-linux", "").says("  | fs.protected_hardlinks is 5, not 1\n");
}
