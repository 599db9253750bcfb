//! Finds and removes resources that carry a stack's tag and belong to no build that the stack knows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Result;
use goldsmith_cloud::{Images, Machines, Parameters, Tags};
use goldsmith_states::life::TemplateUses;
use goldsmith_store::{LeftoverKind, Tagged, may_go, stamp};
use jiff::Timestamp;
use serde::Serialize;

use super::records::{Known, Records};
use crate::exit::plain;
use crate::output;
use crate::tags::{TAG_BUILD, TAG_LEFTOVER, TAG_STACK, has_home};

/// Tag with the image that the build makes.
const TAG_IMAGE: &str = "goldsmith:image";

/// A resource that nothing needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Leftover {
    kind: LeftoverKind,
    pub(super) region: String,
    pub(super) id: String,
    /// Image for which the resource was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// Build that made the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<String>,
    /// When a run first found that only tags show the build of the resource. The text is empty if this is the first
    /// run. `None` if the build has made the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    unproven_since: Option<String>,
    /// What uses the resource.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    used_by: Vec<String>,
}

impl Leftover {
    fn new(region: &str, found: &Tagged, unproven_since: Option<String>) -> Self {
        let (kind, id) = (found.kind(), found.id().to_owned());
        let (image, build) = (found.tags().get(TAG_IMAGE).cloned(), found.tags().get(TAG_BUILD).cloned());
        Self { kind, region: region.to_owned(), id, image, build, unproven_since, used_by: Vec::new() }
    }

    /// Returns whether the resource is an AMI or a snapshot, which may be in use.
    pub(super) fn is_image(&self) -> bool {
        matches!(self.kind, LeftoverKind::Image | LeftoverKind::Snapshot)
    }

    /// Returns whether something uses the resource.
    pub(super) fn is_used(&self) -> bool {
        !self.used_by.is_empty()
    }

    /// Returns whether a person may have the resource removed now.
    pub(super) fn may_go(&self, now: Timestamp) -> bool {
        self.unproven_since.as_ref().is_none_or(|since| may_go(since, now))
    }

    /// Returns the row of the resource in the table for people.
    pub(super) fn row(&self) -> Vec<String> {
        let image = self.image.clone().unwrap_or_default();
        let remark = match &self.unproven_since {
            _ if self.is_used() => format!("used by {}", self.used_by.join(", ")),
            Some(since) if since.is_empty() => "found now".to_owned(),
            Some(since) => format!("not known to belong to a build; found {since}"),
            None => String::new(),
        };
        vec![self.region.clone(), crate::render::word(self.kind), self.id.clone(), image, remark]
    }
}

/// A resource that AWS does not remove, with AWS's reason.
#[derive(Debug, Serialize)]
pub(super) struct Refused<T> {
    /// The resource or Region.
    pub(super) what: T,
    /// AWS's words.
    pub(super) reason: String,
}

/// Returns when the resource was marked. A copy carries the mark of its original. That mark is older than the copy, and
/// does not count.
fn marked(found: &Tagged) -> Option<String> {
    let mark = found.tags().get(TAG_LEFTOVER)?;
    let is_its_own = found.made().is_some_and(|made| mark.parse::<Timestamp>().is_ok_and(|mark| mark >= made));
    is_its_own.then(|| mark.clone())
}

/// The resources that stay regardless of the person's answer.
pub(super) struct Stays {
    /// AMIs and snapshots whose removal was not requested.
    pub(super) images: Vec<Leftover>,
    /// Resources that stay for a day because only tags show their build.
    pub(super) unproven: Vec<Leftover>,
}

/// Where `clean` searches, and for what.
pub(super) struct Leftovers {
    pub(super) machines: Arc<dyn Machines>,
    pub(super) images: Arc<dyn Images>,
    pub(super) parameters: Arc<dyn Parameters>,
    pub(super) templates: TemplateUses,
    /// Name of the stack.
    pub(super) stack: String,
    /// Home Region of the stack.
    pub(super) home: String,
}

impl Leftovers {
    /// Returns all leftovers in these Regions, in the order in which they will be removed. Also returns the Regions
    /// that AWS lets nobody search, with its messages: an organization may deny some of the Regions that its accounts
    /// have enabled.
    pub(super) async fn find(
        &self,
        mut records: Records,
        regions: &BTreeSet<String>,
    ) -> Result<(Vec<Leftover>, Vec<Refused<String>>)> {
        let since = records.since().await?;
        let (mut left, mut unseen) = (Vec::new(), Vec::new());
        for region in regions {
            match self.left_in(region, &mut records, &since).await {
                Ok(found) => left.extend(found),
                Err(error) => unseen.push(Refused { what: region.clone(), reason: format!("{error:#}") }),
            }
        }
        // The kind decides first. EC2 deletes no snapshot that an AMI uses, so the AMIs come before the snapshots.
        left.sort();
        Ok((left, unseen))
    }

    async fn left_in(
        &self,
        region: &str,
        records: &mut Records,
        since: &BTreeMap<(String, String), String>,
    ) -> Result<Vec<Leftover>> {
        let mut left = Vec::new();
        for found in self.tagged(region).await? {
            let known = match found.tags().get(TAG_BUILD) {
                Some(build) => records.known(build).await?,
                None => None,
            };
            left.extend(self.judge(region, &found, known, since).await?);
        }
        Ok(left)
    }

