//! Resolves names and patterns to one recipe, one version of each component, and one AMI.

use std::collections::BTreeMap;

use goldsmith_cloud::{Image, ImageState};
use goldsmith_document::Document;
use goldsmith_model::{
    Component, ComponentRef, Distribution, DistributionConfiguration, ExecutionInput, ImagePipeline, ImageRecipe,
    InfrastructureConfiguration, Name, SourceImage,
};
use goldsmith_store::{ImageRecord, PlannedDocument};
use serde_json::json;

use super::refused;
use super::types::{Types, runnable};
use crate::states::launch::token;
use crate::{Context, Result};

/// Everything that goes into a build, resolved.
pub(super) struct Resolved {
    pub(super) home_region: String,
    pub(super) recipe: ImageRecipe,
    pub(super) infrastructure: InfrastructureConfiguration,
    pub(super) distribution: Option<DistributionConfiguration>,
    pub(super) pipeline: ImagePipeline,
    /// The source image as it was named.
    pub(super) wanted: SourceImage,
    pub(super) source: Image,
    pub(super) types: Types,
    pub(super) documents: Vec<PlannedDocument>,
    /// Whether the start has overridden something.
    pub(super) overridden: bool,
    /// Digest of everything that goes into the build.
    pub(super) digest: String,
}

pub(super) async fn resolve(context: &Context, input: &ExecutionInput, pipeline: &ImagePipeline) -> Result<Resolved> {
    let store = &context.store;
    let lost = |kind: &str, name: &dyn std::fmt::Display| {
        refused(format!("pipeline `{}` names {kind} `{name}`, which was never applied", pipeline.name))
    };
    let wanted = &pipeline.image_recipe;
    let recipe = store.best_recipe(&wanted.name, wanted.version).await?;
    let recipe = recipe.ok_or_else(|| lost("image recipe", wanted))?;
    let name = &pipeline.infrastructure_configuration;
    let infrastructure = store.infrastructure(name).await?;
    let infrastructure = infrastructure.ok_or_else(|| lost("infrastructure configuration", name))?;
    let distribution = match &pipeline.distribution_configuration {
        Some(name) => Some(store.distribution(name).await?.ok_or_else(|| lost("distribution configuration", name))?),
        None => None,
    };
    refuse_key_at_home(context, distribution.as_ref())?;
    let wanted = input.source_image.clone().unwrap_or_else(|| recipe.parent_image.clone());
    let source = source(context, &wanted).await?;
    refuse_foreign(context, &wanted, &recipe.parent_image_owners, &source)?;
    let (documents, has_tests) = documents(context, input, &recipe).await?;
    let (tests, audit) = (&pipeline.image_tests_configuration, pipeline.audit);
    let types = runnable(context, &infrastructure, tests, audit, has_tests, &source).await?;
    let digest = digest(&recipe, &infrastructure, distribution.as_ref(), &source, &documents);
    Ok(Resolved {
        home_region: context.config.region.clone(),
        recipe,
        infrastructure,
        distribution,
        pipeline: pipeline.clone(),
        wanted,
        source,
        types,
        documents,
        overridden: input.overridden().is_some(),
        digest,
    })
}

/// Rejects a key for the home Region. Only a copy takes a key. At home there is no copy, and the AMI is encrypted as
/// the build's volumes are.
fn refuse_key_at_home(context: &Context, distribution: Option<&DistributionConfiguration>) -> Result<()> {
    let home = &context.config.region;
    let listed = distribution.map_or(&[][..], |to| to.distributions.as_slice());
    let has_key = |to: &Distribution| to.region == *home && to.ami_distribution_configuration.kms_key_id.is_some();
    match listed.iter().any(has_key) {
        true => Err(refused(format!(
            "the distribution configuration sets a kmsKeyId for {home}, the home Region, to which nothing is copied: set \
             it in the recipe's blockDeviceMappings"
        ))),
        false => Ok(()),
    }
}

/// Returns the components in recipe order, each in its highest version that matches, and whether any of them has a
/// test.
async fn documents(
    context: &Context,
    input: &ExecutionInput,
    recipe: &ImageRecipe,
) -> Result<(Vec<PlannedDocument>, bool)> {
    let unknown = input.parameters.keys().find(|name| !recipe.components.iter().any(|part| part.name == **name));
    if let Some(name) = unknown {
        let message = format!(
            "the field `parameters` of the input names component `{name}`, but recipe `{}` does not use it",
            recipe.name
        );
        return Err(refused(message));
    }
    let mut documents = Vec::new();
    let mut has_tests = false;
    for part in &recipe.components {
        let component = component(context, recipe, part).await?;
        let mut parameters = part.parameters.clone();
        // A document was checked when it was applied. If it cannot be read now, the agent says why.
        if let Ok(document) = Document::parse(component.name.as_str(), &component.document) {
            has_tests |= document.phases.iter().any(|phase| phase.name.value == "test");
            refuse_unfit(&component, &document, input.parameters.get(&part.name))?;
        }
        parameters.extend(input.parameters.get(&part.name).cloned().unwrap_or_default());
        documents.push(PlannedDocument {
            name: component.name,
            version: component.version,
            digest: component.digest,
            test_only: component.is_test,
            parameters,
        });
    }
    Ok((documents, has_tests))
}

