//! Realistic failures, each with the cause that must be recognized and a piece of what must help.

use std::collections::BTreeSet;

use goldsmith_states::Difference;
use goldsmith_states::error_names::ErrorName;
use goldsmith_store::{AuditFinding, AuditKind, AuditRecord, FailureCause};

use super::known;
use super::{Case, Diagnosis, diagnose};
use crate::since::{InImage, Inside, Since};

/// A step that has failed with these lines.
fn step(exit_code: i32, lines: &[&str]) -> FailureCause {
    FailureCause {
        state: "Build".to_owned(),
        error: "Goldsmith.CommandFailed".to_owned(),
        message: format!("setup / build / Install: exit status {exit_code}"),
        document: Some("setup".to_owned()),
        phase: Some("build".to_owned()),
        step: Some("Install".to_owned()),
        action: Some("ExecuteBash".to_owned()),
        exit_code: Some(exit_code),
        last_lines: lines.iter().map(|line| (*line).to_owned()).collect(),
        ..FailureCause::default()
    }
}

/// A step that has failed with this message of its action.
fn action(message: &str) -> FailureCause {
    FailureCause { message: format!("setup / build / Install: {message}"), exit_code: None, ..step(1, &[]) }
}

/// A state that has failed.
fn state(state: &str, error: &str, message: &str) -> FailureCause {
    FailureCause {
        state: state.to_owned(),
        error: format!("Goldsmith.{error}"),
        message: message.to_owned(),
        ..FailureCause::default()
    }
}

fn with_code(cause: FailureCause, code: &str) -> FailureCause {
    FailureCause { code: Some(code.to_owned()), region: Some("us-east-1".to_owned()), ..cause }
}

fn alone(cause: &FailureCause) -> Diagnosis {
    diagnose(&Case { cause, since: None, audit: None })
}

fn since(changes: &[(&str, Option<&str>, Option<&str>)], inside: &[(&str, &[&str])]) -> Since {
    let text = |value: &Option<&str>| value.map(str::to_owned);
    let difference = |(what, from, to): &(&str, Option<&str>, Option<&str>)| Difference {
        what: (*what).to_owned(),
        from: text(from),
        to: text(to),
    };
    let inside = inside.iter().map(|(component, lines)| Inside {
        component: (*component).to_owned(),
        from: "1.0.0".to_owned(),
        to: "1.0.1".to_owned(),
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    });
    Since {
        image: "web/1.0.0/2".parse().unwrap(),
        began: "2026-01-01T00:00:00.000Z".to_owned(),
        changes: changes.iter().map(difference).collect(),
        inside: inside.collect(),
        contents: None,
    }
}

fn compared(cause: &FailureCause, since: &Since) -> Diagnosis {
    diagnose(&Case { cause, since: Some(since), audit: None })
}

const SVC: (&str, Option<&str>, Option<&str>) = ("component svc", Some("1.0.0"), Some("1.0.1"));
const SETUP: (&str, Option<&str>, Option<&str>) = ("component setup", Some("1.0.0"), Some("1.0.1"));
const BASE: (&str, Option<&str>, Option<&str>) = ("component base", Some("1.0.0"), Some("1.0.1"));

