//! A stack whose definitions and account a test changes before it plans a build.

use futures_util::FutureExt as _;
use goldsmith_cloud::fake::HOME;
use goldsmith_cloud::{DedicatedHost, Parameter};
use goldsmith_model::definitions::Definitions;
use goldsmith_model::{
    AmiDistribution, BlockDeviceMapping, Distribution, DistributionConfiguration, Ebs, ExecutionInput, ImagePipeline,
    ImageRecipe, InfrastructureConfiguration, LaunchPermission, PublishedTemplate, TargetAccount, Tenancy,
};
use serde_json::{Value, json};

use crate::states::plan::finding::Finding;
use crate::states::plan::preflight::examine;
use crate::states::plan::resolve::{Viewer, resolve};
use crate::testing::{Stack, Task, export, host};
use crate::{Context, Result, State};

/// A stack, its definitions, and the input of a start.
pub(super) struct Scene {
    pub(super) stack: Stack,
    pub(super) recipe: ImageRecipe,
    pub(super) infrastructure: InfrastructureConfiguration,
    pub(super) distribution: DistributionConfiguration,
    pub(super) pipeline: ImagePipeline,
    pub(super) input: Value,
    pub(super) viewer: Viewer,
    pub(super) source: String,
}

impl Scene {
    pub(super) async fn new() -> Self {
        let (stack, name) = (Stack::new().await, "web".parse().unwrap());
        let store = stack.store();
        let mut recipe = store.best_recipe(&name, "x.x.x".parse().unwrap()).await.unwrap().unwrap();
        recipe.version = "1.0.1".parse().unwrap();
        recipe.parent_image = "ssm:/images/base".parse().unwrap();
        let infrastructure = store.infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
        let distribution = store.distribution(&"two".parse().unwrap()).await.unwrap().unwrap();
        let pipeline = store.pipeline(&name).await.unwrap().unwrap();
        let (input, viewer, source) = (json!({"pipeline": "web"}), Viewer::Stack, stack.source().await);
        let scene = Self { stack, recipe, infrastructure, distribution, pipeline, input, viewer, source };
        scene.put("/images/base", &scene.source, "aws:ec2:image");
        scene
    }

    pub(super) fn put(&self, name: &str, value: &str, data_type: &str) {
        let parameter = Parameter { value: value.to_owned(), data_type: data_type.to_owned() };
        self.stack.cloud.cloud().parameters.put(HOME, name, &parameter).now_or_never().unwrap().unwrap();
    }

    pub(super) fn map(&mut self, device: &str, ebs: Ebs) {
        self.recipe.block_device_mappings.push(BlockDeviceMapping { device_name: device.to_owned(), ebs });
    }

    /// Adds a Region with this launch permission. Returns the AMI in that Region.
    pub(super) fn go_to(&mut self, region: &str, permission: LaunchPermission) -> &mut AmiDistribution {
        let mut to = Distribution { region: region.to_owned(), ..Distribution::default() };
        to.ami_distribution_configuration.launch_permission = permission;
        self.distribution.distributions.push(to);
        &mut self.distribution.distributions.last_mut().unwrap().ami_distribution_configuration
    }

    /// Has no account make its own copy in the second Region.
    pub(super) fn copy_to_nobody(&mut self) {
        self.distribution.distributions[1].ami_distribution_configuration.target_accounts.clear();
    }

    /// Has another account make its own copy in the second Region.
    pub(super) fn copy_to(&mut self, account: &str) {
        let target = TargetAccount { account: account.to_owned(), kms_key: None };
        self.distribution.distributions[1].ami_distribution_configuration.target_accounts.push(target);
    }

    /// Adds a Dedicated Host with these changes, and puts the instances on it, or on the host with this id.
    pub(super) fn place_on(&mut self, id: Option<&str>, change: impl FnOnce(&mut DedicatedHost)) {
        let mut added = host("h-00000000000000001");
        change(&mut added);
        self.infrastructure.instance_types = vec!["t3.small".to_owned()];
        self.infrastructure.placement.tenancy = Tenancy::Host;
        self.infrastructure.placement.host_id = Some(id.unwrap_or(&added.id).to_owned());
        self.stack.cloud.set_up(|account| account.hosts.push(added));
    }

    /// Makes the start only test the source image.
    pub(super) fn verify(&mut self) {
        self.input["from"] = json!({"at": "test", "image": self.source});
    }

    /// Exports the image of a Region.
    pub(super) fn export(&mut self, region: &str) {
        let to = self.distribution.distributions.iter_mut().find(|to| to.region == region).unwrap();
        to.s3_export_configuration = Some(export(region));
    }

    /// Lets nobody else launch the image.
    pub(super) fn no_permissions(&mut self) {
        for to in &mut self.distribution.distributions {
            to.ami_distribution_configuration.launch_permission = LaunchPermission::default();
            to.ami_distribution_configuration.share_snapshots = false;
        }
    }

    /// Adds a launch template to the second Region.
    pub(super) fn publish_to(&mut self, template: &str) {
        let template = PublishedTemplate { template: template.to_owned(), set_default_version: true };
        self.distribution.distributions[1].launch_template_configurations.push(template);
    }

    pub(super) async fn apply(&self) {
        let definitions = Definitions {
            recipes: vec![self.recipe.clone()],
            infrastructures: vec![self.infrastructure.clone()],
            distributions: vec![self.distribution.clone()],
            pipelines: vec![self.pipeline.clone()],
            ..Definitions::default()
        };
        self.stack.store().apply(&definitions).await.unwrap();
    }

    /// Returns everything that pre-flight finds.
    pub(super) async fn findings(&self) -> Vec<Finding> {
        self.findings_with(&self.stack.context()).await
    }

    pub(super) async fn findings_with(&self, context: &Context) -> Vec<Finding> {
        self.look(context).await.unwrap()
    }

    pub(super) async fn look(&self, context: &Context) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        let input = ExecutionInput::parse(&self.input).unwrap();
        let pipeline = context.store.pipeline(&input.pipeline).await?.unwrap();
        let inputs = resolve(context, &input, &pipeline, self.viewer, &mut findings).await?;
        if let Some(inputs) = inputs {
            examine(context, &input, inputs, self.viewer, &mut findings).await?;
        }
        Ok(findings)
    }

    /// Returns the message with which the Plan state rejects the build, or `None`.
    pub(super) async fn refusal(&self) -> Option<String> {
        let task = Task { input: Some(self.input.clone()), ..Task::new(State::Plan) };
        let cause = self.stack.run(&task).await.err()?.cause;
        let told: Value = serde_json::from_str(&cause).unwrap();
        let cause: Value = serde_json::from_str(told["errorMessage"].as_str().unwrap()).unwrap();
        Some(cause["message"].as_str().unwrap().to_owned())
    }
}

pub(super) fn names(findings: &[Finding]) -> Vec<&'static str> {
    let mut names: Vec<&str> = findings.iter().map(|finding| finding.problem.name()).collect();
    names.sort_unstable();
    names
}

pub(super) fn accounts() -> LaunchPermission {
    LaunchPermission { user_ids: vec!["444455556666".to_owned()], ..LaunchPermission::default() }
}

pub(super) fn everyone() -> LaunchPermission {
    LaunchPermission { user_groups: vec!["all".to_owned()], ..LaunchPermission::default() }
}

pub(super) fn with_key(key: &str) -> Ebs {
    Ebs { kms_key_id: Some(key.to_owned()), ..encrypted() }
}

pub(super) fn encrypted() -> Ebs {
    Ebs { encrypted: Some(true), ..Ebs::default() }
}
