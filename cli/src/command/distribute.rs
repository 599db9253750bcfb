//! `goldsmith distribute IMAGE`

use anyhow::Result;
use goldsmith_model::definitions::Definitions;
use goldsmith_model::{ExecutionInput, StartFrom};
use goldsmith_states::{DistributionPreview, Finding, MissingInRegion, preview_distribution};

use super::build::{cause, start_and_watch};
use super::plan::{context, explained, finding};
use crate::args::Globals;
use crate::ask::consents;
use crate::connection::Connection;
use crate::exit::{Exit, prevented};
use crate::output::{self, Show};
use crate::render::{count_in_words, labelled};
use crate::target;

/// Bring a published image to where its distribution configuration wants it and where it is missing.
///
/// Makes the copies that are missing, and applies what the pipeline's distribution configuration has gained since the image
/// was built: Regions, launch permissions, target accounts, parameters, launch templates. Takes nothing back. Shows first
/// what is missing, and asks. Ctrl-C ends the watching, not the run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A published image as NAME/VERSION/BUILD or NAME/latest. NAME/latest is the newest image that can be used, which
    /// leaves out failed ones.
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Start without asking.
    #[arg(long)]
    yes: bool,
    /// Start the run, print how to watch it, and exit.
    #[arg(long)]
    detach: bool,
    /// A text to store with the run.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let image = target::image_or_latest(&connection.store, &args.image).await?;
    let store = connection.store.as_if_applied(&Definitions::default())?;
    let context = context(&connection, store, &globals.again())?;
    let missing = preview_distribution(&context, &image.image).await.map_err(explained)?;
    if missing.missing.is_empty() {
        output::show(globals, &Nothing(missing))?;
        return Ok(Exit::Success);
    }
    lines(&missing).iter().for_each(|line| output::say(line));
    let refusals = missing.findings.iter().filter(|finding| finding.is_refusal()).count();
    if refusals > 0 {
        let message = format!("{} was not distributed: {}", image.image, count_in_words(refusals, "problem"));
        return Err(prevented(missing.findings, message));
    }
    if !consents(&format!("Distribute {}?", image.image), "nothing was distributed", args.yes)? {
        output::say("Nothing was distributed.");
        return Ok(Exit::Success);
    }
    let input = ExecutionInput {
        reason: args.reason.clone(),
        from: Some(StartFrom::Distribute { image: image.image }),
        ..ExecutionInput::new(image.pipeline, cause())
    };
    start_and_watch(globals, &connection, &input, args.detach).await
}

/// An image of which nothing is missing.
#[derive(serde::Serialize)]
#[serde(transparent)]
struct Nothing(DistributionPreview);

impl Show for Nothing {
    fn lines(&self, _: &Globals) -> Vec<String> {
        vec![format!("Nothing of {} is missing.", self.0.image)]
    }
}

/// Returns what is missing as text for people.
fn lines(preview: &DistributionPreview) -> Vec<String> {
    let mut rows = vec![("image", preview.image.to_string())];
    rows.extend(preview.missing.iter().map(|(region, missing)| ("goes to", place(region, missing))));
    let stays = |why: &String| ("note", format!("{why}, so its parameters and launch templates stay as they are"));
    rows.extend(preview.names_stay.iter().map(stays));
    labelled(rows).into_iter().chain(preview.findings.iter().flat_map(finding as fn(&Finding) -> Vec<String>)).collect()
}

fn place(region: &str, missing: &MissingInRegion) -> String {
    let what = match &missing.ami {
        Some(ami) => format!("{region}, where {ami} is"),
        None => format!("{region}, as a copy"),
    };
    let each = |label: &str, of: &[String]| of.iter().map(|one| format!(", {label} {one}")).collect::<String>();
    let shared = match missing.shared_with.as_slice() {
        [] => String::new(),
        with if missing.shares_snapshots => format!(", shared with {}, snapshots included", with.join(", ")),
        with => format!(", shared with {}", with.join(", ")),
    };
    let parts = [
        each("license configuration", &missing.license_configurations),
        each("copy for account", &missing.target_accounts),
        each("launch template", &missing.launch_templates),
        each("parameter", &missing.parameters),
    ];
    let exported = missing.export.as_ref().map(|to| format!(", exported to {to} as {}", to.disk_image_format.as_str()));
    format!("{what}{shared}{}{}", parts.concat(), exported.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use goldsmith_model::{DiskImageFormat, S3Export};
    use goldsmith_states::{DistributionPreview, MissingInRegion};

    use super::{Nothing, lines};
    use crate::output::Show as _;
    use crate::testing::globals;

    fn preview(missing: &[(&str, MissingInRegion)], names_stay: Option<&str>) -> DistributionPreview {
        DistributionPreview {
            image: "web/1.0.0/1".parse().unwrap(),
            missing: missing.iter().map(|(region, missing)| ((*region).to_owned(), missing.clone())).collect(),
            names_stay: names_stay.map(str::to_owned),
            findings: vec![],
        }
    }

    #[test]
    fn it_says_what_is_missing_where() {
        let nothing = MissingInRegion {
            ami: None,
            shared_with: vec![],
            shares_snapshots: false,
            license_configurations: vec![],
            export: None,
            target_accounts: vec![],
            launch_templates: vec![],
            parameters: vec![],
        };
        let home = MissingInRegion {
            ami: Some("ami-1".to_owned()),
            shared_with: vec!["111122223333".to_owned()],
            shares_snapshots: true,
            license_configurations: vec!["arn:lic-1".to_owned()],
            export: Some(S3Export {
                role_name: "vmimport".to_owned(),
                disk_image_format: DiskImageFormat::Raw,
                s3_bucket: "images".to_owned(),
                s3_prefix: None,
            }),
            target_accounts: vec!["222233334444".to_owned()],
            launch_templates: vec!["lt-1".to_owned()],
            parameters: vec!["/images/web".to_owned()],
        };
        let both = preview(&[("eu-west-1", home), ("us-east-1", nothing)], Some("web/1.0.0/2 is newer"));
        let expected = "\
image    web/1.0.0/1
goes to  eu-west-1, where ami-1 is, shared with 111122223333, snapshots included, license configuration arn:lic-1, copy for account 222233334444, launch template lt-1, parameter /images/web, exported to s3://images/ as RAW
goes to  us-east-1, as a copy
note     web/1.0.0/2 is newer, so its parameters and launch templates stay as they are";
        assert_eq!(lines(&both).join("\n"), expected);
        assert_eq!(Nothing(preview(&[], None)).lines(&globals("")), ["Nothing of web/1.0.0/1 is missing."]);
    }
}
