//! `goldsmith clean`: finds what a deleted stack or a lost table has left in the account, and what only looks like it.
//!
//! The command never touches a resource of a build that the stack knows, because the reaper removes those.

mod leftovers;
mod records;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use goldsmith_cloud::aws::{SdkConfig, SsmParameters};
use goldsmith_cloud_ec2::Ec2;
use goldsmith_states::life::TemplateUses;
use goldsmith_store::{DynamoTable, Store};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;
use crate::ask::consents;
use crate::connection::{self, Connection};
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};
use crate::render::{columns, count_in_words};
use leftovers::{Leftover, Leftovers, Refused, Stays};
use records::Records;

/// Remove the resources that a deleted stack has left in the account.
///
/// Looks for resources that carry the tag `goldsmith:stack` with the stack's name and that belong to no build of the
/// stack. Resources from a stack with another home Region (`goldsmith:home`) do not count; --region or the profile sets
/// the home Region. Shows what it finds, and asks before it removes anything. AMIs and their snapshots may be in use,
/// so only --images removes them. If a parameter of its build, an instance, a launch template or a launch permission
/// names an AMI, --used must name that AMI too. If a resource only carries the tags, and no record shows that a build
/// has made it, the command marks it with the tag `goldsmith:leftover-since`, and the resource stays for at least a
/// day. The command searches the Regions that --region gives, which can be repeated. Without --region, it searches the
/// Regions that the stack has used or, if there is no such stack anymore, all Regions that are enabled in the account.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Remove without asking.
    #[arg(long)]
    yes: bool,
    /// Remove AMIs and their snapshots too.
    #[arg(long)]
    images: bool,
    /// Remove this AMI too, although something uses it; can be repeated.
    #[arg(long, value_name = "AMI", requires = "images")]
    used: Vec<String>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let config = connection::config(globals).await?;
    let stack = Connection::find(&config, &globals.stack).await?;
    let ec2 = Arc::new(Ec2::new(&config));
    let home = goldsmith_cloud::aws::home_region(&config);
    let regions = regions(globals, stack.as_ref(), &ec2, &home).await?;
    let records = match stack {
        Some(stack) => Records::of_living(stack.store),
        None => Records::of_gone(journals(&config, &globals.stack).await),
    };
    let parameters = Arc::new(SsmParameters::new(&config));
    let templates = TemplateUses::new(ec2.clone(), parameters.clone());
    let leftovers =
        Leftovers { machines: ec2.clone(), images: ec2, parameters, templates, stack: globals.stack.clone(), home };
    output::say(&format!("Looking in {}", regions.iter().cloned().collect::<Vec<_>>().join(", ")));
    let now = Timestamp::now();
    let (mut found, unseen) = leftovers.find(records, &regions).await?;
    for Refused { what: region, reason } in &unseen {
        output::say(&format!("{region} could not be searched: {reason}"));
    }
    // This comes before anything is marked or removed: after a mistyped id, nothing may be removed that was not meant.
    if let Some(unknown) = args.used.iter().find(|id| found.iter().all(|leftover| leftover.id != **id)) {
        return Err(invalid(format!("--used names {unknown}, which is not a leftover of this stack")));
    }
    let Stays { images, unproven } = leftovers.set_aside(&mut found, args.images, now).await;
    if !images.is_empty() {
        output::say(&format!("{} AMIs and snapshots stay: only --images removes them", images.len()));
    }
    list(
        "Only their tags name a build. They stay for a day after they were found, and then until `goldsmith clean` \
         removes them:",
        &unproven,
    );
    let in_use: Vec<Leftover> =
        found.extract_if(.., |leftover| leftover.is_used() && !args.used.contains(&leftover.id)).collect();
    list("These are in use. They are removed only if --used names them:", &in_use);
    if !found.is_empty() && !consented(&found, args.yes)? {
        output::say("Nothing was removed.");
        return Ok(Exit::Success);
    }
    let (removed, refused) = leftovers.remove(found).await;
    for Refused { what, reason } in &refused {
        output::say(&format!("{} in {} stays: {reason}", what.id, what.region));
    }
    let cleaned = Cleaned { removed, refused, in_use, unproven, images, unseen };
    output::show(globals, &cleaned)?;
    Ok(if cleaned.is_done() { Exit::Success } else { Exit::Aws })
}

/// The result, for scripts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cleaned {
    /// The resources that were removed.
    removed: Vec<Leftover>,
    /// The resources that AWS does not remove.
    refused: Vec<Refused<Leftover>>,
    /// The resources that stay because something uses them.
    in_use: Vec<Leftover>,
    /// The resources that stay for a day because only tags show their build.
    unproven: Vec<Leftover>,
    /// The AMIs and snapshots, which stay without --images.
    images: Vec<Leftover>,
    /// Regions that could not be searched.
    unseen: Vec<Refused<String>>,
}

impl Cleaned {
    /// Returns whether every resource that should be removed is removed.
    fn is_done(&self) -> bool {
        self.refused.is_empty() && self.unseen.is_empty()
    }
}

impl Show for Cleaned {
    fn lines(&self, _: &Globals) -> Vec<String> {
        if self.removed.is_empty() && self.is_done() {
            return vec!["There is nothing to remove.".to_owned()];
        }
        vec![format!("Removed {}.", count_in_words(self.removed.len(), "resource"))]
    }
}

/// Returns the tables that a stack of this name has left behind. They record what its builds have made. If the tables
/// cannot be listed, no table counts, and nothing proves what a build has made.
async fn journals(config: &SdkConfig, stack: &str) -> Vec<Store> {
    // CloudFormation names a table after its stack and the logical id in the template, and adds a random suffix.
    let names = DynamoTable::names(config, &format!("{stack}-Table-")).await;
    let names = names.inspect_err(|error| output::say(&format!("the tables of {stack} cannot be listed: {error}")));
    let store = |name| Store::new(Arc::new(DynamoTable::with_config(config, name)));
    names.unwrap_or_default().into_iter().map(store).collect()
}

fn list(title: &str, leftovers: &[Leftover]) {
    if !leftovers.is_empty() {
        output::say(title);
        columns(&leftovers.iter().map(Leftover::row).collect::<Vec<_>>()).iter().for_each(|line| output::say(line));
    }
}

/// Returns the Regions to search.
async fn regions(globals: &Globals, stack: Option<&Connection>, ec2: &Ec2, home: &str) -> Result<BTreeSet<String>> {
    if !globals.regions.is_empty() {
        return Ok(globals.regions.iter().cloned().collect());
    }
    Ok(match stack {
        // The home Region is added because a stack that has never built has recorded no Region.
        Some(stack) => stack.store.regions().await?.into_iter().chain([stack.region.clone()]).collect(),
        None => ec2.regions(home).await?.into_iter().collect(),
    })
}

/// Shows what would be removed, and asks.
fn consented(found: &[Leftover], yes: bool) -> Result<bool> {
    let rows: Vec<Vec<String>> = found.iter().map(Leftover::row).collect();
    columns(&rows).iter().for_each(|line| output::say(line));
    consents(&format!("Remove {}?", count_in_words(found.len(), "resource")), "nothing was removed", yes)
}