#[test]
fn each_cause_is_recognized_and_has_its_remedy() {
    let kms = "the copy ami-1 failed: Client.InvalidKMSKey: Given key ID is not accessible. You must have DescribeKey.";
    let silent =
        "i-1 is running, but no SSM agent on it has registered with Systems Manager. Check that the subnet can reach.";
    let denied = "CopyImage in us-east-1 failed: UnauthorizedOperation: User: arn:aws:sts::1:assumed-role/g is not authorized to \
                  perform: ec2:CopyImage on resource: arn:aws:ec2:us-east-1::image/ami-1";
    let cases: Vec<(FailureCause, &str, &str)> = vec![
        (
            step(
                100,
                &["E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 174 (unattended-upgr)"],
            ),
            "package-lock",
            "DPkg::Lock::Timeout=300",
        ),
        (
            step(1, &["Existing lock /var/run/yum.pid: another copy is running as pid 812."]),
            "package-lock",
            "dnf-automatic",
        ),
        (
            step(
                100,
                &["E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem."],
            ),
            "dpkg-interrupted",
            "dpkg --configure -a",
        ),
        (
            step(1, &["tar: app/x: Cannot write: No space left on device", "shard-01: missing"]),
            "disk-full",
            "Only if it is the root volume",
        ),
        (step(2, &["tar: /tmp/x.tar: Wrote only 2048 of 10240 bytes"]), "disk-full", "Only if it is the root volume"),
        (step(1, &["cp: error writing '/home/web/x': Disk quota exceeded"]), "disk-quota", "/home/web/x"),
        (
            step(137, &["index: reading", "input.sh: line 2:   275 Killed                  /srv/index"]),
            "out-of-memory",
            "more memory",
        ),
        (
            state(
                "Build",
                "CommandFailed",
                "the agent on i-1 was killed (SIGKILL), as the kernel does when memory runs out",
            ),
            "out-of-memory",
            "more memory",
        ),
        (action("http://a.example/app.gz has the SHA256 89, not 22"), "checksum", "Do not simply replace the checksum"),
        (step(100, &["E: Failed to fetch http://d/x.deb  Hash Sum mismatch"]), "mirror-mismatch", "another mirror"),
        (
            action(
                "http://artifacts.eu.acme.internal/a.gz cannot be fetched: io: failed to lookup address information: Name or service not known",
            ),
            "dns",
            "associate the private hosted zone",
        ),
        (step(100, &["W: Temporary failure resolving 'deb.debian.org'"]), "dns", "deb.debian.org"),
        (
            step(7, &["curl: (7) Failed to connect to db.acme.internal port 5432 after 1 ms: Connection refused"]),
            "connection-refused",
            "whether a firewall rejects",
        ),
        (action("https://a.example/x cannot be fetched: timeout: connect"), "connection-timed-out", "route table"),
        (
            step(1, &["ssh: connect to host a.example port 22: No route to host"]),
            "connection-timed-out",
            "security group",
        ),
        (
            action("https://a.example.org/x cannot be fetched: io: Connection reset by peer"),
            "connection-broken",
            "look at a.example.org",
        ),
        (
            step(60, &["curl: (60) SSL certificate problem: unable to get local issuer certificate"]),
            "tls",
            "update-ca-certificates",
        ),
        (action("https://old.example/x returned status 401"), "http-unauthorized", "Renew the token"),
        (action("https://old.example/x returned status 403"), "http-forbidden", "may read https://old.example/x"),
        (step(22, &["curl: (22) The requested URL returned error: 404"]), "http-not-found", "removed or renamed"),
        (action("https://old.example/x returned status 503"), "http-server-error", "when old.example works again"),
        (action("https://old.example/x returned status 429"), "pull-limit", "mirror of your own"),
        (step(5, &["curl: (5) Could not resolve proxy: proxy.acme.internal"]), "proxy", "no_proxy"),
        (
            step(
                100,
                &[
                    "W: GPG error: http://d stable InRelease: The following signatures couldn't be verified: NO_PUBKEY 64",
                ],
            ),
            "signature",
            "fingerprint",
        ),
        (step(1, &["Error: GPG check FAILED"]), "signature", "Do not switch the check off"),
        (
            step(100, &["Reading package lists...", "E: Unable to locate package nginx-extra"]),
            "package-missing",
            "Check the spelling",
        ),
        (
            step(1, &["No match for argument: nginx-extra", "Error: Unable to find a match: nginx-extra"]),
            "package-missing",
            "dnf makecache",
        ),
        (step(100, &["The following packages have unmet dependencies:"]), "package-conflict", "Pin versions"),
        (
            step(
                100,
                &["E: Release file for http://d/InRelease is expired (invalid since 3d). Updates are not applied."],
            ),
            "metadata-expired",
            "archive",
        ),
        (
            step(100, &["E: Release file for http://d/InRelease is not valid yet (invalid for another 2h)."]),
            "clock",
            "169.254.169.123",
        ),
        (step(1, &["cat: /etc/shadow: Permission denied"]), "permission-denied", "owner and the mode of /etc/shadow"),
        (step(128, &["git@github.com: Permission denied (publickey)."]), "ssh-key", "deploy key"),
        (step(1, &["touch: cannot touch '/usr/x': Read-only file system"]), "read-only", "remount,rw"),
        (step(127, &["input.sh: line 3: jq: command not found"]), "command-not-found", "Install the package"),
        (
            step(126, &["/opt/x: cannot execute binary file: Exec format error"]),
            "not-executable",
            "another architecture",
        ),
        (step(126, &["/opt/x: /bin/bsh: bad interpreter: No such file or directory"]), "not-executable", "#!"),
        (step(2, &["input.sh: line 9: syntax error: unexpected end of file"]), "script-syntax", "shellcheck"),
        (step(1, &["input.sh: line 3: VERSION: unbound variable"]), "unset-variable", "process of its own"),
        (step(1, &["accept: Too many open files"]), "too-many-files", "LimitNOFILE"),
        (
            step(127, &["x: error while loading shared libraries: libssl.so.1.1: cannot open shared object file"]),
            "library-missing",
            "library",
        ),
        (step(139, &["input.sh: line 1: 12 Segmentation fault (core dumped) x"]), "crash", "version"),
        (action("killed by signal 6 (SIGABRT)"), "crash", "version"),
        (action("killed by signal 9 (SIGKILL)"), "out-of-memory", "more memory"),
        (
            FailureCause {
                evidence: vec![
                    "The instance has 463 MiB of memory and no swap.".to_owned(),
                    "The kernel has killed no process for want of memory during the step, so another process sent SIGKILL."
                        .to_owned(),
                ],
                ..step(137, &["index: reading"])
            },
            "killed",
            "systemd-oomd",
        ),
        (
            action("http://a/b took longer than 40 s, the limit that `timeoutSeconds` of the step sets"),
            "step-time-out",
            "timeoutSeconds",
        ),
        (step(1, &["cat: /srv/x: No such file or directory"]), "file-missing", "earlier step"),
        (
            step(1, &["Job for app.service failed because the control process exited with error code."]),
            "service",
            "journalctl -u",
        ),
        (step(3, &["app.service is not active"]), "service", "systemctl enable"),
        (
            FailureCause {
                exit_code: None,
                message: "setup / build / Install: timed out".to_owned(),
                ..step(0, &["no answer, trying again"])
            },
            "step-time-out",
            "Raise `timeoutSeconds` only if",
        ),
        (
            state("Build", "RebootLimit", "SSM gave up on the command after 15 reboots"),
            "reboot-limit",
            "only if one is needed",
        ),
        (
            FailureCause {
                error: "Goldsmith.TestFailed".to_owned(),
                state: "ExecuteTest".to_owned(),
                phase: Some("test".to_owned()),
                ..step(1, &["expected 3 workers, found 2"])
            },
            "test-failed",
            "booted from the new image",
        ),
        (
            state(
                "ExecuteTest",
                "AuditFailed",
                "the audit of the image has found 1 thing that every instance would share",
            ),
            "audit-finding",
            "first boot",
        ),
        (
            state(
                "ExecuteTest",
                "AuditFailed",
                "the audit of the image is incomplete: not all files could be examined",
            ),
            "audit-incomplete",
            "notes of the audit",
        ),
        (
            state("JudgeTests", "Vulnerable", "the vulnerabilityPolicy rejects the image: 2 of severity high"),
            "vulnerability-gate",
            "waiver",
        ),
        (
            state("JudgeTests", "Vulnerable", "the image could not be judged, because its contents are not known: x"),
            "vulnerabilities-not-judged",
            "advisories",
        ),
        (state("Launch", "NotOnline", silent), "agent-not-online", "ssmmessages"),
        (
            state("Launch", "NotOnline", "i-1 was terminated: Client.InternalError: Client error on launch"),
            "kms-key",
            "get-key-policy",
        ),
        (
            state("Launch", "NotOnline", "i-1 was terminated: Client.VolumeLimitExceeded: Volume limit exceeded"),
            "copy-quota",
            "larger quota",
        ),
        (state("Launch", "NotOnline", "i-1 was terminated: Server.InternalError: x"), "launch-ended", "EC2's reason"),
        (state("Build", "CommandFailed", "i-1 was terminated from outside"), "instance-gone", "CloudTrail"),
        (
            state(
                "Build",
                "CommandFailed",
                "i-1 or its SSM agent went down while the command ran, but no step asked for it",
            ),
            "agent-lost",
            "194",
        ),
        (
            state(
                "Launch",
                "Capacity",
                "no instance could be launched: c7a.large in subnet-1: InsufficientInstanceCapacity",
            ),
            "capacity",
            "other zones",
        ),
        (
            state("Launch", "Capacity", "no instance could be launched: c7a.large: VcpuLimitExceeded"),
            "vcpu-limit",
            "Service Quotas",
        ),
        (
            state(
                "ExecuteTest",
                "CommandFailed",
                "i-1 was terminated: Server.SpotInstanceTermination. EC2 has reclaimed this spot instance: start",
            ),
            "spot-interruption",
            "Start a new build.",
        ),
        (state("Build", "Interrupted", "i-1"), "interrupted", "remove `spot`"),
        (state("Snapshot", "ImageFailed", "ami-1 failed: Server.InternalError: x"), "image-failed", "snapshots"),
        (
            state("Snapshot", "ImageFailed", "the AMI name `web 1` is taken by ami-9"),
            "name-taken",
            "distribution configuration",
        ),
        (
            with_code(state("DistributeRegion", "CopyFailed", kms), "InvalidKMSKey"),
            "kms-key",
            "--region us-east-1 ec2 get-ebs-default-kms-key-id",
        ),
        (
            with_code(
                state(
                    "DistributeRegion",
                    "CopyFailed",
                    "CopyImage in us-east-1 failed: ResourceLimitExceeded: You have exceeded",
                ),
                "ResourceLimitExceeded",
            ),
            "copy-quota",
            "us-east-1",
        ),
        (
            with_code(state("DistributeRegion", "CopyFailed", "the copy ami-1 failed: x"), "X"),
            "copy-failed",
            "us-east-1",
        ),
        (
            with_code(state("DistributeRegion", "AwsRefused", denied), "UnauthorizedOperation"),
            "aws-denied",
            "Allow ec2:CopyImage on arn:aws:ec2:us-east-1::image/ami-1",
        ),
        (
            step(
                255,
                &[
                    "An error occurred (AccessDenied) when calling the GetObject operation: User: arn:x is not authorized to perform: s3:GetObject on resource: \"arn:y\"",
                ],
            ),
            "role-denied",
            "Allow s3:GetObject",
        ),
        (
            step(255, &["An error occurred (ParameterNotFound) when calling the GetParameter operation:"]),
            "parameter-missing",
            "correct its name",
        ),
        (
            state("Publish", "AwsRefused", "PutParameter in eu-west-1 failed: ParameterMaxVersionLimitExceeded: x"),
            "parameter-label",
            "unlabel-parameter-version",
        ),
        (
            state("Publish", "AwsRefused", "PutParameter in eu-west-1 failed: ValidationException: x"),
            "aws-refused",
            "AWS names",
        ),
        (
            state("Plan", "Throttled", "DescribeImages in eu-west-1 failed: Throttling: Rate exceeded"),
            "throttled",
            "quotas",
        ),
        (
            state("Build", "Timeout", "timed out; the last status was: the command is running on i-1"),
            "build-time-out",
            "timeoutMinutes",
        ),
        (
            FailureCause {
                error: "Lambda.Unknown".to_owned(),
                ..state("Snapshot", "", "2026 Task timed out after 60.00 seconds")
            },
            "function-time-out",
            "log of the function",
        ),
        (state("Build", "Closed", "the build is closed"), "closed", "unless this was intended"),
        (state("Plan", "Internal", "there are no random bytes"), "internal", "Deploy the stack again"),
    ];
    let mut seen = BTreeSet::new();
    for (cause, id, help) in &cases {
        let found = alone(cause);
        assert_eq!(found.cause, Some(*id), "{cause:?}");
        assert!(found.helps.iter().any(|one| one.contains(help)), "{help:?} is not in {:?}", found.helps);
        assert!(!found.headline.contains("exit status") && found.look.is_none(), "{}", found.headline);
        seen.insert(*id);
    }
    let all: BTreeSet<&str> = known::all().map(|known| known.id).collect();
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&&str>::new(), "each row needs a case here");
    assert!(cases.len() > 60 && all.len() > 45);
}

