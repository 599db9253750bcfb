//! `goldsmith show IMAGE|PIPELINE|DEFINITION`

mod definition;
mod failed;
pub(crate) mod pipeline;

use anyhow::Result;
use goldsmith_model::{Cause, Name, State};
use goldsmith_store::{
    AuditRecord, BuildRecord, CauseRecord, CauseStatus, ExportedObject, ImageRecord, ImageStatus, Keep, LeftBehind,
    Leftover, OwnedCopy, Plan, Revocation, StateRecord, StateStatus, ancestors,
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::approval;
use crate::args::Globals;
use crate::audited;
use crate::connection::Connection;
use crate::contents;
use crate::diagnosis::Diagnosis;
use crate::exit::Exit;
use crate::kept::KeptInstance;
use crate::output::{self, Show};
use crate::render::{self, WIDTH, columns_within, duration, labelled_within, seconds_between, word, wrapped};
use crate::room::{self, InLine, waits_for_room};
use crate::since::{self, Since};
use crate::{failure, target};

/// Show an image or its build, a pipeline with its last builds, or another definition.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image as NAME/VERSION/BUILD, such as web-server/1.2.0/7, or NAME/latest, a pipeline, the id of a build, or a
    /// definition as `goldsmith definitions` lists it, such as component/nginx/1.0.0. NAME/latest is the newest image that
    /// can be used, which leaves out failed ones; `goldsmith show PIPELINE` lists these, too.
    #[arg(value_name = "IMAGE|PIPELINE|DEFINITION")]
    what: String,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    if let Some(wanted) = target::definition(&args.what)? {
        output::show(globals, &definition::show(&connection.store, &wanted).await?)?;
        return Ok(Exit::Success);
    }
    // A name without slashes is that of a pipeline, if there is one. Text that is not a name may still be a build's id.
    let name = args.what.parse::<Name>().ok();
    if let Some(name) = name
        && let Some(pipeline) = connection.store.pipeline(&name).await?
    {
        output::show(globals, &pipeline::show(&connection, pipeline, Timestamp::now()).await?)?;
        return Ok(Exit::Success);
    }
    let mut shown = image(&connection, &args.what).await?;
    if let Some(width) = render::terminal_width() {
        (shown.width, shown.is_wrapped) = (width, true);
    }
    output::show(globals, &shown)?;
    Ok(Exit::Success)
}

/// An image with its build.
pub(crate) struct Shown {
    pub(crate) image: ImageRecord,
    /// The states of the build, in the order in which they began.
    pub(crate) states: Vec<StateRecord>,
    /// The ancestors of the image, the parent first.
    pub(crate) built_on: Vec<ImageRecord>,
    /// The channels that point to the image.
    pub(crate) channels: Vec<Name>,
    /// The instance that the build keeps for inspection.
    pub(crate) kept: Option<KeptInstance>,
    /// The owner of the AMI from which the build started.
    pub(crate) source_owner: Option<String>,
    /// How instances of the image boot, if the recipe says so.
    pub(crate) firmware: Option<String>,
    /// The checkpoint with which the build has begun, or what has become of the one that it makes.
    pub(crate) checkpoint: Option<String>,
    /// Whether the build's cause will be retried.
    pub(crate) tried_again: Option<String>,
    /// The resources that could not be removed.
    pub(crate) left_behind: Vec<LeftBehind>,
    /// Resources that only carry the build's tags.
    pub(crate) leftovers: Vec<Leftover>,
    /// The launch of the build that waits for room.
    pub(crate) in_line: Option<InLine>,
    /// What has changed since the last good build, if this one failed.
    pub(crate) since: Option<Since>,
    /// Until when the AMIs of a failed build are kept.
    pub(crate) kept_amis: Option<String>,
    /// The width of the lines, in characters.
    pub(crate) width: usize,
    /// Whether the tables are wrapped, too. Those about a failed build always are.
    pub(crate) is_wrapped: bool,
}

pub(crate) async fn image(connection: &Connection, what: &str) -> Result<Shown> {
    let image = target::image_instead_of_pipeline(&connection.store, what).await?;
    let (all, leftovers) = (connection.store.all_images().await?, connection.store.leftovers().await?);
    let mut shown = of(connection, image, &all, &leftovers).await?;
    if let Some(since) = &mut shown.since
        && contents::record(&shown.image, &shown.states).is_some()
    {
        since.contents = since::in_image(connection, &shown.image, since).await;
    }
    Ok(shown)
}

