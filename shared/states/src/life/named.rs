//! AMIs that stored definitions name: a recipe that names an AMI by its id, and parameters that recipes and distribution
//! configurations name, whoever has set them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use goldsmith_cloud::Parameters;
use goldsmith_model::definitions::Kind;
use goldsmith_model::{DefinitionRef, SourceImage, placeholder};
use goldsmith_store::Store;
use tokio::sync::Mutex;

use super::references::By;
use crate::Result;
use crate::parts::parameter_paths::{EXAMPLES, OF_AWS, own};

/// Number of parameters that are read concurrently.
const AT_ONCE: usize = 8;

/// What stored definitions name. Each look at an image needs all of it, so it is read once, until it is forgotten.
pub(super) struct Named {
    parameters: Arc<dyn Parameters>,
    store: Store,
    /// The stack's home Region, in which recipes look for their sources.
    home: String,
    /// The path below which the stack reads and writes parameters, or `None` if it is not known: then the stack may read
    /// and write every parameter.
    own: Option<String>,
    known: Mutex<Option<Known>>,
}

/// What the definitions named when they were read.
#[derive(Default)]
struct Known {
    /// The versions of recipes that start from an AMI, by its id.
    recipes: BTreeMap<String, Vec<DefinitionRef>>,
    /// The names of parameters by Region.
    names: BTreeMap<String, BTreeSet<String>>,
    /// The parameters of those Regions that were looked at: their values, or why one cannot be read. A Region that does not
    /// answer must not hold up the images in the others.
    values: BTreeMap<String, Vec<(String, Value)>>,
}

/// The value of a parameter, or why it cannot be read.
type Value = std::result::Result<Option<String>, String>;

impl Named {
    /// Creates it. No call is made. `path` is the stack's `ImageParameterPath`, or `None` if it is not known.
    pub(super) fn new(parameters: Arc<dyn Parameters>, store: Store, home: &str, path: Option<&str>) -> Self {
        Self { parameters, store, home: home.to_owned(), own: path.map(own), known: Mutex::default() }
    }

    /// Lets the next look read everything again.
    pub(super) async fn forget(&self) {
        *self.known.lock().await = None;
    }

    /// Returns what names an AMI, without the parameters in `except`. A parameter that cannot be read may name it.
    ///
    /// # Errors
    /// Fails if the definitions cannot be read.
    pub(super) async fn naming(&self, region: &str, ami: &str, except: &BTreeSet<(String, String)>) -> Result<Vec<By>> {
        let mut known = self.known.lock().await;
        if known.is_none() {
            *known = Some(self.definitions().await?);
        }
        let Known { recipes, names, values } = known.get_or_insert_default();
        if !values.contains_key(region) {
            values.insert(region.to_owned(), self.values(region, names.get(region)).await);
        }
        let recipes = recipes.get(ami).into_iter().flatten().map(|recipe| By::Recipe(recipe.clone()));
        let is_other = |name: &str| !except.contains(&(region.to_owned(), name.to_owned()));
        let here = values.get(region).into_iter().flatten().filter(|(name, _)| is_other(name));
        let parameters = here.filter_map(|(name, value)| match value {
            Ok(Some(value)) if value == ami => Some(By::Parameter(name.clone())),
            Ok(_) => None,
            Err(why) => Some(By::Unread(name.clone(), why.clone())),
        });
        Ok(recipes.chain(parameters).collect())
    }

    /// Returns whether the stack may read and write a parameter: no build starts from another one, or writes it. AWS's own
    /// parameters name no image of this account.
    fn is_own(&self, name: &str) -> bool {
        !name.starts_with(OF_AWS) && self.own.as_ref().is_none_or(|path| name.starts_with(path))
    }

    async fn definitions(&self) -> Result<Known> {
        let mut known = Known::default();
        for recipe in self.store.recipes().await? {
            match recipe.parent_image {
                SourceImage::Ami(ami) => {
                    let version = Some(recipe.version);
                    let recipe = DefinitionRef { kind: Kind::ImageRecipe, name: recipe.name, version };
                    known.recipes.entry(ami).or_default().push(recipe);
                }
                SourceImage::Parameter(name) if self.is_own(&name) || name.starts_with(EXAMPLES) => {
                    known.names.entry(self.home.clone()).or_default().insert(name);
                }
                SourceImage::Parameter(_) | SourceImage::Newest { .. } | SourceImage::Pipeline(_) => {}
            }
        }
        for to in self.store.distributions().await?.into_iter().flat_map(|one| one.distributions) {
            // A name with placeholders is of one build only, whose plan has it as it was written.
            let written = to.ssm_parameter_configurations.into_iter().map(|one| one.parameter_name);
            let written = written.filter(|name| !placeholder::differs(name) && self.is_own(name));
            known.names.entry(to.region).or_default().extend(written);
        }
        Ok(known)
    }

