//! The stack: one pipeline with a build component and a test component, two Regions, and a published parameter.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use goldsmith_cloud::fake::{ACCOUNT, AMAZON, Between, FakeCloud, Faults, HOME, Inventory};
use goldsmith_cloud::{ExecutionStatus, Parameter};
use goldsmith_model::definitions::{Definitions, Draft, SourceFile};
use goldsmith_model::{
    Approval, DeregistrationProtection, DistributionConfiguration, ImagePipeline, PublishedTemplate,
};
use goldsmith_store::{BuildRecord, ImageRecord, MemoryTable, Store, Table as _, Write};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::faulty_table::FaultyTable;
use crate::{Clock, Config, Context, Nonce, SsmAgent, TAG_HOME, TAG_STACK};

/// The second Region.
pub(crate) const AWAY: &str = "us-east-1";
/// A third Region, which no definition names at first.
pub(crate) const FAR: &str = "eu-central-1";
/// The account that gets a copy of its own there.
pub(crate) const TARGET: &str = "222233334444";
/// The build id that every test uses.
pub(crate) const BUILD: &str = "web-0123456789abcdef-1";

const DEFINITIONS: &str = r#"
kind: Component
name: nginx
semanticVersion: 1.0.0
platform: Linux
data: |
  schemaVersion: 1.0
  parameters:
    - port: {type: string, default: "80", allowedValues: ["80", "8080"]}
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
  - {name: nginx, version: 1.x.x}
  - {name: answers, version: x.x.x}
---
kind: InfrastructureConfiguration
name: small
instanceTypes: [t3.small, t3a.small]
---
kind: DistributionConfiguration
name: two
distributions:
  - region: eu-west-1
    ssmParameterConfigurations: [{parameterName: /images/web}, {parameterName: /images/web/stable, channel: stable}]
  - region: us-east-1
    amiDistributionConfiguration:
      launchPermission: {userIds: ["111122223333"]}
      shareSnapshots: true
      deprecateAfter: P90D
      targetAccounts: [{account: "222233334444"}]
---
kind: ImagePipeline
name: web
imageRecipe: web/1.x.x
infrastructureConfiguration: small
distributionConfiguration: two
allowOverrides: true
channel: candidate
"#;

/// A clock that advances only while something sleeps.
#[derive(Clone)]
pub(crate) struct FakeClock(Arc<Mutex<Timestamp>>);

impl FakeClock {
    pub(crate) fn advance(&self, time: SignedDuration) {
        *self.0.lock().unwrap() += time;
    }
}

#[async_trait]
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
    async fn sleep(&self, time: Duration) {
        self.advance(SignedDuration::try_from(time).unwrap());
        tokio::task::yield_now().await;
    }
}

/// Everything that exists longer than one invocation of a function.
pub(crate) struct Stack {
    pub(crate) cloud: FakeCloud,
    pub(crate) table: MemoryTable,
    pub(crate) clock: FakeClock,
    /// How many of the requested wakes have been delivered.
    pub(super) delivered: Cell<usize>,
    /// The subnets of the stack.
    pub(crate) subnets: Vec<String>,
    agents: TempDir,
}

/// The ARN of a license configuration of a Region.
pub(crate) fn license(region: &str) -> String {
    let id = "lic-0123456789abcdef0123456789abcdef";
    format!("arn:aws:license-manager:{region}:{ACCOUNT}:license-configuration:{id}")
}

impl Stack {
    /// A stack with its definitions applied and its source image available.
    pub(crate) async fn new() -> Self {
        let stack = Self::without_definitions();
        let source = stack.cloud.add_image(HOME, AMAZON, "debian-12");
        stack.point_source_to(&source).await;
        stack.store().apply(&definitions()).await.unwrap();
        stack
    }

    /// A stack to which nothing was applied.
    pub(crate) fn without_definitions() -> Self {
        let agents = tempfile::tempdir().unwrap();
        for machine in ["x86_64", "aarch64"] {
            std::fs::write(agents.path().join(format!("agent-{machine}")), b"agent").unwrap();
        }
        let clock = FakeClock(Arc::new(Mutex::new("2026-11-24T03:00:00Z".parse().unwrap())));
        let delivered = Cell::new(0);
        let (cloud, table) = (FakeCloud::new(), MemoryTable::new());
        let time = clock.clone();
        cloud.tell_time(move || time.now());
        Self { cloud, table, clock, delivered, subnets: Vec::new(), agents }
    }

    /// Removes the agent for an architecture from the package.
    pub(crate) fn lose_agent(&self, architecture: &str) {
        std::fs::remove_file(self.context().config.agent_for(architecture)).unwrap();
    }

    /// Returns the source image that is published now.
    pub(crate) async fn source(&self) -> String {
        self.cloud.cloud().parameters.get(HOME, "/source").await.unwrap().unwrap().value
    }

    /// Publishes another source image.
    pub(crate) async fn point_source_to(&self, image: &str) {
        let parameter = Parameter { value: image.to_owned(), data_type: "aws:ec2:image".to_owned() };
        self.cloud.cloud().parameters.put(HOME, "/source", &parameter).await.unwrap();
    }

    /// Returns a new context for one invocation.
    pub(crate) fn context(&self) -> Context {
        self.context_with(self.cloud.faults())
    }

