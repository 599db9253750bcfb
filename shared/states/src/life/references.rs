//! Finds everything that still refers to an image: to one of its AMIs, or to the image itself.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use goldsmith_cloud::{ImageUse, Images, Parameters};
use goldsmith_model::definitions::Kind;
use goldsmith_model::{DefinitionRef, ImageRef, Name, placeholder};
use goldsmith_store::{ImageLife, ImageRecord, ImageStatus, Rollback, Store, User};
use serde::{Serialize, Serializer};

use super::named::Named;
use super::template_uses::{TemplateUse, TemplateUses};
use crate::Result;

/// A reference to an image, and its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// The Region; `None` for what refers to the image in all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// The AMI in that Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    ami: Option<String>,
    /// What refers to it.
    pub by: By,
}

/// What refers to an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// An instance of this account, or the right of somebody else to launch it.
    Use(ImageUse),
    /// A launch template of this account.
    Template(TemplateUse),
    /// A parameter that names the AMI.
    Parameter(String),
    /// A parameter that cannot be read, and AWS's message.
    Unread(String, String),
    /// A version of a recipe that names the AMI as its source.
    Recipe(DefinitionRef),
    /// An image that was built from this image, or that is being built from it.
    Child(ImageRef),
    /// A channel of the image's pipeline that points to the image.
    Channel(Name),
    /// A pipeline whose next build starts from the newest image of this image's pipeline, which is this image.
    Pipeline(String),
    /// A running build of the image's pipeline, which may be the build of the image itself. If the build fails, it
    /// restores parameters, which may then name the image again.
    Build(String),
    /// An interrupted rollback of this pipeline. When the rollback is finished or undone, parameters may name the
    /// image.
    Rollback(Name),
}

impl fmt::Display for By {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Use(one) => one.fmt(out),
            Self::Template(one) => one.fmt(out),
            Self::Parameter(name) => write!(out, "the parameter {name}"),
            Self::Unread(name, why) => write!(out, "the parameter {name}, which cannot be read: {why}"),
            Self::Recipe(recipe) => write!(out, "{recipe}, which starts from it"),
            Self::Child(image) => write!(out, "the image {image}, which was built from it"),
            Self::Channel(channel) => write!(out, "the channel {channel}, which points to it"),
            Self::Pipeline(user) => write!(out, "{user}, which builds from the newest image"),
            Self::Build(build) => write!(out, "the running build {build}, which may make parameters name it again"),
            Self::Rollback(pipeline) => {
                write!(out, "the interrupted rollback of {pipeline}, which may make parameters name it again")
            }
        }
    }
}

impl Serialize for By {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Reference {
    /// Returns its row of a table for people.
    #[must_use]
    pub fn row(&self) -> Vec<String> {
        let place = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![place(&self.region), place(&self.ami), self.by.to_string()]
    }

    /// Returns whether it is only the launch permission of somebody in `unshare`.
    #[must_use]
    pub fn is_only_of(&self, unshare: &[String]) -> bool {
        self.shared_with().is_some_and(|whose| unshare.iter().any(|one| one == whose))
    }

    /// Returns who else may launch the AMI, if it refers to the image in that way. Nobody can see from here whether they
    /// do.
    #[must_use]
    pub fn shared_with(&self) -> Option<&str> {
        match &self.by {
            By::Use(ImageUse::Permission(whose)) => Some(whose),
            _ => None,
        }
    }
}

/// Where to look for references. A command looks at all of its images through one of these, because it remembers the
/// launch templates and what the definitions name.
pub struct References {
    images: Arc<dyn Images>,
    parameters: Arc<dyn Parameters>,
    templates: TemplateUses,
    named: Named,
    store: Store,
}

impl References {
    /// Creates it. No call is made. `home` is the stack's home Region, and `path` is its `ImageParameterPath`, or `None` if
    /// it is not known.
    #[must_use]
    pub fn new(
        images: Arc<dyn Images>,
        parameters: Arc<dyn Parameters>,
        store: Store,
        home: &str,
        path: Option<&str>,
    ) -> Self {
        let templates = TemplateUses::new(images.clone(), parameters.clone());
        let named = Named::new(parameters.clone(), store.clone(), home, path);
        Self { images, parameters, templates, named, store }
    }

    /// Returns everything that refers to an image, and reads all of it again. Call this right before something that cannot
    /// be undone.
    ///
    /// # Errors
    /// As [`References::of`].
    pub async fn of_now(&self, image: &ImageRecord) -> Result<Vec<Reference>> {
        self.named.forget().await;
        self.of(image).await
    }

