//! Checks the permissions of build instances by their role.

use std::collections::BTreeMap;

use goldsmith_cloud::CloudError;
use goldsmith_cloud::aws::SdkConfig;
use goldsmith_cloud_account::iam::Iam;
use goldsmith_cloud_account::settings::ServiceSettings;

use super::definitions::Definitions;
use super::finding::{Finding, anew};
use super::stack::Settings;
use crate::args::Globals;

const NAME: &str = "instance-rights";
/// Name of the finding about instance profiles in infrastructure configurations.
const NAMED: &str = "instance-profiles";
/// Without these permissions, an instance never registers with Systems Manager.
const SYSTEMS_MANAGER: [&str; 11] = [
    "ssm:UpdateInstanceInformation",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
    "ec2messages:AcknowledgeMessage",
    "ec2messages:DeleteMessage",
    "ec2messages:FailMessage",
    "ec2messages:GetEndpoint",
    "ec2messages:GetMessages",
    "ec2messages:SendReply",
];
/// Before the agent writes a command's output, it looks up the log group.
const FIND_GROUP: &str = "logs:DescribeLogGroups";

pub(super) async fn examine(
    globals: &Globals,
    config: &SdkConfig,
    settings: Option<&Settings>,
    definitions: &Definitions,
) -> Vec<Finding> {
    let Some(settings) = settings else {
        let why = "only the functions name the instance profiles, and their configuration could not be read";
        return vec![Finding::unseen_because(NAME, "lambda:GetFunctionConfiguration", why)];
    };
    let iam = Iam::new(config);
    let mut found = Vec::new();
    for profile in &settings.instance_profiles {
        found.push(profile_of(globals, &iam, profile, &settings.log_group).await);
    }
    for (profile, who) in named(definitions) {
        found.push(named_profile(&iam, profile, &who, &settings.log_group).await);
    }
    let rights_lack = found.iter().any(|one| one.verdict == super::finding::Verdict::Problem);
    let host = match ServiceSettings::new(config).default_host_role().await {
        Ok(role) => judge_host(role.as_deref(), rights_lack),
        Err(error) => Some(Finding::unseen("default-host-role", "ssm:GetServiceSetting", &error)),
    };
    found.into_iter().chain(host).collect()
}

async fn profile_of(globals: &Globals, iam: &Iam, profile: &str, log_group: &str) -> Finding {
    match iam.role_of(profile).await {
        Ok(Some(role)) => match refused(iam, &role, log_group).await {
            Ok(refused) => judge(globals, &role, &refused),
            Err(error) => Finding::unseen(NAME, "iam:SimulatePrincipalPolicy", &error),
        },
        Ok(None) => {
            let message = format!("The instance profile {profile} does not exist, or has no role.");
            Finding::problem(NAME, message, anew(globals))
        }
        Err(error) => Finding::unseen(NAME, "iam:GetInstanceProfile", &error),
    }
}

/// Returns the instance profiles in infrastructure configurations, with those configurations.
fn named(definitions: &Definitions) -> BTreeMap<&str, String> {
    let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in definitions.infrastructures.values() {
        if let Some(profile) = &one.instance_profile_name {
            named.entry(profile).or_default().push(one.name.as_str());
        }
    }
    named.into_iter().map(|(profile, users)| (profile, users.join(", "))).collect()
}

/// Judges a profile that does not belong to the stack: its owner must fix it.
async fn named_profile(iam: &Iam, profile: &str, who: &str, log_group: &str) -> Finding {
    match iam.role_of(profile).await {
        Ok(Some(role)) => match refused(iam, &role, log_group).await {
            Ok(refused) => judge_named(profile, who, Some((&role, &refused))),
            Err(error) => Finding::unseen(NAMED, "iam:SimulatePrincipalPolicy", &error),
        },
        Ok(None) => judge_named(profile, who, None),
        Err(error) => Finding::unseen(NAMED, "iam:GetInstanceProfile", &error),
    }
}

fn judge_named(profile: &str, who: &str, role: Option<(&str, &[String])>) -> Finding {
    let Some((role, refused)) = role else {
        let message =
            format!("The instance profile {profile} of {who} does not exist, or has no role: no instance starts.");
        let remedy =
            "Create it, with a role in it, or remove `instanceProfileName` from the infrastructure configuration.";
        return Finding::problem(NAMED, message, remedy);
    };
    let name = role.rsplit('/').next().unwrap_or(role);
    if refused.is_empty() {
        return Finding::good(NAMED, format!("The role {name} of {profile} has the permissions that instances need."));
    }
    let message = format!(
        "The role {name} of the instance profile {profile} of {who} lacks permissions: {}.",
        refused.join(", ")
    );
    let remedy = "Give the role the permissions of the stack's policy `ServeCommands`. If it still may not do this, \
                  check the permissions boundary and the policies of your organization.";
    Finding::problem(NAMED, message, remedy)
}

