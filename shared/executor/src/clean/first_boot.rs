//! Makes a unit for keys that the clean-up removed and that nothing else on the machine makes again. The unit makes
//! them at the next boot and then removes itself.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::list::{SSH, Skips};
use super::remove::Remover;

const FOLDER: &str = "etc/systemd/system";
const WANTS: &str = "etc/systemd/system/multi-user.target.wants";
const UNIT: &str = "goldsmith-keys.service";

/// The folders of the units of packages and of this machine.
const UNITS: [&str; 3] = ["usr/lib/systemd/system", "lib/systemd/system", FOLDER];
/// Texts in units that make host keys: those of Fedora and its family, SUSE and Arch, and those that administrators
/// add.
const MAKERS: [&str; 3] = ["ssh-keygen", "sshd-keygen", "sshd-gen-keys"];

/// Debian's self-signed certificate. It is made when its package is installed, and several servers use it.
const SNAKEOIL: [&str; 2] = ["etc/ssl/private/ssl-cert-snakeoil.key", "etc/ssl/certs/ssl-cert-snakeoil.pem"];
const SNAKEOIL_MAKER: &str = "usr/sbin/make-ssl-cert";

/// Installs a unit for the keys that nothing else makes.
pub(super) fn make_keys(remover: &mut Remover, root: &Path, skips: &Skips) {
    let mut commands = Vec::new();
    if !skips.has(SSH) && needs_host_keys(root) {
        commands.push("/usr/bin/ssh-keygen -A");
    }
    // An earlier pass has already removed the certificate. Its unit must not be replaced by one without this command.
    if root.join(SNAKEOIL_MAKER).exists() && SNAKEOIL.iter().any(|path| root.join(path).exists()) || left(root) {
        remover.remove(&SNAKEOIL);
        commands.push("/usr/sbin/make-ssl-cert generate-default-snakeoil --force-overwrite");
    }
    let path = root.join(FOLDER).join(UNIT);
    if !commands.is_empty()
        && let Err(error) = install(root, &path, &commands)
    {
        remover.failed(&path, &error);
    }
}

/// Returns whether an earlier pass has already installed a unit that makes the certificate.
fn left(root: &Path) -> bool {
    fs::read_to_string(root.join(FOLDER).join(UNIT)).is_ok_and(|unit| unit.contains("make-ssl-cert"))
}

/// Returns whether there is an SSH server whose host keys nothing else makes.
fn needs_host_keys(root: &Path) -> bool {
    let is_there = |path: &str| root.join(path).exists();
    let units = UNITS.iter().flat_map(|folder| fs::read_dir(root.join(folder)).into_iter().flatten());
    let makes = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_owned();
        let text = fs::read_to_string(&path).unwrap_or_default();
        // The unit of an earlier pass must not be taken for one of the distribution.
        name != UNIT && MAKERS.iter().any(|maker| name.to_string_lossy().contains(maker) || text.contains(maker))
    };
    is_there("usr/sbin/sshd")
        && is_there("usr/bin/ssh-keygen")
        && UNITS.iter().any(|folder| is_there(folder))
        // cloud-init makes host keys at the first boot of every instance.
        && !is_there("usr/bin/cloud-init")
        && !units.filter_map(Result::ok).any(|entry| makes(entry.path()))
}

fn install(root: &Path, path: &Path, commands: &[&str]) -> io::Result<()> {
    fs::create_dir_all(root.join(WANTS))?;
    fs::write(path, unit(commands))?;
    match symlink(format!("../{UNIT}"), root.join(WANTS).join(UNIT)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// Returns the text of the unit. If a command fails, the unit stays and runs again at the next boot.
fn unit(commands: &[&str]) -> String {
    let starts: String = commands.iter().map(|command| format!("ExecStart={command}\n")).collect();
    format!(
        "[Unit]
Description=Make the keys of this machine, which its image came without
RequiresMountsFor=/etc/ssh /etc/ssl
Before=ssh.service sshd.service postfix.service apache2.service nginx.service

[Service]
Type=oneshot
{starts}ExecStartPost=/bin/rm -f /{WANTS}/{UNIT} /{FOLDER}/{UNIT}

[Install]
WantedBy=multi-user.target
"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::{FOLDER, SNAKEOIL, SNAKEOIL_MAKER, UNIT, WANTS, make_keys, unit};
    use crate::clean::list::Skips;
    use crate::clean::remove::Remover;

    const SERVER: [&str; 3] = ["usr/sbin/sshd", "usr/bin/ssh-keygen", "usr/lib/systemd/system/ssh.service"];

    fn unit_for(paths: &[&str]) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for path in paths {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), "").unwrap();
        }
        for _ in 0..2 {
            let mut remover = Remover::new(root);
            make_keys(&mut remover, root, &Skips::read(root, "tmp"));
            assert_eq!(remover.take_failures(), [""; 0]);
        }
        assert!(SNAKEOIL.iter().all(|path| !root.join(SNAKEOIL_MAKER).exists() || !root.join(path).exists()));
        let found = fs::read_to_string(root.join(FOLDER).join(UNIT)).ok();
        assert_eq!(fs::read_to_string(root.join(WANTS).join(UNIT)).ok(), found);
        found
    }

    #[test]
    fn host_keys_are_made_if_there_is_a_server_and_nothing_else_makes_them() {
        assert!(unit_for(&SERVER).unwrap().contains("\nExecStart=/usr/bin/ssh-keygen -A\n"));
        assert_eq!(unit_for(&SERVER[1..]), None);
        let others = [
            "usr/bin/cloud-init",
            "usr/lib/systemd/system/sshd-keygen@.service",
            "etc/systemd/system/sshd-keygen.service",
            "tmp/skip_cleanup_ssh_files",
        ];
        for other in others {
            assert_eq!(unit_for(&[&SERVER[..], &[other]].concat()), None, "{other}");
        }
    }

    #[test]
    fn a_certificate_goes_only_where_it_can_be_made_again() {
        assert_eq!(unit_for(&SNAKEOIL), None);
        let made = unit_for(&[&SNAKEOIL[..], &[SNAKEOIL_MAKER]].concat()).unwrap();
        assert!(made.contains("\nExecStart=/usr/sbin/make-ssl-cert generate-default-snakeoil"), "{made}");
    }

    #[test]
    fn systemd_takes_the_unit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(UNIT);
        fs::write(&path, unit(&["/bin/true"])).unwrap();
        assert!(Path::new(&path).exists());
        // Without systemd, the unit cannot be verified.
        let Ok(found) = Command::new("systemd-analyze").arg("verify").arg(&path).output() else { return };
        assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    }
}
