//! Takes a stack out of service while its functions still run, so that each build cleans up after itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use goldsmith_cloud::Images;
use goldsmith_store::{BuildStatus, Retirement};
use jiff::{SignedDuration, Timestamp};
use tokio::time::sleep;

use super::checkpoints;
use super::instances::Instances;
use crate::command::cancel;
use crate::connection::Connection;
use crate::exit::{Exit, Stop};
use crate::{output, schedules};

/// Cause of an execution that this command stopped, as text for people.
pub(super) const CAUSE: &str = "stopped with `goldsmith retire`";
/// How many times running builds are stopped.
const ROUNDS: u32 = 20;
/// How many checks in a row must find nothing running. The list of executions is eventually consistent (Step
/// Functions API reference, ListExecutions), and so is the table's index, so a build that began just before the
/// retirement may show up a little later.
const QUIET_LOOKS: u32 = 3;
/// Time between two checks.
const BETWEEN: Duration = Duration::from_secs(2);
/// The index lists builds by the time of their next check. Every build is due within this time.
const ALWAYS: SignedDuration = SignedDuration::from_hours(24 * 365 * 10);

/// A stack in service.
pub(super) struct Service<'a> {
    pub(super) connection: &'a Connection,
    pub(super) instances: Instances,
    pub(super) images: Arc<dyn Images>,
    /// The call of Goldsmith for the same stack.
    pub(super) again: String,
    /// How the stack was deployed.
    pub(super) retirement: Retirement,
}

