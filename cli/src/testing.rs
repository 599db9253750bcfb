//! A stack in memory, for the tests of the commands.

mod failures;

use std::sync::Arc;

use clap::Parser;
use goldsmith_cloud::fake::{FakeCloud, HOME};
use goldsmith_model::definitions::{Draft, SourceFile};
use goldsmith_store::{Item, Key, MemoryTable, Store, Table, Write};
use serde_json::{Value, json};

use crate::args::Globals;
use crate::command::Cli;
use crate::connection::{Connection, Scheduling, Settings};

pub(crate) use failures::FAILURES;

pub(crate) const STATE_MACHINE: &str = "arn:aws:states:eu-west-1:000000000000:stateMachine:goldsmith-image-build";

/// The second Region of the distribution of [`WEB`].
pub(crate) const ELSEWHERE: &str = "us-east-1";

/// Definitions of a pipeline with a schedule and a watched source.
pub(crate) const WEB: &str = "\
kind: Component
name: nginx
semanticVersion: 1.0.0
data: |
  schemaVersion: 1.0
  phases: [{name: build, steps: [{name: Run, action: ExecuteBash, inputs: {commands: [\"true\"]}}]}]
---
{kind: ImageRecipe, name: web, semanticVersion: 1.0.0, parentImage: ssm:/a, components: [{name: nginx, version: 1.x.x}]}
---
{kind: InfrastructureConfiguration, name: small, instanceTypes: [t3.small]}
---
{kind: DistributionConfiguration, name: two, distributions: [{region: eu-west-1}, {region: us-east-1}]}
---
{kind: ImagePipeline, name: web, imageRecipe: web, infrastructureConfiguration: small, rebuildOn: [source-update], schedule: {scheduleExpression: rate(1 day)}}
";

/// The failures that have stopped a pipeline.
pub(crate) fn stopped() -> Value {
    json!({"count": 3, "build": "b", "image": "web/1.0.0/1", "stoppedAt": "2026-01-01T00:00:00.000Z"})
}

/// The options that `goldsmith FLAGS` gives to a command.
pub(crate) fn globals(flags: &str) -> Globals {
    let words = ["goldsmith"].into_iter().chain(flags.split_whitespace()).chain(["images"]);
    Cli::parse_from(words).globals
}

/// A stack, and the objects to change it.
pub(crate) struct Stack {
    pub(crate) cloud: FakeCloud,
    pub(crate) table: Arc<MemoryTable>,
    pub(crate) connection: Connection,
}

impl Stack {
    pub(crate) fn new() -> Self {
        let (cloud, table) = (FakeCloud::new(), Arc::new(MemoryTable::new()));
        let all = cloud.cloud();
        let connection = Connection {
            stack: "goldsmith".to_owned(),
            region: HOME.to_owned(),
            version: Some(crate::version::OWN.to_owned()),
            state_machine: STATE_MACHINE.to_owned(),
            store: Store::new(table.clone()),
            executions: all.executions.clone(),
            logs: all.logs.clone(),
            cloud: all,
            settings: Some(Settings {
                image_parameter_path: "images".to_owned(),
                security_group: "sg-1".to_owned(),
                subnets: Vec::new(),
            }),
            schedules: Arc::new(cloud.clone()),
            scheduling: Some(Scheduling {
                group: "goldsmith".to_owned(),
                trigger: "arn:trigger".to_owned(),
                role: "arn:role".to_owned(),
            }),
        };
        Self { cloud, table, connection }
    }

    /// Stores definitions, with their schedules, as `goldsmith apply` does.
    pub(crate) async fn apply(&self, text: &str) {
        let files = [SourceFile { path: "all.yml".to_owned(), text: text.to_owned() }];
        let draft = Draft::read(&files, &|_| Ok(String::new()));
        let definitions = draft.check_alone().map_err(|found| found.to_string()).unwrap();
        self.connection.store.apply(&definitions).await.unwrap();
        crate::schedules::keep(&self.connection, &definitions).await.unwrap();
    }

    /// Writes an item as a function would.
    pub(crate) async fn put(&self, pk: &str, sk: &str, record: Value) {
        let mut item: Item = serde_json::from_value(record).unwrap();
        item.extend([("pk".to_owned(), json!(pk)), ("sk".to_owned(), json!(sk))]);
        self.table.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
    }

    /// Returns an item without its key.
    pub(crate) async fn table_item(&self, pk: &str, sk: &str) -> Value {
        let key = Key { pk: pk.to_owned(), sk: sk.to_owned() };
        let mut item = self.table.get(&key).await.unwrap().unwrap();
        item.retain(|name, _| name != "pk" && name != "sk");
        Value::Object(item)
    }

    /// A state of build `b`.
    pub(crate) async fn state(&self, state: &str, status: &str, detail: &str) {
        let record = json!({"state": state, "status": status, "startedAt": "2026-01-01T00:00:01.000Z", "detail": detail,
                            "endedAt": "2026-01-01T00:00:03.000Z", "log": {"group": "g", "stream": state}});
        self.put("BUILD#b", &format!("STATE#{state}"), record).await;
    }

    /// Stores the definitions of [`WEB`], whose distribution writes these parameters in both of its Regions, and three
    /// images of the pipeline, of which the third one is the newest. Returns the AMIs of each image in both Regions.
    pub(crate) async fn three_images(&self, parameters: &str) -> Vec<[String; 2]> {
        let mut text = WEB.replace("small, rebuildOn", "small, distributionConfiguration: two, rebuildOn");
        for region in [HOME, ELSEWHERE] {
            let to = format!("region: {region}");
            text = text.replace(&to, &format!("{to}, ssmParameterConfigurations: [{parameters}]"));
        }
        self.apply(&text).await;
        let mut all = Vec::new();
        for number in 1..=3 {
            let amis = [HOME, ELSEWHERE].map(|region| self.cloud.add_image(region, "self", &format!("web {number}")));
            let record = json!({"image": format!("web/1.0.0/{number}"), "build": "b", "pipeline": "web", "status": "AVAILABLE",
                                "cause": {"kind": "manual", "id": "1"}, "sourceImage": "ami-0", "inputDigest": "",
                                "amis": {HOME: amis[0], ELSEWHERE: amis[1]}, "createdAt": format!("2026-01-0{number}T00:00:00.000Z")});
            self.put("IMAGE#web", &format!("V#0000000001.0000000000.0000000000#{number:010}"), record).await;
            all.push(amis);
        }
        self.put("IMAGES", "web", json!({})).await;
        all
    }

    /// Returns another handle of the same stack.
    pub(crate) fn again(&self) -> Self {
        Self { cloud: self.cloud.clone(), table: self.table.clone(), connection: self.connection.clone() }
    }

    /// Removes the record of a build.
    pub(crate) async fn forget_build(&self, id: &str) {
        let key = Key { pk: format!("BUILD#{id}"), sk: "META".to_owned() };
        self.table.write(vec![Write::Delete { key, checks: vec![] }]).await.unwrap();
    }

    /// Stores build `b` of image `web/1.0.0/1`, which runs.
    pub(crate) async fn open_build(&self, execution: &str) {
        self.build(json!({"status": "open", "execution": execution}), json!({"status": "BUILDING"})).await;
    }

    /// Stores build `b` of image `web/1.0.0/1`, which is closed.
    pub(crate) async fn closed_build(&self, image: Value) {
        self.build(json!({"status": "closed"}), image).await;
    }

    /// Stores build `b` of image `web/1.0.0/1`, which has failed with this ending.
    pub(crate) async fn kept_build(&self, ending: Value) {
        self.build(json!({"status": "closed", "ending": ending}), json!({"status": "FAILED"})).await;
    }

    /// Makes the plan of the stored build `b` have these Regions.
    pub(crate) async fn plan_regions(&self, regions: Value) {
        let mut build = serde_json::to_value(self.connection.store.build("b").await.unwrap().unwrap()).unwrap();
        build["plan"]["regions"] = regions;
        self.put("BUILD#b", "META", build).await;
    }

    /// Stores build `b` of image `web/1.0.0/1`, with these attributes of the build and the image.
    async fn build(&self, attributes: Value, image: Value) {
        let plan = json!({"homeRegion": HOME, "source": "ssm:/source", "sourceImage": "ami-0", "architecture": "x86_64", "documents": [], "launch": {"instanceTypes": [],
            "subnets": [], "securityGroups": [], "metadataHopLimit": 1, "tags": {}, "blockDevices": [],
            "keepOnFailureSeconds": 0}, "regions": [], "someRegionsSuffice": false, "tests": [],
            "testTimeoutMinutes": 1, "inputDigest": ""});
        let cause = json!({"kind": "manual", "id": "1"});
        let mut build = json!({"build": "b", "execution": "arn", "pipeline": "web", "image": "web/1.0.0/1", "cause": cause,
                           "status": "closed", "fence": 1, "createdAt": "2026-01-01T00:00:00.000Z", "plan": plan});
        build.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
        self.put("BUILD#b", "META", build).await;
        let mut record = json!({"image": "web/1.0.0/1", "build": "b", "pipeline": "web", "cause": cause,
                                "sourceImage": "ami-0", "inputDigest": "", "createdAt": "2026-01-01T00:00:00.000Z"});
        record.as_object_mut().unwrap().extend(image.as_object().unwrap().clone());
        self.put("IMAGE#web", "V#0000000001.0000000000.0000000000#0000000001", record).await;
        self.put("IMAGES", "web", json!({})).await;
    }
}
