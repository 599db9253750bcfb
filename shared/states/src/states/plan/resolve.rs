//! Resolves names and patterns to one recipe, one version of each component, and one AMI.

mod source;

use std::collections::BTreeMap;

use goldsmith_cloud::Image;
use goldsmith_document::Document;
use goldsmith_model::{
    Component, Distribution, DistributionConfiguration, ExecutionInput, ImagePipeline, ImageRecipe,
    InfrastructureConfiguration, MustSucceed, SourceImage, StartFrom,
};
use goldsmith_store::PlannedDocument;
use serde_json::json;

use super::finding::{Finding, Place};
use super::problem::Problem;
use crate::parts::token::token;
use crate::{Context, Result};
use source::source;
pub(super) use source::source_image;

/// Who plans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Viewer {
    /// The Plan state, with the stack's own permissions and its package.
    Stack,
    /// A person, whose permissions say nothing about the stack's permissions.
    Person,
}

/// The names and ids of everything that goes into a build. The source image has not been read from EC2 yet.
pub(super) struct Inputs {
    pub(super) home_region: String,
    pub(super) recipe: ImageRecipe,
    pub(super) infrastructure: InfrastructureConfiguration,
    pub(super) distribution: Option<DistributionConfiguration>,
    pub(super) pipeline: ImagePipeline,
    /// The source image as the recipe or the start names it.
    pub(super) wanted: SourceImage,
    /// The AMI to which the source image resolves now, or `None` if there is none.
    pub(super) source: Option<Source>,
    pub(super) documents: Vec<PlannedDocument>,
    /// Whether at least one document has a test.
    pub(super) has_tests: bool,
    /// Whether the start has overridden something.
    pub(super) overridden: bool,
    /// Whether the run only tests the source and builds no image.
    pub(super) is_verification: bool,
    /// Digest of everything that goes into the build, or `None` if something is missing.
    pub(super) digest: Option<String>,
}

/// The AMI to which a source image resolves.
pub(super) struct Source {
    pub(super) id: String,
    /// The AMI itself, if EC2 has described it to find it.
    pub(super) image: Option<Image>,
}

impl Inputs {
    pub(super) fn recipe_place(&self, field: impl Into<String>) -> Place {
        recipe_place(&self.recipe).field(field)
    }

    pub(super) fn infrastructure_place(&self, field: impl Into<String>) -> Place {
        Place::new(format!("infrastructure configuration `{}`", self.infrastructure.name), field)
    }

    pub(super) fn pipeline_place(&self, field: impl Into<String>) -> Place {
        pipeline_place(&self.pipeline).field(field)
    }

    /// Returns why no test runs, in words for people, or `None` if tests run.
    pub(super) fn untested(&self) -> Option<&'static str> {
        if !self.has_tests {
            return Some("no component has a phase `test`");
        }
        let is_on = self.pipeline.image_tests_configuration.image_tests_enabled;
        (!is_on).then_some("the pipeline's imageTestsConfiguration has imageTestsEnabled: false")
    }

    /// Returns whether the image is published even if some of its Regions do not get it.
    pub(super) fn some_regions_suffice(&self) -> bool {
        self.distribution.as_ref().is_some_and(|to| to.must_succeed == MustSucceed::Some)
    }

    /// Returns the place of a Region's field in the definitions. If the home Region is not listed, the recipe decides
    /// its settings.
    pub(super) fn region_place(&self, region: &str, field: &str) -> Place {
        let listed = self.distribution.as_ref().and_then(|to| {
            let index = to.distributions.iter().position(|one| one.region == region)?;
            Some(Place::new(
                format!("distribution configuration `{}`", to.name),
                format!("distributions[{index}].{field}"),
            ))
        });
        listed.unwrap_or_else(|| self.recipe_place("name"))
    }
}

fn recipe_place(recipe: &ImageRecipe) -> Place {
    Place::new(format!("image recipe `{}` {}", recipe.name, recipe.version), "")
}

fn pipeline_place(pipeline: &ImagePipeline) -> Place {
    Place::new(format!("image pipeline `{}`", pipeline.name), "")
}

