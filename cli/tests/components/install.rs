//! Tests of components that install something, with package managers that record their calls.

use crate::machine::Machine;

#[test]
fn updates_are_followed_by_a_reboot_if_they_need_one() {
    let Some(machine) = Machine::new("amzn") else { return };
    machine.program("dnf", "");
    machine.program("needs-restarting", "");
    machine.run("update-linux", "").ends_with(0);
    assert_eq!(machine.calls(), "dnf -y --refresh --setopt=skip_if_unavailable=0 upgrade\nneeds-restarting -r\n");
    machine.program("needs-restarting", "exit 1");
    machine.run("update-linux", "").ends_with(194);
    machine.write("run/reboot-required", "");
    machine.run("update-linux", "").ends_with(194);
}

#[test]
fn python_comes_from_the_systems_packages() {
    let Some(machine) = Machine::new("debian") else { return };
    machine.program("apt-get", "");
    machine.program("python3", "");
    machine.run("python-3-linux", "-p build,validate").ends_with(0);
    let calls = "apt-get -q -oDPkg::Lock::Timeout=300 -oAPT::Update::Error-Mode=any update\n\
                 apt-get -q -oDPkg::Lock::Timeout=300 -y install --no-install-recommends python3 python3-pip python3-venv\n\
                 python3 -c import sys; print(sys.version); assert sys.version_info >= (3,)\n";
    assert_eq!(machine.calls(), calls);
}

#[test]
fn docker_on_amazon_linux_is_amazons_own() {
    let Some(machine) = Machine::new("amzn") else { return };
    for program in ["dnf", "docker", "systemctl"] {
        machine.program(program, "");
    }
    machine.run("docker-ce-linux", "-p build").ends_with(0);
    assert_eq!(machine.calls(), "dnf -y install docker\nsystemctl enable docker\n");
}