#[test]
fn the_rows_of_the_table_are_well_formed() {
    let mut ids = BTreeSet::new();
    for known in known::all() {
        assert!(ids.insert(known.id), "{} is there twice", known.id);
        assert!(!known.helps.is_empty() && !known.title.is_empty() && !known.outside.is_empty(), "{}", known.id);
        let sentences = known.helps.iter().chain([&known.outside]);
        assert!(sentences.clone().all(|text| text.ends_with('.') && !text.contains("  ")), "{}", known.id);
        let pieces = known.said.iter().chain(known.words);
        assert!(pieces.clone().all(|piece| **piece == piece.to_lowercase()), "{}", known.id);
    }
}

#[test]
fn an_unknown_cause_has_only_the_general_remedy() {
    let cause = step(3, &["expected 3 workers, found 2"]);
    let found = alone(&cause);
    assert_eq!(found.cause, None);
    assert_eq!(found.headline, "setup › build › Install: expected 3 workers, found 2");
    assert!(
        found.helps.len() == 1 && found.helps[0].starts_with("Read the last lines of step Install of component setup")
    );
    for name in ErrorName::ALL {
        let cause = FailureCause { error: name.as_str().to_owned(), ..FailureCause::default() };
        assert!(!alone(&cause).helps.is_empty(), "{name:?}");
    }
    let cause = FailureCause { error: "Execution.ABORTED".to_owned(), ..FailureCause::default() };
    assert!(alone(&cause).helps[0].contains("Step Functions"));
}

