//! Keys of Image Builder's API that Goldsmith's definitions do not have, and what to write instead.

use goldsmith_document::MapReader;

use super::Kind;
use super::draft::Context;

const NO_TAGS: &str = "definitions have no tags of their own: remove it";

/// Kind, key, and what to write instead.
const KEYS: [(Kind, &str, &str); 31] = [
    (Kind::Component, "kmsKeyId", "the stack's table and bucket have their own key: remove it"),
    (Kind::Component, "supportedOsVersions", "an `Assert` on `{{ context:osName }}` in the document checks the system"),
    (Kind::Component, "tags", NO_TAGS),
    (
        Kind::ImageRecipe,
        "additionalInstanceConfiguration",
        "do in the first component what the user data does; the source image needs the SSM agent",
    ),
    (Kind::ImageRecipe, "amiTags", "write `tags`: they are the tags of every AMI"),
    (Kind::ImageRecipe, "amiWatermarks", "remove it: AMIs get no watermark"),
    (Kind::ImageRecipe, "userDataOverride", "do the same in the first component"),
    (Kind::ImageRecipe, "version", "write `semanticVersion`"),
    (Kind::InfrastructureConfiguration, "instanceProfileArn", "write `instanceProfileName`"),
    (
        Kind::InfrastructureConfiguration,
        "logging",
        "remove it: the output of steps is in CloudWatch Logs, and `goldsmith logs` shows it",
    ),
    (Kind::InfrastructureConfiguration, "subnetId", "write `subnetIds: [subnet-…]`"),
    (Kind::InfrastructureConfiguration, "tags", NO_TAGS),
    (Kind::DistributionConfiguration, "tags", NO_TAGS),
    (Kind::DistributionConfiguration, "targetAccountIds", "write `targetAccounts: [{account: …}]`"),
    (
        Kind::DistributionConfiguration,
        "accountId",
        "remove it: only launch templates of the stack's own account get a version; others can name an SSM parameter",
    ),
    (Kind::DistributionConfiguration, "amiAccountId", "remove it: the parameter is in the account of the stack"),
    (
        Kind::DistributionConfiguration,
        "fastLaunchConfigurations",
        "remove it: EC2 offers fast launch only for AMIs of Windows, and Goldsmith builds AMIs of Linux",
    ),
    (
        Kind::DistributionConfiguration,
        "containerDistributionConfiguration",
        "Goldsmith builds AMIs, not container images",
    ),
    (Kind::ImagePipeline, "containerRecipe", "Goldsmith builds AMIs, not container images"),
    (Kind::ImagePipeline, "containerRecipeArn", "Goldsmith builds AMIs, not container images"),
    (Kind::ImagePipeline, "distributionConfigurationArn", "write `distributionConfiguration: NAME`"),
    (Kind::ImagePipeline, "executionRole", "remove it: the stack has its own roles"),
    (Kind::ImagePipeline, "imageRecipeArn", "write `imageRecipe: NAME/VERSION`"),
    (
        Kind::ImagePipeline,
        "imageScanningConfiguration",
        "write `vulnerabilityPolicy`, which judges the packages of each image by advisories",
    ),
    (Kind::ImagePipeline, "imageTags", "write `tags` in the recipe: they are the tags of every AMI"),
    (Kind::ImagePipeline, "infrastructureConfigurationArn", "write `infrastructureConfiguration: NAME`"),
    (Kind::ImagePipeline, "lifecycle", "remove it"),
    (Kind::ImagePipeline, "loggingConfiguration", "remove it: `goldsmith logs` shows the output of steps"),
    (Kind::ImagePipeline, "tags", NO_TAGS),
    (Kind::ImagePipeline, "workflows", "remove it: the chain of states is the same for every build"),
    (Kind::ImageRecipe, "snapshotId", "remove it: the volumes are those of the source image"),
];

/// Returns what to write instead of a key of Image Builder's API, or `None` if there is no replacement.
#[must_use]
pub fn elsewhere(kind: Kind, key: &str) -> Option<&'static str> {
    KEYS.iter().find(|(of, known, _)| *of == kind && *known == key).map(|(_, _, instead)| *instead)
}

/// Reports keys of Image Builder that are not supported, each with what to write instead.
pub(super) fn refuse(context: &mut Context<'_, '_>, kind: Kind, map: &mut MapReader<'_>, keys: &[&'static str]) {
    for key in keys {
        map.unsupported_with(&mut context.reader, key, elsewhere(kind, key));
    }
}