/// Returns everything to show about an image. The last parameters are all images and all leftovers of the stack, which are
/// read once for several images.
pub(crate) async fn of(
    connection: &Connection,
    image: ImageRecord,
    all: &[ImageRecord],
    leftovers: &[Leftover],
) -> Result<Shown> {
    let mut states = connection.store.states(&image.build).await?;
    states.sort_by(|a, b| a.started_at.cmp(&b.started_at));
    // A reader with the nonce could write event lines that other readers believe.
    states.iter_mut().filter_map(|state| state.log.as_mut()).for_each(|log| log.nonce = None);
    let build = connection.store.build(&image.build).await?;
    let kept = match &build {
        Some(build) => KeptInstance::of(&connection.store, build, Timestamp::now()).await?,
        None => None,
    };
    let in_line = match states.iter().any(waits_for_room) {
        true => room::in_line(&connection.store).await?.remove(&image.build),
        false => None,
    };
    let source_owner = build.as_ref().and_then(source_owner);
    let firmware = build.as_ref().map(|build| &build.plan).filter(|plan| plan.is_build());
    let firmware =
        firmware.and_then(|plan| render::firmware(plan.boot_mode, plan.tpm_support, plan.uefi_data.as_deref()));
    let checkpoint = build.as_ref().and_then(|build| checkpoint(&build.plan, &states));
    let since = since::last_good(connection, &image, build.as_ref(), all).await?;
    let kept_amis = build.as_ref().and_then(|build| match &build.ending.as_ref()?.keep {
        Keep::Images { until } => Some(until.clone()),
        _ => None,
    });
    let left_behind = build.map(|build| build.after.left).unwrap_or_default();
    // A run that only tests an AMI builds nothing on it.
    let built_on = ancestors(&image, all).into_iter().filter(|_| !image.is_verification).cloned().collect();
    let channels = connection.store.channels(&image.pipeline).await?.into_iter();
    let channels = channels.filter(|one| one.to.as_ref() == Some(&image.image)).map(|one| one.channel).collect();
    let leftovers = leftovers.iter().filter(|one| one.build.as_ref() == Some(&image.build)).cloned().collect();
    // Only a failed cause is kept for another try.
    let cause = match image.failure {
        Some(_) => connection.store.cause(&image.pipeline, &image.cause).await?,
        None => None,
    };
    let tried_again = cause.as_ref().and_then(tried_again);
    Ok(Shown {
        image,
        states,
        built_on,
        channels,
        kept,
        source_owner,
        firmware,
        checkpoint,
        tried_again,
        left_behind,
        leftovers,
        in_line,
        since,
        kept_amis,
        width: WIDTH,
        is_wrapped: false,
    })
}

/// Returns in words for people with which checkpoint a build has begun, or what has become of the one that it makes.
fn checkpoint(plan: &Plan, states: &[StateRecord]) -> Option<String> {
    let planned = plan.checkpoint.as_ref()?;
    if planned.found.is_none() {
        let made = states.iter().find(|one| one.state == State::Checkpoint && one.status == StateStatus::Succeeded);
        return made.map(|made| made.detail.clone());
    }
    let after = plan.documents.get(planned.documents.checked_sub(1)?)?;
    Some(render::checkpoint(after.name.as_str(), planned.found.as_ref()))
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { image, states, built_on, channels, kept, source_owner, firmware, tried_again, since, .. } = self;
        let (left_behind, leftovers, checkpoint) = (&self.left_behind, &self.leftovers, &self.checkpoint);
        // The key of a wait for room means nothing outside of the table. `waitsForRoom` says the same.
        let without_key = |state: &StateRecord| match waits_for_room(state) {
            true => StateRecord { waits_for: None, ..state.clone() },
            false => state.clone(),
        };
        let states: &Vec<_> = &states.iter().map(without_key).collect();
        let built_on: Vec<_> =
            built_on.iter().map(|one| json!({"image": one.image, "status": render::life(one)})).collect();
        let mut shown = json!({"image": image, "states": states, "builtOn": built_on, "channels": channels,
                               "leftBehind": left_behind, "leftovers": leftovers,
                               "triedAgain": tried_again, "sourceOwner": source_owner});
        // Most images have none of these, so the keys are missing instead of null.
        if let Some(kept) = kept {
            shown["kept"] = json!(kept);
        }
        if let Some(firmware) = firmware {
            shown["boots"] = json!(firmware);
        }
        if let Some(checkpoint) = checkpoint {
            shown["checkpoint"] = json!(checkpoint);
        }
        if let Some(in_line) = &self.in_line {
            shown["waitsForRoom"] = json!(in_line);
        }
        if let Some(audit) = audited::of(states) {
            shown["audit"] = json!(audit);
        }
        if let Some(since) = since {
            shown["sinceLastGood"] = json!(since);
        }
        if let Some(diagnosis) = self.diagnosis() {
            shown["diagnosis"] = json!(diagnosis);
        }
        shown.serialize(serializer)
    }
}

