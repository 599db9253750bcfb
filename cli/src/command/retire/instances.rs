//! The instances that a stack's builds have launched. Tags are used to find instances when nothing else of the stack is
//! left. While the stack's table exists, only instances that a build has provably launched are terminated.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use goldsmith_cloud::{CloudError, Instance, Kind, Machines, Tags};
use goldsmith_store::{Proof, Store};
use tokio::time::sleep;

use crate::exit::{Exit, Stop};
use crate::output;
use crate::patience::Patience;
use crate::tags::{TAG_BUILD, TAG_STACK, has_home};
use crate::watch::PAUSE;

/// How often the command checks whether the instances are gone: EC2 may take some minutes.
const LOOKS: u32 = 300;

fn is_denied(error: &anyhow::Error) -> bool {
    error.downcast_ref::<CloudError>().is_some_and(|error| error.kind == Kind::Denied)
}

/// The instances of one stack.
pub(super) struct Instances {
    pub(super) machines: Arc<dyn Machines>,
    /// Name of the stack.
    pub(super) stack: String,
    /// Home Region of the stack.
    pub(super) home: String,
    /// Table of the stack, or `None` if the table is deleted and only tags are known.
    pub(super) store: Option<Store>,
}

impl Instances {
    /// Terminates the instances in these Regions, and deletes the volumes that they leave behind. Returns whether an
    /// instance was still running. Safe to repeat.
    pub(super) async fn end(&self, regions: &BTreeSet<String>) -> Result<bool> {
        let mut any = false;
        for region in regions {
            match self.end_in(region).await {
                // An organization may have switched off a Region in the meantime. Only the stack's home Region must
                // answer.
                Err(error) if *region != self.home && is_denied(&error) => {
                    output::say(&format!(
                        "What is left in {region} stays, because AWS denies access to that Region: {error}"
                    ));
                }
                ended => any |= ended?,
            }
        }
        Ok(any)
    }

    async fn end_in(&self, region: &str) -> Result<bool> {
        let running = self.running(region, &|id| output::say(&stays(id, region))).await?;
        let any = !running.is_empty();
        for instance in running {
            output::say(&format!("Terminating instance {} in {region}", instance.id));
            // A persistent spot request would launch another instance.
            self.machines.end(region, &instance.id, instance.spot_request.as_deref()).await?;
        }
        self.wait_for_the_end(region).await?;
        // The volumes come last: EC2 detaches them only when their instance has ended, and only detached ones are
        // listed here.
        let left = self.machines.volumes_left(region, TAG_STACK, &self.stack).await?;
        for volume in left.into_iter().filter(|volume| self.owns(&volume.tags)) {
            match self.proof(&volume.tags).await? {
                Some(proof) if !proof.has_volume(region, &volume.id) => output::say(&stays(&volume.id, region)),
                _ => self.machines.delete_volume(region, &volume.id).await?,
            }
        }
        Ok(any)
    }

    async fn wait_for_the_end(&self, region: &str) -> Result<()> {
        let mut patience = Patience::default();
        for _ in 0..=LOOKS {
            if patience.take(self.running(region, &|_| ()).await)?.is_some_and(|left| left.is_empty()) {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        let message = format!("instances of the stack {} in {region} do not terminate", self.stack);
        Err(Stop { exit: Exit::Aws, message }.into())
    }

    /// Returns the instances that builds have launched, and reports the others.
    async fn running(&self, region: &str, tell: &(dyn Fn(&str) + Sync)) -> Result<Vec<Instance>> {
        let found = self.machines.tagged(region, TAG_STACK, &self.stack).await?.into_iter();
        let mut running = Vec::new();
        for one in found.filter(|one| !one.state.is_gone() && self.owns(&one.tags)) {
            match self.proof(&one.tags).await? {
                // It may be somebody's server: "Launch more like this" in the console copies the tags of an instance.
                Some(proof) if !proof.has_instance(region, &one.id, &one.token) => tell(&one.id),
                _ => running.push(one),
            }
        }
        Ok(running)
    }

    /// Returns what the build in these tags has made according to the table, or `None` if there is no table.
    async fn proof(&self, tags: &Tags) -> Result<Option<Proof>> {
        let Some(store) = &self.store else { return Ok(None) };
        let record = match tags.get(TAG_BUILD) {
            Some(build) => store.build(build).await?,
            None => None,
        };
        let Some(record) = record else { return Ok(Some(Proof::default())) };
        let effects = store.all_effects(&record.build).await?;
        // The image's record would only prove what is published, which stays.
        Ok(Some(Proof::of(&record, &effects, None)))
    }

    /// Returns whether the tags belong to this stack. A stack with the same name in another Region keeps its instances.
    fn owns(&self, tags: &Tags) -> bool {
        has_home(tags, &self.home)
    }
}

fn stays(id: &str, region: &str) -> String {
    format!(
        "{id} in {region} stays: it has the stack's tags, but no record shows that one of the stack's builds made it"
    )
}
