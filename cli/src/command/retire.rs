//! `goldsmith retire`: removes a stack in an order that leaves nothing behind, and keeps what people need.

mod checkpoints;
mod come_back;
mod instances;
mod remains;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use goldsmith_cloud::aws::{SdkConfig, home_region};
use goldsmith_cloud_account::{Artifacts, Stack, Stacks, caller};
use goldsmith_cloud_ec2::Ec2;
use goldsmith_store::{ImageStatus, Retirement, Store};
use serde::Serialize;

use crate::args::Globals;
use crate::ask::consents;
use crate::connection::{self, Connection};
use crate::deployment::Deployment;
use crate::deployment::progress::{Pace, Progress};
use crate::exit::{Exit, Stop, invalid};
use crate::output::{self, Show};
use crate::render::count;
use crate::{hold, ours, version};
use instances::Instances;
use service::Service;

/// Remove a stack, but keep its table, its bucket and its images.
///
/// First removes the schedules, cancels running builds, terminates kept instances and removes checkpoints. Then
/// CloudFormation deletes the stack. The table, the bucket and the images of the stack stay, and the last lines of the
/// output say how to remove each of them. A new stack can continue with the table: see `goldsmith deploy --table`. Safe to
/// repeat.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Remove without asking.
    #[arg(long)]
    yes: bool,
}

/// What stays after a retirement, as `--output json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Left {
    stack: String,
    region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    /// Parameters whose values differ from the template's defaults.
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    /// Number of images that have an AMI, or `None` if it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<usize>,
    /// The bucket from which the stack was deployed. Other stacks in the account and Region use it too.
    artifacts: String,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let config = connection::config(globals).await?;
    let stacks = Stacks::new(&config);
    let Some(stack) = stacks.find(&globals.stack).await? else {
        let left = come_back::left_by(globals, &config).await;
        let (name, region, again) = (&globals.stack, home_region(&config), globals.again());
        return Err(invalid(format!(
            "there is no stack {name} in {region}: `{again} clean` finds what it has left{left}"
        )));
    };
    ours::refuse_a_strangers(&stacks, &globals.stack, &stack, "nothing was removed").await?;
    if stack.is_protected {
        let unprotect = "update-termination-protection --no-enable-termination-protection";
        let (aws, name) = (globals.aws(), &globals.stack);
        return Err(invalid(format!(
            "the stack {name} is protected from deletion, and nothing was removed: `{aws} cloudformation {unprotect} \
             --stack-name {name}` turns the protection off"
        )));
    }
    // This is read while the stack exists: CloudFormation does not find a deleted stack by its name.
    let retirement = come_back::as_deployed(&stacks, &globals.stack, &stack).await?;
    let mut left = Left {
        stack: globals.stack.clone(),
        parameters: retirement.parameters.clone(),
        tags: retirement.tags.clone(),
        region: home_region(&config),
        table: None,
        bucket: None,
        images: None,
        artifacts: Artifacts::new(&config, &caller(&config).await?).bucket().to_owned(),
    };
    let connection = remains::connection(&config, &globals.stack).await?;
    if let Some(connection) = &connection {
        let images = images(connection).await?;
        left.images = Some(images);
        tell(globals, connection, images).await?;
    }
    if !consents(&format!("Remove the stack {}?", globals.stack), "nothing was removed", args.yes)? {
        output::say("Nothing was removed.");
        return Ok(Exit::Success);
    }
    let removal = Removal { config: &config, stacks: &stacks, globals, stack: &stack };
    let connection = match connection {
        // A first deployment may be running, whose last steps create the parameter.
        None if stack.is_busy() && removal.settled().await? => remains::connection(&config, &globals.stack).await?,
        found => found,
    };
    match &connection {
        Some(connection) => removal.of_service(connection, retirement).await?,
        None => removal.of_remains().await?,
    }
    // This comes last, because the call may have waited for a first deployment or for another removal.
    let kept = ours::kept(&stacks, &stack).await;
    (left.table, left.bucket) = (kept.table, kept.bucket);
    output::show(globals, &left)?;
    Ok(Exit::Success)
}