    /// Returns everything that refers to an image. What the definitions name may be what an earlier look has read.
    ///
    /// # Errors
    /// Fails if a call to AWS or to the table fails: then nothing is known about the image.
    pub async fn of(&self, image: &ImageRecord) -> Result<Vec<Reference>> {
        let mut found = Vec::new();
        let rollback = self.store.rollback(&image.pipeline).await?;
        let names = self.parameter_names(image).await?;
        for (region, ami) in &image.amis {
            let here = |by: By| Reference { region: Some(region.clone()), ami: Some(ami.clone()), by };
            let uses = self.images.uses(region, ami).await?;
            found.extend(uses.into_iter().map(|one| here(By::Use(one))));
            let templates = self.templates.naming(region, ami).await?;
            found.extend(templates.into_iter().map(|one| here(By::Template(one))));
            for (_, name) in names.iter().filter(|(of, _)| of == region) {
                match self.parameters.get(region, name).await {
                    Ok(Some(parameter)) if parameter.value.trim() == ami => {
                        found.push(here(By::Parameter(name.clone())))
                    }
                    Ok(_) => {}
                    // A parameter that cannot be read may name the image.
                    Err(error) => found.push(here(By::Unread(name.clone(), error.to_string()))),
                }
            }
            found.extend(self.named.naming(region, ami, &names).await?.into_iter().map(here));
            if rollback.as_ref().is_some_and(|rollback| names_in(rollback, region, ami)) {
                found.push(here(By::Rollback(image.pipeline.clone())));
            }
        }
        let everywhere = |by: By| Reference { region: None, ami: None, by };
        let channels = self.store.channels(&image.pipeline).await?.into_iter();
        let pointing = channels.filter(|one| one.to.as_ref() == Some(&image.image));
        found.extend(pointing.map(|one| everywhere(By::Channel(one.channel))));
        found.extend(self.children(image).await?.into_iter().map(|child| everywhere(By::Child(child))));
        found.extend(self.dependents(image).await?.into_iter().map(|user| everywhere(By::Pipeline(user))));
        found.extend(self.store.running_build(&image.pipeline).await?.map(|build| everywhere(By::Build(build))));
        if image.life == Some(ImageLife::Disabled) {
            found.extend(self.permissions_before(image).await?);
        }
        Ok(found)
    }

    /// Returns the launch permissions that a disabled image had. EC2 removes them when an AMI is disabled, but their
    /// owners may rely on the image, and get the permissions back when the image is enabled.
    async fn permissions_before(&self, image: &ImageRecord) -> Result<Vec<Reference>> {
        let mut found = Vec::new();
        if !image.is_published() {
            return Ok(found);
        }
        for planned in self.store.distributed(image).await? {
            let Some(ami) = image.amis.get(&planned.region) else { continue };
            let with = &planned.launch_permission;
            let all = [&with.user_ids, &with.user_groups, &with.organization_arns, &with.organizational_unit_arns];
            found.extend(all.into_iter().flatten().map(|whose| Reference {
                region: Some(planned.region.clone()),
                ami: Some(ami.clone()),
                by: By::Use(ImageUse::Permission(whose.clone())),
            }));
        }
        Ok(found)
    }

    /// Returns the parameters that may name the image, with their Regions: those that its build and later
    /// distributions have written, those that rollbacks of its pipeline have changed, and those that its pipeline writes now.
    async fn parameter_names(&self, image: &ImageRecord) -> Result<BTreeSet<(String, String)>> {
        let mut names = BTreeSet::new();
        for build in self.store.builds_of(image).await? {
            for planned in build.plan.regions {
                let written = planned.parameters.into_iter().map(|one| one.parameter_name);
                names.extend(written.map(|name| (planned.region.clone(), name)));
            }
        }
        // The pipeline may have written other parameters when it was rolled back than its builds or its definition name.
        let changed = self.store.pointed(&image.pipeline).await?.into_iter().flat_map(|one| one.parameters);
        names.extend(changed.map(|one| (one.region, one.name)));
        let pipeline = self.store.pipeline(&image.pipeline).await?;
        if let Some(distribution) = pipeline.and_then(|pipeline| pipeline.distribution_configuration)
            && let Some(distribution) = self.store.distribution(&distribution).await?
        {
            for to in distribution.distributions {
                // A name with placeholders is of one build only, whose plan has it as it was written.
                let written = to.ssm_parameter_configurations.into_iter().map(|one| one.parameter_name);
                let written = written.filter(|name| !placeholder::differs(name));
                names.extend(written.map(|name| (to.region.clone(), name)));
            }
        }
        Ok(names)
    }

    /// Returns the images that were built from this image and still exist, and those that are being built from it.
    async fn children(&self, image: &ImageRecord) -> Result<Vec<ImageRef>> {
        let amis: BTreeSet<&String> = image.amis.values().collect();
        let is_child = |one: &ImageRecord| {
            let exists = match one.status {
                ImageStatus::Building => true,
                ImageStatus::Available => one.life != Some(ImageLife::Deleted),
                ImageStatus::Failed | ImageStatus::Cancelled => false,
                ImageStatus::Verified | ImageStatus::Distributed => false,
            };
            exists && amis.contains(&one.source_image)
        };
        let all = self.store.all_images().await?.into_iter();
        Ok(all.filter(is_child).map(|one| one.image).collect())
    }

