//! Checks the stack itself: whether it exists, has the version of this program, and is complete.

use futures_util::future::join_all;
use goldsmith_cloud::aws::SdkConfig;
use goldsmith_cloud_account::Stacks;
use goldsmith_cloud_account::functions::{Function, Lambda};
use goldsmith_cloud_account::stack::{Part, StackParts};

use super::finding::{Finding, anew};
use crate::args::Globals;
use crate::connection::Connection;
use crate::version::compare;

/// What the stack tells its functions about the account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) subnets: Vec<String>,
    pub(super) security_group: String,
    /// Names of the instance profiles for builds and, if the stack has a separate one for tests, for tests.
    pub(super) instance_profiles: Vec<String>,
    pub(super) log_group: String,
    /// The subnets of the stack.
    pub(super) bucket: String,
}

impl Settings {
    fn of(function: &Function) -> Self {
        let value = |name: &str| function.environment.get(name).cloned().unwrap_or_default();
        let subnets = value("GOLDSMITH_SUBNETS");
        // CloudFormation refers to a profile by its name, the local AWS by its ARN.
        let profiles = ["GOLDSMITH_INSTANCE_PROFILE", "GOLDSMITH_TEST_INSTANCE_PROFILE"].map(value);
        let names = profiles.iter().filter_map(|profile| profile.rsplit('/').next().filter(|name| !name.is_empty()));
        Self {
            subnets: subnets.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect(),
            security_group: value("GOLDSMITH_SECURITY_GROUP"),
            instance_profiles: names.map(str::to_owned).collect(),
            log_group: value("GOLDSMITH_LOG_GROUP"),
            bucket: value("GOLDSMITH_BUCKET"),
        }
    }
}

pub(super) async fn examine(
    globals: &Globals,
    config: &SdkConfig,
    connection: Option<&Connection>,
) -> (Vec<Finding>, Option<Settings>) {
    let deploy = globals.again() + " deploy";
    let Some(connection) = connection else {
        let message = format!("There is no stack `{}` in this Region.", globals.stack);
        return (vec![Finding::problem("stack", message, format!("`{deploy}` creates it."))], None);
    };
    let mut findings = vec![version(connection.version.as_deref(), env!("CARGO_PKG_VERSION"), &deploy)];
    findings.extend(operation(globals, config, &connection.stack).await);
    let services = StackParts::new(config);
    findings.push(match services.machine_is_active(&connection.state_machine).await {
        Ok(Some(true)) => Finding::good("state-machine", "The state machine can be started."),
        Ok(_) => {
            let message = format!("{} is gone.", connection.state_machine);
            Finding::problem("state-machine", message, anew(globals))
        }
        Err(error) => Finding::unseen("state-machine", "states:DescribeStateMachine", &error),
    });
    let parts = match services.parts(&connection.stack).await {
        Ok(parts) => parts,
        Err(error) => {
            findings.push(Finding::unseen("functions", "cloudformation:ListStackResources", &error));
            Vec::new()
        }
    };
    let (found, settings) = functions(globals, config, &parts).await;
    findings.extend(found);
    findings.extend(rules(globals, &services, &parts).await);
    if let Some(settings) = &settings {
        findings.extend(bucket(globals, &services, &settings.bucket).await);
    }
    (findings, settings)
}

/// Returns a finding if CloudFormation's last operation on the stack has failed.
async fn operation(globals: &Globals, config: &SdkConfig, stack: &str) -> Option<Finding> {
    match Stacks::new(config).find(stack).await {
        Ok(found) => found.and_then(|found| judge_operation(globals, &found.status, found.is_busy())),
        Err(error) => Some(Finding::unseen("stack", "cloudformation:DescribeStacks", &error)),
    }
}

fn judge_operation(globals: &Globals, status: &str, is_busy: bool) -> Option<Finding> {
    let message = format!("CloudFormation says that the stack is {status}.");
    let aws = globals.aws();
    if is_busy {
        return Some(Finding::note("stack", message, "Check again when it has finished."));
    }
    let works =
        matches!(status, "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_COMPLETE");
    (!works).then(|| {
        let events = format!("`{aws} cloudformation describe-stack-events --stack-name {}` says why.", globals.stack);
        Finding::problem("stack", message, events)
    })
}

/// Checks the bucket from which instances fetch their work.
async fn bucket(globals: &Globals, services: &StackParts, bucket: &str) -> Option<Finding> {
    match services.bucket_is_there(bucket).await {
        Ok(true) => None,
        Ok(false) => {
            let message = format!("The stack's bucket {bucket} is gone, so instances cannot fetch their work.");
            Some(Finding::problem("bucket", message, anew(globals)))
        }
        Err(error) => Some(Finding::unseen("bucket", "s3:ListBucket", &error)),
    }
}

fn of_kind<'p>(parts: &'p [Part], kind: &str) -> Vec<&'p Part> {
    parts.iter().filter(|part| part.kind == kind).collect()
}

