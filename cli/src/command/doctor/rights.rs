//! What build instances may do with their role.

use goldsmith_cloud::CloudError;
use goldsmith_cloud::aws::SdkConfig;
use goldsmith_cloud_account::iam::Iam;
use goldsmith_cloud_account::settings::ServiceSettings;

use super::finding::Finding;
use super::stack::Settings;
use crate::args::Globals;

const NAME: &str = "instance-rights";
/// Without these, Systems Manager never sees an instance.
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
/// The agent looks for the group of a command's output before it writes.
const FIND_GROUP: &str = "logs:DescribeLogGroups";

pub(super) async fn examine(globals: &Globals, config: &SdkConfig, settings: Option<&Settings>) -> Vec<Finding> {
    let Some(settings) = settings else { return Vec::new() };
    let iam = Iam::new(config);
    let mut found = Vec::new();
    for profile in &settings.instance_profiles {
        found.push(profile_of(globals, &iam, profile, &settings.log_group).await);
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
            Ok(refused) => judge(&globals.again(), &role, &refused),
            Err(error) => Finding::unseen(NAME, "iam:SimulatePrincipalPolicy", &error),
        },
        Ok(None) => {
            let message = format!("The instance profile {profile} does not exist, or has no role.");
            Finding::problem(NAME, message, format!("`{} deploy` makes it again.", globals.again()))
        }
        Err(error) => Finding::unseen(NAME, "iam:GetInstanceProfile", &error),
    }
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
    let stream = format!("{group}:log-stream:goldsmith");
    refused.extend(iam.refused(role, &["logs:CreateLogStream", "logs:PutLogEvents"], &stream).await?);
    Ok(refused)
}

fn judge(again: &str, role: &str, refused: &[String]) -> Finding {
    let name = role.rsplit('/').next().unwrap_or(role);
    if refused.is_empty() {
        return Finding::good(NAME, format!("The role {name} may do what instances need."));
    }
    let message = format!("The role {name} of instances may not do: {}.", refused.join(", "));
    let remedy = format!(
        "`{again} deploy` gives it the stack's own policy again; if they stay refused, look at the permissions boundary and at \
         the policies of your organization."
    );
    Finding::problem(NAME, message, remedy)
}

/// A default role lets instances register whose own role may not; their output needs their own role all the same.
fn judge_host(role: Option<&str>, rights_lack: bool) -> Option<Finding> {
    let role = role?;
    let message = match rights_lack {
        true => format!(
            "Default host management is on with the role {role}: build instances may register with it although their own \
             role lacks rights, and write no output."
        ),
        false => format!("Default host management is on with the role {role}; build instances use their own."),
    };
    let remedy = "Nothing is to be done while the instances' own role has its rights.";
    Some(Finding::note("default-host-role", message, remedy))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn refused_actions_are_named_and_default_host_management_is_explained() {
        let role = "arn:aws:iam::000000000000:role/path/g-BuildRole-1";
        assert_eq!(judge("goldsmith", role, &[]).verdict, Verdict::Good);
        let found = judge("goldsmith --stack g", role, &["logs:PutLogEvents".to_owned()]);
        assert_eq!(found.message, "The role g-BuildRole-1 of instances may not do: logs:PutLogEvents.");
        assert!(found.remedy.unwrap().starts_with("`goldsmith --stack g deploy` gives it"));
        assert_eq!(judge_host(None, true), None);
        assert!(judge_host(Some("r"), true).unwrap().message.contains("write no output"));
        assert!(judge_host(Some("r"), false).unwrap().message.contains("use their own"));
    }
}
