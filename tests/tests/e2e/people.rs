//! The people who work with a stack: the CLI is run as IAM users with the policies of `infra/policies`, as docs/deploy.md has
//! them made, never as the account's root.

use aws_sdk_iam::Client;
use goldsmith_cloud::aws::SdkConfig;

/// The policies of whoever applies, builds and looks.
const USER: &[(&str, &str)] = &[("user", include_str!("../../../infra/policies/user.json"))];
/// The policies of whoever deploys and retires.
const DEPLOYER: &[(&str, &str)] = &[
    ("user", include_str!("../../../infra/policies/user.json")),
    ("deployer", include_str!("../../../infra/policies/deployer.json")),
    ("stack", include_str!("../../../infra/policies/stack.json")),
];

/// An access key.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// Those who work with one stack.
#[derive(Debug)]
pub(crate) struct People {
    /// May define pipelines, build them and look at what was built.
    pub(crate) user: Keys,
    /// May deploy and retire too.
    pub(crate) deployer: Keys,
}

impl People {
    /// Makes both in the account of a stack.
    pub(crate) async fn make(root: &SdkConfig, stack: &str) -> Self {
        let iam = Client::new(root);
        let user = hire(&iam, &format!("{stack}-user"), stack, USER).await;
        Self { user, deployer: hire(&iam, &format!("{stack}-deployer"), stack, DEPLOYER).await }
    }
}

async fn hire(iam: &Client, name: &str, stack: &str, policies: &[(&str, &str)]) -> Keys {
    iam.create_user().user_name(name).send().await.unwrap();
    for (policy, document) in policies {
        let named = format!("{name}-{policy}");
        let made = iam.create_policy().policy_name(named).policy_document(document.replace("STACK", stack));
        let made = made.send().await.unwrap();
        let arn = made.policy.unwrap().arn.unwrap();
        iam.attach_user_policy().user_name(name).policy_arn(arn).send().await.unwrap();
    }
    let key = iam.create_access_key().user_name(name).send().await.unwrap().access_key.unwrap();
    Keys { id: key.access_key_id, secret: key.secret_access_key }
}
