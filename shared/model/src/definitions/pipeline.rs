//! `kind: ImagePipeline`

use goldsmith_document::MapReader;
use goldsmith_document::yaml::Node;

use super::draft::Context;
use super::{Kind, fields};
use crate::{ImagePipeline, ImageTests, Name, RecipeRef, Status, VersionPattern};

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
    let tests = map.optional("imageTestsConfiguration").and_then(|node| tests(context, node));
    refuse_what_is_not_built(context, map);
    context.draft.definitions.pipelines.push(ImagePipeline {
        name: name?,
        description,
        image_recipe: recipe?,
        infrastructure_configuration: infrastructure?,
        distribution_configuration: distribution,
        status: status.unwrap_or_default(),
        schedule: None,
        rebuild_on: Vec::new(),
        allow_overrides: overrides.unwrap_or_default(),
        image_tests_configuration: tests.unwrap_or_default(),
    });
    Some(())
}

/// What starts a pipeline by itself is refused as long as nothing would start it.
fn refuse_what_is_not_built(context: &mut Context<'_, '_>, map: &mut MapReader<'_>) {
    if let Some(node) = map.optional("rebuildOn") {
        for change in context.reader.texts(node, "`rebuildOn`").unwrap_or_default() {
            let message = format!("`{}` in `rebuildOn` is not supported yet", change.value);
            context.reader.error(change.span, "unsupported", message);
        }
    }
    for later in [
        "containerRecipe",
        "enhancedImageMetadataEnabled",
        "executionRole",
        "imageScanningConfiguration",
        "imageTags",
        "loggingConfiguration",
        "schedule",
        "tags",
        "workflows",
    ] {
        map.unsupported(&mut context.reader, later);
    }
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

fn tests(context: &mut Context<'_, '_>, node: &Node) -> Option<ImageTests> {
    let reader = &mut context.reader;
    let mut map = reader.map(node, "`imageTestsConfiguration`")?;
    let defaults = ImageTests::default();
    let enabled = map.optional("imageTestsEnabled");
    let enabled = enabled.and_then(|node| reader.boolean(node, "`imageTestsEnabled`"));
    let minutes = map.optional("timeoutMinutes");
    let minutes =
        minutes.and_then(|node| fields::number(reader, node, "`timeoutMinutes`", 1..=ImageTests::MAX_MINUTES));
    let wanted = "an instance type such as `t3.small`";
    let types = fields::texts(reader, &mut map, "instanceTypes", fields::is_instance_type, wanted);
    map.finish(reader);
    Some(ImageTests {
        image_tests_enabled: enabled.unwrap_or(defaults.image_tests_enabled),
        timeout_minutes: minutes.unwrap_or(defaults.timeout_minutes),
        instance_types: types,
    })
}