#[test]
fn an_ordinary_line_is_no_cause() {
    for line in [
        "               System clock synchronized: yes",
        "io.netty.resolver.dns.DnsNameResolver started",
        "OpenFile: /etc/app.conf",
        "FileAccessor: 3 files",
        "page could not be found, continuing",
        "[Warning] Access denied for user 'root'@'localhost'",
    ] {
        assert_eq!(alone(&step(1, &[line])).cause, None, "{line}");
    }
    // A unit that always fails is not the reason of a failed assertion.
    let other = "cloud-init.service wrote: open /x: Permission denied".to_owned();
    let assertion =
        FailureCause { evidence: vec![other], ..step(7, &["curl: (7) Failed to connect to 127.0.0.1 port 80: x"]) };
    assert_ne!(alone(&assertion).cause, Some("permission-denied"));
}

#[test]
fn facts_of_the_instance_come_first() {
    let full = FailureCause {
        evidence: vec!["/tmp is full: it is a tmpfs of 64 MiB".to_owned()],
        ..step(1, &["tar: x: Cannot open: Permission denied", "shard-01: missing"])
    };
    let found = alone(&full);
    assert_eq!(found.cause, Some("disk-full"));
    assert_eq!(found.headline, "setup › build › Install: /tmp is full: it is a tmpfs of 64 MiB");
    assert_eq!(found.helps[2], "A larger root volume does not help: /tmp is not on it.");
    let root = FailureCause { evidence: vec!["/ is full: ext4, 8 GiB".to_owned()], ..full.clone() };
    assert!(
        alone(&FailureCause { evidence: vec!["/ is full: it is an ext4 of 8 GiB".to_owned()], ..root }).helps[0]
            .contains("volumeSize")
    );
    let silent = alone(&step(1, &[]));
    assert!(silent.helps[0].starts_with("Step Install has printed nothing."), "{silent:?}");
    let lock = "Another process held the lock /var/lib/dpkg/lock-frontend: 174 (unattended-upgr)";
    let held = FailureCause { evidence: vec![lock.to_owned()], ..step(100, &["E: x"]) };
    assert_eq!(alone(&held).cause, Some("package-lock"));
    assert!(alone(&held).helps[0].contains("unattended-upgrades.service"));
    let of = |unit: &str| FailureCause { evidence: vec![format!("{lock}, of {unit}.")], ..held.clone() };
    assert_eq!(alone(&of("apt-daily.service")).helps, alone(&held).helps);
    assert!(alone(&of("acme-patch.service")).helps[0].contains("`systemctl mask --now acme-patch.service`"));
    for unit in ["session-3.scope", "amazon-ssm-agent.service", "snap.amazon-ssm-agent.amazon-ssm-agent.service"] {
        assert_eq!(alone(&of(unit)).helps, alone(&held).helps, "{unit}");
    }
    let left = alone(&of("amazon-ssm-agent.service, which a step of a document has started"));
    assert!(left.helps[0].starts_with("An earlier step has left this process running."), "{left:?}");
    let oom = "The kernel has killed a process because memory ran out";
    assert_eq!(alone(&FailureCause { evidence: vec![oom.to_owned()], ..step(1, &["x"]) }).cause, Some("out-of-memory"));
}

