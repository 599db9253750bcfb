//! The files that the clean-up removes, section by section. The sections are those of EC2 Image Builder's own clean-up.
//! A component keeps a section as it does there: with an empty file `skip_cleanup_SECTION` in the working directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A part of the list.
pub(super) struct Section {
    /// The file by which a component keeps the section. `None` if the section is always removed.
    skip: Option<&'static str>,
    /// Paths that are removed with everything in them. `*` stands for any part of one name, and `~` for the home of
    /// each user.
    pub(super) removed: &'static [&'static str],
    /// Files that are kept but emptied: the programs that write them do not create them, or need their owner and mode.
    pub(super) emptied: &'static [&'static str],
}

/// The folder that records the kept sections after the files of the components were removed.
const REMEMBERED: &str = "run/goldsmith";

/// The section with the system's logs.
pub(super) const LOGS: &str = "skip_cleanup_instance_log_files";
/// The section with the files that cloud-init leaves.
pub(super) const CLOUD_INIT: &str = "skip_cleanup_cloudinit_files";
/// The section with the SSM agent's logs, which are removed after the others.
pub(super) const SSM_LOGS: &str = "skip_cleanup_ssm_log_files";
/// The section with the host keys.
pub(super) const SSH: &str = "skip_cleanup_ssh_files";
/// The section with the registration at the distribution's vendor. EC2 Image Builder has no section for it.
pub(super) const REGISTRATION: &str = "skip_cleanup_registration_files";
/// The section with this instance's names.
pub(super) const INSTANCE: &str = "skip_cleanup_instance_files";

pub(super) const SECTIONS: &[Section] = &[
    Section {
        skip: Some(CLOUD_INIT),
        removed: &["etc/sudoers.d/90-cloud-init-users", "var/lib/cloud/*", "var/log/cloud-init*.log*"],
        emptied: &[],
    },
    Section {
        skip: Some(INSTANCE),
        removed: &[
            "etc/.updated",
            "etc/aliases.db",
            "etc/hostname",
            "etc/nvme/hostid",
            "etc/nvme/hostnqn",
            "etc/salt/minion_id",
            "etc/salt/pki/minion/minion.p*",
            "var/.updated",
            "var/cache/yum/x86_64/2/.gpgkeyschecked.yum",
            "var/lib/docker/engine-id",
            "var/lib/misc/postfix.aliasesdb-stamp",
            "var/lib/postfix/master.lock",
            "var/lib/yum/uuid",
            "var/lib/zypp/AnonymousUniqueId",
            "var/spool/postfix/pid/master.pid",
        ],
        emptied: &[],
    },
    Section {
        skip: Some(SSH),
        removed: &[
            "etc/ssh/ssh_host_*_key",
            "etc/ssh/ssh_host_*_key.pub",
            "~/.ssh/authorized_keys",
            "~/.ssh/authorized_keys2",
            "~/.ssh/known_hosts",
            "~/.ssh/known_hosts.old",
        ],
        emptied: &[],
    },
    Section {
        skip: Some(LOGS),
        removed: &[
            "var/crash/*",
            "var/lib/rsyslog/imjournal.state",
            "var/lib/systemd/coredump/*",
            "var/log/audit/audit.log*",
            "var/log/boot.log*",
            "var/log/cron*",
            "var/log/dmesg*",
            "var/log/journal/*/*",
            "var/log/sa/sa*",
            "var/log/sysstat/sa*",
            // Older generations of the logs below.
            "var/log/*-20*",
            "var/log/*.gz",
            "var/log/*.log.*",
            "var/log/*.xz",
            "var/log/*.zst",
            "var/log/apt/*.gz",
            "var/log/apt/*.xz",
            "var/log/btmp.*",
            "var/log/debug.*",
            "var/log/messages.*",
            "var/log/syslog.*",
            "var/log/unattended-upgrades/*.gz",
            "var/log/wtmp.*",
        ],
        emptied: &[
            "var/log/alternatives.log",
            "var/log/apt/*.log",
            "var/log/auth.log",
            "var/log/btmp",
            "var/log/cloudregister",
            "var/log/daemon.log",
            "var/log/debug",
            "var/log/dnf*.log",
            "var/log/dpkg.log",
            "var/log/hawkey.log",
            "var/log/kern.log",
            "var/log/lastlog",
            "var/log/mail.*",
            "var/log/maillog",
            "var/log/messages",
            "var/log/secure",
            "var/log/spooler",
            "var/log/syslog",
            "var/log/tallylog",
            "var/log/ubuntu-advantage*.log",
            "var/log/unattended-upgrades/*.log",
            "var/log/user.log",
            "var/log/wtmp",
            "var/log/yum.log",
            "var/log/zypper.log",
            "var/log/zypp/*",
            "var/mail/*",
            "var/spool/mail/*",
        ],
    },
    Section {
        // Credentials of the tools with which builds fetch files. Image Builder has no section for them.
        skip: Some("skip_cleanup_credential_files"),
        removed: &[
            "~/.aws/cli/cache",
            "~/.aws/credentials",
            "~/.aws/sso/cache",
            "~/.cargo/credentials",
            "~/.cargo/credentials.toml",
            "~/.config/gcloud/*.db",
            "~/.config/gcloud/application_default_credentials.json",
            "~/.config/gcloud/legacy_credentials",
            "~/.config/gh/hosts.yml",
            "~/.docker/config.json",
            "~/.git-credentials",
            "~/.netrc",
            "~/.npmrc",
            "~/.pypirc",
        ],
        emptied: &[],
    },
    Section {
        skip: None,
        removed: &[
            // identities and keys
            "boot/efi/loader/random-seed",
            "boot/loader/random-seed",
            "efi/loader/random-seed",
            "var/lib/NetworkManager/secret_key",
            "var/lib/NetworkManager/seen-bssids",
            "var/lib/systemd/credential.secret",
            "var/lib/systemd/random-seed",
            "var/lib/urandom/random-seed",
            // histories of people
            "~/.*_history",
            "~/.lesshst",
            "~/.viminfo",
            "~/.wget-hsts",
            // leases
            "var/lib/NetworkManager/*.lease",
            "var/lib/dhclient/*",
            "var/lib/dhcp/*",
            "var/lib/dhcpcd*/*.lease*",
            "var/lib/systemd/network/leases/*",
            // temporary files
            "tmp/*",
            "var/tmp/*",
        ],
        emptied: &[],
    },
];