/// Returns when an image was revoked, by whom and why.
pub(crate) fn revocation(revoked: &Revocation) -> String {
    format!("{} by {}: {}", revoked.at, render::who(&revoked.by), revoked.reason)
}

/// Returns an ancestor of the image, and whether the ancestor was revoked.
fn ancestor(image: &ImageRecord) -> String {
    match &image.revoked {
        Some(revoked) => format!("{}, which was revoked: {}", image.image, revoked.reason),
        None => image.image.to_string(),
    }
}

/// Returns the owner of the AMI from which the build started.
fn source_owner(build: &BuildRecord) -> Option<String> {
    let owner = build.plan.source_owner.as_ref()?;
    Some(match &build.plan.source_owner_alias {
        Some(alias) => format!("{owner} ({alias})"),
        None => owner.clone(),
    })
}

/// Returns why a build started, as the end of a sentence. The generated id of a manual start tells a person nothing.
fn started(cause: &Cause) -> String {
    match cause {
        Cause::Manual { .. } => "by hand".to_owned(),
        Cause::Schedule { scheduled_time } => format!("by the schedule of {scheduled_time}"),
        Cause::SourceUpdate { image_id, .. } => format!("because the source has the new AMI {image_id}"),
        Cause::Dependency { image } => format!("because of the new image {image}"),
    }
}

/// Returns whether a failed cause will be retried, if the start was automatic.
fn tried_again(kept: &CauseRecord) -> Option<String> {
    match (kept.status, &kept.not_before) {
        (CauseStatus::Pending, Some(time)) if kept.failures > 0 => Some(format!("it will be retried at {time}")),
        (CauseStatus::Served, _) if kept.given_up => {
            Some(format!("it will not be retried: {} builds for this cause have failed", kept.failures))
        }
        _ => None,
    }
}

impl Show for Shown {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let audit = audited::of(&self.states);
        let failed = self.image.failure.as_ref().zip(self.diagnosis());
        let width = (self.is_wrapped || failed.is_some()).then_some(self.width);
        let mut lines = Vec::new();
        if let Some((cause, diagnosis)) = &failed {
            lines.extend(self.beginning(diagnosis));
            lines.extend(self.failure_lines(globals, cause, diagnosis));
            lines.push(String::new());
        }
        let mut rows = self.rows(globals, audit);
        if let Some((cause, _)) = &failed {
            let rest = failure::rows(cause).into_iter().filter(|(label, _)| *label != "exit code");
            rows.extend(rest.filter_map(|(label, value)| Some((label, value?))));
        }
        lines.extend(labelled_within(rows, width));
        if let Some(audit) = audit.map(audited::lines).filter(|lines| !lines.is_empty()) {
            lines.push(String::new());
            lines.extend(audit);
        }
        if !self.states.is_empty() {
            lines.push(String::new());
            lines.extend(columns_within(&self.states.iter().map(|one| self.state(one)).collect::<Vec<_>>(), width));
        }
        lines
    }
}

impl Shown {
    /// Returns what a reader of a failed build needs first.
    fn beginning(&self, diagnosis: &Diagnosis) -> Vec<String> {
        let (what, _) = self.words();
        let begin = [(what, self.image.image.to_string()), ("status", render::life(&self.image))];
        let rows = begin.into_iter().chain([("failed", diagnosis.headline.clone())]);
        let mut lines = labelled_within(rows, Some(self.width));
        lines.extend(diagnosis.details.iter().flat_map(|detail| wrapped(detail, self.width, "        ", "        ")));
        lines
    }

    /// Returns what this is, and the word for what it started from. The AMI that a verification tests is not an image of
    /// the pipeline.
    fn words(&self) -> (&'static str, &'static str) {
        match &self.image {
            image if image.is_verification => ("run", "tested"),
            image if image.distributes.is_some() => ("run", "copied"),
            _ => ("image", "source"),
        }
    }

