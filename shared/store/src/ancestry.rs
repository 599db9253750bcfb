//! The ancestry of images, as their records describe it.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_model::{ImageRef, Name};

use crate::{ImageLife, ImageRecord, ImageStatus};

/// Returns the images that were built on an image, directly or through other images, and the images whose builds are
/// still running. Parents come before their children. Deleted images are left out, but the images that were built on
/// them are not.
#[must_use]
pub fn descendants<'i>(image: &ImageRecord, all: &'i [ImageRecord]) -> Vec<&'i ImageRecord> {
    let mut children: BTreeMap<&str, Vec<&ImageRecord>> = BTreeMap::new();
    for one in all {
        children.entry(&one.source_image).or_default().push(one);
    }
    let mut found: Vec<&ImageRecord> = Vec::new();
    let mut seen = BTreeSet::from([&image.image]);
    let mut next: Vec<&ImageRecord> = children_of(image, &children);
    // One generation after another: no image has two parents, so each is met after its parent.
    while !next.is_empty() {
        next.retain(|one| seen.insert(&one.image));
        found.extend(&next);
        next = next.iter().flat_map(|one| children_of(one, &children)).collect();
    }
    found.retain(|one| exists(one));
    found
}

fn children_of<'i>(image: &ImageRecord, children: &BTreeMap<&str, Vec<&'i ImageRecord>>) -> Vec<&'i ImageRecord> {
    // A build starts from the AMI of the home Region, but the record does not say which Region that is.
    image.amis.values().filter_map(|ami| children.get(ami.as_str())).flatten().copied().collect()
}

/// Returns whether an image exists, or will exist if its build succeeds.
fn exists(image: &ImageRecord) -> bool {
    match image.status {
        ImageStatus::Building => image.is_image(),
        ImageStatus::Available => image.life != Some(ImageLife::Deleted),
        ImageStatus::Failed | ImageStatus::Cancelled | ImageStatus::Verified | ImageStatus::Distributed => false,
    }
}

/// Returns the ancestors of an image: its parent, the parent of its parent, and so on.
#[must_use]
pub fn ancestors<'i>(image: &ImageRecord, all: &'i [ImageRecord]) -> Vec<&'i ImageRecord> {
    let made: BTreeMap<&str, &ImageRecord> = all
        .iter()
        .filter(|one| one.is_image())
        .flat_map(|one| one.amis.values().map(move |ami| (ami.as_str(), one)))
        .collect();
    let mut found: Vec<&ImageRecord> = Vec::new();
    let mut source = &image.source_image;
    while let Some(parent) = made.get(source.as_str())
        // A damaged record must not let this run forever.
        && found.len() < all.len()
    {
        found.push(parent);
        source = &parent.source_image;
    }
    found
}

/// Returns the pipelines that must be built again, because their newest usable image is among these images. An image
/// that was usable until its revocation counts as usable. The pipelines have the order of `images`: a pipeline
/// comes before the pipelines that start from its image.
#[must_use]
pub fn made_stale<'i>(images: &[&'i ImageRecord], all: &[ImageRecord]) -> Vec<&'i Name> {
    let affected: BTreeSet<&ImageRef> = images.iter().map(|one| &one.image).collect();
    let newest = |pipeline: &Name| {
        let is_usable = |one: &ImageRecord| {
            // After a revocation the answer must be the same as before, because the command may be repeated.
            let was = one.revoked.is_some() && affected.contains(&one.image);
            one.is_published() && (one.is_in_use() || was)
        };
        all.iter()
            .filter(|one| one.pipeline == *pipeline && is_usable(one))
            .max_by(|a, b| a.created_at.cmp(&b.created_at))
    };
    let mut stale: Vec<&Name> = Vec::new();
    for image in images {
        let is_newest = newest(&image.pipeline).is_none_or(|newest| affected.contains(&newest.image));
        if is_newest && !stale.contains(&&image.pipeline) {
            stale.push(&image.pipeline);
        }
    }
    stale
}

#[cfg(test)]
mod tests {
    use super::{ancestors, descendants, made_stale};
    use crate::{ImageLife, ImageRecord, ImageStatus, Revocation, samples};

    /// An image of a pipeline, whose AMI is `ami-PIPELINE-NUMBER`, and the AMI from which it was built.
    fn image(pipeline: &str, number: u32, source: &str) -> ImageRecord {
        let mut image = samples::image(pipeline, number, false);
        image.image.name = pipeline.parse().unwrap();
        image.amis = [("eu-west-1".to_owned(), format!("ami-{pipeline}-{number}"))].into();
        source.clone_into(&mut image.source_image);
        image
    }

    fn names(images: &[&ImageRecord]) -> Vec<String> {
        images.iter().map(|one| one.image.to_string()).collect()
    }

    /// base 1 and 2; web and app on base 1, api on that web, and a second web on base 2.
    fn family() -> Vec<ImageRecord> {
        vec![
            image("base", 1, "ami-debian"),
            image("base", 2, "ami-debian"),
            image("api", 1, "ami-web-1"),
            image("web", 1, "ami-base-1"),
            image("app", 1, "ami-base-1"),
            image("web", 2, "ami-base-2"),
        ]
    }

    #[test]
    fn descendants_come_after_their_parents() {
        let mut all = family();
        assert_eq!(names(&descendants(&all[0], &all)), ["web/1.0.0/1", "app/1.0.0/1", "api/1.0.0/1"]);
        assert_eq!(names(&descendants(&all[2], &all)), [""; 0]);
        all[3].life = Some(ImageLife::Deleted);
        all[4].status = ImageStatus::Failed;
        all[2].status = ImageStatus::Building;
        assert_eq!(names(&descendants(&all[0], &all)), ["api/1.0.0/1"], "what was built from a deleted image stays");
    }

    #[test]
    fn ancestors_are_the_parent_and_its_parents() {
        let mut all = family();
        assert_eq!(names(&ancestors(&all[2], &all)), ["web/1.0.0/1", "base/1.0.0/1"]);
        assert_eq!(names(&ancestors(&all[0], &all)), [""; 0]);
        all[0].source_image = "ami-web-1".to_owned();
        assert_eq!(ancestors(&all[2], &all).len(), all.len(), "a circle ends");
        assert_eq!(descendants(&all[0], &all).len(), 3);
    }

    #[test]
    fn only_pipelines_whose_newest_image_is_affected_must_be_built_again() {
        let mut all = family();
        let stale = |all: &[ImageRecord]| {
            let mut affected = vec![&all[0]];
            affected.extend(descendants(&all[0], all));
            made_stale(&affected, all).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(stale(&all), ["app", "api"], "base and web have a newer image");
        all[5].life = Some(ImageLife::Disabled);
        assert_eq!(stale(&all), ["web", "app", "api"]);
        let revocation = Revocation { at: String::new(), by: String::new(), reason: String::new() };
        (all[4].life, all[4].revoked) = (Some(ImageLife::Disabled), Some(revocation));
        assert_eq!(stale(&all), ["web", "app", "api"], "a revocation changes nothing");
        all[1].overridden = true;
        assert_eq!(stale(&all), ["base", "web", "app", "api"]);
        for image in &mut all {
            image.life = Some(ImageLife::Disabled);
        }
        assert_eq!(stale(&all), ["base", "web", "app", "api"], "none of them has an image that can be used");
    }
}