    /// Returns the values of the parameters of a Region.
    async fn values(&self, region: &str, names: Option<&BTreeSet<String>>) -> Vec<(String, Value)> {
        let reads: Vec<_> = names
            .into_iter()
            .flatten()
            .map(|name| async move {
                let value = match self.parameters.get(region, name).await {
                    // People write parameters with a line break at the end (`file://` of the AWS CLI).
                    Ok(found) => Ok(found.map(|found| found.value.trim().to_owned())),
                    Err(error) => Err(error.to_string()),
                };
                (name.clone(), value)
            })
            .collect();
        stream::iter(reads).buffered(AT_ONCE).collect().await
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{Kind, Parameter, Parameters as _};
    use goldsmith_store::ImageRecord;
    use serde_json::json;

    use crate::testing::Stack;

    const ELSEWHERE: &str = "us-east-1";

    /// A stack with the image `web/1.0.0/1`, which has AMIs in two Regions.
    async fn published() -> (Stack, [String; 2]) {
        let stack = Stack::new().await;
        let amis = [HOME, ELSEWHERE].map(|region| stack.cloud.add_image(region, "self", "web 1"));
        stack.closed_build(json!({"status": "AVAILABLE", "amis": {HOME: amis[0], ELSEWHERE: amis[1]}})).await;
        (stack, amis)
    }

    /// A recipe that starts from this source.
    fn recipe(version: &str, source: &str) -> String {
        format!(
            "{{kind: ImageRecipe, name: app, semanticVersion: {version}, parentImage: \"{source}\", components: [{{name: \
             nginx, version: 1.x.x}}]}}\n---\n"
        )
    }

    /// Returns what refers to the image, as text.
    async fn words(stack: &Stack) -> Vec<String> {
        let image: ImageRecord = stack.store().image(&"web/1.0.0/1".parse().unwrap()).await.unwrap().unwrap();
        let found = stack.references().of(&image).await.unwrap();
        found.iter().map(|one| one.row().join(" ").trim_start().to_owned()).collect()
    }

    async fn put(stack: &Stack, region: &str, name: &str, value: &str) {
        let parameter = Parameter { value: value.to_owned(), data_type: "text".to_owned() };
        stack.cloud.put(region, name, &parameter).await.unwrap();
    }

    #[tokio::test]
    async fn every_version_of_a_recipe_that_names_an_ami_by_its_id_keeps_it() {
        let (stack, amis) = published().await;
        stack.apply(&recipe("1.0.0", &amis[0])).await;
        stack.apply(&recipe("1.0.1", "ssm:/images/base")).await;
        let expected = format!("{HOME} {} recipe/app/1.0.0, which starts from it", amis[0]);
        assert_eq!(words(&stack).await, [expected], "no pipeline uses the recipe, but one may");
    }

    #[tokio::test]
    async fn a_parameter_that_only_a_person_sets_keeps_the_image_from_which_a_recipe_starts_by_it() {
        let (stack, amis) = published().await;
        for (region, ami) in [HOME, ELSEWHERE].into_iter().zip(&amis) {
            put(&stack, region, "/images/blessed", &format!("{ami}\n")).await;
        }
        assert_eq!(words(&stack).await, [""; 0], "no definition names it");
        stack.apply(&recipe("1.0.0", "ssm:/images/blessed")).await;
        let expected = format!("{HOME} {} the parameter /images/blessed", amis[0]);
        assert_eq!(words(&stack).await, [expected], "a recipe reads the parameter of the home Region");
        put(&stack, HOME, "/images/blessed", "ami-0").await;
        assert_eq!(words(&stack).await, [""; 0]);
        stack.cloud.fail_always("GetParameter", HOME, Fault::Refuse(Kind::Denied));
        let unread = words(&stack).await;
        assert!(unread.iter().any(|one| one.contains("/images/blessed, which cannot be read")), "{unread:?}");
    }

    #[tokio::test]
    async fn a_parameter_of_another_distribution_keeps_the_image_that_it_names() {
        let (stack, amis) = published().await;
        let distribution = "{kind: DistributionConfiguration, name: other, distributions: [{region: us-east-1, \
                            ssmParameterConfigurations: [{parameterName: /images/other}]}]}\n";
        stack.apply(distribution).await;
        put(&stack, HOME, "/images/other", &amis[0]).await;
        assert_eq!(words(&stack).await, [""; 0], "the distribution names the parameter of another Region");
        put(&stack, ELSEWHERE, "/images/other", &amis[1]).await;
        assert_eq!(words(&stack).await, [format!("{ELSEWHERE} {} the parameter /images/other", amis[1])]);
    }

    #[tokio::test]
    async fn a_parameter_from_which_the_stack_cannot_build_keeps_nothing() {
        let (stack, amis) = published().await;
        for (version, name) in [("1.0.0", "/elsewhere/base"), ("1.0.1", "/aws/service/base")] {
            put(&stack, HOME, name, &amis[0]).await;
            stack.apply(&recipe(version, &format!("ssm:{name}"))).await;
        }
        stack.cloud.fail_always("GetParameter", HOME, Fault::Refuse(Kind::Denied));
        let found = words(&stack).await;
        assert!(!found.iter().any(|one| one.contains("/base")), "{found:?}");
    }

    #[tokio::test]
    async fn the_look_before_a_deletion_reads_everything_again() {
        let (stack, amis) = published().await;
        let (cloud, store, references) = (stack.cloud.cloud(), stack.store(), stack.references());
        let image = store.image(&"web/1.0.0/1".parse().unwrap()).await.unwrap().unwrap();
        assert!(references.of(&image).await.unwrap().is_empty());
        stack.apply(&recipe("1.0.0", &amis[0])).await;
        let ended = crate::life::delete(&cloud, &store, &references, &image, &[]).await.unwrap();
        assert!(matches!(ended, crate::life::Deletion::Refused(_)), "{ended:?}");
        assert_eq!(store.image(&image.image).await.unwrap().unwrap().life, None);
    }
}