/// Returns the inputs of a build, or `None` if a definition is missing. Adds every problem to `findings`.
pub(super) async fn resolve(
    context: &Context,
    input: &ExecutionInput,
    pipeline: &ImagePipeline,
    viewer: Viewer,
    findings: &mut Vec<Finding>,
) -> Result<Option<Inputs>> {
    let Some((recipe, infrastructure, distribution)) = stored(context, pipeline, findings).await? else {
        return Ok(None);
    };
    let (documents, has_tests) = documents(context, input, &recipe, findings).await?;
    let verified = match &input.from {
        Some(StartFrom::Test { image }) => Some(SourceImage::Ami(image.to_string())),
        // A distribution is planned without a source ([`super::distribution`]).
        Some(StartFrom::Distribute { .. }) | None => None,
    };
    let is_verification = verified.is_some();
    let wanted = verified.or_else(|| input.source_image.clone()).unwrap_or_else(|| recipe.parent_image.clone());
    let place = source_place(input, &recipe);
    let source = source(context, &wanted, viewer, &place, findings).await?;
    // A digest over fewer components could equal that of another recipe, and a build would be skipped by mistake.
    let is_complete = documents.len() == recipe.components.len();
    let digest = source.as_ref().filter(|_| is_complete);
    let digest =
        digest.map(|source| digest_of(&recipe, &infrastructure, distribution.as_ref(), &source.id, &documents));
    let inputs = Inputs {
        home_region: context.config.region.clone(),
        recipe,
        infrastructure,
        distribution,
        pipeline: pipeline.clone(),
        wanted,
        source,
        documents,
        has_tests,
        overridden: input.overridden().is_some(),
        is_verification,
        digest,
    };
    if is_verification {
        refuse_profile(&inputs, findings);
    } else {
        refuse_key_at_home(&inputs, findings);
    }
    Ok(Some(inputs))
}

/// Returns what the pipeline names; `None` if something of it is missing.
pub(super) async fn stored(
    context: &Context,
    pipeline: &ImagePipeline,
    findings: &mut Vec<Finding>,
) -> Result<Option<(ImageRecipe, InfrastructureConfiguration, Option<DistributionConfiguration>)>> {
    let store = &context.store;
    let mut lost = |field: &str, kind: &str, name: String| {
        let by = format!("pipeline `{}`", pipeline.name);
        let missing = Problem::DefinitionMissing { by, kind: kind.to_owned(), name };
        findings.push(pipeline_place(pipeline).field(field).has(missing));
    };
    let wanted = &pipeline.image_recipe;
    let recipe = store.best_recipe(&wanted.name, wanted.version).await?;
    if recipe.is_none() {
        lost("imageRecipe", "image recipe", wanted.to_string());
    }
    let name = &pipeline.infrastructure_configuration;
    let infrastructure = store.infrastructure(name).await?;
    if infrastructure.is_none() {
        lost("infrastructureConfiguration", "infrastructure configuration", name.to_string());
    }
    let distribution = match &pipeline.distribution_configuration {
        Some(name) => store.distribution(name).await?,
        None => None,
    };
    if let Some(name) = pipeline.distribution_configuration.as_ref().filter(|_| distribution.is_none()) {
        lost("distributionConfiguration", "distribution configuration", name.to_string());
    }
    // A missing distribution must not read as "no distribution": the image would stay in the home Region, and the build
    // would count as a success.
    let is_whole = distribution.is_some() == pipeline.distribution_configuration.is_some();
    let (Some(recipe), Some(infrastructure), true) = (recipe, infrastructure, is_whole) else { return Ok(None) };
    Ok(Some((recipe, infrastructure, distribution)))
}

fn source_place(input: &ExecutionInput, recipe: &ImageRecipe) -> Place {
    match (&input.from, &input.source_image) {
        (Some(_), _) => Place::new(START, "from"),
        (None, Some(_)) => Place::new(START, "sourceImage"),
        (None, None) => recipe_place(recipe).field("parentImage"),
    }
}

