//! Images of earlier builds in the table, as publish has left them: for the tests of what becomes of them.

use goldsmith_cloud::fake::HOME;
use goldsmith_model::definitions::{Draft, SourceFile};
use goldsmith_store::{Key, Table as _};
use serde_json::{Value, json};

use super::Stack;
use crate::life::References;

/// Returns the sort key of an image of version 1.0.0.
pub(crate) fn sort_key(number: u32) -> String {
    format!("V#0000000001.0000000000.0000000000#{number:010}")
}

/// Returns the record of an available image, with these attributes.
pub(crate) fn image_record(name: &str, number: u32, more: &Value) -> Value {
    let mut record = json!({"image": format!("{name}/1.0.0/{number}"), "build": format!("{name}-{number}"), "pipeline": name,
                            "cause": {"kind": "manual", "id": "1"}, "status": "AVAILABLE", "sourceImage": "ami-0",
                            "inputDigest": "", "createdAt": ""});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

impl Stack {
    /// The means to find what refers to an image.
    pub(crate) fn references(&self) -> References {
        let cloud = self.cloud.cloud();
        References::new(cloud.images, cloud.parameters, self.store(), HOME, Some("images"))
    }

    /// Stores definitions.
    pub(crate) async fn apply(&self, text: &str) {
        let files = [SourceFile { path: "all.yml".to_owned(), text: text.to_owned() }];
        let draft = Draft::read(&files, &|_| Ok(String::new()));
        let definitions = draft.check_alone().map_err(|found| found.to_string()).unwrap();
        self.store().apply(&definitions).await.unwrap();
    }

    /// Puts a record into the table.
    pub(crate) async fn put(&self, pk: &str, sk: &str, mut record: Value) {
        (record["pk"], record["sk"]) = (json!(pk), json!(sk));
        self.put_item(record).await;
    }

    /// Stores an image of the pipeline `web`.
    pub(crate) async fn put_image(&self, number: u32, more: &Value) {
        self.put("IMAGE#web", &sort_key(number), image_record("web", number, more)).await;
        self.put("IMAGES", "web", json!({})).await;
    }

    /// Stores build `b` of image `web/1.0.0/1`, which is closed, with these attributes of its image.
    pub(crate) async fn closed_build(&self, image: Value) {
        let plan = json!({"homeRegion": HOME, "source": "ssm:/source", "sourceImage": "ami-0", "architecture": "x86_64",
                          "documents": [], "launch": {"instanceTypes": [], "subnets": [], "securityGroups": [],
                          "metadataHopLimit": 1, "tags": {}, "blockDevices": [], "keepOnFailureSeconds": 0},
                          "regions": [], "someRegionsSuffice": false, "tests": [], "testTimeoutMinutes": 1,
                          "inputDigest": ""});
        let build = json!({"build": "b", "execution": "arn", "pipeline": "web", "image": "web/1.0.0/1",
                           "cause": {"kind": "manual", "id": "1"}, "status": "closed", "fence": 1,
                           "createdAt": "2026-01-01T00:00:00.000Z", "plan": plan});
        self.put("BUILD#b", "META", build).await;
        let mut record = json!({"build": "b", "createdAt": "2026-01-01T00:00:00.000Z"});
        record.as_object_mut().unwrap().extend(image.as_object().unwrap().clone());
        self.put_image(1, &record).await;
    }

    /// Stores a build like build `b`, with this plan for its Regions.
    pub(crate) async fn planned_build(&self, id: &str, regions: &Value) {
        let key = Key { pk: "BUILD#b".to_owned(), sk: "META".to_owned() };
        let mut build = Value::Object(self.table.get(&key).await.unwrap().unwrap());
        (build["build"], build["plan"]["regions"]) = (json!(id), regions.clone());
        self.put(&format!("BUILD#{id}"), "META", build).await;
    }

    /// Lets the plan of the stored build `b` have these Regions.
    pub(crate) async fn plan_regions(&self, regions: Value) {
        self.planned_build("b", &regions).await;
    }
}