async fn refused(iam: &Iam, role: &str, group: &str) -> Result<Vec<String>, CloudError> {
    // `arn:PARTITION:iam::ACCOUNT:role/NAME`
    let mut parts = role.split(':').skip(1);
    let partition = parts.next().unwrap_or("aws");
    let account = parts.nth(2).unwrap_or_default();
    let region = iam.region();
    let group = format!("arn:{partition}:logs:{region}:{account}:log-group:{group}");
    let anywhere: Vec<&str> = SYSTEMS_MANAGER.into_iter().chain([FIND_GROUP]).collect();
    let mut refused = iam.refused(role, &anywhere, "*").await?;
    refused.extend(iam.refused(role, &["logs:DescribeLogStreams"], &group).await?);
    // Systems Manager names the streams of a command's output like this; the permissions may be limited to such names.
    let stream = format!("{group}:log-stream:c-0/i-0/aws-runShellScript/stdout");
    refused.extend(iam.refused(role, &["logs:CreateLogStream", "logs:PutLogEvents"], &stream).await?);
    Ok(refused)
}

fn judge(globals: &Globals, role: &str, refused: &[String]) -> Finding {
    let name = role.rsplit('/').next().unwrap_or(role);
    if refused.is_empty() {
        return Finding::good(NAME, format!("The role {name} has the permissions that instances need."));
    }
    let message = format!("The role {name} of instances lacks permissions: {}.", refused.join(", "));
    let remedy = format!(
        "`{} iam list-attached-role-policies --role-name {name}` shows whether it still has the stack's policy ServeCommands. \
         If not, attach it again. If the role still has it, check the permissions boundary and the policies of your organization.",
        globals.aws()
    );
    Finding::problem(NAME, message, remedy)
}

/// Judges the default role. The default role lets instances register even if their own role may not, but their output
/// still needs their own role.
fn judge_host(role: Option<&str>, rights_lack: bool) -> Option<Finding> {
    let role = role?;
    let message = if rights_lack {
        format!(
            "Default host management is on with the role {role}: build instances may register with it although their own \
             role lacks permissions, but they write no output."
        )
    } else {
        format!("Default host management is on with the role {role}; build instances use their own.")
    };
    let remedy = "No action is needed while the instances' own role has its permissions.";
    Some(Finding::note("default-host-role", message, remedy))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::testing::{globals, launching};
    use super::*;

    #[test]
    fn a_named_profile_must_exist_with_the_permissions_of_instances() {
        let of = |profile: Option<&str>, name: &str| {
            let mut all = launching(&["t3.small"], &[]);
            let mut one = all.infrastructures.pop_first().unwrap().1;
            one.instance_profile_name = profile.map(str::to_owned);
            one.name = name.parse().unwrap();
            (one.name.clone(), one)
        };
        let infrastructures = [of(Some("mine"), "first"), of(None, "second"), of(Some("mine"), "third")].into();
        let definitions = Definitions { infrastructures, ..Definitions::default() };
        assert_eq!(named(&definitions), BTreeMap::from([("mine", "first, third".to_owned())]));
        let missing = judge_named("mine", "first, third", None);
        assert_eq!((missing.verdict, missing.name), (Verdict::Problem, "instance-profiles"));
        assert!(missing.message.starts_with("The instance profile mine of first, third does not exist"), "{missing:?}");
        let role = "arn:aws:iam::000000000000:role/path/mine-role";
        assert_eq!(judge_named("mine", "a", Some((role, &[]))).verdict, Verdict::Good);
        let lacking = judge_named("mine", "a", Some((role, &["ssm:UpdateInstanceInformation".to_owned()])));
        assert_eq!(
            lacking.message,
            "The role mine-role of the instance profile mine of a lacks permissions: ssm:UpdateInstanceInformation."
        );
    }

    #[test]
    fn refused_actions_are_named_and_default_host_management_is_explained() {
        let role = "arn:aws:iam::000000000000:role/path/g-BuildRole-1";
        assert_eq!(judge(&globals(""), role, &[]).verdict, Verdict::Good);
        let found = judge(&globals("--region eu-west-1"), role, &["logs:PutLogEvents".to_owned()]);
        assert_eq!(found.message, "The role g-BuildRole-1 of instances lacks permissions: logs:PutLogEvents.");
        let shown = "`aws --region eu-west-1 iam list-attached-role-policies --role-name g-BuildRole-1` shows";
        assert!(found.remedy.as_ref().unwrap().starts_with(shown), "{found:?}");
        assert_eq!(judge_host(None, true), None);
        assert!(judge_host(Some("r"), true).unwrap().message.contains("write no output"));
        assert!(judge_host(Some("r"), false).unwrap().message.contains("use their own"));
    }
}
