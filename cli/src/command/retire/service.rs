//! Takes a stack out of service while its functions still run, so that each build cleans up after itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use goldsmith_cloud::{Instance, Machines, Tags};
use goldsmith_store::{BuildStatus, Retirement};
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use crate::command::{cancel, schedules};
use crate::connection::Connection;
use crate::exit::{Exit, Stop};
use crate::output;
use crate::tags::{TAG_STACK, has_home};
use crate::watch::{PAUSE, Patience};

/// Cause of an execution that was stopped here, for people.
const CAUSE: &str = "stopped with `goldsmith retire`";
/// Rounds of stopping what runs.
const ROUNDS: u32 = 20;
/// Looks in a row in which nothing runs: the list of executions is eventually consistent (Step Functions API reference,
/// ListExecutions), as the table's index is, so that a build that began just before the retirement may show a little later.
const QUIET_LOOKS: u32 = 3;
/// Between two looks.
const BETWEEN: Duration = Duration::from_secs(2);
/// Looks for instances to be gone: EC2 takes up to some minutes.
const LOOKS: u32 = 300;
/// Builds are listed by the time at which they are to be looked at: all are, before this one.
const ALWAYS: SignedDuration = SignedDuration::from_hours(24 * 365 * 10);

/// A stack in service.
pub(super) struct Service<'a> {
    pub(super) connection: &'a Connection,
    pub(super) machines: Arc<dyn Machines>,
    /// How to call Goldsmith again for the same stack.
    pub(super) again: String,
    /// How it was deployed.
    pub(super) retirement: Retirement,
}

