//! `kind: ImagePipeline`

use goldsmith_document::yaml::Node;
use goldsmith_document::{MapReader, Reader};

use super::draft::Context;
use super::starting::{self, Starting};
use super::{Kind, elsewhere, fields, keys, retention, vulnerabilities};
use crate::{ImageAudit, ImagePipeline, ImageTests, Name, RecipeRef, Status, VersionPattern};

pub(super) fn read(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) -> Option<()> {
    let name = context.named(Kind::ImagePipeline, map);
    let description = fields::text(&mut context.reader, map, "description");
    let recipe = map.required(&mut context.reader, "imageRecipe").and_then(|node| recipe(context, node));
    let infrastructure = map.required(&mut context.reader, "infrastructureConfiguration");
    let infrastructure = infrastructure.and_then(|node| reference(context, node, Kind::InfrastructureConfiguration));
    let distribution = map.optional("distributionConfiguration");
    let distribution = distribution.and_then(|node| reference(context, node, Kind::DistributionConfiguration));
    let status = map.optional("status").and_then(|node| {
        let choices = [("ENABLED", Status::Enabled), ("DISABLED", Status::Disabled)];
        context.reader.choice(node, "`status`", &choices)
    });
    let overrides = map.optional("allowOverrides");
    let overrides = overrides.and_then(|node| context.reader.boolean(node, "`allowOverrides`"));
    let channel = map.optional("channel").and_then(|node| fields::parse(&mut context.reader, node, "`channel`"));
    let priority = map
        .optional("priority")
        .and_then(|node| fields::number(&mut context.reader, node, "`priority`", keys::PRIORITY));
    let cache = map.optional("cacheDownloads");
    let cache = cache.and_then(|node| context.reader.boolean(node, "`cacheDownloads`"));
    let timeout = map.optional("timeoutMinutes").and_then(|node| minutes(&mut context.reader, node));
    let tests = map.optional("imageTestsConfiguration").and_then(|node| tests(context, node));
    let audit = map.optional("audit").and_then(|node| {
        let choices = [("fail", ImageAudit::Fail), ("warn", ImageAudit::Warn), ("off", ImageAudit::Off)];
        context.reader.choice(node, "`audit`", &choices)
    });
    let policy = vulnerabilities::of(&mut context.reader, map);
    let signing_key = fields::text(&mut context.reader, map, "signingKey");
    let Starting { schedule, rebuild_on, auto_disable_policy, freeze } = starting::read(&mut context.reader, map);
    let retention = map.optional("retention").and_then(|node| retention::read(&mut context.reader, node));
    refuse_what_is_not_built(context, map);
    context.draft.definitions.pipelines.push(ImagePipeline {
        name: name?,
        description,
        image_recipe: recipe?,
        infrastructure_configuration: infrastructure?,
        distribution_configuration: distribution,
        status: status.unwrap_or_default(),
        schedule,
        rebuild_on,
        auto_disable_policy,
        freeze,
        allow_overrides: overrides.unwrap_or_default(),
        priority: priority.unwrap_or_default(),
        cache_downloads: cache.unwrap_or_default(),
        timeout_minutes: timeout,
        image_tests_configuration: tests.unwrap_or_default(),
        audit: audit.unwrap_or_default(),
        vulnerability_policy: policy,
        signing_key,
        channel,
        retention,
    });
    Some(())
}

/// Rejects keys that exist in Image Builder but not in Goldsmith.
fn refuse_what_is_not_built(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) {
    // What Image Builder collects for its own lists changes no image.
    if let Some(node) = map.optional("enhancedImageMetadataEnabled") {
        let _ = context.reader.boolean(node, "`enhancedImageMetadataEnabled`");
    }
    let later = [
        "containerRecipe",
        "containerRecipeArn",
        "distributionConfigurationArn",
        "executionRole",
        "imageRecipeArn",
        "imageScanningConfiguration",
        "imageTags",
        "infrastructureConfigurationArn",
        "loggingConfiguration",
        "tags",
        "workflows",
    ];
    elsewhere::refuse(context, Kind::ImagePipeline, map, &later);
}

fn recipe(context: &mut Context<'_, '_>, node: &Node) -> Option<RecipeRef> {
    let recipe: RecipeRef = fields::parse(&mut context.reader, node, "`imageRecipe`")?;
    context.refer(node.span, Kind::ImageRecipe, &recipe.name, recipe.version);
    Some(recipe)
}

fn reference(context: &mut Context<'_, '_>, node: &Node, kind: Kind) -> Option<Name> {
    let name: Name = fields::parse(&mut context.reader, node, &format!("the {kind}'s name"))?;
    context.refer(node.span, kind, &name, VersionPattern::ANY);
    Some(name)
}

/// Reads how many minutes documents may run.
fn minutes(reader: &mut Reader<'_>, node: &Node) -> Option<u32> {
    fields::number(reader, node, "`timeoutMinutes`", keys::MINUTES)
}

fn tests(context: &mut Context<'_, '_>, node: &Node) -> Option<ImageTests> {
    let reader = &mut context.reader;
    let mut map = reader.map(node, "`imageTestsConfiguration`")?;
    let defaults = ImageTests::default();
    let enabled = map.optional("imageTestsEnabled");
    let enabled = enabled.and_then(|node| reader.boolean(node, "`imageTestsEnabled`"));
    let minutes = map.optional("timeoutMinutes").and_then(|node| minutes(reader, node));
    let wanted = "an instance type such as `t3.small`";
    let types = fields::texts(reader, &mut map, "instanceTypes", fields::is_instance_type, wanted);
    if types.len() > ImageTests::MAX_TYPES {
        let message =
            format!("`instanceTypes` of tests has {} types: {} are allowed", types.len(), ImageTests::MAX_TYPES);
        reader.error(map.key_span("instanceTypes").unwrap_or(map.span()), "too-many", message);
    }
    let spot = map.optional("spot").and_then(|node| reader.boolean(node, "`spot`"));
    map.finish(reader);
    Some(ImageTests {
        image_tests_enabled: enabled.unwrap_or(defaults.image_tests_enabled),
        timeout_minutes: minutes.unwrap_or(defaults.timeout_minutes),
        instance_types: types,
        spot: spot.unwrap_or_default(),
    })
}
