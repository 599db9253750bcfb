//! `goldsmith retention PIPELINE`

use anyhow::Result;
use goldsmith_model::{ImagePipeline, ImageRef};
use goldsmith_store::{ImageRecord, beyond};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;
use crate::ask::consents;
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::image_delete::{Deletion, delete};
use crate::output::{self, Show};
use crate::references::References;
use crate::render::{count_in_words, table};
use crate::switch::find;

/// Tag of an AMI that stays regardless of its pipeline's retention. The value of the tag does not matter.
const TAG_KEEP: &str = "goldsmith:keep";

/// Delete the images of a pipeline that exceed its retention.
///
/// The pipeline says how many images it keeps: `retention: {keep: 5, olderThan: P90D}`. An image is deleted if that
/// many newer ones can be launched and if it is that old. It stays if something refers to it, as for `goldsmith
/// delete`, or if one of its AMIs has the tag `goldsmith:keep`. The command shows which images it would delete and
/// which stay, and asks. If an image cannot be deleted, the command continues with the others, and ends with exit code
/// 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pipeline.
    #[arg(value_name = "PIPELINE")]
    pipeline: String,
    /// Delete images although this account, this organization or `all` may launch them; can be repeated.
    #[arg(long, value_name = "WHO")]
    unshare: Vec<String>,
    /// Delete without asking.
    #[arg(long)]
    yes: bool,
}

/// An image that exceeds the retention.
#[derive(Debug, Serialize)]
struct Judged {
    image: ImageRef,
    /// Why the image stays. The list is empty if the image is deleted.
    stays: Vec<String>,
    #[serde(skip)]
    record: ImageRecord,
}

/// The images that exceed a pipeline's retention, and what happens to them.
#[derive(Debug, Serialize)]
struct Plan {
    images: Vec<Judged>,
}

impl Plan {
    fn going(&self) -> impl Iterator<Item = &ImageRecord> {
        self.images.iter().filter(|one| one.stays.is_empty()).map(|one| &one.record)
    }
}

impl Show for Plan {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let row = |one: &Judged| {
            let (word, why) =
                if one.stays.is_empty() { ("goes", String::new()) } else { ("stays", one.stays.join("; ")) };
            vec![one.image.to_string(), one.record.created_at.clone(), word.to_owned(), why]
        };
        table(["IMAGE", "BEGAN", "", "REFERRED TO BY"], self.images.iter().map(row))
    }

    fn remarks(&self, _: &Globals) -> Vec<String> {
        if self.images.is_empty() { vec!["No image exceeds the retention.".to_owned()] } else { Vec::new() }
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let pipeline = find(&connection, &args.pipeline).await?;
    let references = connection.references();
    let plan = plan(&connection, &references, &pipeline, &args.unshare, Timestamp::now()).await?;
    output::show(globals, &plan)?;
    let going = plan.going().count();
    if going == 0 {
        return Ok(Exit::Success);
    }
    let question = format!("Delete {} with its AMIs and snapshots?", count_in_words(going, "image"));
    if !consents(&question, "nothing was deleted", args.yes)? {
        output::say("Nothing was deleted.");
        return Ok(Exit::Success);
    }
    let mut failed = 0;
    for image in plan.going() {
        match retire(&connection, &references, image, &args.unshare).await {
            Ok(lines) => lines.iter().for_each(|line| output::say(line)),
            Err(error) => {
                // The words of a reason to stop name the image themselves.
                let is_told = error.is::<Stop>();
                let what = if is_told { String::new() } else { format!("{} could not be deleted: ", image.image) };
                output::say(&format!("{what}{error:#}"));
                failed += 1;
            }
        }
    }
    if failed == 0 {
        return Ok(Exit::Success);
    }
    let failed = count_in_words(failed, "image");
    let message = format!("{failed} of {going} could not be deleted");
    Err(Stop { exit: Exit::Failed, message }.into())
}

/// Deletes an image, unless something refers to it now. Returns what happened to the image, as lines.
async fn retire(
    connection: &Connection,
    references: &References,
    image: &ImageRecord,
    unshare: &[String],
) -> Result<Vec<String>> {
    let name = &image.image;
    // Somebody may have marked the image, or begun to use it, while the question waited for its answer. `delete` looks at
    // the references itself, right before it deletes.
    let kept = kept_by_tag(connection, image).await?;
    if !kept.is_empty() {
        return Ok(vec![format!("{name} stays: {}", kept.join("; "))]);
    }
    Ok(match delete(connection, references, image, unshare).await? {
        Deletion::Done(deleted) => deleted.left().chain([format!("{name} is deleted")]).collect(),
        Deletion::Refused(reference) => vec![format!("{name} stays: {}", reference.by)],
    })
}

/// Returns the images that exceed the retention, and why some of them stay.
async fn plan(
    connection: &Connection,
    references: &References,
    pipeline: &ImagePipeline,
    unshare: &[String],
    now: Timestamp,
) -> Result<Plan> {
    let Some(rule) = &pipeline.retention else {
        let form = "retention: {keep: 5, olderThan: P90D}";
        return Err(invalid(format!(
            "pipeline `{}` has no retention: write `{form}` into its definition",
            pipeline.name
        )));
    };
    let images = connection.store.images_of_pipeline(&pipeline.name).await?;
    let mut judged = Vec::new();
    for image in beyond(rule, &images, now) {
        let found = references.of(image).await?.into_iter();
        let mut stays: Vec<String> =
            found.filter(|one| !one.is_only_of(unshare)).map(|one| one.by.to_string()).collect();
        stays.extend(kept_by_tag(connection, image).await?);
        judged.push(Judged { image: image.image.clone(), stays, record: image.clone() });
    }
    Ok(Plan { images: judged })
}

/// Returns the tags with which a person keeps an image.
async fn kept_by_tag(connection: &Connection, image: &ImageRecord) -> Result<Vec<String>> {
    let mut why = Vec::new();
    for (region, ami) in &image.amis {
        let found = connection.cloud.images.image(region, ami).await?;
        if found.is_some_and(|found| found.tags.contains_key(TAG_KEEP)) {
            why.push(format!("the tag {TAG_KEEP} of {ami}"));
        }
    }
    Ok(why)
}

#[cfg(test)]
mod tests;
