//! Proves that a resource belongs to the build that its tags name, by the journal, by the client token of the call that
//! made it, or by what EC2 itself says about that call. Tags prove nothing: a copy of a resource may have the same
//! tags, and every principal that may tag can write them.

use std::collections::BTreeSet;

use goldsmith_cloud::{Image, SpotRequest};
use jiff::{SignedDuration, Timestamp};

use crate::{BuildRecord, Effect, EffectKind, ImageRecord};

/// How far EC2's clock may differ from the clock of a function, and how long after a build's end one of its functions
/// may still make something.
const SLACK: SignedDuration = SignedDuration::from_mins(10);

/// What EC2 says about the call that made an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// The image's name, which no other image of the account has in its Region.
    pub name: &'a str,
    /// When the image was made.
    pub created: Option<Timestamp>,
    /// The instance from which the image was created.
    pub instance: Option<&'a str>,
    /// The image from which this one was copied, or from which the instance was launched.
    pub image: Option<&'a str>,
    /// The image's snapshots.
    pub snapshots: &'a [String],
}

impl<'a> Origin<'a> {
    /// Returns what EC2 says about this image.
    #[must_use]
    pub fn of(image: &'a Image) -> Self {
        Self {
            name: &image.name,
            created: image.created.parse().ok(),
            instance: image.source_instance.as_deref(),
            image: image.source_image.as_deref(),
            snapshots: &image.snapshots,
        }
    }
}

/// Everything that a build is known to have made. Each pair consists of a Region and an id or token in that Region.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    began: Option<Timestamp>,
    /// `None` if the build is still running.
    ended: Option<Timestamp>,
    home: String,
    instances: BTreeSet<(String, String)>,
    tokens: BTreeSet<(String, String)>,
    /// Spot requests of the build instance.
    requests: BTreeSet<(String, String)>,
    /// When a spot request of the build ends by itself, or `None` if the build makes none.
    request_until: Option<Timestamp>,
    volumes: BTreeSet<(String, String)>,
    images: BTreeSet<(String, String)>,
    /// Images that the build may have copied although it has not made them. They are never the build's.
    originals: BTreeSet<(String, String)>,
    snapshots: BTreeSet<(String, String)>,
    /// Names of images that were requested and whose ids the journal does not have yet, each with its Region.
    names: BTreeSet<(String, String)>,
    /// Names of drafts, each with its Region.
    drafts: BTreeSet<(String, String)>,
    /// Snapshots from which the build registers its image in its home Region.
    registered: BTreeSet<String>,
}

impl Proof {
    /// Returns what the records of a build prove.
    #[must_use]
    pub fn of(record: &BuildRecord, effects: &[Effect], image: Option<&ImageRecord>) -> Self {
        let time = |text: &String| text.parse::<Timestamp>().ok();
        // The endings of earlier releases have no time. Then the end in the record of the image counts.
        let decided = record.ending.as_ref().and_then(|ending| ending.at.as_ref());
        let mut proof = Self {
            began: time(&record.created_at),
            ended: decided.or(image.and_then(|image| image.ended_at.as_ref())).and_then(time),
            home: record.plan.home_region.clone(),
            request_until: record.spot_until().filter(|_| record.plan.launch.spot_build),
            originals: record.plan.distributes.iter().flat_map(|one| one.amis.clone()).collect(),
            ..Self::default()
        };
        // A call that AWS has rejected made nothing. Whatever has its token or its name comes from somebody else.
        for effect in effects.iter().filter(|effect| effect.id.is_some() || effect.may_exist()) {
            let at = |text: &String| (effect.region.clone(), text.clone());
            match &effect.kind {
                EffectKind::Instance { volumes, spot_request, .. } => {
                    proof.requests.extend(spot_request.as_ref().map(at));
                    proof.instances.extend(effect.id.as_ref().map(at));
                    proof.tokens.insert(at(&effect.name));
                    proof.volumes.extend(volumes.iter().map(at));
                }
                EffectKind::Image => match (&effect.id, record.plan.region(&effect.region)) {
                    (Some(id), _) => drop(proof.images.insert(at(id))),
                    // The effect of a copy is named by its client token, so the image's name comes from the plan.
                    (None, Some(planned)) => drop(proof.names.insert(at(&planned.name))),
                    (None, None) => {}
                },
                EffectKind::Draft | EffectKind::Checkpoint => {
                    if effect.kind.is_draft() {
                        proof.drafts.insert(at(&effect.name));
                    }
                    proof.images.extend(effect.id.as_ref().map(at));
                    proof.names.extend(effect.id.is_none().then(|| at(&effect.name)));
                }
                EffectKind::RegisteredImage { snapshots } => {
                    proof.registered.extend(snapshots.iter().cloned());
                    proof.images.extend(effect.id.as_ref().map(at));
                    proof.names.extend(effect.id.is_none().then(|| at(&effect.name)));
                }
                // The id of an image occurs once in all accounts.
                EffectKind::TargetImage { .. } => proof.images.extend(effect.id.as_ref().map(at)),
                EffectKind::Command { .. }
                | EffectKind::Export { .. }
                | EffectKind::Parameter { .. }
                | EffectKind::TemplateVersion { .. } => {}
            }
        }
        if let Some(image) = image {
            proof.images.extend(image.amis.clone());
            proof.images.extend(image.copies.iter().map(|copy| pair(&copy.region, &copy.ami)));
            let of_region = |(region, ids): (&String, &Vec<String>)| {
                ids.iter().map(|id| (region.clone(), id.clone())).collect::<Vec<_>>()
            };
            proof.snapshots.extend(image.snapshots.iter().flat_map(of_region));
        }
        proof
    }