/// Returns how many images have AMIs.
async fn images(connection: &Connection) -> Result<usize> {
    let mut images = 0;
    for name in connection.store.image_names().await? {
        let all = connection.store.images(&name).await?;
        images += all.iter().filter(|image| image.status == ImageStatus::Available && !image.amis.is_empty()).count();
    }
    Ok(images)
}

/// Prints what will happen.
async fn tell(globals: &Globals, connection: &Connection, images: usize) -> Result<()> {
    if let Some(note) = version::differs(&connection.stack, connection.version.as_deref(), &globals.again()) {
        output::say(&note);
    }
    let running = connection.executions.running(&connection.state_machine).await?.len();
    let pipelines = connection.store.pipeline_names().await?.len();
    output::say(&format!(
        "The stack {} in {} has {} and {}, which stay; {running} of its builds are running. Its logs, alarms and undelivered events are deleted.",
        globals.stack,
        connection.region,
        count(pipelines, "pipeline"),
        count(images, "image"),
    ));
    Ok(())
}

/// How often the deletion is repeated because an instance was launched in the meantime: a function runs for at most two
/// minutes.
const LATE_LAUNCHES: usize = 3;

/// The removal of one stack.
struct Removal<'a> {
    config: &'a SdkConfig,
    stacks: &'a Stacks,
    globals: &'a Globals,
    stack: &'a Stack,
}

impl Removal<'_> {
    /// Removes a stack that can be in service. The mark is written first: this call waits for a deployment that began
    /// before the mark, and a later deployment is rejected.
    async fn of_service(&self, connection: &Connection, retirement: Retirement) -> Result<()> {
        let (store, holder) = (&connection.store, retirement.holder.clone());
        let (instances, images) = (self.instances(Some(store)), Arc::new(Ec2::new(self.config)));
        let service = Service { connection, instances, images, again: self.globals.again(), retirement };
        service.begin().await?;
        let end = async {
            let is_there = self.settled().await?;
            if is_there {
                service.end().await?;
            }
            Ok(is_there)
        };
        if hold::held(store, &holder, end).await? {
            hold::still_held(store, &holder).await?;
            self.delete().await?;
        }
        self.sweep(&service, &holder).await
    }

    /// Terminates the instances of builds that began during the deletion, after a deployment by an older program:
    /// nothing else would terminate them afterwards.
    async fn sweep(&self, service: &Service<'_>, holder: &str) -> Result<()> {
        let is_new = self.stacks.find(&self.globals.stack).await?.is_some();
        // A new stack may have taken over the table already, and its instances have the same tags.
        if is_new || hold::still_held(&service.connection.store, holder).await.is_err() {
            return Ok(());
        }
        service.end_instances().await
    }

    /// Removes a stack whose parameter or table is missing.
    async fn of_remains(&self) -> Result<()> {
        if !self.settled().await? {
            return Ok(());
        }
        if !self.stack.is_proposed() {
            let regions = Ec2::new(self.config).regions(&home_region(self.config)).await?;
            remains::end(self.config, self.stack, &self.instances(None), &regions).await?;
            return self.delete_after_the_last(&regions.into_iter().collect()).await;
        }
        self.delete().await
    }

    /// Deletes the stack. A function that was still running when the instances were terminated may have launched
    /// another one. That instance would stay, or would prevent the deletion of the stack's security group.
    async fn delete_after_the_last(&self, regions: &BTreeSet<String>) -> Result<()> {
        let mut deleted = self.delete().await;
        for _ in 0..LATE_LAUNCHES {
            // The instances of a new stack have the same tags.
            let is_replaced = deleted.is_ok() && self.stacks.find(&self.globals.stack).await?.is_some();
            if is_replaced || !self.instances(None).end(regions).await? || deleted.is_ok() {
                break;
            }
            deleted = self.delete().await;
        }
        deleted
    }

    fn instances(&self, store: Option<&Store>) -> Instances {
        let machines = Arc::new(Ec2::new(self.config));
        let (stack, home) = (self.globals.stack.clone(), home_region(self.config));
        Instances { machines, stack, home, store: store.cloned() }
    }

    /// Waits until the stack no longer changes, for example after an earlier deletion or a deployment, and returns
    /// whether it still exists.
    async fn settled(&self) -> Result<bool> {
        let found = Deployment::new(self.config, &self.globals.stack, self.globals.ways(), &output::say);
        let found = found.settled().await?;
        // Another stack may have got the name while this call waited.
        Ok(found.is_some_and(|found| found.id == self.stack.id))
    }

    /// Makes CloudFormation delete the stack, and waits until it is deleted.
    async fn delete(&self) -> Result<()> {
        let (say, name, id): (&dyn Fn(&str), _, _) = (&output::say, &self.globals.stack, &self.stack.id);
        output::say(&format!("Deleting the stack {name}."));
        let mut progress = Progress::new(self.stacks, id, Pace::of(self.config), say);
        // An earlier deletion may have failed. Its failures must not be reported as those of this one.
        progress.skip_what_was().await?;
        // The stack is deleted by its id, because another stack may have got its name in the meantime.
        self.stacks.delete(id).await?;
        let ended = progress.follow(&BTreeSet::new()).await?;
        if ended.is_gone() {
            return Ok(());
        }
        let failures: BTreeSet<String> = ended.failures.into_iter().collect();
        let failures = failures.into_iter().collect::<Vec<_>>().join("\n  ");
        let status = ended.status;
        let message =
            format!("the stack {name} is {status}; fix what is named here, and retire the stack again:\n  {failures}");
        Err(Stop { exit: Exit::Aws, message }.into())
    }
}