#[test]
fn the_only_change_is_named() {
    let refused = FailureCause {
        state: "ExecuteTest".to_owned(),
        error: "Goldsmith.TestFailed".to_owned(),
        phase: Some("test".to_owned()),
        ..step(7, &["curl: (7) Failed to connect to 127.0.0.1 port 18088 after 0 ms: Couldn't connect to server"])
    };
    let lines: &[&str] = &[
        "step Enable (build) is gone",
        "- systemctl enable app.service",
        "step Load (build) is new",
        "+ systemctl start app.service",
    ];
    let mut since = since(&[SVC], &[("svc", lines)]);
    let found = compared(&refused, &since);
    let look = "Look first at component svc 1.0.1: it is the only change since web/1.0.0/2, and no longer has the line \
                `systemctl enable app.service`.";
    assert_eq!(found.look.as_deref(), Some(look));
    assert!(
        found.helps[0].contains("systemctl enable UNIT") && found.helps[0].contains("127.0.0.1 port 18088"),
        "{found:?}"
    );
    assert!(found.helps.last().unwrap().contains("`version: 1.0.0` of svc"));
    since.contents = Some(InImage {
        lines: vec!["app.service is no longer enabled".to_owned()],
        more: 0,
        no_longer_enabled: vec!["app.service".to_owned()],
    });
    assert!(compared(&refused, &since).helps[0].contains("`systemctl enable app.service`"));
}

