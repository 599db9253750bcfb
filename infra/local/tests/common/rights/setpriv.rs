//! Programs with other rights than root's own: root alone can take some away. Suites that run again so share this.

use std::process::Command;

/// The rights of root in an ordinary container: `chroot`, but no mounts and no namespaces.
const CONTAINER_RIGHTS: &str = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,\
                                +net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";

/// Runs the program that is the next argument as root with the rights that an ordinary container has.
pub(crate) fn in_a_container() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", CONTAINER_RIGHTS]);
    command
}

/// Runs the program that is the next argument as the user and the group of this id, and in no other group.
pub(crate) fn as_user(id: u32) -> Command {
    let id = id.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]);
    command
}
