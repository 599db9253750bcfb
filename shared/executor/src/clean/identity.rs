//! Identities of an instance for which it is not enough to remove a file. Each is left in a state from which the next
//! boot makes a correct new one.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::list::{CLOUD_INIT, INSTANCE, Skips};
use super::remove::Remover;

/// This file is left empty: systemd then makes an id at the next boot and continues. With `uninitialized`, or without
/// the file, systemd would treat that boot as the very first one of the machine and enable every preset unit.
const MACHINE_ID: &str = "etc/machine-id";
/// This is usually a link to the other file. If it is a file, D-Bus would continue to use it. Without it, D-Bus uses
/// the other file.
const DBUS_MACHINE_ID: &str = "var/lib/dbus/machine-id";

const INITIATOR: &str = "etc/iscsi/initiatorname.iscsi";
/// The text with which Debian's open-iscsi makes a name when its services start. Without the file, they fail. On other
/// distributions, the unit `iscsi-init` makes a name if there is no file.
const GENERATE: &str = "## A name is made at the next start of iscsid.\nGenerateName=yes\n";
const DEBIAN_ISCSI: [&str; 2] = ["lib/open-iscsi/startup-checks.sh", "usr/lib/open-iscsi/startup-checks.sh"];

/// The network configuration that the first boot wrote, with this instance's hardware addresses.
const NETPLAN: &str = "etc/netplan/50-cloud-init.yaml";

/// Leaves each identity in a state from which a new one is made.
pub(super) fn renew(remover: &mut Remover, root: &Path, skips: &Skips) {
    machine_id(remover, root);
    if !skips.has(INSTANCE) {
        initiator(remover, root);
    }
    // If nothing writes the file again, the next instance would have no network without it.
    if !skips.has(CLOUD_INIT) && writes_network(root) {
        remover.remove(&[NETPLAN]);
    }
}

fn machine_id(remover: &mut Remover, root: &Path) {
    let path = root.join(MACHINE_ID);
    let emptied = match fs::symlink_metadata(&path) {
        Ok(found) if found.is_symlink() => Ok(()),
        Ok(_) => OpenOptions::new().write(true).truncate(true).open(&path).map(drop),
        // The tree is not a system, so it needs no id.
        Err(_) if !root.join("etc").is_dir() => Ok(()),
        Err(_) => OpenOptions::new().write(true).create_new(true).mode(0o444).open(&path).map(drop),
    };
    if let Err(error) = emptied {
        remover.failed(&path, &error);
    }
    if !root.join(DBUS_MACHINE_ID).is_symlink() {
        remover.remove(&[DBUS_MACHINE_ID]);
    }
}

fn initiator(remover: &mut Remover, root: &Path) {
    let path = root.join(INITIATOR);
    // A second pass finds the text that the first one left.
    if !path.is_file() || fs::read(&path).is_ok_and(|text| text == GENERATE.as_bytes()) {
        return;
    }
    remover.remove(&[INITIATOR]);
    if DEBIAN_ISCSI.iter().any(|script| root.join(script).exists())
        && let Err(error) = write_private(&path, GENERATE)
    {
        remover.failed(&path, &error);
    }
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    io::Write::write_all(&mut file, text.as_bytes())
}

/// Returns whether cloud-init would write the network file again on another instance.
fn writes_network(root: &Path) -> bool {
    let settings = fs::read_dir(root.join("etc/cloud/cloud.cfg.d")).into_iter().flatten().filter_map(Result::ok);
    let mut files = settings.map(|entry| entry.path()).chain([root.join("etc/cloud/cloud.cfg")]);
    let is_off = |path: std::path::PathBuf| {
        let text = fs::read_to_string(path).unwrap_or_default();
        // YAML allows `network: {config: disabled}` as well as two lines, so white space does not count.
        let words: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
        words.contains("config:disabled")
    };
    root.join("usr/bin/cloud-init").exists() && !files.any(is_off)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::{DBUS_MACHINE_ID, GENERATE, INITIATOR, MACHINE_ID, NETPLAN, renew};
    use crate::clean::list::Skips;
    use crate::clean::remove::Remover;

    fn write(root: &Path, path: &str, text: &str) {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }

    fn renewed(prepare: impl Fn(&Path)) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path());
        for _ in 0..2 {
            let mut remover = Remover::new(directory.path());
            renew(&mut remover, directory.path(), &Skips::read(directory.path(), ""));
            assert_eq!(remover.take_failures(), [""; 0]);
        }
        directory
    }

    #[test]
    fn the_machine_id_is_there_and_empty_and_d_bus_has_none_of_its_own() {
        for id in [Some("0123"), Some("uninitialized\n"), None] {
            let machine = renewed(|root| {
                fs::create_dir(root.join("etc")).unwrap();
                write(root, DBUS_MACHINE_ID, "0123");
                id.into_iter().for_each(|id| write(root, MACHINE_ID, id));
            });
            assert_eq!(fs::read(machine.path().join(MACHINE_ID)).unwrap(), b"", "{id:?}");
            assert!(!machine.path().join(DBUS_MACHINE_ID).exists());
        }
        let linked = renewed(|root| {
            write(root, MACHINE_ID, "0123");
            fs::create_dir_all(root.join("var/lib/dbus")).unwrap();
            symlink("/etc/machine-id", root.join(DBUS_MACHINE_ID)).unwrap();
        });
        assert!(linked.path().join(DBUS_MACHINE_ID).is_symlink());
    }

    #[test]
    fn an_iscsi_initiator_gets_a_name_as_its_distribution_gives_one() {
        let named = |root: &Path| write(root, INITIATOR, "InitiatorName=iqn.1993-08.org.debian:01:abc\n");
        let debian = renewed(|root| {
            named(root);
            write(root, "lib/open-iscsi/startup-checks.sh", "");
        });
        assert_eq!(fs::read_to_string(debian.path().join(INITIATOR)).unwrap(), GENERATE);
        assert!(!renewed(named).path().join(INITIATOR).exists());
    }

    #[test]
    fn the_networks_file_goes_only_where_cloud_init_writes_it_again() {
        let ours = |root: &Path| {
            write(root, NETPLAN, "macaddress");
            write(root, "usr/bin/cloud-init", "");
        };
        assert!(!renewed(ours).path().join(NETPLAN).exists());
        let off = renewed(|root| {
            ours(root);
            write(root, "etc/cloud/cloud.cfg.d/99-off.cfg", "network: {config: disabled}\n");
        });
        assert!(off.path().join(NETPLAN).exists());
        assert!(renewed(|root| write(root, NETPLAN, "mine")).path().join(NETPLAN).exists());
    }
}
