//! The stack that a run begins with: pipelines of several shapes, applied once and copied for each seed.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt as _;
use goldsmith_cloud::fake::{AMAZON, HOME};
use goldsmith_cloud::{Parameter, Tags};
use goldsmith_model::definitions::{Definitions, Draft, SourceFile};
use goldsmith_model::{Distribution, Name};
use goldsmith_states::TAG_STACK;
use goldsmith_store::{Item, MemoryTable, Store, Table as _, Write};

use crate::simulation::{STACK, Simulation};

/// The second Region.
pub const AWAY: &str = "us-east-1";
/// A Region that a distribution may gain.
const FAR: &str = "eu-central-1";
/// A topic in the Region of the stack, which half of the shapes name.
const TOPIC: &str = "arn:aws:sns:eu-west-1:111122223333:images";
/// A key that signs the images of the first pipeline, in half of the shapes.
const KEY: &str = "alias/images";
/// Pipelines: the second starts from the first's image in the shapes that have it.
pub const PIPELINES: [&str; 2] = ["web", "api"];

const BASE: &str = r#"
kind: Component
name: nginx
semanticVersion: 1.0.0
platform: Linux
data: |
  schemaVersion: 1.0
  phases:
    - name: build
      steps:
        - {name: Install, action: ExecuteBash, inputs: {commands: ["true"]}}
---
kind: Component
name: answers
semanticVersion: 1.0.0
platform: Linux
data: |
  schemaVersion: 1.0
  phases:
    - name: test
      steps:
        - {name: Fetch, action: ExecuteBash, inputs: {commands: ["true"]}}
---
kind: ImageRecipe
name: web
semanticVersion: 1.0.0
parentImage: ssm:/source
components:
  - {name: nginx, version: 1.x.x, checkpoint: CHECKPOINT}
  - {name: nginx, version: 1.x.x}
  - {name: answers, version: x.x.x}
---
kind: InfrastructureConfiguration
name: small
instanceTypes: [t3.small, t3a.small]
KEEP
---
kind: DistributionConfiguration
name: two
SUFFICES
distributions:
  - region: eu-west-1
    ssmParameterConfigurations: [{parameterName: /images/web}]
  - region: us-east-1
    amiDistributionConfiguration:
      launchPermission: {userIds: ["111122223333"]}
      shareSnapshots: true
      deprecateAfter: P90D
    ssmParameterConfigurations: [{parameterName: /images/web}]
---
kind: ImagePipeline
name: web
imageRecipe: web/1.x.x
infrastructureConfiguration: small
distributionConfiguration: two
allowOverrides: true
rebuildOn: [source-update]
imageTestsConfiguration: {timeoutMinutes: 90, instanceTypes: [TESTS]}
SIGNED
"#;

const SECOND: &str = r#"
---
kind: ImageRecipe
name: api
semanticVersion: 1.0.0
parentImage: pipeline:web
components:
  - {name: nginx, version: 1.x.x}
---
kind: DistributionConfiguration
name: one
distributions:
  - region: eu-west-1
    ssmParameterConfigurations: [{parameterName: /images/api}]
---
kind: ImagePipeline
name: api
imageRecipe: api/1.x.x
infrastructureConfiguration: small
distributionConfiguration: one
rebuildOn: [dependency]
"#;

/// What the table holds after `apply`, for each shape.
pub struct Shapes(Vec<Vec<Item>>);

impl Shapes {
    /// Applies each shape.
    ///
    /// # Errors
    /// What is wrong with a definition.
    pub fn new() -> Result<Self, String> {
        let keep = format!("keepOnFailure: PT4H\nspot: true\nsnsTopicArn: {TOPIC}");
        let told = format!("snsTopicArn: {TOPIC}");
        let signed = format!("signingKey: {KEY}");
        let shapes = [
            ("", "", "t3.small", "", "false", false),
            ("spot: true", "start: with-tests", "t3.small, t3a.small", &signed, "true", true),
            (&keep, "mustSucceed: some", "t3.small", &signed, "false", false),
            (&told, "mustSucceed: some\nstart: with-tests", "t3.small", "", "true", true),
        ];
        let shape = |(keep, suffices, tests, signed, checkpoint, second): (&str, &str, &str, &str, &str, bool)| {
            let words = [("KEEP", keep), ("SUFFICES", suffices), ("TESTS", tests), ("SIGNED", signed)];
            let words = words.into_iter().chain([("CHECKPOINT", checkpoint)]);
            let base = words.fold(BASE.to_owned(), |text, (word, value)| text.replace(word, value));
            applied(&if second { format!("{base}{SECOND}") } else { base })
        };
        Ok(Self(shapes.into_iter().map(shape).collect::<Result<_, _>>()?))
    }

    /// Puts one shape into an empty world, with its source image.
    pub fn set_up(&self, sim: &Arc<Simulation>) {
        let shape = usize::try_from(sim.random(|rng| rng.below(self.0.len() as u64))).unwrap_or(0);
        for item in &self.0[shape] {
            let _ = sim.table.write(vec![Write::Put { item: item.clone(), checks: vec![] }]).now_or_never();
        }
        let tags = Tags::from([(TAG_STACK.to_owned(), STACK.to_owned())]);
        sim.cloud.set_up(|account| _ = account.signing_keys.insert(KEY.to_owned(), tags));
        let source = sim.cloud.add_image(HOME, AMAZON, "debian-12");
        let value = Parameter { value: source, data_type: "aws:ec2:image".to_owned() };
        let _ = sim.person().parameters.put(HOME, "/source", &value).now_or_never();
    }
}

/// Lets the distribution of the first pipeline gain a Region, unless it has it already.
pub fn gain_a_region(sim: &Arc<Simulation>) {
    let store = Store::new(Arc::new(sim.table.clone()));
    let gained = async {
        let Ok(name) = "two".parse::<Name>() else { return };
        let Ok(Some(mut to)) = store.distribution(&name).await else { return };
        if to.distributions.iter().all(|one| one.region != FAR) {
            to.distributions.push(Distribution { region: FAR.to_owned(), ..Distribution::default() });
            let _ = store.apply(&Definitions { distributions: vec![to], ..Definitions::default() }).await;
        }
    };
    let _ = gained.now_or_never();
}

fn applied(text: &str) -> Result<Vec<Item>, String> {
    let files = [SourceFile { path: "stack.yml".to_owned(), text: text.to_owned() }];
    let load = |path: &Path| -> io::Result<String> { Err(io::Error::other(path.display().to_string())) };
    let definitions = Draft::read(&files, &load).check(&Default::default()).map_err(|error| format!("{error:?}"))?;
    let table = MemoryTable::new();
    let store = Store::new(Arc::new(table.clone()));
    let applied = async {
        store.apply(&definitions).await.map_err(|error| error.to_string())?;
        for pipeline in &definitions.pipelines {
            let Some(why) = pipeline.rebuild_on.first() else { continue };
            let recipe = definitions.recipes.iter().find(|recipe| recipe.name == pipeline.image_recipe.name);
            let Some(recipe) = recipe else { continue };
            let subscribed = store.subscribe(&pipeline.name, &recipe.parent_image, *why).await;
            subscribed.map_err(|error| error.to_string())?;
        }
        Ok::<_, String>(())
    };
    applied.now_or_never().ok_or("the table waits")??;
    Ok(table.dump())
}