#[test]
fn of_several_changes_the_one_that_fits_is_named() {
    let dns =
        action("http://artifacts.eu.acme.internal/a.gz cannot be fetched: io: failed to lookup address information");
    let base: &[&str] =
        &["step Settings (build) has changed", "+ - sed -i 's/^hosts:.*/hosts: files/' /etc/nsswitch.conf"];
    let setup: &[&str] = &[
        "step Install (build) has changed",
        "- source: http://127.0.0.1:18650/a.gz",
        "+ source: http://artifacts.eu.acme.internal/a.gz",
    ];
    let found = compared(&dns, &since(&[BASE, SETUP], &[("base", base), ("setup", setup)]));
    let look = found.look.unwrap();
    assert!(look.starts_with("Look first at component setup 1.0.1: of the 2 changes"), "{look}");
    assert!(look.ends_with("It has the new line `source: http://artifacts.eu.acme.internal/a.gz`."), "{look}");
    assert!(
        found.headline.starts_with("setup › build › Install: http://artifacts.eu.acme.internal/a.gz cannot"),
        "{}",
        found.headline
    );

    let network = [("subnets", None, Some("subnet-1")), ("securityGroups", None, Some("sg-1"))];
    let silent = FailureCause {
        last_lines: vec!["goldsmith: the SSM agent is installed".to_owned()],
        ..state(
            "Launch",
            "NotOnline",
            "i-1 is running, but no SSM agent on it has registered. Check that the image has one",
        )
    };
    let found = compared(&silent, &since(&network, &[]));
    assert!(
        found
            .look
            .unwrap()
            .starts_with("Look first at subnets (subnet-1) and securityGroups (sg-1): they are the only changes")
    );
    assert_eq!(
        found.details,
        [
            "The console says that the SSM agent is installed, so the image is hardly the reason.",
            "The instance profile is that of the last good build."
        ]
    );
    assert!(found.helps.iter().any(|help| help.starts_with("Or go back to the former subnets")));

    let types = [("instanceTypes", Some("t3.small, t3a.small"), Some("t3.nano")), SVC];
    let found = compared(&step(137, &["Killed"]), &since(&types, &[("svc", &["+ x"])]));
    assert_eq!(
        found.helps[0],
        "The instance types have changed from t3.small (2 GiB), t3a.small (2 GiB) to t3.nano (0.5 GiB): go back, \
                                or name types with as much memory."
    );
    let many = since(&[SVC, BASE, SETUP], &[]);
    assert_eq!(
        compared(&step(1, &["x"]), &many).look.unwrap(),
        "Look first at component setup 1.0.1: of the 3 changes since web/1.0.0/2, it fits this failure best."
    );
}

