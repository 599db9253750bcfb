//! `goldsmith doctor`: checks everything that a first build in an account needs, and suggests remedies.
//!
//! Each area reads facts, and judges them in a separate function, so that tests can judge facts without AWS. If
//! something cannot be checked, this is reported, and it does not hide anything else.

mod archive;
mod definitions;
mod encryption;
mod finding;
mod network;
mod places;
mod quotas;
mod rights;
mod session;
mod stack;
#[cfg(test)]
mod testing;

use anyhow::Result;
use futures_util::join;
use goldsmith_cloud::aws::home_region;
use goldsmith_store::StoreError;

use crate::args::Globals;
use crate::connection::{self, Connection};
use crate::exit::Exit;
use crate::output::{self, Show};
use definitions::Definitions;
use finding::{Finding, Verdict};

/// Findings that depend on the definitions of pipelines.
const OF_DEFINITIONS: [&str; 10] = [
    "agents",
    "default-key",
    "keys",
    "public-images",
    "regions",
    "security-groups",
    "sharing",
    "subnets",
    "vcpus",
    "way-out",
];
/// Findings that depend on what the functions know about the account.
const OF_SETTINGS: [&str; 3] = ["security-groups", "subnets", "way-out"];

/// Check everything that a build needs in the account, and suggest how to fix problems.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(globals: &Globals, _: &Args) -> Result<Exit> {
    let findings = match connection::config(globals).await {
        Ok(config) => examine(globals, &config).await,
        // A local stack that does not start has its own error.
        Err(error) if globals.local => return Err(error),
        Err(error) => vec![Finding::problem("region", error.to_string(), "Give --region, or set AWS_REGION.")],
    };
    let sick = findings.iter().any(|finding| finding.verdict == Verdict::Problem);
    output::show(globals, &findings)?;
    Ok(if sick { Exit::Failed } else { Exit::Success })
}

impl Show for Vec<Finding> {
    fn lines(&self, _: &Globals) -> Vec<String> {
        self.iter().flat_map(Finding::lines).chain([finding::summary(self)]).collect()
    }
}

async fn examine(globals: &Globals, config: &goldsmith_cloud::aws::SdkConfig) -> Vec<Finding> {
    let mut findings = vec![session::examine(globals, config).await];
    if findings[0].verdict == Verdict::Problem {
        return findings; // every other call would be denied for the same reason
    }
    findings.push(Finding::good("region", format!("The Region is {}.", home_region(config))));
    let mut may_be_missing = true;
    let connection = match Connection::find(config, &globals.stack).await {
        Ok(found) => found,
        Err(error) => {
            findings.push(Finding::unseen_because("stack", "ssm:GetParameter", &error.to_string()));
            may_be_missing = false;
            None
        }
    };
    let is_absent = connection.is_none() && may_be_missing;
    let mut are_seen = connection.is_some() || is_absent;
    let definitions = match &connection {
        Some(connection) => match Definitions::read(&connection.store).await {
            Ok(definitions) => definitions,
            Err(error) => {
                findings.push(unread(globals, &error));
                are_seen = false;
                Definitions::default()
            }
        },
        None => Definitions::default(),
    };
    // If the stack could not be looked up, it is unknown whether there is one.
    let (stack, settings) =
        if may_be_missing { stack::examine(globals, config, connection.as_ref()).await } else { (Vec::new(), None) };
    findings.extend(stack);
    let (package, network, rights, encryption, quotas, places) = join!(
        archive::examine(globals, config, connection.as_ref(), &definitions),
        network::examine(globals, config, settings.as_ref(), &definitions),
        async {
            if is_absent { Vec::new() } else { rights::examine(globals, config, settings.as_ref(), &definitions).await }
        },
        encryption::examine(globals, config, &definitions),
        quotas::examine(globals, config, &definitions),
        places::examine(globals, config, &definitions),
    );
    // If there is no stack, nothing of it could have been read.
    let are_settings_seen = settings.is_some() || is_absent;
    for mut finding in [package, network, rights, encryption, quotas, places].into_iter().flatten() {
        if !are_settings_seen && OF_SETTINGS.contains(&finding.name) {
            finding = finding.without("the functions");
        }
        if !are_seen && OF_DEFINITIONS.contains(&finding.name) {
            finding = finding.without("the definitions");
        }
        findings.push(finding);
    }
    findings
}

/// Returns the finding for definitions that could not be read.
fn unread(globals: &Globals, error: &StoreError) -> Finding {
    match error {
        StoreError::Refused { code, .. } if code == "ResourceNotFoundException" => {
            let message = "The stack's table is gone, and with it all definitions and all records of builds.";
            let remedy = format!(
                "Restore it from a backup under another name, and then run `{0} retire` and `{0} deploy --table NAME`.",
                globals.again()
            );
            Finding::problem("table", message, remedy)
        }
        other => Finding::unseen_because("definitions", "dynamodb:Query", &other.to_string()),
    }
}
