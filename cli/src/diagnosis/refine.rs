//! Makes what helps after a known cause more exact, by the facts of this failure.

use goldsmith_states::Difference;
use goldsmith_store::FailureCause;

use super::facts::Facts;
use super::suspect::is_local;
use super::{Case, Diagnosis, output};

/// The console of an instance says this after its user data has found or installed the agent.
const INSTALLED: &str = "the SSM agent is installed";
/// The agent says this of a process that a step has started.
const STARTED_BY_A_STEP: &str = ", which a step of a document has started";
/// The most findings that are named.
const FINDINGS: usize = 3;

/// Completes a diagnosis. `suspects` are the changes to look at first.
pub(super) fn refine(case: &Case<'_>, id: &str, facts: &Facts, suspects: &[Difference], diagnosis: &mut Diagnosis) {
    match id {
        "agent-not-online" => not_online(case, diagnosis),
        "audit-finding" => audit(case, diagnosis),
        "connection-refused" => refused(case, facts, diagnosis),
        "disk-full" => disk(case, facts, diagnosis),
        "kms-key" => diagnosis.details.clear(), // the same advice in other words
        "out-of-memory" => memory(suspects, diagnosis),
        "package-lock" => lock(case.cause, diagnosis),
        "step-time-out" => time_out(case.cause, diagnosis),
        _ => {}
    }
    if let [Difference { what, from: Some(from), to: Some(_) }] = suspects
        && let Some(component) = what.strip_prefix("component ").filter(|name| !name.contains(": "))
    {
        diagnosis.helps.push(format!(
            "Until then, `version: {from}` of {component} in the recipe builds with what worked before."
        ));
    }
}

fn not_online(case: &Case<'_>, diagnosis: &mut Diagnosis) {
    diagnosis.details.clear(); // what helps says the same, for this failure
    let changed = |what: &str| case.since.is_some_and(|since| since.changes.iter().any(|one| one.what == what));
    let is_new_network = changed("subnets") || changed("securityGroups");
    let is_installed = case.cause.last_lines.iter().any(|line| line.contains(INSTALLED));
    if is_installed {
        diagnosis
            .details
            .push("The console says that the SSM agent is installed, so the image is hardly the reason.".to_owned());
    }
    if is_new_network {
        let help = "Or go back to the former subnets and security groups in the infrastructure configuration.";
        diagnosis.helps.insert(2, help.to_owned());
    }
    let role = "Let the role of the instance profile register with Systems Manager: it needs the policy \
                AmazonSSMManagedInstanceCore.";
    if changed("instanceProfile") {
        diagnosis.helps.insert(0, role.to_owned());
    } else if case.since.is_some() {
        diagnosis.details.push("The instance profile is that of the last good build.".to_owned());
        diagnosis.helps.push(format!("The policies of its role may have changed. {role}"));
    } else {
        diagnosis.helps.push(role.to_owned());
    }
    if changed("source image") && !is_installed {
        diagnosis.helps.insert(0, "Look whether the new source image has an SSM agent that starts at boot.".to_owned());
    }
}