#[test]
fn a_new_version_of_an_equal_document_is_no_change() {
    let equal = ("svc", &[] as &[&str]);
    let both = since(&[SVC, BASE], &[equal, ("base", &["+ x"])]);
    let look = compared(&step(1, &["x"]), &both).look.unwrap();
    assert_eq!(look, "Look first at component base 1.0.1: it is the only change since web/1.0.0/2.");
    let look = compared(&step(1, &["x"]), &since(&[SVC], &[equal])).look.unwrap();
    assert!(
        look.starts_with(
            "Only versions of equal documents have changed since web/1.0.0/2 of 2026-01-01T00:00:00.000Z. "
        ),
        "{look}"
    );
}

#[test]
fn a_limit_of_a_file_system_in_a_changed_component_is_quoted() {
    let full = step(1, &["tar: x: Cannot write: No space left on device", "shard-01: missing"]);
    let base: &[&str] = &["step Settings (build) has changed", "+ - mount -o remount,size=64m /tmp"];
    let found = compared(&full, &since(&[BASE], &[("base", base)]));
    assert_eq!(found.helps[0], "Undo or raise the limit in component base 1.0.1: `mount -o remount,size=64m /tmp`.");
    assert!(found.look.unwrap().contains("has the new line `mount -o remount,size=64m /tmp`"));
}

