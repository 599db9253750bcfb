//! Finding and removing what carries a stack's tag and belongs to no build that the stack knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use goldsmith_cloud::{Images, Machines, Tags};
use goldsmith_store::Store;
use serde::Serialize;

use crate::tags::{TAG_STACK, has_home};

/// Tag with the build's id.
const TAG_BUILD: &str = "goldsmith:build";
/// Tag with the image that is built.
const TAG_IMAGE: &str = "goldsmith:image";

/// What kind of resource it is, in the order in which they are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Instance,
    Image,
    Snapshot,
}

/// A resource that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Leftover {
    kind: Kind,
    region: String,
    id: String,
    /// The image whose build made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// The build that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<String>,
}

impl Leftover {
    fn new(kind: Kind, region: &str, id: String, mut tags: Tags) -> Self {
        Self { kind, region: region.to_owned(), id, image: tags.remove(TAG_IMAGE), build: tags.remove(TAG_BUILD) }
    }

    /// Whether it is an AMI or a snapshot, which somebody may use.
    pub(super) fn is_image(&self) -> bool {
        self.kind != Kind::Instance
    }

    /// It for people.
    pub(super) fn row(&self) -> Vec<String> {
        let image = self.image.clone().unwrap_or_default();
        vec![self.region.clone(), crate::render::word(self.kind), self.id.clone(), image]
    }
}

/// Where to look, and for what.
pub(super) struct Leftovers {
    pub(super) machines: Arc<dyn Machines>,
    pub(super) images: Arc<dyn Images>,
    /// The records of the stack, while it lives.
    pub(super) store: Option<Store>,
    /// The stack's name.
    pub(super) stack: String,
    /// Its home Region.
    pub(super) home: String,
}

impl Leftovers {
    /// All leftovers in these Regions, in the order in which they are removed.
    pub(super) async fn find(&self, regions: &BTreeSet<String>) -> Result<Vec<Leftover>> {
        let mut found = Vec::new();
        for region in regions {
            found.extend(self.tagged(region).await?);
        }
        let mut known = BTreeMap::new();
        let mut left = Vec::new();
        for leftover in found {
            if !self.is_known(leftover.build.as_deref(), &mut known).await? {
                left.push(leftover);
            }
        }
        left.sort();
        Ok(left)
    }

    /// Removes them. Safe to repeat: what is gone is no error.
    pub(super) async fn remove(&self, leftovers: &[Leftover]) -> Result<()> {
        for Leftover { kind, region, id, .. } in leftovers {
            match kind {
                Kind::Instance => self.machines.terminate(region, id).await?,
                Kind::Image => self.images.deregister(region, id).await?,
                Kind::Snapshot => self.images.delete_snapshot(region, id).await?,
            }
        }
        Ok(())
    }

    async fn tagged(&self, region: &str) -> Result<Vec<Leftover>> {
        let mut found = Vec::new();
        for instance in self.machines.tagged(region, TAG_STACK, &self.stack).await? {
            if !instance.state.is_gone() && self.owns(&instance.tags) {
                found.push(Leftover::new(Kind::Instance, region, instance.id, instance.tags));
            }
        }
        let mut with_image = BTreeSet::new();
        for image in self.images.tagged(region, TAG_STACK, &self.stack).await? {
            with_image.extend(image.snapshots);
            if self.owns(&image.tags) {
                found.push(Leftover::new(Kind::Image, region, image.id, image.tags));
            }
        }
        for snapshot in self.images.snapshots_tagged(region, TAG_STACK, &self.stack).await? {
            // Those of an image go with it.
            if !with_image.contains(&snapshot.id) && self.owns(&snapshot.tags) {
                found.push(Leftover::new(Kind::Snapshot, region, snapshot.id, snapshot.tags));
            }
        }
        Ok(found)
    }

    /// Whether a resource of a stack of this name is of this very one.
    fn owns(&self, tags: &Tags) -> bool {
        has_home(tags, &self.home)
    }