fn audit(case: &Case<'_>, diagnosis: &mut Diagnosis) {
    diagnosis.details.insert(0, "The audit comes before the tests, so no test has run.".to_owned());
    let Some(audit) = case.audit.filter(|audit| !audit.findings.is_empty()) else { return };
    let named: Vec<String> =
        audit.findings.iter().take(FINDINGS).map(|one| format!("{} ({})", one.path, one.what)).collect();
    let more = match (audit.count() as usize).saturating_sub(named.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let place = super::place(case.cause);
    diagnosis.headline = super::shortened(&format!("{place}: the audit has failed: {}{more}", named.join(", ")));
    let paths: Vec<&str> = audit.findings.iter().take(FINDINGS).map(|one| one.path.as_str()).collect();
    if let [first, ..] = diagnosis.helps.as_mut_slice() {
        *first = first.replacen("Remove it", &format!("Remove {}", paths.join(", ")), 1);
    }
}

/// A test that finds nothing at an address of its own machine: a service does not run.
fn refused(case: &Case<'_>, facts: &Facts, diagnosis: &mut Diagnosis) {
    let Some(host) = facts.host.as_deref().filter(|host| is_local(host)) else { return };
    if !is_test(case.cause) {
        diagnosis.helps = vec![format!(
            "Start what should listen on {host} before {}, and wait until it does: a service needs a moment.",
            facts.filled("{step}")
        )];
        return;
    }
    let gone =
        case.since.and_then(|since| since.contents.as_ref()).map(|contents| contents.no_longer_enabled.as_slice());
    diagnosis.helps = match gone.unwrap_or_default() {
        [] => vec![format!(
            "Let a component enable the service that listens on {host} (`systemctl enable UNIT`): a test instance has booted from \
             the new image, so a service that the build only started does not run on it."
        )],
        units => vec![format!(
            "Enable it again in a component: `systemctl enable {}`. A test instance has booted from the new image, so a service \
             that the build only started does not run on it.",
            units.join(" ")
        )],
    };
    diagnosis.helps.push(
        "If it is enabled, read why it does not run: add `systemctl status UNIT` and `journalctl -u UNIT` to the test."
            .to_owned(),
    );
}

fn is_test(cause: &FailureCause) -> bool {
    cause.phase.as_deref() == Some("test") || cause.state == "ExecuteTest"
}

fn disk(case: &Case<'_>, facts: &Facts, diagnosis: &mut Diagnosis) {
    let evidence = case.cause.evidence.iter().find(|fact| fact.contains("is full"));
    let small = ["tmpfs", "in memory", "ramfs"];
    let inside = case.since.into_iter().flat_map(|since| &since.inside);
    let mut lines = inside.flat_map(|inside| inside.signed().map(move |(sign, line)| (inside, sign, line)));
    let limit = lines.find(|(_, sign, line)| *sign == '+' && (line.contains("tmpfs") || line.contains("size=")));
    let path = facts.path.as_deref();
    let is_in_memory = evidence.is_some_and(|fact| small.iter().any(|word| fact.contains(word)));
    if is_in_memory || limit.is_some() {
        let which = path.filter(|_| is_in_memory).unwrap_or("the file system that is full");
        let first = match limit {
            Some((inside, _, line)) => format!(
                "Undo or raise the limit in component {} {}: `{}`.",
                inside.component,
                inside.to,
                line.trim().trim_start_matches("- ")
            ),
            None => format!("Raise the limit of {which}, in the step or unit that mounts it."),
        };
        diagnosis.helps = vec![
            first,
            format!("Or let {} write elsewhere, such as to /var/tmp or /srv.", facts.filled("{step}")),
            format!("A larger root volume does not help: {which} is not on it."),
        ];
        if !is_in_memory {
            diagnosis.helps[2] =
                "A larger root volume helps only if it is the root volume that is full: check with `df -h`.".to_owned();
        }
    } else if path == Some("/") {
        diagnosis.helps = vec![
            "Give the root volume a larger `volumeSize` in the recipe's `blockDeviceMappings`.".to_owned(),
            format!(
                "Or let {} write less, and remove archives and caches of packages in earlier steps.",
                facts.filled("{step}")
            ),
        ];
    }
}

fn memory(suspects: &[Difference], diagnosis: &mut Diagnosis) {
    let types = suspects.iter().find(|one| one.what == "instanceTypes");
    let Some(Difference { from: Some(from), to: Some(to), .. }) = types else { return };
    let sized = |list: &str| -> String {
        let one = |name: &str| match gib(name) {
            Some(gib) => format!("{name} ({gib} GiB)"),
            None => name.to_owned(),
        };
        list.split(", ").map(one).collect::<Vec<_>>().join(", ")
    };
    diagnosis.helps.insert(
        0,
        format!(
            "The instance types have changed from {} to {}: go back, or name types with as much memory.",
            sized(from),
            sized(to)
        ),
    );
}

/// Returns the memory of a common instance type.
fn gib(name: &str) -> Option<&'static str> {
    let (family, size) = name.split_once('.')?;
    let of_burstable = |size: &str| {
        Some(match size {
            "nano" => "0.5",
            "micro" => "1",
            "small" => "2",
            "medium" => "4",
            "large" => "8",
            "xlarge" => "16",
            "2xlarge" => "32",
            _ => return None,
        })
    };
    let of_others = |large: [&'static str; 3]| match size {
        "large" => Some(large[0]),
        "xlarge" => Some(large[1]),
        "2xlarge" => Some(large[2]),
        _ => None,
    };
    match family {
        "t2" | "t3" | "t3a" | "t4g" => of_burstable(size),
        _ if family.starts_with("c5") || family.starts_with("c6") || family.starts_with("c7") => {
            of_others(["4", "8", "16"])
        }
        _ if family.starts_with("m5") || family.starts_with("m6") || family.starts_with("m7") => {
            of_others(["8", "16", "32"])
        }
        _ if family.starts_with("r5") || family.starts_with("r6") || family.starts_with("r7") => {
            of_others(["16", "32", "64"])
        }
        _ => None,
    }
}

/// Names the unit that holds the lock, if it is none of those that the general advice stops.
fn lock(cause: &FailureCause, diagnosis: &mut Diagnosis) {
    let Some(held) = cause.evidence.iter().find(|fact| fact.starts_with("Another process held the lock")) else {
        return;
    };
    let [first, ..] = diagnosis.helps.as_mut_slice() else { return };
    if held.contains(STARTED_BY_A_STEP) {
        *first = "An earlier step has left this process running. Let that step wait for its end.".to_owned();
        return;
    }
    let unit = held.trim_end_matches('.').rsplit_once(", of ").map_or("", |(_, unit)| unit);
    // Without the SSM agent, a build cannot go on.
    let is_stoppable = unit.ends_with(".service") && !unit.contains("amazon-ssm-agent");
    if is_stoppable && !first.contains(unit) {
        *first = format!(
            "Stop {unit} before the first step that installs something: `systemctl mask --now {unit}`. If you do not know the unit, \
             find out which package has brought it: `dpkg -S {unit}` or `rpm -qf /usr/lib/systemd/system/{unit}`."
        );
    }
}

fn time_out(cause: &FailureCause, diagnosis: &mut Diagnosis) {
    let lines: Vec<String> = cause.last_lines.iter().map(|line| output::uncolored(line).trim().to_owned()).collect();
    let Some(last) = lines.iter().rev().find(|line| !line.is_empty()) else { return };
    let times = match lines.iter().rev().skip_while(|line| line.is_empty()).take_while(|line| *line == last).count() {
        1 => String::new(),
        times => format!(", {times} times"),
    };
    diagnosis.headline = super::shortened(&format!("{}; its last line{times}: {last}", diagnosis.headline));
}