async fn component(context: &Context, recipe: &ImageRecipe, part: &ComponentRef) -> Result<Component> {
    context.store.best_component(&part.name, part.version).await?.ok_or_else(|| {
        refused(format!(
            "recipe `{} {}` names component `{} {}`, which was never applied",
            recipe.name, recipe.version, part.name, part.version
        ))
    })
}

/// Rejects parameters of a start that the component does not have, and values that it does not allow. `apply` rejects the
/// same in a recipe.
fn refuse_unfit(component: &Component, document: &Document, given: Option<&BTreeMap<String, String>>) -> Result<()> {
    let label = format!("component `{}` {}", component.name, component.version);
    for (name, value) in given.into_iter().flatten() {
        let Some(declared) = document.parameter(name) else {
            let near =
                document.similar_parameter(name).map(|near| format!(": did you mean `{near}`?")).unwrap_or_default();
            let message =
                format!("the field `parameters` of the input names `{name}`, but {label} has no such parameter");
            return Err(refused(message + &near));
        };
        if !declared.allows(value) {
            return Err(refused(format!(
                "the field `parameters` of the input sets `{name}` to a value that is not allowed: {label} allows {}",
                declared.allowed_values.join(", ")
            )));
        }
    }
    Ok(())
}

/// Returns the AMI that a source image stands for now. Its id is always looked up with our own credentials.
async fn source(context: &Context, wanted: &SourceImage) -> Result<Image> {
    let region = &context.config.region;
    let images = &context.cloud.images;
    let found = match wanted {
        SourceImage::Ami(id) => images.image(region, id).await?,
        SourceImage::Newest { owners, name } => images.newest(region, owners, name).await?,
        SourceImage::Parameter(name) => {
            let parameter = context.cloud.parameters.get(region, name).await?;
            let id = parameter
                .ok_or_else(|| refused(format!("source image {wanted}: there is no such parameter in {region}")))?;
            images.image(region, id.value.trim()).await?
        }
        SourceImage::Pipeline(name) => {
            let id = newest_of(context, name).await?;
            let id =
                id.ok_or_else(|| refused(format!("source image {wanted}: that pipeline has no available image")))?;
            images.image(region, &id).await?
        }
    };
    let image = found.ok_or_else(|| refused(format!("source image {wanted}: there is no such AMI in {region}")))?;
    match image.state {
        ImageState::Available => Ok(image),
        _ => Err(refused(format!("source image {wanted}: {} is not available", image.id))),
    }
}

/// Rejects the AMI that a parameter stands for if none of these owners owns it.
///
/// Otherwise, anyone who may write a parameter could make any AMI the base of golden images. Parameters below
/// `/aws/service/` are AWS's own: nobody else can write there (Systems Manager user guide, "Parameter name
/// requirements"), and some of them stand for AMIs of other owners, such as Canonical.
fn refuse_foreign(context: &Context, wanted: &SourceImage, owners: &[String], source: &Image) -> Result<()> {
    let SourceImage::Parameter(name) = wanted else { return Ok(()) };
    if owners.is_empty() && name.starts_with("/aws/service/") {
        return Ok(());
    }
    let by_default = SourceImage::DEFAULT_OWNERS.map(str::to_owned);
    let owners = if owners.is_empty() { &by_default[..] } else { owners };
    let is_one = |owner: &String| match owner.as_str() {
        "self" => source.owner == context.config.account(),
        owner => source.owner == owner || source.owner_alias.as_deref() == Some(owner),
    };
    if owners.iter().any(is_one) {
        return Ok(());
    }
    Err(refused(format!(
        "source image {wanted}: it stands for {}, whose owner is {}, but only {} {} allowed: to use it, name its owner in the \
         recipe's `parentImageOwners`",
        source.id,
        source.owner,
        owners.join(" and "),
        if owners.len() == 1 { "is" } else { "are" },
    )))
}

/// Returns the AMI of the newest available image of a pipeline, in the home Region.
pub(crate) async fn newest_of(context: &Context, pipeline: &Name) -> Result<Option<String>> {
    let newest = newest_image_of(context, pipeline).await?;
    Ok(newest.and_then(|image| image.amis.get(&context.config.region).cloned()))
}

/// Returns the newest available image of a pipeline that was published.
pub(crate) async fn newest_image_of(context: &Context, pipeline: &Name) -> Result<Option<ImageRecord>> {
    let Some(other) = context.store.pipeline(pipeline).await? else { return Ok(None) };
    Ok(context.store.newest_published(&other.image_recipe.name, pipeline).await?)
}

fn digest(
    recipe: &ImageRecipe,
    infrastructure: &InfrastructureConfiguration,
    distribution: Option<&DistributionConfiguration>,
    source: &Image,
    documents: &[PlannedDocument],
) -> String {
    let inputs = json!([recipe, infrastructure, distribution, source.id, documents]);
    token(&[&inputs.to_string()])
}