    /// Whether the stack lives and knows the build; each is asked for once.
    async fn is_known(&self, build: Option<&str>, known: &mut BTreeMap<String, bool>) -> Result<bool> {
        let (Some(store), Some(build)) = (&self.store, build) else { return Ok(false) };
        if let Some(known) = known.get(build) {
            return Ok(*known);
        }
        let there = store.build(build).await?.is_some();
        known.insert(build.to_owned(), there);
        Ok(there)
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{FakeCloud, HOME};
    use goldsmith_cloud::{Images, Launch, Machines, MetadataOptions, NewImage};
    use serde_json::json;

    use super::*;
    use crate::tags::TAG_HOME;
    use crate::testing::Stack;

    /// A stack is its name, and its home after an `@` where that is not [`HOME`].
    fn tags(stack: &str, build: &str) -> Tags {
        let (stack, home) = stack.split_once('@').unwrap_or((stack, HOME));
        let tags = [(TAG_STACK, stack), (TAG_HOME, home), (TAG_BUILD, build), (TAG_IMAGE, "web/1.0.0/1")];
        tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// An instance, and an AMI of another one that is gone.
    async fn leave(cloud: &FakeCloud, region: &str, stack: &str, build: &str) {
        let source = cloud.add_image(region, "amazon", &format!("al2023 {stack} {build}"));
        let mut ids = Vec::new();
        for token in ["1", "2"] {
            let launch = Launch {
                token: format!("{stack}{build}{token}"),
                image: source.clone(),
                instance_type: "t3.small".to_owned(),
                subnet: None,
                security_groups: vec![],
                instance_profile: None,
                metadata: MetadataOptions { tokens_required: true, hop_limit: 1 },
                tags: tags(stack, build),
                block_devices: vec![],
                user_data: None,
            };
            ids.push(cloud.launch(region, &launch).await.unwrap().id);
        }
        cloud.settle();
        Machines::stop(cloud, region, &ids[0]).await.unwrap();
        cloud.settle();
        let image = NewImage {
            name: format!("web {stack} {build}"),
            description: String::new(),
            instance: ids[0].clone(),
            tags: tags(stack, build),
            block_devices: vec![],
        };
        cloud.create(region, &image).await.unwrap();
        cloud.settle();
        cloud.terminate(region, &ids[0]).await.unwrap();
        cloud.settle();
    }

    fn leftovers(cloud: &FakeCloud, store: Option<Store>) -> Leftovers {
        let cloud = Arc::new(cloud.clone());
        Leftovers { machines: cloud.clone(), images: cloud, store, stack: "one".to_owned(), home: HOME.to_owned() }
    }

    fn regions() -> BTreeSet<String> {
        [HOME.to_owned(), "us-east-1".to_owned()].into()
    }

    fn told(found: &[Leftover]) -> Vec<String> {
        found
            .iter()
            .map(|one| format!("{:?} {} {}", one.kind, one.region, one.build.clone().unwrap_or_default()))
            .collect()
    }

    #[tokio::test]
    async fn a_dead_stack_leaves_nothing_and_other_stacks_keep_theirs() {
        let cloud = FakeCloud::new();
        leave(&cloud, HOME, "one", "a").await;
        leave(&cloud, "us-east-1", "one", "b").await;
        leave(&cloud, HOME, "two", "c").await;
        let leftovers = leftovers(&cloud, None);
        let found = leftovers.find(&regions()).await.unwrap();
        let expected = ["Instance eu-west-1 a", "Instance us-east-1 b", "Image eu-west-1 a", "Image us-east-1 b"];
        assert_eq!(told(&found), expected);
        assert_eq!(found.iter().filter(|one| one.is_image()).count(), 2);
        for _ in 0..2 {
            leftovers.remove(&found).await.unwrap();
        }
        cloud.settle();
        assert!(leftovers.find(&regions()).await.unwrap().is_empty());
        let home = cloud.inventory().region(HOME);
        assert_eq!((home.instances.len(), home.images.len(), home.snapshots.len()), (1, 1, 1), "stack two's");
        assert!(cloud.inventory().region("us-east-1").instances.is_empty());
    }

    #[tokio::test]
    async fn a_stack_of_the_same_name_in_another_region_keeps_its_own() {
        let cloud = FakeCloud::new();
        leave(&cloud, HOME, "one", "a").await;
        // At home, and what it has copied here.
        leave(&cloud, "us-east-1", "one@us-east-1", "b").await;
        leave(&cloud, HOME, "one@us-east-1", "c").await;
        let found = leftovers(&cloud, None).find(&regions()).await.unwrap();
        assert_eq!(told(&found), ["Instance eu-west-1 a", "Image eu-west-1 a"]);
        let there = Leftovers { home: "us-east-1".to_owned(), ..leftovers(&cloud, None) };
        let found = there.find(&regions()).await.unwrap();
        let expected = ["Instance eu-west-1 c", "Instance us-east-1 b", "Image eu-west-1 c", "Image us-east-1 b"];
        assert_eq!(told(&found), expected);
    }

    #[tokio::test]
    async fn what_a_living_stack_knows_is_left_to_it() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "AVAILABLE"})).await; // build `b`
        for build in ["a", "b"] {
            leave(&stack.cloud, HOME, "one", build).await;
        }
        let found = leftovers(&stack.cloud, Some(stack.connection.store.clone())).find(&regions()).await.unwrap();
        assert_eq!(told(&found), ["Instance eu-west-1 a", "Image eu-west-1 a"]);
    }

    #[tokio::test]
    async fn a_snapshot_without_its_image_is_found() {
        let cloud = FakeCloud::new();
        leave(&cloud, HOME, "one", "a").await;
        let leftovers = leftovers(&cloud, None);
        let snapshots = cloud.snapshots_tagged(HOME, TAG_STACK, "one").await.unwrap();
        let json =
            json!({"kind": "snapshot", "region": HOME, "id": snapshots[0].id, "image": "web/1.0.0/1", "build": "a"});
        let lone = Leftover::new(Kind::Snapshot, HOME, snapshots[0].id.clone(), snapshots[0].tags.clone());
        assert_eq!(serde_json::to_value(&lone).unwrap(), json);
        assert_eq!(lone.row(), [HOME, "snapshot", &snapshots[0].id, "web/1.0.0/1"]);
        assert!(leftovers.find(&regions()).await.unwrap().iter().all(|one| one.kind != Kind::Snapshot));
    }
}
