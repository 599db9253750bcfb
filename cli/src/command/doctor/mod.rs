//! `goldsmith doctor`: everything that a first build in an account needs, looked at all at once, with what helps.
//!
//! Each area gathers facts and judges them apart from that, so that the judgement is tested without AWS. What cannot be
//! looked at is told as that, and hides nothing else.

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

use crate::args::{Format, Globals};
use crate::connection::{self, Connection};
use crate::exit::Exit;
use crate::output;
use definitions::Definitions;
use finding::{Finding, Verdict};

/// Check everything that a build needs in the account, and say what helps.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) async fn run(globals: &Globals, _: &Args) -> Result<Exit> {
    let findings = match connection::config(globals).await {
        Ok(config) => examine(globals, &config).await,
        // A local stack that does not start has an error of its own.
        Err(error) if globals.local => return Err(error),
        Err(error) => vec![Finding::problem("region", error.to_string(), "Give --region, or set AWS_REGION.")],
    };
    show(globals, &findings)?;
    let sick = findings.iter().any(|finding| finding.verdict == Verdict::Problem);
    Ok(if sick { Exit::Failed } else { Exit::Success })
}

async fn examine(globals: &Globals, config: &goldsmith_cloud::aws::SdkConfig) -> Vec<Finding> {
    let mut findings = vec![session::examine(globals, config).await];
    if findings[0].verdict == Verdict::Problem {
        return findings; // every other call would be refused for the same reason
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
    let definitions = match &connection {
        Some(connection) => match Definitions::read(&connection.store).await {
            Ok(definitions) => definitions,
            Err(error) => {
                findings.push(Finding::unseen_because("definitions", "dynamodb:Query", &error.to_string()));
                Definitions::default()
            }
        },
        None => Definitions::default(),
    };
    // Nobody knows whether there is a stack that could not be looked for.
    let (stack, settings) = match connection.is_some() || may_be_missing {
        true => stack::examine(globals, config, connection.as_ref()).await,
        false => (Vec::new(), None),
    };
    findings.extend(stack);
    let (package, network, rights, encryption, quotas, places) = join!(
        archive::examine(globals, config, connection.as_ref(), &definitions),
        network::examine(globals, config, settings.as_ref(), &definitions),
        rights::examine(globals, config, settings.as_ref(), &definitions),
        encryption::examine(globals, config, &definitions),
        quotas::examine(globals, config, &definitions),
        places::examine(globals, config, &definitions),
    );
    findings.extend([package, network, rights, encryption, quotas, places].into_iter().flatten());
    findings
}

fn show(globals: &Globals, findings: &[Finding]) -> Result<()> {
    if globals.output == Format::Json {
        return Ok(output::json(&findings)?);
    }
    for finding in findings {
        finding.lines().iter().try_for_each(|line| output::line(line))?;
    }
    Ok(output::line(&finding::summary(findings))?)
}