impl Service<'_> {
    /// Ends it: nothing starts a build any more, none runs, and no instance of one is left. Safe to repeat.
    pub(super) async fn end(&self) -> Result<()> {
        self.connection.store.retire(Timestamp::now(), &self.retirement).await?;
        schedules::remove(self.connection).await?;
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            let builds = self.builds().await?;
            quiet = if builds.is_empty() { quiet + 1 } else { 0 };
            if quiet == QUIET_LOOKS {
                return self.end_instances().await;
            }
            self.stop(&builds).await?;
            sleep(BETWEEN).await;
        }
        let message =
            format!("builds of the stack {} go on: `{} images` lists them", self.connection.stack, self.again);
        Err(Stop { exit: Exit::Aws, message }.into())
    }

    /// Ids of the builds that run or are not closed.
    async fn builds(&self) -> Result<BTreeSet<String>> {
        let running = self.connection.executions.running(&self.connection.state_machine).await?;
        let open = self.connection.store.open_builds(Timestamp::now() + ALWAYS).await?;
        let open = open.into_iter().filter(|record| record.status != BuildStatus::Closed).map(|record| record.build);
        Ok(running.into_iter().chain(open).collect())
    }

    /// Stops all of them first, since each takes a while to clean up. What has ended by itself is no error.
    async fn stop(&self, builds: &BTreeSet<String>) -> Result<()> {
        for build in builds {
            output::say(&format!("Stopping build {build}"));
            let recorded = self.connection.store.build(build).await?.map(|record| record.execution);
            let arn = recorded.unwrap_or_else(|| self.connection.execution_arn(build));
            self.connection.executions.stop(&arn, cancel::ERROR, CAUSE).await?;
        }
        for build in builds {
            cancel::closed(self.connection, build, &self.again).await?;
        }
        Ok(())
    }

    /// Ends what failed builds keep for a while, and removes the volumes that they leave.
    async fn end_instances(&self) -> Result<()> {
        for region in self.regions().await? {
            for instance in self.instances(&region).await? {
                output::say(&format!("Ending instance {} in {region}", instance.id));
                self.machines.terminate(&region, &instance.id).await?;
            }
            let mut patience = Patience::default();
            for look in 0.. {
                let left = patience.take(self.instances(&region).await)?;
                if left.is_some_and(|left| left.is_empty()) {
                    break;
                }
                if look == LOOKS {
                    let message = format!("instances of the stack {} in {region} do not end", self.connection.stack);
                    return Err(Stop { exit: Exit::Aws, message }.into());
                }
                sleep(PAUSE).await;
            }
            let left = self.machines.volumes_left(&region, TAG_STACK, &self.connection.stack).await?;
            for volume in left.into_iter().filter(|volume| self.owns(&volume.tags)) {
                self.machines.delete_volume(&region, &volume.id).await?;
            }
        }
        Ok(())
    }

    async fn regions(&self) -> Result<BTreeSet<String>> {
        let used = self.connection.store.regions().await?.into_iter();
        Ok(used.chain([self.connection.region.clone()]).collect())
    }

    async fn instances(&self, region: &str) -> Result<Vec<Instance>> {
        let found = self.machines.tagged(region, TAG_STACK, &self.connection.stack).await?.into_iter();
        Ok(found.filter(|one| !one.state.is_gone() && self.owns(&one.tags)).collect())
    }

    /// A stack of the same name in another Region keeps its own.
    fn owns(&self, tags: &Tags) -> bool {
        has_home(tags, &self.connection.region)
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{ExecutionStatus, Executions, Kind, Launch, MetadataOptions};
    use serde_json::json;

    use super::*;
    use crate::tags::TAG_HOME;
    use crate::testing::{STATE_MACHINE, Stack};

    fn service(stack: &Stack) -> Service<'_> {
        Service {
            connection: &stack.connection,
            machines: Arc::new(stack.cloud.clone()),
            again: "goldsmith".to_owned(),
            retirement: Retirement { stack: "goldsmith".to_owned(), ..Retirement::default() },
        }
    }

    /// An instance as a failed build of the stack with this home keeps it; its id.
    async fn kept(stack: &Stack, home: &str) -> String {
        let image = stack.cloud.add_image(HOME, "amazon", "source");
        stack.cloud.launch(HOME, &launch(home, image)).await.unwrap().id
    }

    fn launch(home: &str, image: String) -> Launch {
        let tags = [(TAG_STACK, "goldsmith"), (TAG_HOME, home)];
        Launch {
            token: format!("kept-{home}"),
            image,
            instance_type: "t3.small".to_owned(),
            subnet: None,
            security_groups: vec![],
            instance_profile: None,
            metadata: MetadataOptions { tokens_required: true, hop_limit: 1 },
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            block_devices: vec![],
            user_data: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_builds_keep_goes_and_what_another_home_has_stays() {
        let stack = Stack::new();
        let (ours, theirs) = (kept(&stack, HOME).await, kept(&stack, "us-east-1").await);
        for _ in 0..2 {
            service(&stack).end().await.unwrap();
        }
        assert!(stack.connection.store.is_retired().await.unwrap());
        let state = async |id: &str| stack.cloud.instance(HOME, id).await.unwrap().map(|one| one.state);
        assert!(state(&ours).await.is_none_or(|state| state.is_gone()));
        assert!(state(&theirs).await.is_some_and(|state| !state.is_gone()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_build_is_stopped_and_its_end_awaited() {
        let stack = Stack::new();
        let arn = stack.connection.execution_arn("b");
        Executions::start(&stack.cloud, STATE_MACHINE, "b", "{}").await.unwrap();
        stack.open_build(&arn).await;
        let closing = stack.again();
        let close = async move {
            while closing.cloud.execution(&arn).await.unwrap().unwrap().status == ExecutionStatus::Running {
                tokio::time::sleep(PAUSE).await;
            }
            closing.closed_build(json!({"status": "CANCELLED"})).await;
        };
        let ended = service(&stack);
        let (ended, ()) = tokio::join!(ended.end(), close);
        ended.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_at_each_effect_leaves_a_retirement_that_can_be_repeated() {
        for operation in ["TerminateInstances", "StopExecution"] {
            let stack = Stack::new();
            kept(&stack, HOME).await;
            Executions::start(&stack.cloud, STATE_MACHINE, "early", "{}").await.unwrap();
            stack.cloud.fail_next(operation, Fault::Refuse(Kind::Denied));
            let error = service(&stack).end().await.unwrap_err().to_string();
            assert!(error.contains(operation), "{operation}: {error}");
            assert!(stack.connection.store.is_retired().await.unwrap());
            service(&stack).end().await.unwrap();
        }
    }
}
