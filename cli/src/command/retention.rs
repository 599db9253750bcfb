//! `goldsmith retention PIPELINE`

use anyhow::Result;
use goldsmith_model::{ImagePipeline, ImageRef, Name, Retention};
use goldsmith_states::life::{Deletion, Judge, delete};
use goldsmith_store::ImageRecord;
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;
use crate::ask::consents;
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid, plain};
use crate::output::{self, Show};
use crate::render::{count_in_words, table};
use crate::switch::find;

/// Delete the images of a pipeline that are beyond its retention.
///
/// The pipeline says how many images it keeps: `retention: {keep: 5, olderThan: P90D}`. An image goes if that many newer
/// ones can be used and if it is that old. It stays if something refers to it, as for `goldsmith delete`, or if one of
/// its AMIs has the tag `goldsmith:keep`. Shows what goes and what stays, and asks. If an image cannot be deleted, the
/// command continues with the others, and ends with exit code 1.
///
/// The stack does this by itself, unless the pipeline says `automatic: false`: once a day it disables these images, and
/// it deletes them some days later. This command deletes them at once, also those that the stack has disabled.
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
        table(["IMAGE", "BEGAN", "", "KEPT BY"], self.images.iter().map(row))
    }

    fn remarks(&self, _: &Globals) -> Vec<String> {
        if self.images.is_empty() { vec!["No image exceeds the retention.".to_owned()] } else { Vec::new() }
    }
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let pipeline = find(&connection, &args.pipeline).await?;
    let references = connection.references();
    let judge = Judge {
        images: &*connection.cloud.images,
        references: &references,
        rule: rule(&pipeline)?,
        unshare: &args.unshare,
        keeps_protected: false,
        now: Timestamp::now(),
    };
    let plan = plan(&connection, &judge, &pipeline.name).await?;
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
        match retire(&connection, &judge, image).await {
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

/// Deletes an image unless something keeps it now. Returns what became of it, in lines.
async fn retire(connection: &Connection, judge: &Judge<'_>, image: &ImageRecord) -> Result<Vec<String>> {
    let name = &image.image;
    // Somebody may have marked the image, or begun to use it, while the question waited for its answer. `delete` looks at
    // the references itself, right before it deletes.
    let kept = judge.why_its_amis_stay(image).await.map_err(plain)?;
    if !kept.is_empty() {
        return Ok(vec![format!("{name} stays: {}", kept.join("; "))]);
    }
    let (cloud, store) = (&connection.cloud, &connection.store);
    match delete(cloud, store, judge.references, image, judge.unshare).await.map_err(plain)? {
        Deletion::Done(deleted) => Ok(deleted.left().chain([format!("{name} is deleted")]).collect()),
        Deletion::Refused(reference) => Ok(vec![format!("{name} stays: {}", reference.by)]),
        Deletion::Protected(message) => Err(Stop { exit: Exit::Failed, message }.into()),
    }
}

/// Returns the rule of a pipeline.
fn rule(pipeline: &ImagePipeline) -> Result<&Retention> {
    let form = "retention: {keep: 5, olderThan: P90D}";
    pipeline.retention.as_ref().ok_or_else(|| {
        invalid(format!("pipeline `{}` has no retention: write `{form}` into its definition", pipeline.name))
    })
}

/// Returns the images that are beyond the retention, and why some of them stay.
async fn plan(connection: &Connection, judge: &Judge<'_>, pipeline: &Name) -> Result<Plan> {
    let images = connection.store.images_of_pipeline(pipeline).await?;
    let mut judged = Vec::new();
    for image in judge.beyond(&images) {
        let stays = judge.why_it_stays(image).await.map_err(plain)?;
        judged.push(Judged { image: image.image.clone(), stays, record: image.clone() });
    }
    Ok(Plan { images: judged })
}

#[cfg(test)]
mod tests;