    /// Returns the pipelines whose next build starts from this image.
    async fn dependents(&self, image: &ImageRecord) -> Result<Vec<String>> {
        let newest = self.store.newest_published(&image.image.name, &image.pipeline).await?;
        if newest.is_none_or(|newest| newest.image != image.image) {
            return Ok(Vec::new());
        }
        let name: Name = image.pipeline.clone();
        let users =
            self.store.catalog().await?.users(&DefinitionRef { kind: Kind::ImagePipeline, name, version: None });
        Ok(users.iter().filter(|user| matches!(user, User::Definition(_))).map(User::to_string).collect())
    }
}

/// Returns whether a rollback may make a parameter of a Region name an AMI, or has done so.
fn names_in(rollback: &Rollback, region: &str, ami: &str) -> bool {
    rollback.parameters.iter().any(|one| one.region == region && one.may_have_given(ami))
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::HOME;
    use goldsmith_cloud::{Images as _, LaunchPermission, Parameter, Parameters as _};
    use goldsmith_store::{ParameterPlace, Pointed, Pointing, Rollback};
    use serde_json::json;

    use crate::testing::Stack;

    /// Returns what refers to the image `web/1.0.0/1`, as text.
    async fn words(stack: &Stack) -> Vec<String> {
        let image = stack.store().image(&"web/1.0.0/1".parse().unwrap()).await.unwrap().unwrap();
        let found = stack.references().of(&image).await.unwrap();
        found.iter().map(|one| one.row().join(" ").trim_start().to_owned()).collect()
    }

    #[tokio::test]
    async fn everything_that_refers_to_an_image_is_found() {
        let stack = Stack::new().await;
        let app = "{kind: ImageRecipe, name: app, semanticVersion: 1.0.0, parentImage: pipeline:web, components: [{name: \
                   nginx, version: 1.x.x}]}\n---\n{kind: ImagePipeline, name: app, imageRecipe: app, \
                   infrastructureConfiguration: small}\n";
        let ami = stack.cloud.add_image(HOME, "self", "web 1");
        stack.closed_build(json!({"status": "AVAILABLE", "amis": {HOME: ami}})).await;
        assert_eq!(words(&stack).await, [""; 0]);
        stack.apply(app).await;
        stack.cloud.add_launch_template(HOME, "lt-1", &ami);
        let with = LaunchPermission { users: vec!["111122223333".to_owned()], ..LaunchPermission::default() };
        stack.cloud.share(HOME, &ami, &with).await.unwrap();
        let parameter = Parameter { value: ami.clone(), data_type: "text".to_owned() };
        stack.cloud.put(HOME, "/images/web", &parameter).await.unwrap();
        let child = json!({"image": "app/1.0.0/1", "build": "c", "pipeline": "app", "cause": {"kind": "manual", "id": "1"},
                           "status": "AVAILABLE", "sourceImage": ami, "inputDigest": "", "createdAt": ""});
        stack.put("IMAGE#app", "V#0000000001.0000000000.0000000000#0000000001", child.clone()).await;
        stack.put("IMAGES", "app", json!({})).await;
        let expected = [
            format!("{HOME} {ami} the launch permission of 111122223333"),
            format!("{HOME} {ami} the launch template lt-1"),
            format!("{HOME} {ami} the parameter /images/web"),
            "the image app/1.0.0/1, which was built from it".to_owned(),
            "pipeline/app, which builds from the newest image".to_owned(),
        ];
        assert_eq!(words(&stack).await, expected);
        let mut deleted = child;
        deleted["life"] = json!("DELETED");
        stack.put("IMAGE#app", "V#0000000001.0000000000.0000000000#0000000001", deleted).await;
        assert!(!words(&stack).await.iter().any(|one| one.contains("app/1.0.0/1")), "a deleted child counts no more");
    }

    #[tokio::test]
    async fn parameters_of_a_rollback_count_whatever_the_pipeline_writes_now() {
        let stack = Stack::new().await;
        let ami = stack.cloud.add_image(HOME, "self", "web 1");
        stack.closed_build(json!({"status": "AVAILABLE", "amis": {HOME: ami}})).await;
        let parameter = Parameter { value: ami.clone(), data_type: "text".to_owned() };
        stack.cloud.put(HOME, "/images/before", &parameter).await.unwrap();
        assert_eq!(words(&stack).await, [""; 0]);
        let (store, web) = (stack.store(), "web".parse().unwrap());
        let image: goldsmith_model::ImageRef = "web/1.0.0/1".parse().unwrap();
        let (region, name) = (HOME.to_owned(), "/images/before".to_owned());
        let begun = Rollback {
            holder: "one".to_owned(),
            at: "2026-01-02T00:00:00.000Z".to_owned(),
            image: image.clone(),
            parameters: vec![Pointing {
                region: region.clone(),
                name: name.clone(),
                from: ami.clone(),
                to: "ami-0".to_owned(),
                earlier: Vec::new(),
            }],
        };
        assert!(store.begin_rollback(&web, &begun, None).await.unwrap());
        let expected = format!("{HOME} {ami} the interrupted rollback of web, which may make parameters name it again");
        assert_eq!(words(&stack).await, [expected]);
        let pointed = Pointed { at: begun.at, image, parameters: vec![ParameterPlace { region, name }] };
        assert!(store.end_rollback(&web, "one", Some(&pointed)).await.unwrap());
        assert_eq!(words(&stack).await, [format!("{HOME} {ami} the parameter /images/before")]);
    }
}
