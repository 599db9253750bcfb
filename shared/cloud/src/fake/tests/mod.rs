//! Tests the fake's own rules, one test for each rule.

mod commands;
mod executions;
mod faults;
mod images;
mod machines;
mod spot;
mod stores;

use super::{FakeCloud, HOME};
use crate::{
    BlockDevice, Cloud, Command, Image, ImageCopy, Instance, InstanceState, Kind, Launch, NewImage, Result, Tags,
};

const OTHER: &str = "us-east-1";

fn tags() -> Tags {
    Tags::from([("goldsmith:build".to_owned(), "web-1".to_owned())])
}

/// A fake with a source image.
fn fake() -> (FakeCloud, Cloud, String) {
    let fake = FakeCloud::new();
    let source = fake.add_image(HOME, "amazon", "al2023-ami-2023.9");
    (fake.clone(), fake.cloud(), source)
}

fn launch(token: &str, image: &str) -> Launch {
    Launch { subnet: Some("subnet-a".to_owned()), ..super::launch(token, image, tags()) }
}

/// A fake with an instance that is online.
async fn online() -> (FakeCloud, Cloud, String) {
    let (fake, cloud, source) = fake();
    let instance = cloud.machines.launch(HOME, &launch("t", &source)).await.unwrap();
    fake.settle();
    (fake, cloud, instance.id)
}

fn new_image(name: &str, instance: &str) -> NewImage {
    NewImage {
        name: name.to_owned(),
        description: String::new(),
        instance: instance.to_owned(),
        uefi_only: false,
        tags: tags(),
        block_devices: Vec::new(),
    }
}

fn copy_of(image: &str, token: &str, name: &str) -> ImageCopy {
    ImageCopy {
        token: token.to_owned(),
        source_region: HOME.to_owned(),
        source_image: image.to_owned(),
        name: name.to_owned(),
        description: String::new(),
        kms_key_id: None,
        tags: tags(),
    }
}

fn command(instance: &str, comment: &str) -> Command {
    Command {
        instance: instance.to_owned(),
        comment: comment.to_owned(),
        script: "true".to_owned(),
        timeout_seconds: 3600,
        log_group: "/goldsmith/test/builds".to_owned(),
    }
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> Kind {
    result.unwrap_err().kind
}

async fn instance(cloud: &Cloud, id: &str) -> Instance {
    cloud.machines.instance(HOME, id).await.unwrap().unwrap()
}

async fn state(cloud: &Cloud, id: &str) -> InstanceState {
    instance(cloud, id).await.state
}

async fn image(cloud: &Cloud, region: &str, id: &str) -> Image {
    cloud.images.image(region, id).await.unwrap().unwrap()
}
