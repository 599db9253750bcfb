//! Changes of owners and ids that succeed without an effect, for a user namespace with a single id.
//!
//! Package managers assign files to users that do not exist in such a namespace, and the kernel rejects this. A seccomp
//! filter makes these calls succeed instead. A script that checks the result sees that everything still belongs to
//! root.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::OnceLock;

use seccompiler::{BackendError, BpfProgram, SeccompAction, SeccompFilter};

/// The calls that the filter affects.
const CALLS: &[i64] = &[
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setuid,
    libc::SYS_setreuid,
    libc::SYS_setresuid,
    libc::SYS_setfsuid,
    libc::SYS_setgid,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
];

/// Makes a command, and everything that it starts, pretend. If no filter can be made, the command fails to start.
pub(super) fn pretend(command: &mut Command) {
    static FILTER: OnceLock<Result<BpfProgram, String>> = OnceLock::new();
    let filter = FILTER.get_or_init(|| filter().map_err(|error| error.to_string()));
    let install = move || match filter {
        Ok(program) => seccompiler::apply_filter(program).map_err(|_| io::Error::last_os_error()),
        Err(_) => Err(io::ErrorKind::Unsupported.into()),
    };
    // SAFETY: between fork and exec, a threaded process may make only calls that are safe after a fork. The filter
    // exists before; its installation makes two system calls, takes no lock and allocates nothing.
    #[expect(unsafe_code, reason = "a filter holds from exec on only when the new process installs it before")]
    unsafe {
        command.pre_exec(install);
    }
}

fn filter() -> Result<BpfProgram, BackendError> {
    let rules: BTreeMap<i64, Vec<_>> = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(0), architecture)?.try_into()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::pretend;

    #[test]
    fn owners_can_be_changed_to_anybody_and_stay_who_they_are() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let script = "chown 4321:4321 \"$1\" && stat -c %u \"$1\" && id -u";
        let mut command = Command::new("setpriv");
        // Without the right to change owners, even for root.
        command.args(["--bounding-set", "-chown", "sh", "-c", script, "sh"]).arg(file.path());
        if !rustix::process::geteuid().is_root() {
            command = Command::new("sh");
            command.args(["-c", script, "sh"]).arg(file.path());
        }
        pretend(&mut command);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let own = rustix::process::geteuid().as_raw();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{own}\n{own}\n"));
    }
}
