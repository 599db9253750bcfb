//! Causes on the instance: resources, files, programs and scripts.

use goldsmith_states::error_names::ErrorName;

use super::{Known, ROW};

pub(super) const ROWS: &[Known] = &[
    Known {
        id: "disk-quota",
        said: &["disk quota exceeded", "edquot"],
        title: "a disk quota is used up",
        helps: &[
            "Raise the quota of the user or the project for {path}, write somewhere else, or remove what is no longer needed. A \
             larger volume does not help.",
        ],
        outside: "The cause is on the instance: what has filled the quota.",
        suspects: &["component", "source image"],
        words: &["quota"],
        ..ROW
    },
    Known {
        id: "disk-full",
        said: &[
            "no space left on device",
            "is full: it",
            "is full (",
            "enospc",
            "not enough free space",
            "you don't have enough free space",
            "disk full",
            "needs more space on",
            ": wrote only ",
            " more space on the ",
            " more space needed on the ",
            "has no free inodes",
        ],
        title: "a file system is full",
        helps: &[
            "Find out which file system is full: add `df -h` and `df -i` to {step}. It need not be the root volume: /tmp, /run and \
             /dev/shm are often small file systems in memory.",
            "Only if it is the root volume, give it a larger `volumeSize` in the recipe's `blockDeviceMappings`. Otherwise unpack \
             elsewhere, such as in /var/tmp, or raise the limit of that file system.",
        ],
        outside: "The cause is what the step writes: a file that has become larger, or packages that need more room.",
        suspects: &["blockDevices", "source image", "component", "instanceTypes"],
        words: &["tmpfs", "size=", "mount", "fstab", "quota", "volume"],
        ..ROW
    },
    Known {
        id: "killed",
        said: &["so another process sent sigkill"],
        title: "another process has killed a program of {step} (SIGKILL)",
        helps: &[
            "Find out what sent SIGKILL: a time limit in the script (`timeout -k`), a watchdog, or systemd-oomd, which \
             `journalctl -u systemd-oomd` shows.",
        ],
        outside: "The cause is on the instance: something other than the kernel's management of memory ended the program.",
        suspects: &["component"],
        words: &["kill", "timeout"],
        ..ROW
    },
    Known {
        id: "out-of-memory",
        said: &[
            "memory ran out",
            "out of memory",
            "oom-kill",
            "oom killer",
            "cannot allocate memory",
            "was killed (sigkill)",
            "memoryerror",
            "std::bad_alloc",
            "java.lang.outofmemoryerror",
            "javascript heap out of memory",
            "killed                  ",
            "killed by signal 9 (sigkill)",
        ],
        exits: &[137],
        title: "a process was killed, as the kernel does when memory runs out (SIGKILL, exit code 137)",
        helps: &[
            "Use an instance type with more memory in the infrastructure configuration, or let the program need less: fewer \
             processes at the same time, smaller parts, or a swap file during the build.",
        ],
        outside: "The cause is on the instance: the program needs more memory than before, or something else has killed it.",
        suspects: &["instanceTypes", "component"],
        words: &["memory", "ulimit", "heap", "swap", "-j"],
        ..ROW
    },
    Known {
        id: "too-many-files",
        said: &["too many open files"],
        title: "a program has opened too many files",
        helps: &[
            "Raise the limit for {step} with `ulimit -n`, or for a service with `LimitNOFILE=`, and look for files that are never \
             closed.",
        ],
        outside: "The cause is on the instance: the limit, or a program that opens more files than before.",
        suspects: &["component", "source image"],
        words: &["ulimit", "limits", "nofile"],
        ..ROW
    },
    Known {
        id: "read-only",
        said: &["read-only file system", "erofs"],
        title: "the file system of {path} can only be read",
        helps: &[
            "Write somewhere else, or mount it writable: `mount -o remount,rw`. Systems such as Fedora CoreOS and Bottlerocket \
             have a root that stays read-only.",
            "If it became read-only by itself, its volume has errors: `dmesg` names them.",
        ],
        outside: "The cause is on the instance: how the file system is mounted, or an error of its volume.",
        suspects: &["source image", "component", "blockDevices"],
        words: &["mount", "fstab", " ro"],
        ..ROW
    },
    Known {
        id: "ssh-key",
        said: &[
            "host key verification failed",
            "permission denied (publickey",
            "could not read from remote repository",
        ],
        title: "the other machine does not accept the key, or its own key is not known",
        helps: &[
            "Give {step} a deploy key that the server knows, from the Parameter Store, and add the server's key to `known_hosts` \
             first: `ssh-keyscan` alone trusts whoever answers.",
        ],
        outside: "The cause is outside of the plan: the key was withdrawn, or the server has a new one.",
        words: &["ssh", "git"],
        ..ROW
    },
    Known {
        id: "not-executable",
        said: &["bad interpreter", "exec format error", "cannot execute", "not executable"],
        exits: &[126],
        title: "the file cannot be executed",
        helps: &[
            "Set its mode (`chmod 755`, or `permissions` of CreateFile), and check the first line: the program after `#!` must \
             exist, and the file must not end its lines as on Windows (`\\r`).",
            "\"Exec format error\" means a program for another architecture, such as arm64 on x86_64. On a file system that is \
             mounted with noexec, start it as `sh FILE`.",
        ],
        outside: "The cause is on the instance: the file, or how its file system is mounted.",
        suspects: &["component", "instanceTypes", "source image"],
        words: &["chmod", "permissions", "noexec", "http"],
        ..ROW
    },
    Known {
        id: "command-not-found",
        said: &["command not found", ": not found", "no such command"],
        exits: &[127],
        title: "a command does not exist on the instance",
        helps: &[
            "Install the package that has it before {step}, or correct its name. A program in /usr/local/bin or in a user's folder \
             needs its whole path: the steps run without a login.",
        ],
        outside: "The cause is outside of the plan: a package or the source no longer has the command.",
        suspects: &["source image", "component"],
        words: &["install", "path"],
        ..ROW
    },
    Known {
        id: "library-missing",
        said: &["error while loading shared libraries", "version `glibc", "symbol lookup error", "no module named"],
        title: "a library that the program needs is missing or too old",
        helps: &["Install the library before {step}, or use a build of the program for this release and architecture."],
        outside: "The cause is outside of the plan: the program or a package has changed.",
        suspects: &["source image", "component"],
        words: &["install", "http"],
        ..ROW
    },
    Known {
        id: "script-syntax",
        said: &[
            "syntax error",
            "unexpected end of file",
            "unexpected eof",
            "bad substitution",
            "unexpected token",
            "unterminated",
        ],
        title: "the script of {step} has a syntax error",
        helps: &[
            "Correct the line that the message names: `bash -n` and shellcheck find such errors without a build, and `goldsmith \
             validate` checks the document. ExecuteBash runs bash; `sh` on Debian and Ubuntu is dash.",
        ],
        outside: "The cause is in what the script reads or includes: the script itself has not changed.",
        suspects: &["component"],
        ..ROW
    },
    Known {
        id: "unset-variable",
        said: &["unbound variable", "parameter not set", "parameter null or not set"],
        title: "the script uses a variable that is not set",
        helps: &[
            "Set the variable in {step} itself: each step is a process of its own, and an `export` of an earlier step is gone.",
        ],
        outside: "The cause is on the instance: what should set the variable did not.",
        suspects: &["component"],
        words: &["export", "="],
        ..ROW
    },
    Known {
        id: "permission-denied",
        said: &["permission denied", "operation not permitted", "eacces:", "must be run as root", "are you root"],
        title: "the step may not read, write or do something: permission denied",
        helps: &[
            "Look at the owner and the mode of {path}, and of the folders above it. If SELinux or AppArmor is on, `ausearch -m \
             avc` or `dmesg` names what it denied.",
        ],
        outside: "The cause is on the instance: owners, modes, or the rules of SELinux or AppArmor.",
        suspects: &["component", "source image"],
        words: &["chmod", "chown", "umask", "permissions", "user", "selinux"],
        ..ROW
    },
    Known {
        id: "service",
        said: &[
            "control process exited with error code",
            "job for ",
            "failed to start ",
            ".service could not be found",
            "is not active",
            "inactive (dead)",
            "is not running",
            "is not enabled",
            "unit not found",
            "failed to enable unit",
            "failed unit",
            "has failed: unit",
            "unit has failed",
        ],
        title: "a service does not run",
        helps: &[
            "Read why: `journalctl -u UNIT` and `systemctl status UNIT` in {step}.",
            "A test instance has booted from the new image: a service that was only started in the build, and not enabled with \
             `systemctl enable`, does not run there.",
        ],
        outside: "The cause is in the image: a package or a file that the service needs.",
        suspects: &["component", "source image"],
        words: &["systemctl", "service", "enable", "[install]", "execstart"],
        ..ROW
    },
    Known {
        id: "crash",
        said: &[
            "segmentation fault",
            "core dumped",
            "illegal instruction",
            "(sigsegv)",
            "(sigabrt)",
            "(sigill)",
            "(sigbus)",
        ],
        exits: &[132, 134, 139],
        title: "a program has crashed",
        helps: &[
            "Look for a newer or an older version of the program. \"Illegal instruction\" means that the instance type lacks what \
             the program was compiled for.",
        ],
        outside: "The cause is outside of the plan: the program or a library has changed.",
        suspects: &["instanceTypes", "source image", "component"],
        ..ROW
    },
    Known {
        id: "file-missing",
        said: &["no such file or directory", "enoent", "cannot open"],
        title: "a file does not exist",
        helps: &[
            "Check the path, and whether an earlier step should have made the file: {step} sees only what the steps before it have \
             left.",
        ],
        outside: "The cause is in what the step reads: an archive, a package or a download without the file.",
        suspects: &["component", "source image"],
        words: &["rm ", "mv ", "path", "destination", "tar"],
        ..ROW
    },
    Known {
        id: "step-time-out",
        said: &["timed out", "took longer than"],
        is_general: true,
        title: "{step} did not end within its time limit",
        helps: &[
            "Find out what it waited for: its last line says what it did then. Look at {host}, or at what else this is about, and \
             start a new build when it answers.",
            "Raise `timeoutSeconds` only if the step makes progress until the end. Otherwise it fails later in the same way.",
        ],
        outside: "The cause is outside of the plan: what {step} waits for. Look first at {host}.",
        suspects: &["component", "instanceTypes", "subnets", "securityGroups"],
        words: &["timeoutseconds", "sleep", "http"],
        ..ROW
    },
    Known {
        id: "test-failed",
        errors: &[ErrorName::TestFailed],
        is_general: true,
        title: "a test has failed on an instance of the new image",
        helps: &[
            "Read what the test expected and what it found: {step} of {component}.",
            "A test instance has booted from the new image. What a step only started or set until the next boot is not there.",
        ],
        outside: "The cause is in what the image contains: look first at the packages and files that have changed in it.",
        suspects: &["component", "source image"],
        words: &["systemctl", "enable", "mount", "export"],
        ..ROW
    },
];
