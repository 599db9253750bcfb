//! Proves that a resource belongs to the build that its tags name, by the journal, by the client token of the call that
//! made it, or by what EC2 itself says about that call. Tags prove nothing: a copy of a resource may have the same
//! tags, and every principal that may tag can write them.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_cloud::Image;
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
    volumes: BTreeSet<(String, String)>,
    images: BTreeSet<(String, String)>,
    /// Images that the build may have copied although it has not made them. They are never the build's.
    originals: BTreeSet<(String, String)>,
    snapshots: BTreeSet<(String, String)>,
    /// Names of images that were requested and whose ids the journal does not have yet, by Region.
    names: BTreeMap<String, String>,
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
            originals: record.plan.distributes.iter().flat_map(|one| one.amis.clone()).collect(),
            ..Self::default()
        };
        // A call that AWS has rejected made nothing. Whatever has its token or its name comes from somebody else.
        for effect in effects.iter().filter(|effect| effect.id.is_some() || effect.may_exist()) {
            let at = |text: &String| (effect.region.clone(), text.clone());
            match &effect.kind {
                EffectKind::Instance { volumes, .. } => {
                    proof.instances.extend(effect.id.as_ref().map(at));
                    proof.tokens.insert(at(&effect.name));
                    proof.volumes.extend(volumes.iter().map(at));
                }
                EffectKind::Image => match (&effect.id, record.plan.region(&effect.region)) {
                    (Some(id), _) => drop(proof.images.insert(at(id))),
                    // The effect of a copy is named by its client token, so the image's name comes from the plan.
                    (None, Some(planned)) => drop(proof.names.insert(effect.region.clone(), planned.name.clone())),
                    (None, None) => {}
                },
                // The id of an image occurs once in all accounts.
                EffectKind::TargetImage { .. } => proof.images.extend(effect.id.as_ref().map(at)),
                EffectKind::Command { .. } | EffectKind::Parameter { .. } | EffectKind::TemplateVersion { .. } => {}
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
            // In the home Region it was created from an instance, which EC2 names for such images only. In another
            // Region it is a copy.
            let is_source = match origin.instance {
                Some(instance) => region == self.home && self.instances.contains(&pair(region, instance)),
                None => {
                    let is_original = |id: &str| self.is_original(&self.home, id);
                    region != self.home && origin.image.is_some_and(is_original)
                }
            };
            self.names.get(region).is_some_and(|name| name == origin.name) && self.lived(origin.created) && is_source
        };
        self.images.contains(&pair(region, id)) || is_asked_for()
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
            let is_asked_for = self.names.contains_key(region) && self.is_original(&self.home, original);
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
mod tests {
    use super::{Origin, Proof, Timestamp, pair};

    const HOME: &str = "eu-west-1";
    const AWAY: &str = "us-east-1";

    fn time(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    /// A build that ran from three to four o'clock. The build has an instance and an image in its home Region, and has
    /// requested a copy.
    fn proof() -> Proof {
        Proof {
            began: time("2026-11-24T03:00:00Z"),
            ended: time("2026-11-24T04:00:00Z"),
            home: HOME.to_owned(),
            instances: [pair(HOME, "i-1")].into(),
            tokens: [pair(HOME, "token")].into(),
            images: [pair(HOME, "ami-1")].into(),
            names: [(AWAY.to_owned(), "web 1".to_owned())].into(),
            ..Proof::default()
        }
    }

    #[test]
    fn an_instance_is_tied_by_its_id_or_its_token_and_by_nothing_else() {
        let proof = proof();
        assert!(proof.has_instance(HOME, "i-1", ""));
        assert!(proof.has_instance(HOME, "i-2", "token"));
        assert!(!proof.has_instance(AWAY, "i-2", "token"), "a token is its Region's");
        assert!(!proof.has_instance(HOME, "i-2", ""));
        assert!(!proof.has_volume(HOME, "vol-1"));
    }

    #[test]
    fn an_image_without_an_answer_is_tied_by_name_time_and_source_together() {
        let proof = proof();
        let made =
            Origin { name: "web 1", created: time("2026-11-24T03:30:00Z"), instance: None, image: Some("ami-1") };
        assert!(proof.has_image(AWAY, "ami-9", made));
        assert!(proof.has_image(HOME, "ami-1", Origin::default()), "the journal has it");
        let others = [
            Origin { name: "web 2", ..made },
            Origin { created: time("2026-11-24T05:00:00Z"), ..made },
            Origin { created: None, ..made },
            Origin { image: Some("ami-7"), ..made },
            Origin { image: None, ..made },
            Origin { instance: Some("i-1"), ..made },
        ];
        for other in others {
            assert!(!proof.has_image(AWAY, "ami-9", other), "{other:?}");
        }
        let of_instance = Origin { instance: Some("i-1"), image: Some("ami-0"), ..made };
        assert!(!proof.has_image(HOME, "ami-9", of_instance), "none is asked for");
        let asked = Proof { names: [(HOME.to_owned(), "web 1".to_owned())].into(), ..proof };
        assert!(asked.has_image(HOME, "ami-9", of_instance), "whatever its instance was launched from");
        assert!(!asked.has_image(HOME, "ami-9", Origin { instance: Some("i-7"), ..of_instance }));
        assert!(!asked.has_image(HOME, "ami-9", Origin { instance: None, ..of_instance }), "a copy");
    }

    #[test]
    fn a_distributed_image_ties_its_copies_and_is_not_the_runs() {
        let proof = Proof { images: [].into(), originals: [pair(HOME, "ami-1")].into(), ..proof() };
        let made =
            Origin { name: "web 1", created: time("2026-11-24T03:30:00Z"), instance: None, image: Some("ami-1") };
        assert!(proof.has_image(AWAY, "ami-9", made));
        assert!(proof.has_copy(HOME, "ami-9", "web 1", made));
        let copied = "Copied for DestinationAmi ami-9 from SourceAmi ami-1 for SourceSnapshot snap-2.";
        assert!(proof.has_snapshot(AWAY, "snap-1", copied, time("2026-11-24T03:30:00Z")));
        let itself = Origin { name: "web 1", instance: Some("i-1"), ..made };
        assert!(!proof.has_image(HOME, "ami-1", itself) && !proof.has_copy(HOME, "ami-1", "web 1", Origin::default()));
        let its = "Created by CreateImage(i-7) for ami-1";
        assert!(!proof.has_snapshot(HOME, "snap-1", its, time("2026-11-24T03:30:00Z")));
    }

    #[test]
    fn another_accounts_copy_is_tied_by_its_id_or_by_name_time_and_source_together() {
        let proof = proof();
        let made =
            Origin { name: "web 1", created: time("2026-11-24T03:30:00Z"), instance: None, image: Some("ami-1") };
        assert!(proof.has_copy(HOME, "ami-9", "web 1", made));
        assert!(proof.has_copy(HOME, "ami-1", "web 1", Origin::default()), "the journal has it");
        assert!(!proof.has_copy(AWAY, "ami-9", "web 1", made), "the source is in another Region");
        for other in [
            Origin { name: "web 2", ..made },
            Origin { created: time("2026-11-24T05:00:00Z"), ..made },
            Origin { image: Some("ami-7"), ..made },
            Origin { image: None, ..made },
        ] {
            assert!(!proof.has_copy(HOME, "ami-9", "web 1", other), "{other:?}");
        }
    }

    #[test]
    fn a_snapshot_is_tied_by_what_ec2_has_written_while_the_build_ran() {
        let proof = proof();
        let while_it_ran = time("2026-11-24T03:30:00Z");
        let has = |region, text| proof.has_snapshot(region, "snap-1", text, while_it_ran);
        assert!(has(HOME, "Created by CreateImage(i-1) for ami-1"));
        assert!(has(HOME, "Created by CreateImage(i-1) for ami-7"), "an image that never came to be");
        assert!(has(
            AWAY,
            "Copied for DestinationAmi ami-9 from SourceAmi ami-1 for SourceSnapshot snap-2. Task created on 1."
        ));
        assert!(!has(AWAY, "Copied for DestinationAmi ami-9 from SourceAmi ami-7 for SourceSnapshot snap-2."));
        assert!(!has(HOME, "Copied for DestinationAmi ami-9 from SourceAmi ami-1 for SourceSnapshot snap-2."));
        assert!(!has(HOME, "[Copied snap-2 from eu-west-1] Created by CreateImage(i-1) for ami-1"));
        assert!(!has(HOME, "nightly of i-1 for ami-1") && !has(HOME, ""));
        let later = time("2026-11-25T03:30:00Z");
        assert!(!proof.has_snapshot(HOME, "snap-1", "Created by CreateImage(i-1) for ami-1", later));
    }
}