    /// Returns a context whose calls to the table first pass through `between`.
    pub(crate) fn context_behind(&self, between: Arc<dyn Between>) -> Context {
        self.context_with(self.cloud.faults().behind(between))
    }

    fn context_with(&self, faults: Faults) -> Context {
        let table = FaultyTable { table: self.table.clone(), faults };
        Context {
            store: Store::new(Arc::new(table)),
            cloud: self.cloud.cloud(),
            clock: Arc::new(self.clock.clone()),
            nonces: Arc::new(Nonce::random),
            config: Config {
                stack: "goldsmith".to_owned(),
                region: HOME.to_owned(),
                log_group: "/goldsmith/goldsmith/builds".to_owned(),
                instance_profile: "goldsmith-build".to_owned(),
                test_instance_profile: "goldsmith-test".to_owned(),
                security_group: "sg-1".to_owned(),
                state_machine: format!("arn:aws:states:eu-west-1:{ACCOUNT}:stateMachine:goldsmith-image-build"),
                agents: self.agents.path().to_owned(),
                image_parameter_path: "images".to_owned(),
                subnets: self.subnets.clone(),
                ssm_agent: SsmAgent {
                    base_url: "https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/latest".to_owned(),
                    key: String::new(),
                },
            },
        }
    }

    /// Applies another pipeline of the same recipe.
    pub(crate) async fn put_pipeline(&self, pipeline: ImagePipeline) {
        let pipelines = vec![pipeline];
        self.store().apply(&Definitions { pipelines, ..Definitions::default() }).await.unwrap();
    }

    /// Makes the infrastructure configuration name an instance profile, or none.
    pub(crate) async fn name_instance_profile(&self, name: Option<&str>) {
        let mut infrastructures = definitions().infrastructures;
        for infrastructure in &mut infrastructures {
            infrastructure.instance_profile_name = name.map(str::to_owned);
        }
        self.store().apply(&Definitions { infrastructures, ..Definitions::default() }).await.unwrap();
    }

    /// Lets the distribution associate the images of both Regions with a license configuration.
    pub(crate) async fn license_images(&self) {
        let mut distributions = definitions().distributions;
        for to in &mut distributions[0].distributions {
            to.license_configuration_arns.push(license(&to.region));
        }
        self.store().apply(&Definitions { distributions, ..Definitions::default() }).await.unwrap();
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

    /// Returns the store for a caller whose calls pass through this account's faults.
    pub(crate) fn store_behind(&self, cloud: &FakeCloud) -> Store {
        Store::new(Arc::new(FaultyTable { table: self.table.clone(), faults: cloud.faults() }))
    }

    /// Returns the store without the counter of calls.
    pub(crate) fn store(&self) -> Store {
        Store::new(Arc::new(self.table.clone()))
    }

    /// Puts an item into the table without a change.
    pub(crate) async fn put_item(&self, item: serde_json::Value) {
        let serde_json::Value::Object(item) = item else { panic!("an item is an object") };
        self.table.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
    }

    /// Stores a copy of the only wait, for another resource and with an earlier due time.
    pub(crate) async fn copy_wait_to_the_front(&self, resource: &str) {
        let mut wait = self.table.due("WAIT", "9999").await.unwrap().pop().unwrap();
        wait.insert("pk".to_owned(), format!("WAIT#{resource}").into());
        wait.insert("nextLook".to_owned(), "2026-01-01T00:00:00.000Z".into());
        self.put_item(serde_json::Value::Object(wait)).await;
    }

    /// Returns the build's record.
    pub(crate) async fn record(&self) -> BuildRecord {
        self.store().build(BUILD).await.unwrap().unwrap()
    }

    /// Returns the image's record.
    pub(crate) async fn image(&self) -> ImageRecord {
        let record = self.record().await;
        self.store().image(&record.image).await.unwrap().unwrap()
    }

    /// Makes Step Functions report the build's execution as running.
    pub(crate) async fn start_execution(&self) {
        let config = self.context().config;
        self.cloud.cloud().executions.start(&config.state_machine, BUILD, "{}").await.unwrap();
    }

    /// Makes Step Functions report the build's execution as ended with this status.
    pub(crate) async fn end_execution(&self, status: ExecutionStatus) {
        let arn = self.context().config.execution_arn(BUILD);
        if self.cloud.executions().iter().all(|execution| execution.arn != arn) {
            self.start_execution().await;
        }
        self.cloud.edit_execution(&arn, |execution| execution.status = status);
    }

    /// Returns everything that exists in AWS, except the source's parameter.
    pub(crate) fn inventory(&self) -> Inventory {
        let mut inventory = self.cloud.inventory();
        for region in inventory.regions.values_mut() {
            region.parameters.remove("/source");
        }
        inventory.regions.retain(|_, region| *region != Default::default());
        inventory
    }
}

fn definitions() -> Definitions {
    let files = [SourceFile { path: "web.yml".to_owned(), text: DEFINITIONS.to_owned() }];
    let load = |path: &std::path::Path| -> std::io::Result<String> { panic!("{} is not wanted", path.display()) };
    Draft::read(&files, &load).check(&Default::default()).unwrap()
}