    /// Returns whether an instance belongs to the build: the journal has its id, or the token with which it was
    /// launched.
    #[must_use]
    pub fn has_instance(&self, region: &str, id: &str, token: &str) -> bool {
        self.instances.contains(&pair(region, id)) || self.tokens.contains(&pair(region, token))
    }

    /// Returns whether a spot request belongs to the build. Either the journal has the request's id or that of its
    /// instance. Or the request was made while the build ran, and ends at the very second at which the build's requests
    /// end. Nobody can change these times afterwards.
    #[must_use]
    pub fn has_spot_request(&self, region: &str, request: &SpotRequest) -> bool {
        let is_of_instance = request.instance.as_ref().is_some_and(|id| self.instances.contains(&pair(region, id)));
        let is_asked_for = || {
            let ends_with_it = self.request_until.is_some() && request.valid_until == self.request_until;
            region == self.home && ends_with_it && self.lived(request.created)
        };
        self.requests.contains(&pair(region, &request.id)) || is_of_instance || is_asked_for()
    }

    /// Returns whether a volume belongs to the build: an instance of the build was launched with it.
    #[must_use]
    pub fn has_volume(&self, region: &str, id: &str) -> bool {
        self.volumes.contains(&pair(region, id))
    }

    /// Returns whether an image belongs to the build. Either the journal has the image's id. Or the journal has an
    /// image with this name and without an id, and a call of the build made this image while the build ran.
    #[must_use]
    pub fn has_image(&self, region: &str, id: &str, origin: Origin<'_>) -> bool {
        let is_asked_for = || {
            // In the home Region it was created from an instance, which EC2 names for such images only, or registered
            // from the snapshots of such an image. In another Region it is a copy.
            let is_registered = !origin.snapshots.is_empty()
                && origin.snapshots.iter().all(|snapshot| self.registered.contains(snapshot));
            let is_source = match origin.instance {
                Some(instance) => region == self.home && self.instances.contains(&pair(region, instance)),
                None if region == self.home => is_registered,
                None => {
                    let is_original = |id: &str| self.is_original(&self.home, id);
                    origin.image.is_some_and(is_original)
                }
            };
            self.names.contains(&pair(region, origin.name)) && self.lived(origin.created) && is_source
        };
        self.images.contains(&pair(region, id)) || is_asked_for()
    }

    /// Returns whether an image of the build is the draft from whose snapshots the build registers its image. A draft goes
    /// without its snapshots.
    #[must_use]
    pub fn is_draft(&self, region: &str, name: &str) -> bool {
        self.drafts.contains(&pair(region, name))
    }

    /// Returns whether an image of another account is the build's copy for that account. Either the journal has the
    /// image's id. Or the image has this name, and was copied from the build's image in the same Region while the build
    /// ran.
    #[must_use]
    pub fn has_copy(&self, region: &str, id: &str, name: &str, origin: Origin<'_>) -> bool {
        let is_source = |id: &str| self.is_original(region, id);
        let is_asked_for = || origin.name == name && self.lived(origin.created) && origin.image.is_some_and(is_source);
        self.images.contains(&pair(region, id)) || is_asked_for()
    }

    /// Returns whether a snapshot belongs to the build. Either it is known as a snapshot of an image, or it was made
    /// while the build ran, by a call about a resource of the build. EC2 writes the call and the resource into the
    /// description, as in "Created by CreateImage(i-1) for ami-1" and "Copied for DestinationAmi ami-2 from SourceAmi
    /// ami-1 for …". A snapshot that a person makes has another description.
    #[must_use]
    pub fn has_snapshot(&self, region: &str, id: &str, description: &str, started: Option<Timestamp>) -> bool {
        let is_image_of = |rest: &str| {
            let (instance, image) = rest.split_once(") for ").unwrap_or_default();
            let is_known = self.images.contains(&pair(region, image.split(' ').next().unwrap_or_default()));
            is_known || (region == self.home && self.instances.contains(&pair(region, instance)))
        };
        let is_copy_of = |rest: &str| {
            let (copy, original) = rest.split_once(" from SourceAmi ").unwrap_or_default();
            let original = original.split(' ').next().unwrap_or_default();
            // If the answer of CopyImage was lost, the id of the copy is unknown. The original then ties the snapshot
            // to the build.
            let is_asked_for =
                self.names.iter().any(|(there, _)| there == region) && self.is_original(&self.home, original);
            self.images.contains(&pair(region, copy)) || is_asked_for
        };
        let is_made = || {
            description.strip_prefix("Created by CreateImage(").is_some_and(is_image_of)
                || description.strip_prefix("Copied for DestinationAmi ").is_some_and(is_copy_of)
        };
        self.snapshots.contains(&pair(region, id)) || (self.lived(started) && is_made())
    }

    /// Returns whether the build copies this image: its own, or that of the image that it distributes.
    fn is_original(&self, region: &str, id: &str) -> bool {
        let it = pair(region, id);
        self.images.contains(&it) || self.originals.contains(&it)
    }

    /// Returns whether the build was running at this time.
    fn lived(&self, at: Option<Timestamp>) -> bool {
        let (Some(began), Some(at)) = (self.began, at) else { return false };
        at + SLACK >= began && self.ended.is_none_or(|ended| at <= ended + SLACK)
    }
}

fn pair(region: &str, what: &str) -> (String, String) {
    (region.to_owned(), what.to_owned())
}

#[cfg(test)]
mod tests;
