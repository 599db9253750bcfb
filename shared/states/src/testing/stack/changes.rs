//! Changes of the stack's definitions, for tests of what the definitions may say.

use goldsmith_cloud::fake::{ACCOUNT, HOME};
use goldsmith_model::definitions::Definitions;
use goldsmith_model::{
    Approval, BootMode, DeregistrationProtection, DiskImageFormat, DistributionConfiguration, ImagePipeline,
    ImageRecipe, InfrastructureConfiguration, PublishedTemplate, S3Export, TpmSupport,
};

use super::{AWAY, Stack, definitions};
use crate::{TAG_HOME, TAG_STACK};

/// A topic in the second Region, and a FIFO topic of another account there.
pub(crate) const TOPIC: &str = "arn:aws:sns:us-east-1:111122223333:images";
pub(crate) const FIFO_TOPIC: &str = "arn:aws:sns:us-east-1:222233334444:images.fifo";

/// The ARN of a license configuration of a Region.
pub(crate) fn license(region: &str) -> String {
    let id = "lic-0123456789abcdef0123456789abcdef";
    format!("arn:aws:license-manager:{region}:{ACCOUNT}:license-configuration:{id}")
}

/// Where the image of a Region is exported to.
pub(crate) fn export(region: &str) -> S3Export {
    S3Export {
        role_name: "vmimport".to_owned(),
        disk_image_format: DiskImageFormat::Vhd,
        s3_bucket: format!("images-{region}"),
        s3_prefix: Some("golden/".to_owned()),
    }
}

impl Stack {
    /// A stack whose recipe has these changes.
    pub(crate) async fn with_recipe(change: impl FnOnce(&mut ImageRecipe)) -> Self {
        let stack = Self::new().await;
        let recipe = stack.store().best_recipe(&"web".parse().unwrap(), "x.x.x".parse().unwrap()).await;
        let mut recipe = ImageRecipe { version: "1.0.1".parse().unwrap(), ..recipe.unwrap().unwrap() };
        change(&mut recipe);
        stack.store().apply(&Definitions { recipes: vec![recipe], ..Definitions::default() }).await.unwrap();
        stack
    }

    /// A stack whose image has a TPM and UEFI data of its own.
    pub(crate) async fn with_firmware() -> Self {
        let change = |recipe: &mut ImageRecipe| {
            recipe.boot_mode = Some(BootMode::Uefi);
            recipe.tpm_support = Some(TpmSupport::V2);
            recipe.uefi_data = Some("QU1aTlVFRkk=".to_owned());
        };
        Self::with_recipe(change).await
    }

    /// A stack whose recipe has a component before its checkpoint, and one after it.
    pub(crate) async fn with_checkpoint() -> Self {
        let change = |recipe: &mut ImageRecipe| {
            recipe.components.insert(1, recipe.components[0].clone());
            recipe.components[0].checkpoint = true;
        };
        Self::with_recipe(change).await
    }

    /// Applies another pipeline of the same recipe.
    pub(crate) async fn put_pipeline(&self, pipeline: ImagePipeline) {
        let pipelines = vec![pipeline];
        self.store().apply(&Definitions { pipelines, ..Definitions::default() }).await.unwrap();
    }

    /// Appends comments to the documents of all components, in new versions.
    pub(crate) async fn append_to_documents(&self, comments: &str) {
        let mut components = definitions().components;
        for component in &mut components {
            component.version = "1.0.1".parse().unwrap();
            component.document += comments;
            component.digest = goldsmith_document::digest(&component.document);
        }
        self.store().apply(&Definitions { components, ..Definitions::default() }).await.unwrap();
    }

    /// Changes the infrastructure configuration as the stack's own definitions have it.
    async fn edit_infrastructure(&self, change: impl FnMut(&mut InfrastructureConfiguration)) {
        let mut infrastructures = definitions().infrastructures;
        infrastructures.iter_mut().for_each(change);
        self.store().apply(&Definitions { infrastructures, ..Definitions::default() }).await.unwrap();
    }

    /// Makes the infrastructure configuration name an instance profile, or none.
    pub(crate) async fn name_instance_profile(&self, name: Option<&str>) {
        self.edit_infrastructure(|of| of.instance_profile_name = name.map(str::to_owned)).await;
    }

    /// A new stack whose infrastructure configuration names [`TOPIC`].
    pub(crate) async fn with_topic() -> Self {
        let stack = Self::new().await;
        stack.name_topic(TOPIC).await;
        stack
    }

    /// Makes the infrastructure configuration name a topic.
    pub(crate) async fn name_topic(&self, arn: &str) {
        self.edit_infrastructure(|of| of.sns_topic_arn = Some(arn.to_owned())).await;
    }

    /// Lets builds ask for a spot instance first.
    pub(crate) async fn build_on_spot(&self) {
        self.edit_infrastructure(|of| of.spot = true).await;
    }

    /// Lets the distribution associate the images of both Regions with a license configuration.
    pub(crate) async fn license_images(&self) {
        let mut distributions = definitions().distributions;
        for to in &mut distributions[0].distributions {
            to.license_configuration_arns.push(license(&to.region));
        }
        self.store().apply(&Definitions { distributions, ..Definitions::default() }).await.unwrap();
    }

    /// Lets the distribution export the images of both Regions.
    pub(crate) async fn export_images(&self) {
        self.edit_distribution(|to| {
            to.distributions.iter_mut().for_each(|to| to.s3_export_configuration = Some(export(&to.region)))
        })
        .await;
    }

    /// Adds two launch templates to the second Region, and lets the distribution publish to both. The version of the
    /// second one does not become its default version.
    pub(crate) async fn publish_to_templates(&self) {
        let mut distributions = definitions().distributions;
        let tags = [(TAG_STACK, "goldsmith"), (TAG_HOME, HOME)];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        for (id, set_default_version) in [("lt-1", true), ("lt-2", false)] {
            self.cloud.add_tagged_launch_template(AWAY, id, "ami-old", &tags);
            let template = PublishedTemplate { template: id.to_owned(), set_default_version };
            distributions[0].distributions[1].launch_template_configurations.push(template);
        }
        self.store().apply(&Definitions { distributions, ..Definitions::default() }).await.unwrap();
    }

    /// Changes the distribution configuration.
    pub(crate) async fn edit_distribution(&self, change: impl FnOnce(&mut DistributionConfiguration)) {
        let mut to = self.store().distribution(&"two".parse().unwrap()).await.unwrap().unwrap();
        change(&mut to);
        let definitions = Definitions { distributions: vec![to], ..Definitions::default() };
        self.store().apply(&definitions).await.unwrap();
    }

    /// Lets the distribution protect the images of its two Regions.
    pub(crate) async fn protect_images(&self, protections: [DeregistrationProtection; 2]) {
        let mut distributions = definitions().distributions;
        for (to, protection) in distributions[0].distributions.iter_mut().zip(protections) {
            to.ami_distribution_configuration.deregistration_protection = Some(protection);
        }
        self.store().apply(&Definitions { distributions, ..Definitions::default() }).await.unwrap();
    }

    /// Makes the images of the distribution need a promotion to `stable`, and removes the copies for other accounts.
    pub(crate) async fn need_approval(&self) {
        let mut distributions = definitions().distributions;
        distributions[0].approval = Some(Approval { channel: "stable".parse().unwrap() });
        for to in &mut distributions[0].distributions {
            to.ami_distribution_configuration.target_accounts.clear();
        }
        self.store().apply(&Definitions { distributions, ..Definitions::default() }).await.unwrap();
    }
}
