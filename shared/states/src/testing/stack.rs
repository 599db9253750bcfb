//! The stack: one pipeline with a build component and a test component, two Regions, and a published parameter.

mod changes;

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use goldsmith_cloud::fake::{ACCOUNT, AMAZON, Between, EmittedEvent, FakeCloud, Faults, HOME, Inventory};
use goldsmith_cloud::{Cloud, DedicatedHost, ExecutionStatus, Parameter};
use goldsmith_executor::WorkOrder;
use goldsmith_model::definitions::{Definitions, Draft, SourceFile};
use goldsmith_store::{BuildRecord, ImageRecord, MemoryTable, Scope, Store, Table as _, Write};
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

pub(crate) use self::changes::{FIFO_TOPIC, TOPIC, export, license};
use super::checked_events::CheckedEvents;
use super::faulty_table::FaultyTable;
use crate::error_names::ErrorName;
use crate::{Clock, Config, Context, Error, ErrorInfo, Nonce, SsmAgent, State};

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

/// A Dedicated Host in the first zone of the home Region, for two instances of `t3.small`.
pub(crate) fn host(id: &str) -> DedicatedHost {
    DedicatedHost {
        id: id.to_owned(),
        state: "available".to_owned(),
        zone: format!("{HOME}a"),
        family: Some("t3".to_owned()),
        free: [("t3.small".to_owned(), 2)].into(),
        ..DedicatedHost::default()
    }
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

    /// Returns the order of a state, by the state's scope.
    pub(crate) fn ordered(&self, scope: &str) -> WorkOrder {
        let orders = self.cloud.objects().into_iter().filter(|(key, _)| key.starts_with("orders/"));
        let orders = orders.map(|(_, bytes)| serde_json::from_slice::<WorkOrder>(&bytes).unwrap());
        orders.into_iter().find(|order| order.execution == format!("{BUILD}/{scope}")).unwrap()
    }

    /// Returns the error of a state that has failed, as the definition catches it.
    pub(crate) fn failed_in(&self, state: State, name: ErrorName) -> ErrorInfo {
        let cause = Error::failed(name, "it has failed").cause(&Scope::from(state));
        ErrorInfo { error: name.as_str().to_owned(), cause: serde_json::to_string(&cause).unwrap() }
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
        let cloud = self.cloud.cloud();
        Context {
            store: Store::new(Arc::new(table)),
            cloud: Cloud { events: Arc::new(CheckedEvents(Arc::clone(&cloud.events))), ..cloud },
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

    /// Returns the events about the ends of runs.
    pub(crate) fn ends(&self) -> Vec<EmittedEvent> {
        self.cloud.events().into_iter().filter(|event| event.detail_type.ends_with(" State Change")).collect()
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
