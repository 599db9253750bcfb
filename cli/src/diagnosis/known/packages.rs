//! Causes around package managers.

use super::{Known, ROW};

pub(super) const ROWS: &[Known] = &[
    Known {
        id: "package-lock",
        said: &[
            "could not get lock",
            "unable to acquire the dpkg frontend lock",
            "unable to lock",
            "held the lock",
            "is holding the yum lock",
            "waiting for process with pid",
            "existing lock",
            "can't create transaction lock",
            "dpkg frontend lock was locked",
            "rpm: error: can't create transaction lock",
        ],
        title: "another program holds the lock of the package manager",
        helps: &[
            "Stop what upgrades by itself before the first step that installs something: `systemctl mask --now apt-daily.timer \
             apt-daily-upgrade.timer apt-daily.service apt-daily-upgrade.service unattended-upgrades.service` (Debian, Ubuntu), \
             `systemctl mask --now dnf-automatic.timer dnf-makecache.timer` (RPM).",
            "Or let the package manager wait: `apt-get -o DPkg::Lock::Timeout=300 install …`, or `maxAttempts` of {step}.",
            "A new build may succeed as it is if the program ends soon, but it may fail again at any time.",
        ],
        outside: "The cause is on the instance: a program that runs by itself, not {step}, holds the lock. A package that is new \
                  in the image or the mirror may have brought it.",
        suspects: &["source image", "component"],
        words: &["unattended", "apt-daily", "dnf-automatic", "packagekit", "&"],
        ..ROW
    },
    Known {
        id: "dpkg-interrupted",
        said: &["dpkg was interrupted", "dpkg --configure -a"],
        title: "an earlier installation was interrupted",
        helps: &[
            "Run `dpkg --configure -a` before {step}, and find out what interrupted the earlier one: a step that timed out, a \
             reboot, or an upgrade that ran by itself.",
        ],
        outside: "The cause is on the instance or in the source image: an installation that did not end.",
        suspects: &["source image"],
        ..ROW
    },
    Known {
        id: "mirror-mismatch",
        said: &["hash sum mismatch", "file has unexpected size", "mirror sync in progress", "hashes of expected file"],
        title: "a file of the package repository is not the one that its index names",
        helps: &[
            "Start a new build in some minutes: the mirror is probably being renewed.",
            "If it stays, a proxy or cache returns old files: renew it, or use another mirror. Do not switch the check off.",
        ],
        outside: "The cause is outside of the plan: the mirror, or a proxy in front of it.",
        words: &["http", "proxy", "mirror"],
        ..ROW
    },
    Known {
        id: "checksum",
        said: &[
            "has the sha256",
            "has the sha384",
            "has the sha512",
            "has the sha1",
            "has the md5",
            "checksum mismatch",
            "checksum did not match",
            "computed checksum did not match",
            "sha256 mismatch",
            "digest mismatch",
            "do not match the hashes",
        ],
        title: "the file is not the one whose checksum the document declares",
        helps: &[
            "Do not simply replace the checksum: find out why {url} has changed and who changed it. If nobody of you did, treat \
             the file as hostile.",
            "If it was damaged or replaced by mistake, restore the old file, and start a new build.",
            "If the new file is right, declare its checksum in a new version of {component}. Better, give each release a file \
             name of its own, so that a published file never changes.",
        ],
        outside: "The declared checksum is the same as in the last good build, so the file on the server has changed.",
        suspects: &["component"],
        words: &["checksum", "sha256", "sha512", "http"],
        ..ROW
    },
    Known {
        id: "clock",
        said: &[
            "not valid yet",
            "not yet valid",
            "requesttimetooskewed",
            "signature not yet current",
            "created in the future",
            "signature was made in the future",
            "requestexpired",
        ],
        title: "the clock of the instance is wrong",
        helps: &[
            "Let the clock follow the Amazon Time Sync Service (169.254.169.123), and wait for it before {step}: `chronyc \
             waitsync 30` or `timedatectl show -p NTPSynchronized`.",
        ],
        outside: "The cause is on the instance, or the clock of the server is wrong.",
        suspects: &["source image", "component"],
        words: &["chrony", "ntp", "timesync", "date"],
        ..ROW
    },
    Known {
        id: "metadata-expired",
        said: &[
            "release file for",
            "is expired (invalid since",
            "no longer has a release file",
            "does not have a release file",
            "changed its 'suite' value",
            "changed its 'codename' value",
            "failed to download metadata for repo",
            "cannot retrieve metalink",
            "cannot download repomd.xml",
            "metadata file does not match checksum",
        ],
        title: "the index of a package repository is missing or has expired",
        helps: &[
            "Look at the repository that the line names: a release that is no longer supported moves to an archive, and a mirror \
             that is not renewed expires. Use a mirror that is current, or a newer release.",
            "Do not accept expired indexes for good: `Acquire::Check-Valid-Until=false` also accepts an old index of an attacker.",
        ],
        outside: "The cause is outside of the plan: the repository or its mirror.",
        suspects: &["source image", "component"],
        words: &["http", "sources.list", ".repo", "mirror"],
        ..ROW
    },
    Known {
        id: "signature",
        said: &[
            "no_pubkey",
            "gpg error",
            "gpg check failed",
            "gpg: bad signature",
            "badsig",
            "expkeysig",
            "keyexpired",
            "public key for",
            "is not signed",
            "signatures couldn't be verified",
            "signature verification failed",
            "signature could not be verified",
            "no signatures found",
            "signature of",
        ],
        title: "a signature could not be verified",
        helps: &[
            "Look whether the publisher has changed its key: then install the new key, whose fingerprint you compare with the \
             publisher's page.",
            "If the key is the right one, the package or the index was damaged or replaced: find out where. Do not switch the \
             check off.",
        ],
        outside: "The cause is outside of the plan: the publisher's key has changed or expired, or the repository has.",
        suspects: &["component", "source image"],
        words: &["gpg", "key", "signed-by", "http"],
        ..ROW
    },
    Known {
        id: "package-conflict",
        said: &[
            "unmet dependencies",
            "held broken packages",
            "conflicting requests",
            "resolutionimpossible",
            "code eresolve",
            "trying to overwrite",
            "cannot install both",
            "nothing provides",
        ],
        title: "packages do not fit together",
        helps: &[
            "Compare the versions that {step} asks for with what the repository has: the lines name the packages. Pin versions \
             that fit, or install all of them in one call.",
        ],
        outside: "The cause is outside of the plan: the repository has new versions.",
        suspects: &["component", "source image"],
        words: &["install", "="],
        ..ROW
    },
    Known {
        id: "package-missing",
        said: &[
            "unable to locate package",
            "has no installation candidate",
            "no match for argument",
            "unable to find a match",
            "couldn't find any package",
            "no package ",
            "error: unable to find",
            "could not find a version that satisfies",
            "is not in the npm registry",
            "no matching distribution found",
            "unable to select packages",
            "' was not found",
            "no such package",
            "not found in package names",
            "target not found",
        ],
        title: "the repositories have no such package or version",
        helps: &[
            "Check the spelling, and whether the repository that has the package is set up before {step}, for this release and \
             architecture.",
            "Run `apt-get update` (or `dnf makecache`) before the installation: the index of the source image may be old.",
            "If a version is pinned, the repository may have removed it: pin one that it has, or use a mirror that keeps old \
             versions.",
        ],
        outside: "The cause is outside of the plan: the repository no longer has the package or the version.",
        suspects: &["source image", "component"],
        words: &["install", "sources.list", ".repo"],
        ..ROW
    },
    Known {
        id: "pull-limit",
        said: &["toomanyrequests", "pull rate limit", "status 429", "429 too many requests", "error: 429"],
        title: "the server limits how often it can be asked",
        helps: &["Sign in to the registry, use a mirror of your own, or let {step} try again with `maxAttempts`."],
        outside: "The cause is outside of the plan: how often your network asks {host}.",
        words: &["http", "docker"],
        ..ROW
    },
];