    /// Returns the labels and values of the first table.
    fn rows(&self, globals: &Globals, audit: Option<&AuditRecord>) -> Vec<(&'static str, String)> {
        let image = &self.image;
        let (what, from) = self.words();
        let is_failed = image.failure.is_some() && !self.is_cancelled();
        let mut rows = vec![(what, image.image.to_string()), ("status", render::life(image))];
        if is_failed {
            rows.clear();
        }
        let owner = self.source_owner.as_ref().map(|owner| format!(" of {owner}")).unwrap_or_default();
        rows.extend([
            ("pipeline", image.pipeline.to_string()),
            ("started", started(&image.cause)),
            (from, format!("{}{owner}", image.source_image)),
            ("build", image.build.clone()),
            ("began", image.created_at.clone()),
        ]);
        rows.extend(image.distributes.iter().map(|image| ("distributed", image.to_string())));
        rows.extend(image.distributed_by.iter().map(|run| ("distributed", format!("by run {}", run.build))));
        rows.extend(image.ended_at.iter().map(|ended| ("ended", ended.clone())));
        rows.extend(self.in_line.iter().map(|own| ("room", format!("waits for an instance: {}", own.place()))));
        rows.extend(
            image.surplus.iter().map(|one| ("retention", format!("has disabled it at {}: {}", one.at, one.why))),
        );
        rows.extend(image.revoked.iter().map(|revoked| ("revoked", revocation(revoked))));
        rows.extend(approval::in_words(globals, image).map(|words| ("approval", words)));
        rows.extend(self.channels.iter().map(|channel| ("channel", channel.to_string())));
        rows.extend(self.built_on.iter().map(|one| ("built on", ancestor(one))));
        rows.extend(image.overridden.then(|| ("overridden", "yes: it is never published".to_owned())));
        let unpublished = match (&self.kept_amis, is_failed) {
            (Some(until), _) => format!("  unpublished, kept until {until}"),
            (None, true) => "  unpublished".to_owned(),
            (None, false) => String::new(),
        };
        rows.extend(image.amis.iter().map(|(region, id)| ("ami", format!("{region}  {id}{unpublished}"))));
        let copy = |copy: &OwnedCopy| ("copy", format!("{}  {}  of account {}", copy.region, copy.ami, copy.account));
        rows.extend(image.copies.iter().map(copy));
        let exported = |one: &ExportedObject| ("exported", format!("{}  {}", one.region, one.location));
        rows.extend(image.exports.iter().map(exported));
        rows.extend(audit.map(|audit| ("audit", audited::headline(audit))));
        rows.extend(contents::record(image, &self.states).map(|found| ("contents", contents::headline(&found))));
        rows.extend(
            image
                .provenance
                .as_ref()
                .map(|signed| ("signed", format!("sha256:{} by {}", signed.digest, signed.signing_key))),
        );
        rows.extend(self.firmware.iter().map(|firmware| ("boots", firmware.clone())));
        rows.extend(self.checkpoint.iter().map(|checkpoint| ("checkpoint", checkpoint.clone())));
        rows.extend(self.kept.iter().flat_map(|kept| kept.facts(globals)));
        rows.extend(self.tried_again.iter().map(|again| ("again", again.clone())));
        // The only fact about a cancellation would be an error that is none.
        let cancelled = image.failure.iter().filter(|_| self.is_cancelled());
        rows.extend(cancelled.map(|cause| ("cancelled", cause.message.clone())));
        let left = |left: &LeftBehind| ("left", format!("{} in {}: {}", left.what, left.region, left.reason));
        rows.extend(self.left_behind.iter().map(left));
        rows.extend(self.leftovers.iter().map(|one| ("not ours", stranger(one))));
        rows
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.image.status == ImageStatus::Cancelled
    }

    /// Returns the word for how a state ended.
    pub(crate) fn status_of(&self, state: &StateRecord) -> String {
        // Finish ends the states that were running when the build was cancelled: as failed, with the build's message.
        let message = self.image.failure.as_ref().map(|cause| &cause.message);
        let is_interrupted = self.is_cancelled() && message == Some(&state.detail);
        if is_interrupted { word(self.image.status) } else { word(state.status) }
    }

    fn state(&self, state: &StateRecord) -> Vec<String> {
        let took = state.ended_at.as_ref().and_then(|ended| seconds_between(&state.started_at, ended));
        let name = match &state.item {
            Some(item) => format!("{} {item}", state.state),
            None => state.state.to_string(),
        };
        vec![name, self.status_of(state), took.map(duration).unwrap_or_default(), self.short_detail(state)]
    }
}

/// Returns a line about a resource that carries the build's tags, but that is not known to belong to the build.
pub(crate) fn stranger(one: &Leftover) -> String {
    let Leftover { kind, id, region, since, .. } = one;
    format!("{kind} {id} in {region} has this build's tags, but no record shows that the build made it; found {since}")
}

#[cfg(test)]
mod tests;