    /// Returns a resource that may be a leftover, or `None` if it belongs to its build.
    async fn judge(
        &self,
        region: &str,
        found: &Tagged,
        known: Option<Known>,
        since: &BTreeMap<(String, String), String>,
    ) -> Result<Option<Leftover>> {
        let known = known.unwrap_or_default();
        let is_proven = found.is_proven(&known.proof, region);
        // An open build may have made this without having recorded it yet. What is proven is left to the stack's own
        // reaper.
        if known.is_looked_after && (known.is_open || is_proven) {
            return Ok(None);
        }
        let noted = since.get(&(region.to_owned(), found.id().to_owned())).cloned();
        // The time in the table counts before the time in the tag, because anyone who may tag can write the tag.
        let unproven_since = (!is_proven).then(|| noted.or_else(|| marked(found)).unwrap_or_default());
        let mut leftover = Leftover::new(region, found, unproven_since);
        if leftover.kind == LeftoverKind::Image {
            leftover.used_by = self.users(region, &leftover.id, &known).await?;
        }
        Ok(Some(leftover))
    }

    /// Returns what uses an image.
    async fn users(&self, region: &str, image: &str, known: &Known) -> Result<Vec<String>> {
        let uses = self.images.uses(region, image).await?;
        let mut users: Vec<String> = uses.iter().map(ToString::to_string).collect();
        users.extend(self.templates.naming(region, image).await.map_err(plain)?.iter().map(ToString::to_string));
        let put = known.parameters.iter().filter(|(of, _, named)| of == region && named == image);
        for (_, name, _) in put {
            match self.parameters.get(region, name).await {
                Ok(found) if found.as_ref().is_some_and(|found| found.value == image) => {
                    users.push(format!("the parameter {name}"));
                }
                Ok(_) => {}
                // A parameter that cannot be read may name the image.
                Err(error) => users.push(format!("the parameter {name}, which cannot be read: {error}")),
            }
        }
        Ok(users)
    }

    /// Marks the leftovers that were found for the first time, and removes from `found` what must stay.
    pub(super) async fn set_aside(&self, found: &mut Vec<Leftover>, with_images: bool, now: Timestamp) -> Stays {
        // The mark is set even if the person then declines the removal, and for images that were not asked for: it only
        // begins the day of these resources.
        self.mark(found, now).await;
        let images = found.extract_if(.., |leftover| !with_images && leftover.is_image()).collect();
        Stays { images, unproven: found.extract_if(.., |leftover| !leftover.may_go(now)).collect() }
    }

    /// Marks the leftovers that were found for the first time. Only the next call needs the mark, so a failure stops
    /// nothing.
    pub(super) async fn mark(&self, leftovers: &[Leftover], now: Timestamp) {
        let tags = Tags::from([(TAG_LEFTOVER.to_owned(), stamp(now))]);
        let is_new = |leftover: &&Leftover| leftover.unproven_since.as_ref().is_some_and(String::is_empty);
        for Leftover { region, id, .. } in leftovers.iter().filter(is_new) {
            // Each resource has its own call, because CreateTags tags none of them if one does not exist.
            if let Err(error) = self.images.tag(region, std::slice::from_ref(id), &tags).await {
                output::say(&format!("{id} cannot be marked: {error}"));
            }
        }
    }

    /// Removes the leftovers. Returns those that were removed, and those that AWS does not remove, with its messages. A
    /// failure does not keep the others from being removed. Safe to repeat: it is no error if a resource is already
    /// gone.
    pub(super) async fn remove(&self, leftovers: Vec<Leftover>) -> (Vec<Leftover>, Vec<Refused<Leftover>>) {
        let (mut removed, mut refused) = (Vec::new(), Vec::new());
        for leftover in leftovers {
            let Leftover { kind, region, id, .. } = &leftover;
            let answer = match kind {
                LeftoverKind::Instance => self.end_instance(region, id).await,
                LeftoverKind::Volume => self.machines.delete_volume(region, id).await,
                LeftoverKind::Image => self.images.deregister(region, id).await,
                LeftoverKind::Snapshot => self.images.delete_snapshot(region, id).await,
            };
            match answer {
                Ok(()) => removed.push(leftover),
                Err(error) => refused.push(Refused { what: leftover, reason: error.to_string() }),
            }
        }
        (removed, refused)
    }

    /// Ends an instance, and cancels its spot request first: a persistent one would launch another instance.
    async fn end_instance(&self, region: &str, id: &str) -> goldsmith_cloud::Result<()> {
        let request = self.machines.instance(region, id).await?.and_then(|found| found.spot_request);
        self.machines.end(region, id, request.as_deref()).await
    }

    async fn tagged(&self, region: &str) -> Result<Vec<Tagged>> {
        let instances = self.machines.tagged(region, TAG_STACK, &self.stack).await?.into_iter();
        let mut found: Vec<Tagged> =
            instances.filter(|instance| !instance.state.is_gone()).map(Tagged::Instance).collect();
        found.extend(self.machines.volumes_left(region, TAG_STACK, &self.stack).await?.into_iter().map(Tagged::Volume));
        let images = self.images.tagged(region, TAG_STACK, &self.stack).await?;
        let with_image: BTreeSet<String> = images.iter().flat_map(|image| image.snapshots.clone()).collect();
        found.extend(images.into_iter().map(|one| Tagged::Image(Box::new(one))));
        let snapshots = self.images.snapshots_tagged(region, TAG_STACK, &self.stack).await?.into_iter();
        // The snapshots of an image are removed with it.
        found.extend(snapshots.filter(|snapshot| !with_image.contains(&snapshot.id)).map(Tagged::Snapshot));
        found.retain(|one| has_home(one.tags(), &self.home));
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