/// The sections that components keep.
pub(super) struct Skips(BTreeSet<String>);

impl Skips {
    /// Reads which sections components keep, by their own files and by the record of an earlier pass.
    pub(super) fn read(root: &Path, working_directory: &str) -> Self {
        let names = |folder: &str| {
            fs::read_dir(root.join(folder))
                .into_iter()
                .flatten()
                .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        };
        Self(
            names(working_directory.trim_matches('/'))
                .chain(names(REMEMBERED))
                .filter(|name| name.starts_with("skip_cleanup_"))
                .collect(),
        )
    }

    /// Records the kept sections for a later pass, outside the image. If there is no such place, there is no later
    /// pass.
    pub(super) fn remember(&self, root: &Path) {
        for name in &self.0 {
            let _ = fs::create_dir_all(root.join(REMEMBERED))
                .and_then(|()| fs::write(root.join(REMEMBERED).join(name), ""));
        }
    }

    /// Returns whether a section is kept.
    pub(super) fn has(&self, section: &str) -> bool {
        self.0.contains(section)
    }

    /// Returns the sections that are removed.
    pub(super) fn left(&self) -> impl Iterator<Item = &'static Section> {
        SECTIONS.iter().filter(|section| section.skip.is_none_or(|name| !self.has(name)))
    }
}

/// Returns the patterns with `~` replaced by each user's home: the homes below `/home`, and those that `/etc/passwd`
/// names.
pub(super) fn in_homes<'p>(root: &Path, patterns: impl Iterator<Item = &'p &'static str>) -> Vec<String> {
    let passwd = fs::read(root.join("etc/passwd")).unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd);
    let listed = passwd.lines().filter_map(|line| line.split(':').nth(5)).map(|home| home.trim_matches('/'));
    // The home of many system users is `/`, where the patterns would match other files. `..` would lead out of the
    // root.
    let plain = |home: &&str| !home.is_empty() && !home.contains('*') && !home.split('/').any(|part| part == "..");
    let homes: BTreeSet<&str> = ["home/*", "root"].into_iter().chain(listed.filter(plain)).collect();
    patterns
        .flat_map(|pattern| match pattern.strip_prefix("~/") {
            None => vec![(*pattern).to_owned()],
            Some(rest) => homes.iter().map(|home| format!("{home}/{rest}")).collect(),
        })
        .collect()
}
