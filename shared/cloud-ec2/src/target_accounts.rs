//! The role that the stack assumes in other accounts. `infra/target-account.yaml` creates it.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_sts::Client;
use goldsmith_cloud::aws::{SdkConfig, failure, home_region, incomplete, with_session};
use goldsmith_cloud::{Result, TargetAccount, TargetAccounts, target_role_name};

use crate::Ec2;

const OPERATION: &str = "AssumeRole";
/// How long a session lasts, in seconds. This is the shortest time that STS allows (STS API reference, AssumeRole), and
/// longer than a function can run.
const SESSION: i32 = 900;

/// The stack's role in other accounts.
#[derive(Debug)]
pub(crate) struct StackRole {
    config: SdkConfig,
    stack: String,
}

impl StackRole {
    pub(crate) fn new(config: &SdkConfig, stack: &str) -> Self {
        Self { config: config.clone(), stack: stack.to_owned() }
    }
}

/// Returns the ARN of the role that a stack takes on in another account.
#[must_use]
pub fn role_arn(account: &str, stack: &str, home: &str) -> String {
    let partition = match home {
        china if china.starts_with("cn-") => "aws-cn",
        gov if gov.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:iam::{account}:role/{}", target_role_name(stack, home))
}

#[async_trait]
impl TargetAccounts for StackRole {
    async fn enter(&self, account: &str) -> Result<TargetAccount> {
        let home = home_region(&self.config);
        let request = Client::new(&self.config)
            .assume_role()
            .role_arn(role_arn(account, &self.stack, &home))
            // STS allows 2 to 64 characters, and a stack's name may have a single one.
            .role_session_name(format!("goldsmith-{}", self.stack))
            // Without an external id, whoever may have the stack assume a role could name any account's role (IAM user
            // guide, "The confused deputy problem").
            .external_id(format!("{}/{home}", self.stack))
            .duration_seconds(SESSION);
        let answer = request.send().await.map_err(failure(OPERATION, &home))?;
        let keys = answer.credentials.ok_or_else(|| incomplete(OPERATION, &home, "credentials"))?;
        let config = with_session(&self.config, keys.access_key_id(), keys.secret_access_key(), keys.session_token());
        let ec2 = Arc::new(Ec2::new(&config));
        Ok(TargetAccount { images: ec2.clone(), account: ec2 })
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::aws::replay::{Canned, Replay};

    use super::*;
    use crate::testing::form;

    const ACCOUNT: &str = "222233334444";
    const KEYS: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId>\
                        <SecretAccessKey>s</SecretAccessKey><SessionToken>session</SessionToken>\
                        <Expiration>2026-11-24T03:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";
    const NO_IMAGES: &str = "<DescribeImagesResponse><imagesSet/></DescribeImagesResponse>";

    #[tokio::test]
    async fn calls_in_another_account_have_the_keys_of_the_stacks_role_there() {
        let replay = Replay::new([Canned::ok(KEYS), Canned::ok(NO_IMAGES)]);
        let config = replay.config();
        let there = StackRole::new(&config, "two").enter(ACCOUNT).await.unwrap();
        assert_eq!(there.images.image("us-east-1", "ami-1").await.unwrap(), None);
        let asked = form(&replay, 0);
        let home = home_region(&config);
        assert_eq!(asked["RoleArn"], format!("arn:aws:iam::{ACCOUNT}:role/two-target-{home}"));
        assert_eq!(asked["RoleSessionName"], "goldsmith-two");
        assert_eq!(asked["ExternalId"], format!("two/{home}"));
        assert_eq!(form(&replay, 1)["Action"], "DescribeImages");
        assert_eq!(replay.sent()[1].header("x-amz-security-token"), Some("session"));
    }

    #[tokio::test]
    async fn a_role_that_cannot_be_assumed_is_a_denial() {
        let denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
        let replay = Replay::new([Canned::Answer(403, denied.to_owned())]);
        let Err(error) = StackRole::new(&replay.config(), "two").enter(ACCOUNT).await else { panic!("it entered") };
        assert_eq!((error.operation, error.kind), ("AssumeRole", Kind::Denied));
    }

    #[test]
    fn a_role_is_in_the_partition_of_its_stack() {
        let arn = |home| role_arn(ACCOUNT, "two", home);
        assert_eq!(arn("cn-north-1"), "arn:aws-cn:iam::222233334444:role/two-target-cn-north-1");
        assert_eq!(arn("us-gov-west-1"), "arn:aws-us-gov:iam::222233334444:role/two-target-us-gov-west-1");
    }
}