impl Service<'_> {
    /// Begins to take the stack out of service: from here on, nothing starts a build. If a retirement had already
    /// begun, this call continues it.
    pub(super) async fn begin(&self) -> Result<()> {
        Ok(self.connection.store.retire(Timestamp::now(), &self.retirement).await?)
    }

    /// Takes the stack out of service after `begin`. Afterwards, no build is running, and no instance of a build is
    /// left. Safe to repeat.
    pub(super) async fn end(&self) -> Result<()> {
        schedules::remove(self.connection).await?;
        let mut quiet = 0;
        for _ in 0..ROUNDS {
            let builds = self.builds().await?;
            quiet = if builds.is_empty() { quiet + 1 } else { 0 };
            if quiet == QUIET_LOOKS {
                self.end_instances().await?;
                let Instances { stack, home, .. } = &self.instances;
                return checkpoints::end(&*self.images, &self.connection.store, stack, home).await;
            }
            self.stop(&builds).await?;
            sleep(BETWEEN).await;
        }
        let message = format!(
            "builds of the stack {} are still running: `{} images` lists them",
            self.connection.stack, self.again
        );
        Err(Stop { exit: Exit::Aws, message }.into())
    }

    /// Returns the ids of the builds that are running or not closed.
    async fn builds(&self) -> Result<BTreeSet<String>> {
        let running = self.connection.executions.running(&self.connection.state_machine).await?;
        // The execution of a stopped build ends before Finish has closed the build, and its instances run until then.
        let open = self.connection.store.open_builds(Timestamp::now() + ALWAYS).await?;
        let open = open.into_iter().filter(|record| record.status != BuildStatus::Closed).map(|record| record.build);
        Ok(running.into_iter().chain(open).collect())
    }

    /// Stops all builds first, because each of them needs some time to clean up. It is no error if a build has ended by
    /// itself.
    async fn stop(&self, builds: &BTreeSet<String>) -> Result<()> {
        for build in builds {
            output::say(&format!("Stopping build {build}"));
            // An execution that Plan has not opened a build for yet has no record.
            let recorded = self.connection.store.build(build).await?.map(|record| record.execution);
            let arn = recorded.unwrap_or_else(|| self.connection.execution_arn(build));
            self.connection.executions.stop(&arn, cancel::ERROR, CAUSE).await?;
        }
        for build in builds {
            cancel::closed(self.connection, build, &self.again).await?;
        }
        Ok(())
    }

    /// Terminates the instances that failed builds keep for a while, and all other instances that are still running.
    pub(super) async fn end_instances(&self) -> Result<()> {
        self.instances.end(&self.regions().await?).await?;
        Ok(())
    }

    async fn regions(&self) -> Result<BTreeSet<String>> {
        let used = self.connection.store.regions().await?.into_iter();
        Ok(used.chain([self.connection.region.clone()]).collect())
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME, launch};
    use goldsmith_cloud::{ExecutionStatus, Executions, Kind, Machines, TAG_STATUS};
    use serde_json::json;

    use super::*;
    use crate::tags::{TAG_BUILD, TAG_HOME, TAG_STACK};
    use crate::testing::{STATE_MACHINE, Stack};
    use crate::watch::PAUSE;

    fn service(stack: &Stack) -> Service<'_> {
        Service {
            connection: &stack.connection,
            instances: Instances {
                machines: Arc::new(stack.cloud.clone()),
                stack: "goldsmith".to_owned(),
                home: HOME.to_owned(),
                store: Some(stack.connection.store.clone()),
            },
            images: Arc::new(stack.cloud.clone()),
            again: "goldsmith".to_owned(),
            retirement: Retirement { stack: "goldsmith".to_owned(), ..Retirement::default() },
        }
    }

    async fn retire(stack: &Stack) -> Result<()> {
        let service = service(stack);
        service.begin().await?;
        service.end().await
    }

    /// Adds an instance that a failed build of the stack with this home Region keeps, and returns its id.
    async fn kept(stack: &Stack, home: &str) -> String {
        let token = format!("kept-{home}");
        let effect = json!({"scope": "Launch", "n": 0, "kind": "instance", "region": HOME, "name": token});
        stack.closed_build(json!({"status": "FAILED"})).await;
        stack.put("BUILD#b", &format!("EFFECT#{home}"), effect).await;
        tagged(stack, home, &token).await
    }

    /// Adds an instance with the tags of a build of the stack with this home Region, and returns its id.
    async fn tagged(stack: &Stack, home: &str, token: &str) -> String {
        let image = stack.cloud.add_image(HOME, "amazon", "source");
        let tags = [(TAG_STACK, "goldsmith"), (TAG_HOME, home), (TAG_BUILD, "b")];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        stack.cloud.launch(HOME, &launch(token, image, tags)).await.unwrap().id
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_builds_keep_goes_and_what_another_home_has_stays() {
        let stack = Stack::new();
        let (ours, theirs) = (kept(&stack, HOME).await, kept(&stack, "us-east-1").await);
        let somebodys = tagged(&stack, HOME, "launched like it by hand").await;
        for _ in 0..2 {
            retire(&stack).await.unwrap();
        }
        assert!(stack.connection.store.is_retired().await.unwrap());
        let state = async |id: &str| stack.cloud.instance(HOME, id).await.unwrap().map(|one| one.state);
        assert!(state(&ours).await.is_none_or(|state| state.is_gone()));
        for other in [theirs, somebodys] {
            assert!(state(&other).await.is_some_and(|state| !state.is_gone()));
        }
    }

    /// Adds an AMI with the tags of a build of the stack and this status, and returns its id.
    fn image(stack: &Stack, name: &str, status: &str) -> String {
        let id = stack.cloud.add_image(HOME, "self", name);
        let tags = [(TAG_STACK, "goldsmith"), (TAG_HOME, HOME), (TAG_BUILD, "b"), (TAG_STATUS, status)];
        let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned()));
        stack.cloud.edit_image(HOME, &id, |image| image.tags = tags.into());
        id
    }

    #[tokio::test(start_paused = true)]
    async fn checkpoints_go_and_what_only_has_their_tags_stays() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "AVAILABLE"})).await;
        // Whoever may tag can call each of them a checkpoint.
        let [ours, planted, published] =
            ["goldsmith checkpoint b", "planted", "web 1.0.0-1"].map(|name| image(&stack, name, "checkpoint"));
        for (scope, kind, id) in [("Checkpoint", "checkpoint", &ours), ("Snapshot", "image", &published)] {
            let effect = json!({"scope": scope, "n": 0, "kind": kind, "region": HOME, "name": "x", "id": id});
            stack.put("BUILD#b", &format!("EFFECT#{scope}#000"), effect).await;
        }
        stack.cloud.fail_next("DeregisterImage", Fault::Refuse(Kind::Denied));
        for _ in 0..2 {
            retire(&stack).await.unwrap();
        }
        let left: Vec<String> = stack.cloud.inventory().region(HOME).images.into_keys().collect();
        assert!(!left.contains(&ours) && left.contains(&planted) && left.contains(&published), "{left:?}");
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
        let (ended, ()) = tokio::join!(retire(&stack), close);
        ended.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_at_each_effect_leaves_a_retirement_that_can_be_repeated() {
        for operation in ["TerminateInstances", "StopExecution"] {
            let stack = Stack::new();
            kept(&stack, HOME).await;
            Executions::start(&stack.cloud, STATE_MACHINE, "early", "{}").await.unwrap();
            stack.cloud.fail_next(operation, Fault::Refuse(Kind::Denied));
            let error = retire(&stack).await.unwrap_err().to_string();
            assert!(error.contains(operation), "{operation}: {error}");
            assert!(stack.connection.store.is_retired().await.unwrap());
            retire(&stack).await.unwrap();
        }
    }
}
