//! Strangers: resources that carry this stack's tags although nothing ties them to a build. Examples are a copy that a
//! person has made with all tags, and an instance that a person has launched with "Launch more like this". A stranger
//! is marked and reported, and is never removed here, since servers may depend on it.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_cloud::Tags;
use goldsmith_store::{Leftover, LeftoverKind, Tagged, stamp};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{Context, Result, TAG_BUILD, TAG_IMAGE, TAG_LEFTOVER, own_events};

/// Pauses between two reports of the same stranger. The last one repeats, since the stranger costs money for as long as
/// it exists.
const PAUSES: [SignedDuration; 2] = [SignedDuration::from_hours(24), SignedDuration::from_hours(7 * 24)];
/// Largest number of strangers that one run reports. A run has two minutes.
const AT_ONCE: usize = 50;

/// Region and id.
type Place = (String, String);

/// The strangers of one sweep.
pub(super) struct Strangers {
    now: Timestamp,
    /// Strangers that an earlier sweep found.
    known: BTreeMap<Place, Leftover>,
    /// The Regions and kinds that could be read.
    looked: BTreeSet<(String, LeftoverKind)>,
    /// Every resource that exists.
    there: BTreeSet<Place>,
    /// Snapshots of images that an earlier sweep found. They are reported with their image.
    covered: BTreeSet<Place>,
    found: Vec<(String, Tagged)>,
}

impl Strangers {
    /// Reads the strangers that earlier sweeps found.
    pub(super) async fn read(context: &Context) -> Result<Self> {
        let known = context.store.leftovers().await?.into_iter();
        let known = known.map(|one| ((one.region.clone(), one.id.clone()), one)).collect();
        let (looked, there, covered) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        Ok(Self { now: context.clock.now(), known, looked, there, covered, found: Vec::new() })
    }

    /// Records which resources exist in a Region.
    pub(super) fn see(&mut self, region: &str, kinds: Vec<LeftoverKind>, found: &[Tagged]) {
        self.looked.extend(kinds.into_iter().map(|kind| (region.to_owned(), kind)));
        self.there.extend(found.iter().map(|one| (region.to_owned(), one.id().to_owned())));
        let settled = found.iter().filter(|one| self.is_settled(region, one.id()));
        let covered: Vec<Place> = settled.flat_map(|one| with_region(region, one)).collect();
        self.covered.extend(covered);
    }

    /// Returns whether the resource was checked before, and needs no check now. It is checked again before the next
    /// report, because by then something may tie it to its build.
    pub(super) fn is_settled(&self, region: &str, id: &str) -> bool {
        let place = (region.to_owned(), id.to_owned());
        self.known.get(&place).is_some_and(|known| !is_due(known, self.now)) || self.covered.contains(&place)
    }

    /// Adds resources that nothing ties to a build.
    pub(super) fn add(&mut self, found: Vec<(String, Tagged)>) {
        self.found.extend(found);
    }

