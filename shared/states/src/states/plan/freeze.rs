//! Freezes what was resolved into the plan of one build, and fills in its names. Pure.

use goldsmith_cloud::Image;
use goldsmith_document::digest as digest_of_text;
use goldsmith_model::{AmiName, CopyStart, Distribution, ImageRef, SsmParameter, placeholder};
use goldsmith_store::{
    ContentsRecord, Plan, PlannedCheckpoint, PlannedLaunch, PlannedRegion, PlannedVulnerabilities, VerifiedImage, stamp,
};
use jiff::{SignedDuration, Timestamp};

use super::resolve::Inputs;
use super::types::Types;
use crate::parts::firmware;

/// Everything that goes into a build, resolved and read from AWS.
pub(super) struct Resolved {
    pub(super) inputs: Inputs,
    pub(super) source: Image,
    pub(super) types: Types,
    pub(super) digest: String,
    /// Where the contents of the source image are, if a policy for vulnerabilities asks what is new.
    pub(super) parent: Option<ContentsRecord>,
    /// ARN of the key that signs the image, if one does.
    pub(super) signing_key: Option<String>,
    /// The checkpoint of the recipe, if it has one.
    pub(super) checkpoint: Option<PlannedCheckpoint>,
}

/// Returns the plan. `subnets` are the stack's own subnets, for infrastructure configurations that name none.
pub(super) fn freeze(resolved: &Resolved, subnets: &[String], image: &ImageRef, now: Timestamp) -> Plan {
    let Resolved { inputs, source, types, digest, parent, signing_key, checkpoint } = resolved;
    let tests = &inputs.pipeline.image_tests_configuration;
    Plan {
        home_region: inputs.home_region.clone(),
        source: inputs.wanted.clone(),
        source_image: source.id.clone(),
        source_owner: Some(source.owner.clone()),
        source_owner_alias: source.owner_alias.clone(),
        architecture: source.architecture.clone(),
        documents: inputs.documents.clone(),
        checkpoint: checkpoint.clone(),
        working_directory: inputs.recipe.working_directory.clone(),
        boot_mode: inputs.recipe.boot_mode,
        tpm_support: inputs.recipe.tpm_support,
        uefi_data: inputs.recipe.uefi_data.as_deref().map(digest_of_text),
        registered: firmware::is_registered(&inputs.recipe, source),
        launch: launch(resolved, subnets),
        regions: regions(inputs, image, now),
        some_regions_suffice: inputs.some_regions_suffice(),
        copies_with_tests: inputs.distribution.as_ref().is_some_and(|to| to.start == CopyStart::WithTests),
        tests: types.test.clone(),
        priority: inputs.pipeline.priority,
        cache_downloads: inputs.pipeline.cache_downloads,
        timeout_minutes: inputs.pipeline.timeout_minutes,
        test_timeout_minutes: tests.timeout_minutes,
        audit: inputs.pipeline.audit,
        audit_only: types.audit_only,
        vulnerabilities: inputs
            .pipeline
            .vulnerability_policy
            .clone()
            .map(|policy| PlannedVulnerabilities { policy, parent: parent.clone() }),
        signing_key: signing_key.clone(),
        input_digest: digest.clone(),
        overridden: inputs.overridden,
        verifies: inputs
            .is_verification
            .then(|| VerifiedImage { ami: source.id.clone(), created: source.created.clone() }),
        distributes: None,
        topic: inputs.infrastructure.sns_topic_arn.clone(),
        channel: inputs.channel().cloned(),
        approval: inputs.approval().cloned(),
    }
}

/// Returns the subnets of the build's instances in the order of the attempts. An empty list stands for the subnets of
/// the default VPC.
pub(super) fn subnets<'a>(inputs: &'a Inputs, stacks: &'a [String]) -> &'a [String] {
    let named = inputs.infrastructure.subnet_ids.as_slice();
    if named.is_empty() { stacks } else { named }
}

