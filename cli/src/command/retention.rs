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
use crate::image_delete::delete;
use crate::output::{self, Show};
use crate::render::{count_in_words, table};
use crate::switch::find;

/// Tag of an AMI that stays whatever the retention of its pipeline says. Its value does not matter.
const TAG_KEEP: &str = "goldsmith:keep";

/// Delete the images of a pipeline that are beyond its retention.
///
/// The pipeline says how many images it keeps: `retention: {keep: 5, olderThan: P90D}`. An image goes if that many newer
/// ones can be used and if it is that old. It stays if something refers to it, as for `goldsmith delete`, or if one of
/// its AMIs has the tag `goldsmith:keep`. Shows what goes and what stays, and asks.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The pipeline.
    #[arg(value_name = "PIPELINE")]
    pipeline: String,
    /// Delete images although this account, this organization or `all` may launch them; may be repeated.
    #[arg(long, value_name = "WHO")]
    unshare: Vec<String>,
    /// Delete without asking.
    #[arg(long)]
    yes: bool,
}

/// An image that is beyond the retention.
#[derive(Debug, Serialize)]
struct Judged {
    image: ImageRef,
    /// Why it stays; empty if it goes.
    stays: Vec<String>,
    #[serde(skip)]
    record: ImageRecord,
}

/// What the retention of a pipeline does.
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
        if self.images.is_empty() { vec!["No image is beyond the retention.".to_owned()] } else { Vec::new() }
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let pipeline = find(&connection, &args.pipeline).await?;
    let plan = plan(&connection, &pipeline, &args.unshare, Timestamp::now()).await?;
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
    let mut exit = Exit::Success;
    for image in plan.going() {
        // Somebody may have marked the image, or begun to use it, while the question waited for its answer.
        let stays = stays(&connection, image, &args.unshare).await?;
        if stays.is_empty() {
            if delete_or_say(&connection, image, &args.unshare).await? != Exit::Success {
                exit = Exit::Failed;
            }
        } else {
            output::say(&format!("{} stays: {}", image.image, stays.join("; ")));
        }
    }
    Ok(exit)
}

/// Deletes an image, or says why it stays. An image that stays must not keep the others from being deleted: the cooldowns
/// of all protections begin with the same call.
async fn delete_or_say(connection: &Connection, image: &ImageRecord, unshare: &[String]) -> Result<Exit> {
    match delete(connection, image, unshare).await {
        Ok(_) => {
            output::say(&format!("{} is deleted", image.image));
            Ok(Exit::Success)
        }
        Err(error) => {
            let stop = error.downcast::<Stop>()?;
            output::say(&stop.message);
            Ok(stop.exit)
        }
    }
}

/// Returns the images that are beyond the retention, and why some of them stay.
async fn plan(connection: &Connection, pipeline: &ImagePipeline, unshare: &[String], now: Timestamp) -> Result<Plan> {
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
        let stays = stays(connection, image, unshare).await?;
        judged.push(Judged { image: image.image.clone(), stays, record: image.clone() });
    }
    Ok(Plan { images: judged })
}

/// Returns why an image stays: what refers to it, and the tag by which a person keeps it.
async fn stays(connection: &Connection, image: &ImageRecord, unshare: &[String]) -> Result<Vec<String>> {
    let mut why = Vec::new();
    for reference in connection.references().of(image).await? {
        if !reference.is_only_of(unshare) {
            why.push(reference.by.to_string());
        }
    }
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
