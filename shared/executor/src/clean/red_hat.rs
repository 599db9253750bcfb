//! Removes the builder's registration with Red Hat or with a Satellite server, as `virt-sysprep` does, and the
//! repositories that need it, as `subscription-manager clean` does. The server is not told: a registration that came
//! with the parent image is also that of other instances.
//!
//! An instance whose `rhsmcertd` registers instances automatically does so only if it has no identity.

use std::fs;
use std::path::Path;

use super::remove::Remover;

const FILES: &[&str] = &[
    // The identity and its key.
    "etc/pki/consumer/*",
    // What the identity may use, with the keys.
    "etc/pki/entitlement/*",
    // What the server has said about this identity, and the token of the automatic registration.
    "var/lib/rhsm/cache/*",
    // The identity of older servers and of Oracle's Unbreakable Linux Network.
    "etc/sysconfig/rhn/osad-auth.conf",
    "etc/sysconfig/rhn/systemid",
];

/// The repositories of the identity. subscription-manager writes the file again.
const REPOSITORIES: &str = "etc/yum.repos.d/redhat.repo";
/// Texts of that file if subscription-manager has written it for an identity.
const OF_IDENTITY: [&str; 2] = ["Managed by (rhsm) subscription-manager", "/etc/pki/entitlement/"];

/// Removes the registration, if there is one.
pub(super) fn forget(remover: &mut Remover, root: &Path) {
    remover.remove(FILES);
    let text = fs::read_to_string(root.join(REPOSITORIES)).unwrap_or_default();
    if OF_IDENTITY.iter().all(|part| text.contains(part)) {
        remover.remove(&[REPOSITORIES]);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::{REPOSITORIES, forget};
    use crate::clean::remove::Remover;

    const HEADER: &str = "#\n# Certificate-Based Repositories\n# Managed by (rhsm) subscription-manager\n#\n";
    const GOES: [&str; 5] = [
        "etc/pki/consumer/key.pem",
        "etc/pki/entitlement/1-key.pem",
        "etc/pki/entitlement/1.pem",
        "etc/sysconfig/rhn/systemid",
        "var/lib/rhsm/cache/cloud_token_cache.json",
    ];
    const STAYS: [&str; 4] =
        ["etc/pki/product/69.pem", "etc/pki/rhui/content.key", "etc/rhsm/rhsm.conf", "var/lib/rhsm/repo_server_val/x"];

    fn write(root: &Path, path: &str, text: &str) {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }

    /// Returns whether the file of the repositories stays.
    fn keeps(repositories: &str) -> bool {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        GOES.iter().chain(&STAYS).for_each(|path| write(root, path, "x"));
        write(root, REPOSITORIES, repositories);
        for _ in 0..2 {
            let mut remover = Remover::new(root);
            forget(&mut remover, root);
            assert_eq!(remover.take_failures(), [""; 0]);
        }
        for (paths, stay) in [(&GOES[..], false), (&STAYS, true)] {
            paths.iter().for_each(|path| assert_eq!(root.join(path).exists(), stay, "{path}"));
        }
        root.join(REPOSITORIES).exists()
    }

    #[test]
    fn the_identity_goes_with_its_repositories() {
        let repository = "[rhel]\nsslclientkey = /etc/pki/entitlement/1-key.pem\n";
        assert!(!keeps(&format!("{HEADER}{repository}")));
        // A file that somebody else has written, and that of a machine without an identity.
        assert!(keeps(repository));
        assert!(keeps(HEADER));
    }
}
