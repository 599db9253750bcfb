//! `goldsmith retire`: removes a stack in an order that leaves nothing behind, and keeps what people need.

mod come_back;
mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use goldsmith_cloud::aws::{SdkConfig, home_region};
use goldsmith_cloud_account::{Artifacts, Stack, Stacks, caller};
use goldsmith_cloud_ec2::Ec2;
use goldsmith_store::ImageStatus;
use serde::Serialize;

use crate::args::{Format, Globals};
use crate::ask::consents;
use crate::command::deploy::deployment::Deployment;
use crate::command::ours;
use crate::command::deploy::progress::{Pace, Progress};
use crate::connection::{self, Connection};
use crate::exit::{Exit, Stop, invalid};
use crate::output;
use crate::render::count;
use service::Service;

/// Remove a stack, and keep what it has made.
///
/// Schedules are removed, running builds cancelled, kept instances ended; then CloudFormation deletes the stack. Its table,
/// its bucket and its images stay, and the last lines say how each is removed. A new stack goes on with the table by
/// `goldsmith deploy --table`. Safe to repeat.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Remove without asking.
    #[arg(long)]
    yes: bool,
}

/// What stays, as `--output json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Left {
    stack: String,
    region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bucket: Option<String>,
    /// Values of parameters that were not the template's defaults.
    parameters: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
    /// Images with an AMI.
    images: usize,
    /// The bucket that it was deployed from, as other stacks of the account and Region are.
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
             --stack-name {name}` takes the protection away"
        )));
    }
    let retirement = come_back::as_deployed(&stacks, &globals.stack, &stack).await?;
    let mut left = Left {
        stack: globals.stack.clone(),
        parameters: retirement.parameters.clone(),
        tags: retirement.tags.clone(),
        region: home_region(&config),
        table: stack.outputs.get("Table").cloned(),
        bucket: stack.outputs.get("Bucket").cloned(),
        images: 0,
        artifacts: Artifacts::new(&config, &caller(&config).await?).bucket().to_owned(),
    };
    // Where a deletion has failed half-way, the parameter that names the parts may be gone, and then no build can run.
    let connection = Connection::find(&config, &globals.stack).await?;
    if let Some(connection) = &connection {
        left.images = images(connection).await?;
    }
    tell(globals, connection.as_ref(), left.images).await?;
    if !consents(&format!("Remove the stack {}?", globals.stack), "nothing was removed", args.yes)? {
        output::say("Nothing was removed.");
        return Ok(Exit::Success);
    }
    if let Some(connection) = &connection {
        let ec2 = Arc::new(Ec2::new(&config));
        Service { connection, machines: ec2, again: globals.again(), retirement }.end().await?;
    }
    delete(&config, &stacks, globals, &stack).await?;
    match globals.output {
        Format::Json => output::json(&left)?,
        Format::Text => left.lines(globals).iter().try_for_each(|line| output::line(line))?,
    }
    Ok(Exit::Success)
}

/// How many images have AMIs.
async fn images(connection: &Connection) -> Result<usize> {
    let mut images = 0;
    for name in connection.store.image_names().await? {
        let all = connection.store.images(&name).await?;
        images += all.iter().filter(|image| image.status == ImageStatus::Available && !image.amis.is_empty()).count();
    }
    Ok(images)
}

/// Says what is about to happen.
async fn tell(globals: &Globals, connection: Option<&Connection>, images: usize) -> Result<()> {
    let Some(connection) = connection else { return Ok(()) };
    let running = connection.executions.running(&connection.state_machine).await?.len();
    let pipelines = connection.store.pipeline_names().await?.len();
    output::say(&format!(
        "The stack {} in {} has {} and {}, which stay; {running} of its builds run. Logs, alarms and events that were given up go.",
        globals.stack,
        connection.region,
        count(pipelines, "pipeline"),
        count(images, "image"),
    ));
    Ok(())
}

/// Has CloudFormation delete the stack, and waits until it is gone.
async fn delete(config: &SdkConfig, stacks: &Stacks, globals: &Globals, stack: &Stack) -> Result<()> {
    let say: &dyn Fn(&str) = &output::say;
    // A deletion before this one, or a deployment, may run.
    if Deployment::new(config, &globals.stack, say).settled().await?.is_none() {
        return Ok(());
    }
    output::say(&format!("Deleting the stack {}.", globals.stack));
    let mut progress = Progress::new(stacks, &stack.id, Pace::of(config), say);
    progress.skip_what_was().await?;
    // By its id: another one may have got the name meanwhile.
    stacks.delete(&stack.id).await?;
    let ended = progress.follow(&BTreeSet::new()).await?;
    if ended.is_gone() {
        return Ok(());
    }
    let failures: BTreeSet<String> = ended.failures.into_iter().collect();
    let failures = failures.into_iter().collect::<Vec<_>>().join("\n  ");
    let message = format!(
        "the stack {} is {}; mend what is named here, and retire it again:\n  {failures}",
        globals.stack, ended.status
    );
    Err(Stop { exit: Exit::Aws, message }.into())
}

impl Left {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let (aws, again) = (globals.aws(), globals.again());
        let mut lines = vec![format!("The stack {} is gone. What stays in {}:", self.stack, self.region)];
        if let Some(table) = &self.table {
            lines.push(format!("  the table {table}, with pipelines and images"));
            let call = come_back::call(globals, table, &self.parameters, &self.tags);
            lines.push(format!("    a new stack goes on with it:  {call}"));
            lines.push(format!("    remove it:                    {aws} dynamodb delete-table --table-name {table}"));
        }
        if let Some(bucket) = &self.bucket {
            lines.push(format!("  the bucket {bucket}, with work orders"));
            lines.push(format!("    remove it:                    {aws} s3 rb --force s3://{bucket}"));
        }
        lines.push(format!("  {}, with AMIs and parameters in all Regions", count(self.images, "image")));
        lines.push(format!("    remove all AMIs of the stack: {again} clean --images"));
        lines.push(format!("  the bucket {}, which other stacks may be deployed from", self.artifacts));
        lines
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::Left;
    use crate::args::Cli;

    #[test]
    fn what_stays_is_told_with_the_way_to_remove_it() {
        let left = Left {
            stack: "s".to_owned(),
            region: "eu-west-1".to_owned(),
            table: Some("s-Table-1".to_owned()),
            bucket: Some("s-bucket-1".to_owned()),
            parameters: [("VpcId".to_owned(), "vpc-1".to_owned())].into(),
            tags: [("team".to_owned(), "golden images".to_owned())].into(),
            images: 1,
            artifacts: "goldsmith-artifacts-123456789012-eu-west-1".to_owned(),
        };
        let globals = Cli::parse_from(["goldsmith", "--stack", "s", "--profile", "p", "images"]).globals;
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
