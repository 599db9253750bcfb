//! What has changed since the last good build of a pipeline, for a build that failed.

mod contents;
mod inside;

use anyhow::Result;
use goldsmith_contents::Diff;
use goldsmith_document::hidden_if_secret;
use goldsmith_model::ImageRef;
use goldsmith_states::{Difference, between_builds};
use goldsmith_store::{BuildRecord, ImageRecord, ImageStatus, PlannedDocument};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;

pub(crate) use contents::InImage;
pub(crate) use inside::Inside;

/// The most lines of a component's document that are shown.
const LINES: usize = 12;

/// The last good build before a failed one, and what differs between them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Since {
    /// The image of the last good build.
    pub(crate) image: ImageRef,
    /// When that build began (RFC 3339).
    pub(crate) began: String,
    /// The differences between the plans of the two builds.
    pub(crate) changes: Vec<Difference>,
    /// What has changed inside the components that the builds have used in different versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) inside: Vec<Inside>,
    /// What differs between the contents of the images. `None` if the failed build has not collected any, or if they
    /// cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) contents: Option<InImage>,
}

/// Compares a failed build with the last good build of its pipeline. Returns `None` if the build did not fail, or if no
/// build before it was good.
///
/// # Errors
/// Fails if a call to the table fails.
pub(crate) async fn last_good(
    connection: &Connection,
    failed: &ImageRecord,
    build: Option<&BuildRecord>,
    all: &[ImageRecord],
) -> Result<Option<Since>> {
    let Some(build) = build.filter(|build| failed.status == ImageStatus::Failed && build.plan.is_build()) else {
        return Ok(None);
    };
    let is_good = |image: &&ImageRecord| {
        let is_whole = image.status == ImageStatus::Available && !image.overridden;
        is_whole && image.pipeline == failed.pipeline && image.created_at < failed.created_at
    };
    let Some(good) = all.iter().filter(is_good).max_by(|a, b| a.created_at.cmp(&b.created_at)) else {
        return Ok(None);
    };
    let Some(record) = connection.store.build(&good.build).await? else { return Ok(None) };
    let changes = between_builds(&record.plan, &build.plan);
    let mut inside = Vec::new();
    for new in &build.plan.documents {
        let old = record.plan.documents.iter().find(|old| old.name == new.name && old.version != new.version);
        if let Some(old) = old {
            inside.extend(compared(connection, old, new).await?);
        }
    }
    let (image, began) = (good.image.clone(), good.created_at.clone());
    Ok(Some(Since { image, began, changes, inside, contents: None }))
}

/// Compares two versions of a component. Returns `None` if somebody has deleted one of them.
async fn compared(connection: &Connection, old: &PlannedDocument, new: &PlannedDocument) -> Result<Option<Inside>> {
    let store = &connection.store;
    let (from, to) = (store.component(&old.name, old.version).await?, store.component(&new.name, new.version).await?);
    Ok(from.zip(to).map(|(from, to)| Inside::between(&from, &to)))
}

/// Compares the contents of a failed build's image with those of the last good one, if both can be read: without them,
/// everything else is still worth showing.
pub(crate) async fn in_image(connection: &Connection, failed: &ImageRecord, since: &Since) -> Option<InImage> {
    let good = connection.store.image(&since.image).await.ok()??;
    let old = crate::contents::of(connection, &good).await.ok()?;
    let new = crate::contents::of(connection, failed).await.ok()?;
    Some(InImage::of(&Diff::of(&old, &new)))
}

impl Since {
    /// Returns the comparison as text for people.
    pub(crate) fn lines(&self, globals: &Globals) -> Vec<String> {
        let Self { image, began, changes, .. } = self;
        let mut lines = if changes.is_empty() {
            vec![format!("Since the last good build, {image} of {began}:")]
        } else {
            vec![format!("Changed since the last good build, {image} of {began}:")]
        };
        for change in changes {
            lines.push(format!("  {}", changed(change)));
            lines.extend(self.of_component(change, globals).into_iter().map(|line| format!("    {line}")));
        }
        lines.extend(self.contents.iter().filter(|contents| !contents.lines.is_empty()).flat_map(|contents| {
            let more = (contents.more > 0).then(|| format!("    and {} more", contents.more));
            let lines = contents.lines.iter().map(|line| format!("    {line}"));
            std::iter::once("  in the image:".to_owned()).chain(lines).chain(more)
        }));
        lines
    }

    /// Returns what has changed inside the component that a change is about, and the command that prints all of it if
    /// lines are left out.
    pub(crate) fn of_component(&self, change: &Difference, globals: &Globals) -> Vec<String> {
        let component = change.what.strip_prefix("component ");
        let Some(inside) = self.inside.iter().find(|inside| Some(inside.component.as_str()) == component) else {
            return Vec::new();
        };
        if inside.lines.is_empty() {
            return vec!["its document is the same".to_owned()];
        }
        let (lines, left_out) = inside.first(LINES);
        let all = format!("{left_out} more lines: {} {}", globals.again(), inside.command());
        lines.iter().cloned().chain((left_out > 0).then_some(all)).collect()
    }
}

/// Returns a change of a plan as text. A value that looks like a secret is hidden.
pub(crate) fn changed(change: &Difference) -> String {
    let parameter = change.what.strip_prefix("component ").and_then(|what| what.split_once(": "));
    let of_parameter = |value: &String| match parameter {
        Some((_, name)) => hidden_if_secret(name, value).to_owned(),
        None => value.clone(),
    };
    // An empty list has a meaning of its own.
    let default = match change.what.as_str() {
        "subnets" => Some("the default VPC".to_owned()),
        "securityGroups" => Some("the stack's own group".to_owned()),
        "instanceProfile" => Some("the stack's own profile".to_owned()),
        _ => None,
    };
    told(&Difference {
        what: change.what.clone(),
        from: change.from.as_ref().map(of_parameter).or_else(|| default.clone()),
        to: change.to.as_ref().map(of_parameter).or(default),
    })
}

/// Returns a change as text for people.
pub(crate) fn told(change: &Difference) -> String {
    let what = &change.what;
    match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!("{what}: {from} → {to}"),
        (Some(from), None) => format!("{what}: {from} is gone"),
        (None, Some(to)) => format!("{what}: {to} is new"),
        (None, None) => what.clone(),
    }
}