fn launch(resolved: &Resolved, stacks: &[String]) -> PlannedLaunch {
    let Resolved { inputs, types, .. } = resolved;
    let infrastructure = &inputs.infrastructure;
    PlannedLaunch {
        instance_types: types.build.clone(),
        subnets: subnets(inputs, stacks).to_vec(),
        security_groups: infrastructure.security_group_ids.clone(),
        instance_profile: infrastructure.instance_profile_name.clone(),
        metadata_hop_limit: infrastructure.instance_metadata_options.http_put_response_hop_limit,
        placement: infrastructure.placement.clone(),
        key_pair: infrastructure.key_pair.clone(),
        spot_build: infrastructure.spot,
        spot_tests: inputs.pipeline.image_tests_configuration.spot,
        tags: infrastructure.resource_tags.clone(),
        block_devices: inputs.recipe.block_device_mappings.clone(),
        outliving_devices: outliving_devices(resolved),
        keep_on_failure_seconds: u64::try_from(infrastructure.keep_on_failure.as_secs()).unwrap_or(0),
    }
}

/// Returns the devices of the source whose volumes outlive the instance. A build would leave these volumes behind,
/// together with all data that it has written to them.
fn outliving_devices(resolved: &Resolved) -> Vec<String> {
    let mapped = &resolved.inputs.recipe.block_device_mappings;
    let outliving = resolved.source.block_devices.iter().filter(|device| !device.delete_on_termination);
    let names = outliving.map(|device| device.device_name.clone());
    // A device that the recipe maps is deleted with its instance anyway, and its mapping says so.
    names.filter(|name| mapped.iter().all(|mapping| mapping.device_name != *name)).collect()
}

/// Returns the home Region first, even if the configuration does not list it, and then the others in the order of the
/// configuration. If the start has overridden something, the image is only for the person who started the build, so it
/// stays in the home Region. A run that only tests launches its instances in the home Region.
pub(super) fn regions(inputs: &Inputs, image: &ImageRef, now: Timestamp) -> Vec<PlannedRegion> {
    let listed = inputs.distribution.as_ref().map_or(&[][..], |to| to.distributions.as_slice());
    let home = listed.iter().find(|to| to.region == inputs.home_region).cloned();
    let home = home.unwrap_or_else(|| Distribution { region: inputs.home_region.clone(), ..Distribution::default() });
    let stays_at_home = inputs.overridden || inputs.is_verification;
    std::iter::once(&home)
        .chain(listed.iter().filter(|to| to.region != inputs.home_region && !stays_at_home))
        .map(|to| region(inputs, to, image, now))
        .collect()
}

fn region(inputs: &Inputs, to: &Distribution, image: &ImageRef, now: Timestamp) -> PlannedRegion {
    let ami = &to.ami_distribution_configuration;
    let mut tags = inputs.recipe.tags.clone();
    tags.extend(ami.ami_tags.clone());
    let name = match &ami.name {
        _ if inputs.overridden => AmiName::overridden(image),
        None => AmiName::default_for(image),
        Some(name) => name.render(image, now),
    };
    let rendered = |text: &String| placeholder::render(text, image, now);
    PlannedRegion {
        region: to.region.clone(),
        name,
        description: ami.description.as_ref().or(inputs.recipe.description.as_ref()).map(rendered).unwrap_or_default(),
        tags: tags.into_iter().map(|(key, value)| (key, rendered(&value))).collect(),
        kms_key_id: ami.kms_key_id.clone(),
        launch_permission: ami.launch_permission.clone(),
        share_snapshots: ami.share_snapshots,
        target_accounts: if inputs.overridden { Vec::new() } else { ami.target_accounts.clone() },
        keeps_snapshots: Vec::new(),
        deprecate_at: ami
            .deprecate_after_days
            .map(|days| stamp(now + SignedDuration::from_hours(24 * i64::from(days)))),
        protection: ami.deregistration_protection.filter(|_| !inputs.overridden),
        parameters: to
            .ssm_parameter_configurations
            .iter()
            .map(|one| SsmParameter {
                parameter_name: rendered(&one.parameter_name),
                channel: inputs.distribution.as_ref().and_then(|to| to.channel_of(one)).cloned(),
                ..one.clone()
            })
            .collect(),
        launch_templates: to.launch_template_configurations.clone(),
        license_configurations: to.license_configuration_arns.clone(),
        export: to.s3_export_configuration.clone().filter(|_| !inputs.overridden),
    }
}