#[test]
fn if_nothing_has_changed_the_cause_is_narrowed_down() {
    let unchanged = since(&[], &[]);
    for (cause, says) in [
        (action("http://a.example/app.gz has the SHA256 89, not 22"), "the file on the server has changed"),
        (
            step(100, &["E: Could not get lock /var/lib/dpkg/lock-frontend."]),
            "on the instance: a program that runs by itself, not step Install",
        ),
        (
            with_code(state("DistributeRegion", "CopyFailed", "Given key ID is not accessible"), "X"),
            "in the account: the key of us-east-1",
        ),
        (
            step(1, &["could not reach https://api.example/v1 today"]),
            "what step Install depends on: https://api.example/v1",
        ),
        (state("Plan", "Refused", "the recipe is wrong"), "what the message names"),
    ] {
        let look = compared(&cause, &unchanged).look.unwrap();
        assert!(
            look.starts_with("Nothing in the plan has changed since web/1.0.0/2 of 2026-01-01T00:00:00.000Z. "),
            "{look}"
        );
        assert!(look.contains(says), "{look}");
    }
}

#[test]
fn a_finding_of_the_audit_is_named_with_what_is_new_in_the_image() {
    let cause = FailureCause {
        item: Some("t3.small".to_owned()),
        ..state(
            "ExecuteTest",
            "AuditFailed",
            "the audit of the image has found 1 thing that every instance would share",
        )
    };
    let finding = AuditFinding {
        path: "/var/lib/acme-agent/client.pem".to_owned(),
        kind: AuditKind::PrivateKey,
        what: "private key (PEM)".to_owned(),
        package: None,
        remedy: "remove it".to_owned(),
    };
    let audit = AuditRecord { findings: vec![finding], files: 9, ..AuditRecord::default() };
    let mut since = since(&[], &[]);
    let lines = vec!["acme-agent 3.2-1 → 3.2-2".to_owned()];
    since.contents = Some(InImage { lines, ..InImage::default() });
    let found = diagnose(&Case { cause: &cause, since: Some(&since), audit: Some(&audit) });
    assert_eq!(
        found.headline,
        "ExecuteTest (t3.small): the audit has failed: /var/lib/acme-agent/client.pem (private key (PEM))"
    );
    assert_eq!(found.details, ["The audit comes before the tests, so no test has run."]);
    assert!(found.helps[0].starts_with("Remove /var/lib/acme-agent/client.pem in the last step"), "{found:?}");
    assert!(found.look.unwrap().ends_with("Changed in the image: acme-agent 3.2-1 → 3.2-2."));
}

#[test]
fn a_step_that_waits_for_something_is_quoted() {
    let cause = FailureCause {
        message: "setup / build / Activate: timed out".to_owned(),
        step: Some("Activate".to_owned()),
        exit_code: None,
        ..step(
            0,
            &[
                "acme-agent: activating at http://127.0.0.1:18650",
                "acme-agent: no answer, trying again",
                "acme-agent: no answer, trying again",
            ],
        )
    };
    let found = compared(&cause, &since(&[], &[]));
    let headline = "setup › build › Activate: step Activate did not end within its time limit; its last line, 2 times: acme-agent: no \
                    answer, trying again";
    assert_eq!(found.headline, headline);
    assert!(found.look.unwrap().ends_with("Look first at 127.0.0.1:18650."));
}

#[test]
fn a_hostile_text_is_only_quoted() {
    let hostile = format!("{{step}} {{host}} <script>\u{1b}[2J {} No space left on device", "x".repeat(100_000));
    let cause = FailureCause { step: Some("{host}".to_owned()), ..step(1, &[&hostile]) };
    let found = alone(&cause);
    assert_eq!(found.cause, Some("disk-full"));
    assert!(found.headline.chars().count() <= 240, "{}", found.headline.len());
    assert!(found.helps.iter().any(|help| help.contains("step {host}")), "{:?}", found.helps);
    let path = format!("/{}", "y".repeat(100_000));
    let long = alone(&step(1, &[&format!("cat: {path}: Permission denied")]));
    assert!(long.helps.iter().all(|help| help.chars().count() < 600));
}