async fn functions(globals: &Globals, config: &SdkConfig, parts: &[Part]) -> (Vec<Finding>, Option<Settings>) {
    let lambda = Lambda::new(config);
    let parts = of_kind(parts, "AWS::Lambda::Function");
    let looks = join_all(parts.iter().map(|part| lambda.function(&part.physical))).await;
    let mut found = Vec::new();
    for (part, look) in parts.iter().zip(looks) {
        match look {
            Ok(function) => found.push((part.physical.clone(), function)),
            // The same permission is needed for all functions, so the other errors would say the same.
            Err(error) => return (vec![Finding::unseen("functions", "lambda:GetFunctionConfiguration", &error)], None),
        }
    }
    let launch = found.iter().find(|(name, _)| name.ends_with("-launch")).and_then(|(_, function)| function.as_ref());
    let settings = launch.map(Settings::of);
    (judge_functions(globals, &found).into_iter().collect(), settings)
}

/// Returns one finding about all functions.
fn judge_functions(globals: &Globals, found: &[(String, Option<Function>)]) -> Option<Finding> {
    if found.is_empty() {
        return None;
    }
    let (mut told, mut help) = (Vec::new(), Vec::new());
    let aws = globals.aws();
    let of = |which: fn(&Function) -> bool| {
        let names = found.iter().filter(|(_, function)| function.as_ref().is_some_and(which));
        names.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    let halted = of(|function| function.concurrency == Some(0));
    if let Some(first) = halted.first() {
        told.push(format!("These functions cannot run, because their concurrency is 0: {}.", halted.join(", ")));
        help.push(format!(
            "`{aws} lambda delete-function-concurrency --function-name {first}`, and the same for each of the others."
        ));
    }
    let gone = found.iter().filter(|(_, function)| function.is_none());
    let gone: Vec<&str> = gone.map(|(name, _)| name.as_str()).collect();
    if !gone.is_empty() {
        told.push(format!("These functions are gone: {}.", gone.join(", ")));
        help.push(anew(globals));
    }
    let failed: Vec<String> = found
        .iter()
        .filter_map(|(name, function)| Some((name, function.as_ref()?.obstacle.as_ref()?)))
        .map(|(name, obstacle)| format!("{name} does not run: {}.", obstacle.trim_end_matches('.')))
        .collect();
    if !failed.is_empty() {
        told.extend(failed);
        help.push("Fix what Lambda reports, such as a disabled key.".to_owned());
    }
    if !told.is_empty() {
        return Some(Finding::problem("functions", told.join(" "), help.join(" ")));
    }
    let pending = of(|function| function.is_pending);
    if !pending.is_empty() {
        let message = format!("Lambda is still preparing these functions: {}.", pending.join(", "));
        return Some(Finding::note("functions", message, "No action is needed; check again in a minute."));
    }
    Some(Finding::good("functions", format!("All {} functions are active.", found.len())))
}

async fn rules(globals: &Globals, services: &StackParts, parts: &[Part]) -> Option<Finding> {
    let parts = of_kind(parts, "AWS::Events::Rule");
    let looks = join_all(parts.iter().map(|part| services.rule_is_enabled(name_of_rule(&part.physical)))).await;
    let mut found = Vec::new();
    for (part, look) in parts.iter().zip(looks) {
        match look {
            Ok(enabled) => found.push((name_of_rule(&part.physical), enabled)),
            Err(error) => return Some(Finding::unseen("rules", "events:DescribeRule", &error)),
        }
    }
    judge_rules(globals, &found)
}

/// Returns the name of a rule from its physical id. The id of a rule on a custom bus is `BUS|NAME`.
fn name_of_rule(physical: &str) -> &str {
    physical.rsplit(['|', '/']).next().unwrap_or(physical)
}

/// Returns one finding about all rules.
fn judge_rules(globals: &Globals, found: &[(&str, Option<bool>)]) -> Option<Finding> {
    if found.is_empty() {
        return None;
    }
    let off: Vec<&str> = found.iter().filter(|(_, enabled)| *enabled == Some(false)).map(|(name, _)| *name).collect();
    let gone: Vec<&str> = found.iter().filter(|(_, enabled)| enabled.is_none()).map(|(name, _)| *name).collect();
    if off.is_empty() && gone.is_empty() {
        return Some(Finding::good("rules", format!("All {} EventBridge rules are enabled.", found.len())));
    }
    let mut told = Vec::new();
    let mut help = Vec::new();
    if let Some(first) = off.first() {
        told.push(format!(
            "These EventBridge rules are disabled, so no event wakes the builds that wait: {}.",
            off.join(", ")
        ));
        help.push(format!(
            "`{} events enable-rule --name {first}`, and the same for each of the others.",
            globals.aws()
        ));
    }
    if !gone.is_empty() {
        told.push(format!("These EventBridge rules are gone: {}.", gone.join(", ")));
        help.push(anew(globals));
    }
    Some(Finding::problem("rules", told.join(" "), help.join(" ")))
}

/// Judges whether the stack and the program have the same version. If a stack has no version, it is older than the
/// versions of stacks.
fn version(stack: Option<&str>, own: &str, deploy: &str) -> Finding {
    let Some(stack) = stack else {
        let message = format!("The stack has no version: it is older than this program, which is {own}.");
        return Finding::note("stack", message, format!("`{deploy}` brings it up to date."));
    };
    match compare(stack, own) {
        std::cmp::Ordering::Equal => Finding::good("stack", format!("The stack exists, in version {stack}.")),
        std::cmp::Ordering::Less => {
            let message = format!("The stack has version {stack}, and this program has {own}.");
            Finding::note("stack", message, format!("`{deploy}` brings the stack up to date."))
        }
        std::cmp::Ordering::Greater => {
            let message = format!("The stack has version {stack}, and this program has {own}, which is older.");
            Finding::note("stack", message, format!("Use goldsmith {stack}, which is the version of the stack."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::testing::globals;
    use super::*;

    #[test]
    fn an_older_stack_is_to_be_deployed_and_a_newer_one_wants_a_newer_program() {
        let told = |stack| version(stack, "0.10.0", "goldsmith deploy");
        let cases = [
            (Some("0.10.0"), Verdict::Good, ""),
            (Some("0.9.9"), Verdict::Note, "`goldsmith deploy` brings"),
            (Some("0.11.0"), Verdict::Note, "Use goldsmith 0.11.0"),
            (None, Verdict::Note, "`goldsmith deploy` brings"),
        ];
        for (stack, verdict, remedy) in cases {
            let found = told(stack);
            assert_eq!(found.verdict, verdict, "{stack:?}");
            assert!(found.remedy.unwrap_or_default().starts_with(remedy), "{stack:?}");
        }
    }

    #[test]
    fn a_failed_stack_is_a_problem_and_a_rolled_back_one_works() {
        let told = |status, is_busy| judge_operation(&globals("--region eu-west-1"), status, is_busy);
        assert_eq!(told("UPDATE_ROLLBACK_COMPLETE", false), None);
        assert_eq!(told("UPDATE_IN_PROGRESS", true).unwrap().verdict, Verdict::Note);
        for status in ["UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "CREATE_FAILED"] {
            let found = told(status, false).unwrap();
            assert_eq!(found.verdict, Verdict::Problem, "{status}");
            assert!(
                found.remedy.unwrap().contains("--region eu-west-1 cloudformation describe-stack-events"),
                "{status}"
            );
        }
    }

    #[test]
    fn functions_that_do_not_run_are_named() {
        let function = |obstacle: Option<&str>, concurrency| {
            Some(Function { obstacle: obstacle.map(str::to_owned), concurrency, ..Function::default() })
        };
        let good = ("g-plan".to_owned(), function(None, Some(5)));
        assert_eq!(judge_functions(&globals(""), std::slice::from_ref(&good)).unwrap().verdict, Verdict::Good);
        let bad = [
            good,
            ("g-reap".to_owned(), function(None, Some(0))),
            ("g-test".to_owned(), None),
            ("g-signal".to_owned(), function(Some("Its key is disabled."), None)),
        ];
        let found = judge_functions(&globals(""), &bad).unwrap();
        assert_eq!(
            found.message,
            "These functions cannot run, because their concurrency is 0: g-reap. These functions are gone: g-test. g-signal does \
             not run: Its key is disabled."
        );
        let remedy = found.remedy.unwrap();
        assert!(remedy.contains("--function-name g-reap") && remedy.contains("goldsmith deploy"), "{remedy}");
        let remedy = judge_functions(&globals(""), &bad[2..3]).unwrap().remedy.unwrap();
        assert!(!remedy.contains("concurrency"), "{remedy}");
        let pending = Function { is_pending: true, ..Function::default() };
        let found = judge_functions(&globals(""), &[("g-plan".to_owned(), Some(pending))]).unwrap();
        assert_eq!(found.verdict, Verdict::Note, "{found:?}");
        assert_eq!(judge_functions(&globals(""), &[]), None);
    }

    #[test]
    fn rules_that_are_off_and_gone_are_named_apart() {
        let found = judge_rules(&globals(""), &[("a", Some(true)), ("b", Some(false)), ("c", None)]).unwrap();
        assert!(found.message.contains("builds that wait: b.") && found.message.contains("gone: c."), "{found:?}");
        let remedy = found.remedy.unwrap();
        assert!(remedy.contains("enable-rule --name b") && remedy.contains("goldsmith deploy"), "{remedy}");
        assert_eq!(judge_rules(&globals(""), &[("a", Some(true))]).unwrap().verdict, Verdict::Good);
        assert_eq!(name_of_rule("bus|rule"), "rule");
    }
}