/// Rejects the verification of an AMI if the AMI would get the permissions of a named instance profile. Anyone who may
/// start a run may name the AMI, and programs in it could use these permissions. The stack's own profile for tests has
/// no valuable permissions.
fn refuse_profile(inputs: &Inputs, findings: &mut Vec<Finding>) {
    if let (Some(profile), false) = (&inputs.infrastructure.instance_profile_name, inputs.pipeline.allow_overrides) {
        let profile = Problem::VerifiedProfile { profile: profile.clone(), pipeline: inputs.pipeline.name.to_string() };
        findings.push(inputs.infrastructure_place("instanceProfileName").has(profile));
    }
}

/// The place of a problem in the execution's input.
const START: &str = "the start";

/// Rejects a key for the home Region. Only a copy can have a key. The home Region gets no copy, and its AMI is
/// encrypted as the build's volumes are.
fn refuse_key_at_home(inputs: &Inputs, findings: &mut Vec<Finding>) {
    let home = &inputs.home_region;
    let listed = inputs.distribution.as_ref().map_or(&[][..], |to| to.distributions.as_slice());
    let has_key = |to: &Distribution| to.region == *home && to.ami_distribution_configuration.kms_key_id.is_some();
    if listed.iter().any(has_key) {
        let place = inputs.region_place(home, "amiDistributionConfiguration.kmsKeyId");
        findings.push(place.has(Problem::KeyAtHome { region: home.clone() }));
    }
}

/// Returns the components in recipe order, each with the highest version that matches, and whether at least one of them
/// has a test.
async fn documents(
    context: &Context,
    input: &ExecutionInput,
    recipe: &ImageRecipe,
    findings: &mut Vec<Finding>,
) -> Result<(Vec<PlannedDocument>, bool)> {
    let unknown = input.parameters.keys().filter(|name| !recipe.components.iter().any(|part| part.name == **name));
    for name in unknown {
        let unused = Problem::ComponentUnused { component: name.to_string(), recipe: recipe.name.to_string() };
        findings.push(Place::new(START, "parameters").has(unused));
    }
    let mut documents = Vec::new();
    let mut has_tests = false;
    for (index, part) in recipe.components.iter().enumerate() {
        let Some(component) = context.store.best_component(&part.name, part.version).await? else {
            let place = recipe_place(recipe).field(format!("components[{index}]"));
            findings.push(place.has(Problem::DefinitionMissing {
                by: format!("recipe `{} {}`", recipe.name, recipe.version),
                kind: "component".to_owned(),
                name: format!("{} {}", part.name, part.version),
            }));
            continue;
        };
        let mut parameters = part.parameters.clone();
        // A document was checked when it was applied. If it cannot be read now, the agent says why.
        if let Ok(document) = Document::parse(component.name.as_str(), &component.document) {
            has_tests |= document.phases.iter().any(|phase| phase.name.value == "test");
            refuse_unfit(&component, &document, input.parameters.get(&part.name), findings);
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

/// Rejects parameters of a start that the component does not have, and values that the component does not allow.
/// `apply` rejects the same mistakes in a recipe.
fn refuse_unfit(
    component: &Component,
    document: &Document,
    given: Option<&BTreeMap<String, String>>,
    findings: &mut Vec<Finding>,
) {
    for (name, value) in given.into_iter().flatten() {
        let component = || format!("component `{}` {}", component.name, component.version);
        let problem = match document.parameter(name) {
            None => {
                let near = document.similar_parameter(name);
                let near = near.map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default();
                Problem::ParameterUnknown { component: component(), name: name.clone(), near }
            }
            Some(declared) if !declared.allows(value) => {
                let allowed = declared.allowed_values.join(", ");
                Problem::ParameterValue { component: component(), name: name.clone(), allowed }
            }
            Some(_) => continue,
        };
        findings.push(Place::new(START, "parameters").has(problem));
    }
}

fn digest_of(
    recipe: &ImageRecipe,
    infrastructure: &InfrastructureConfiguration,
    distribution: Option<&DistributionConfiguration>,
    source: &str,
    documents: &[PlannedDocument],
) -> String {
    // Who is told of an image does not go into it: another topic is no reason to build again.
    let infrastructure = InfrastructureConfiguration { sns_topic_arn: None, ..infrastructure.clone() };
    let inputs = json!([recipe, infrastructure, distribution, source, documents]);
    token(&[&inputs.to_string()])
}
