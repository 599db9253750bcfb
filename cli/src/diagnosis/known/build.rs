//! Causes that Goldsmith itself names: its limits, the audit, and instances that are not there.

use goldsmith_states::error_names::ErrorName;

use super::{Known, ROW};

pub(super) const ROWS: &[Known] = &[
    Known {
        id: "audit-finding",
        errors: &[ErrorName::AuditFailed],
        said: &["has found"],
        title: "the audit has found something in the image that every instance would share",
        helps: &[
            "Remove it in the last step of a component, after the step that makes it, and let each instance make or fetch its \
             own at its first boot.",
            "If a program makes it while it is installed or activated, move the activation to the first boot of each instance, \
             or pin the version of the package that did not make it.",
        ],
        outside: "The cause is in what the image contains: look first at the packages and files that are new in it.",
        suspects: &["component"],
        ..ROW
    },
    Known {
        id: "audit-incomplete",
        errors: &[ErrorName::AuditFailed],
        title: "the audit could not examine all files",
        helps: &[
            "Read the notes of the audit: they name the folders and file systems that it could not read, or the time limit.",
            "Leave out or shrink folders with very many files, or give the test more time with `timeoutMinutes`.",
        ],
        outside: "The cause is in what the image contains, or in how slow the test instance was.",
        ..ROW
    },
    Known {
        id: "vulnerability-gate",
        errors: &[ErrorName::Vulnerable],
        said: &["rejects the image"],
        title: "the pipeline's vulnerabilityPolicy has rejected a package of the image",
        helps: &[
            "Update the packages that the last lines name in a step of a component, or start from a newer source image.",
            "If there is no fixed version yet, accept the vulnerability until a date by a waiver in `vulnerabilityPolicy`.",
        ],
        outside: "The cause is outside of the plan: new advisories, or packages that the image now has.",
        suspects: &["source image", "component"],
        ..ROW
    },
    Known {
        id: "vulnerabilities-not-judged",
        errors: &[ErrorName::Vulnerable],
        title: "the image could not be compared with the advisories",
        helps: &[
            "Do what the message says, and start a new build. `goldsmith advisories --upload` renews the advisories.",
        ],
        outside: "The cause is outside of the plan: the advisories in the stack's bucket, or the contents of the image.",
        ..ROW
    },
    Known {
        id: "reboot-limit",
        errors: &[ErrorName::RebootLimit],
        title: "the documents have asked for more reboots than are allowed",
        helps: &[
            "Let {step} ask for a reboot only if one is needed: a step that ends with 194 each time it runs never ends. 10 \
             reboots are allowed in a phase, and 12 in all of them.",
        ],
        outside: "The cause is on the instance: what should no longer be necessary after a reboot still was.",
        suspects: &["component"],
        words: &["194", "reboot"],
        ..ROW
    },
    Known {
        id: "spot-interruption",
        said: &["has reclaimed this spot instance", "spot instance termination", "server.spotinstancetermination"],
        title: "EC2 has taken the spot instance back",
        helps: &[
            "Start a new build.",
            "If it happens often, remove `spot` from the infrastructure configuration, or add instance types and subnets.",
        ],
        outside: "The cause is outside of the plan: EC2 needed the capacity.",
        suspects: &["instanceTypes", "spotBuild", "spotTests"],
        ..ROW
    },
    Known {
        id: "interrupted",
        errors: &[ErrorName::Interrupted],
        title: "EC2 has taken the spot instance back, or has not started the instance again after its checkpoint",
        helps: &[
            "Start a new build. If EC2 takes its instance back often, remove `spot` from the infrastructure configuration.",
            "If the instance did not start again, the message has EC2's reason. If it is about a key, let the role of the \
             function `snapshot` start instances with it.",
        ],
        outside: "The cause is outside of the plan: EC2 needed the capacity, or could not start the instance again.",
        ..ROW
    },
    Known {
        id: "agent-not-online",
        errors: &[ErrorName::NotOnline],
        said: &["no ssm agent on it has registered"],
        title: "the instance runs, but its SSM agent has not reached Systems Manager",
        helps: &[
            "Give the subnet a way to Systems Manager: a route to a NAT gateway or an internet gateway, or the VPC endpoints \
             ssm, ssmmessages and ec2messages of {region} with private DNS.",
            "Let the security group of the instance send to port 443, and that of the endpoints receive from it.",
            "Look at the console, which EC2 keeps for an hour: `aws --region {region} ec2 get-console-output --output text \
             --instance-id {instance}`.",
        ],
        outside: "The cause is outside of the plan: the routes, endpoints and security groups of the subnet, or the policies \
                  of the instance's role.",
        suspects: &["subnets", "securityGroups", "instanceProfile", "source image"],
        ..ROW
    },
    Known {
        id: "instance-gone",
        said: &[
            "was terminated from outside",
            "was stopped from outside",
            "user initiated",
            "client.userinitiatedshutdown",
        ],
        title: "somebody or something has ended the instance",
        helps: &[
            "Look up TerminateInstances and StopInstances of {instance} in CloudTrail: a clean-up job or a policy of the account \
             may have ended it.",
            "If a step shuts the machine down, use the action Reboot instead.",
        ],
        outside: "The cause is outside of the plan: a person or a program has ended the instance.",
        words: &["shutdown", "poweroff", "halt"],
        ..ROW
    },
    Known {
        id: "launch-ended",
        errors: &[ErrorName::NotOnline],
        title: "the instance has ended before it was online",
        helps: &[
            "The message has EC2's reason. If it is about a key, let the role of the stack use it; if it is an internal error \
             or a limit of volumes, look at the quotas of EBS in {region}.",
        ],
        outside: "The cause is outside of the plan: EC2 has ended the instance. Look first at keys of volumes and at quotas.",
        suspects: &["source image", "blockDevices"],
        ..ROW
    },
    Known {
        id: "agent-lost",
        said: &["went down while the command ran"],
        title: "the instance or its SSM agent went down while a step ran",
        helps: &[
            "If {step} restarts the SSM agent or the network, or updates the agent, do this in a last step of its own, followed \
             by the action Reboot.",
            "To reboot, use the action Reboot, or end a step with exit code 194.",
        ],
        outside: "The cause is on the instance: an update may restart the SSM agent or the machine.",
        words: &["reboot", "ssm", "systemctl", "network"],
        ..ROW
    },
    Known {
        id: "build-time-out",
        errors: &[ErrorName::Timeout],
        title: "the build has reached its time limit",
        helps: &[
            "Compare the timeline with that of the last good build: the longest step shows where the time went.",
            "If the steps need more time, raise `timeoutMinutes` of the pipeline, or that of its tests.",
        ],
        outside: "The cause is outside of the plan: what a step waits for, or a slow service.",
        suspects: &["instanceTypes", "component", "timeoutMinutes"],
        ..ROW
    },
    Known {
        id: "function-time-out",
        said: &["task timed out after", "sandbox.timedout", "states.timeout", "execution.timed_out", "lambda.unknown"],
        title: "a function or the execution itself has reached its time limit",
        helps: &[
            "Start a new build: a single slow answer of AWS is enough for this.",
            "If it happens again, look at the execution in Step Functions and at the log of the function: they name the call \
             that did not return. `goldsmith doctor` checks the stack.",
        ],
        outside: "The cause is outside of the plan: AWS answered slowly, or the stack has too little time or memory.",
        ..ROW
    },
    Known {
        id: "closed",
        errors: &[ErrorName::Closed],
        title: "the build was ended from outside",
        helps: &["Start a new build, unless this was intended."],
        outside: "The cause is outside of the plan: the execution was stopped, or another build has taken over.",
        ..ROW
    },
    Known {
        id: "internal",
        errors: &[ErrorName::Internal],
        title: "Goldsmith itself is at fault",
        helps: &["Deploy the stack again. If a new build fails in the same way, report the error."],
        outside: "The cause is outside of the plan: the stack.",
        ..ROW
    },
];
