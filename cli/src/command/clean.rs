//! `goldsmith clean`: what a stack that is gone, or a table that was lost, has left in the account.
//!
//! What belongs to a build that the stack knows is the reaper's and never touched here.

mod leftovers;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use goldsmith_cloud_ec2::Ec2;

use crate::args::{Format, Globals};
use crate::ask::consents;
use crate::connection::{self, Connection};
use crate::exit::Exit;
use crate::output;
use crate::render::columns;
use leftovers::{Leftover, Leftovers};

/// Remove what a stack that is gone has left in the account.
///
/// Looks for what is tagged `goldsmith:stack` with the stack's name, has no other home Region (`goldsmith:home`) than the
/// stack's, which --region or the profile names, and belongs to no build that the stack knows; shows it, and asks before
/// it removes anything. AMIs and their snapshots may be in use: they are only removed with --images.
/// The Regions are those given with --region, which may be repeated; else those that the stack has used; else, where
/// there is no such stack any more, all that are enabled in the account.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Remove without asking.
    #[arg(long)]
    yes: bool,
    /// Remove AMIs and their snapshots too.
    #[arg(long)]
    images: bool,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let config = connection::config(globals).await?;
    let stack = Connection::find(&config, &globals.stack).await?;
    let ec2 = Arc::new(Ec2::new(&config));
    let home = goldsmith_cloud::aws::home_region(&config);
    let regions = regions(globals, stack.as_ref(), &ec2, &home).await?;
    let store = stack.map(|stack| stack.store);
    let leftovers = Leftovers { machines: ec2.clone(), images: ec2, store, stack: globals.stack.clone(), home };
    output::say(&format!("Looking in {}", regions.iter().cloned().collect::<Vec<_>>().join(", ")));
    let mut found = leftovers.find(&regions).await?;
    if !args.images {
        let kept = found.extract_if(.., |leftover| leftover.is_image()).count();
        if kept > 0 {
            output::say(&format!("{kept} AMIs and snapshots stay: they are only removed with --images"));
        }
    }
    if !found.is_empty() && !consented(&found, args.yes)? {
        output::say("Nothing was removed.");
        return Ok(Exit::Success);
    }
    leftovers.remove(&found).await?;
    match globals.output {
        Format::Json => output::json(&found)?,
        Format::Text if found.is_empty() => output::line("There is nothing to remove.")?,
        Format::Text => output::line(&format!("Removed {}.", counted(found.len())))?,
    }
    Ok(Exit::Success)
}

/// Where to look.
async fn regions(globals: &Globals, stack: Option<&Connection>, ec2: &Ec2, home: &str) -> Result<BTreeSet<String>> {
    if !globals.regions.is_empty() {
        return Ok(globals.regions.iter().cloned().collect());
    }
    Ok(match stack {
        Some(stack) => stack.store.regions().await?.into_iter().chain([stack.region.clone()]).collect(),
        None => ec2.regions(home).await?.into_iter().collect(),
    })
}

/// Shows what would go, and asks.
fn consented(found: &[Leftover], yes: bool) -> Result<bool> {
    let rows: Vec<Vec<String>> = found.iter().map(Leftover::row).collect();
    columns(&rows).iter().for_each(|line| output::say(line));
    consents(&format!("Remove {}?", counted(found.len())), "nothing was removed", yes)
}

fn counted(number: usize) -> String {
    if number == 1 { "one resource".to_owned() } else { format!("{number} resources") }
}