impl Show for Left {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let (aws, again) = (globals.aws(), globals.again());
        let mut lines = vec![format!("The stack {} is gone. What stays in {}:", self.stack, self.region)];
        if let Some(table) = &self.table {
            lines.push(format!("  the table {table}, with pipelines and images"));
            let call = come_back::call(globals, table, &self.parameters, &self.tags);
            lines.push(format!("    continue with a new stack:    {call}"));
            lines.push(format!("    remove it:                    {aws} dynamodb delete-table --table-name {table}"));
        }
        if let Some(bucket) = &self.bucket {
            lines.push(format!("  the bucket {bucket}, with work orders"));
            lines.push(format!("    remove it:                    {aws} s3 rb --force s3://{bucket}"));
        }
        let images = self.images.map_or_else(|| "its images".to_owned(), |images| count(images, "image"));
        lines.push(format!("  {images}, with AMIs and parameters in all Regions"));
        lines.push(format!("    remove all AMIs of the stack: {again} clean --images"));
        lines.push(format!("  the bucket {}, from which other stacks may be deployed", self.artifacts));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::Left;
    use crate::output::Show;
    use crate::testing::globals;

    #[test]
    fn what_stays_is_told_with_the_way_to_remove_it() {
        let left = Left {
            stack: "s".to_owned(),
            region: "eu-west-1".to_owned(),
            table: Some("s-Table-1".to_owned()),
            bucket: Some("s-bucket-1".to_owned()),
            parameters: [("VpcId".to_owned(), "vpc-1".to_owned())].into(),
            tags: [("team".to_owned(), "golden images".to_owned())].into(),
            images: Some(1),
            artifacts: "goldsmith-artifacts-123456789012-eu-west-1".to_owned(),
        };
        let globals = globals("--stack s --profile p");
        let lines = left.lines(&globals).join("\n");
        for expected in [
            "goldsmith --stack s --profile p deploy --table s-Table-1 --parameter VpcId=vpc-1 --tag 'team=golden images'\n",
            "aws --profile p dynamodb delete-table --table-name s-Table-1\n",
            "aws --profile p s3 rb --force s3://s-bucket-1\n",
            "  1 image, with AMIs",
            "goldsmith --stack s --profile p clean --images\n",
        ] {
            assert!(lines.contains(expected), "{expected}: {lines}");
        }
    }
}