    /// Marks and reports the strangers that are due, and forgets those that no longer exist.
    pub(super) async fn tell(self, context: &Context) -> Result<()> {
        // Something that could not be listed may still exist. To forget it would be wrong: it would be found as new,
        // and the day would begin again that must pass before `goldsmith clean` may remove it.
        let is_gone =
            |place: &Place, kind| self.looked.contains(&(place.0.clone(), kind)) && !self.there.contains(place);
        for ((region, id), _) in self.known.iter().filter(|(place, one)| is_gone(place, one.kind)) {
            context.store.forget_leftover(region, id).await?;
        }
        // The snapshots of a reported image are not reported separately.
        let of_images: BTreeSet<Place> = self.found.iter().flat_map(|(region, one)| with_region(region, one)).collect();
        let mut due = Vec::new();
        for (region, one) in &self.found {
            let place = (region.clone(), one.id().to_owned());
            if of_images.contains(&place) {
                continue;
            }
            let known = self.known.get(&place);
            let leftover = known.cloned().unwrap_or_else(|| new(region, one, self.now));
            // Every stranger is recorded, also those that are not reported now: the day begins now that must pass
            // before `goldsmith clean` may remove it.
            if known.is_none() {
                context.store.note_leftover(&leftover).await?;
            }
            if is_due(&leftover, self.now) {
                due.push((one, leftover));
            }
        }
        // Strangers that were never reported come first, so that none waits forever behind others.
        due.sort_by(|(_, one), (_, other)| one.told.cmp(&other.told));
        for (one, leftover) in due.into_iter().take(AT_ONCE) {
            self.mark(context, one, &leftover).await;
            // The report is sent before it is recorded. A process that dies in between sends it twice, but never drops
            // it.
            match tell(context, &leftover).await {
                Ok(()) => context.store.note_told(&leftover, self.now).await?,
                Err(error) => tracing::warn!(%error, id = leftover.id, "a leftover is not reported yet"),
            }
        }
        Ok(())
    }

    /// Tags a stranger. The tag is only for people: if AWS rejects it, nothing else changes. A copied image may have
    /// tags while its snapshots have none, and the stack's roles may not tag a resource without tags.
    async fn mark(&self, context: &Context, one: &Tagged, leftover: &Leftover) {
        // The tag alone proves nothing: a copy has the tag of its original, with the time at which that was found.
        if one.tags().contains_key(TAG_LEFTOVER) && leftover.told.is_some() {
            return;
        }
        let tagged = one.snapshots().iter().filter(|id| self.there.contains(&(leftover.region.clone(), (*id).clone())));
        let ids: Vec<String> = std::iter::once(&leftover.id).chain(tagged).cloned().collect();
        let tags = Tags::from([(TAG_LEFTOVER.to_owned(), leftover.since.clone())]);
        if let Err(error) = context.cloud.images.tag(&leftover.region, &ids, &tags).await {
            tracing::warn!(%error, id = leftover.id, "a leftover cannot be marked");
        }
    }
}

fn with_region(region: &str, one: &Tagged) -> Vec<Place> {
    one.snapshots().iter().map(|id| (region.to_owned(), id.clone())).collect()
}

fn new(region: &str, one: &Tagged, now: Timestamp) -> Leftover {
    Leftover {
        kind: one.kind(),
        id: one.id().to_owned(),
        region: region.to_owned(),
        build: one.tags().get(TAG_BUILD).cloned(),
        image: one.tags().get(TAG_IMAGE).cloned(),
        since: stamp(now),
        told: None,
        times: 0,
    }
}

fn is_due(leftover: &Leftover, now: Timestamp) -> bool {
    let told = leftover.told.as_ref().and_then(|told| told.parse::<Timestamp>().ok());
    let pause = PAUSES[usize::try_from(leftover.times.saturating_sub(1)).unwrap_or(usize::MAX).min(PAUSES.len() - 1)];
    told.is_none_or(|told| now >= told + pause)
}

async fn tell(context: &Context, leftover: &Leftover) -> Result<()> {
    let Leftover { kind, id, region, build, image, since, .. } = leftover;
    let message = format!(
        "the {kind} {id} in {region} carries the tags of the stack {}, but nothing shows that a build has made it: it stays \
         until a person removes its tags or the {kind} itself, for example with `goldsmith clean`",
        context.config.stack
    );
    tracing::warn!(%kind, id, region, build, "this carries the stack's tags, but nothing ties it to a build");
    let detail = json!({
        "kind": kind, "id": id, "region": region, "build": build, "image": image, "since": since, "message": message,
    });
    let resources: Vec<String> = std::iter::once(id.clone()).chain(image.clone()).collect();
    Ok(context.cloud.events.emit(own_events::LEFTOVER, &resources, &detail.to_string()).await?)
}

#[cfg(test)]
mod tests;
