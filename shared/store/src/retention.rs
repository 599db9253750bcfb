//! Finds the images of a pipeline that are beyond its retention, and records when the stack has applied it. This module
//! does not know what refers to an image.

use goldsmith_model::{ImageRef, Name, Retention};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::store::encode;
use crate::{ImageLife, ImageRecord, ImageStatus, Key, Result, Store, Write, keys};

/// Pause between the beginnings of two rounds of a pipeline.
const PAUSE: SignedDuration = SignedDuration::from_hours(24);

/// `PIPELINE#n / RETENTION`
///
/// The last round in which the stack applied the retention of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetentionRound {
    /// When it began (RFC 3339).
    pub began_at: String,
    /// The last image that it has judged; `None` if it has judged all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ImageRef>,
}

impl RetentionRound {
    /// Returns whether there is something to do: the round has not ended, or the next one begins.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        let began = self.began_at.parse::<Timestamp>();
        self.after.is_some() || began.map_or(true, |began| now.duration_since(began) >= PAUSE)
    }
}

impl Store {
    /// Returns the last round of a pipeline; `None` if there was none.
    pub async fn retention_round(&self, pipeline: &Name) -> Result<Option<RetentionRound>> {
        self.read(&keys::retention(pipeline)).await
    }

    /// Records how far a round has come. Safe to repeat.
    pub async fn note_retention_round(&self, pipeline: &Name, round: &RetentionRound) -> Result<()> {
        // There is no condition: if two invocations race, the worst result is that some images are judged twice.
        let item = encode(keys::retention(pipeline), round)?;
        self.write(vec![Write::Put { item, checks: vec![] }]).await
    }
}

/// Returns the write that forgets the rounds of a pipeline.
pub(crate) fn forget_rounds(pipeline: &Name) -> Write {
    let key: Key = keys::retention(pipeline);
    Write::Delete { key, checks: Vec::new() }
}

/// Returns the images that exceed the number and are old enough, newest first. `images` contains all images of one
/// pipeline.
///
/// Only published images that still exist count. An image exceeds the number if `keep` newer images can be launched: a
/// disabled image does not count as a newer one. Images whose start overrode something are counted separately.
#[must_use]
pub fn beyond<'i>(rule: &Retention, images: &'i [ImageRecord], now: Timestamp) -> Vec<&'i ImageRecord> {
    let exists =
        |image: &&ImageRecord| image.status == ImageStatus::Available && image.life != Some(ImageLife::Deleted);
    let mut existing: Vec<&ImageRecord> = images.iter().filter(exists).collect();
    existing.sort_by(|a, b| (&b.created_at, &b.image).cmp(&(&a.created_at, &a.image)));
    let is_too_many = |at: usize, image: &ImageRecord| {
        let newer = existing[..at].iter().filter(|one| one.overridden == image.overridden && one.is_in_use());
        // Many images may wait for an approval that never comes. They must not push out those that are in use.
        let newer = newer.filter(|one| one.is_published() || !image.is_published());
        newer.count() >= usize::try_from(rule.keep).unwrap_or(usize::MAX)
    };
    let is_old = |image: &ImageRecord| match rule.older_than_days {
        None => true,
        // An image whose time cannot be read is not old.
        Some(days) => image
            .created_at
            .parse::<Timestamp>()
            .is_ok_and(|made| now.duration_since(made) >= SignedDuration::from_hours(24 * i64::from(days))),
    };
    existing
        .iter()
        .enumerate()
        .filter(|(at, image)| is_too_many(*at, image) && is_old(image))
        .map(|(_, image)| *image)
        .collect()
}

#[cfg(test)]
mod tests {
    use goldsmith_model::Retention;
    use jiff::Timestamp;

    use super::beyond;
    use crate::samples::image;
    use crate::{ImageLife, ImageRecord, ImageStatus};

    /// Returns the numbers of the images that exceed a rule, thirty days after the tenth image was built. One image is
    /// built per day.
    fn numbers(keep: u32, older_than_days: Option<u32>, change: impl Fn(u32, &mut ImageRecord)) -> Vec<u32> {
        let images = (1..=10).map(|number| {
            let mut image = image("web", number, false);
            image.created_at = format!("2026-01-{number:02}T00:00:00.000Z");
            change(number, &mut image);
            image
        });
        let images: Vec<ImageRecord> = images.collect();
        let now: Timestamp = "2026-02-09T00:00:00Z".parse().unwrap();
        beyond(&Retention { older_than_days, ..Retention::keep(keep) }, &images, now)
            .iter()
            .map(|image| image.image.build)
            .collect()
    }

    #[test]
    fn only_images_that_are_too_many_and_too_old_are_beyond_the_retention() {
        assert_eq!(numbers(7, None, |_, _| {}), [3, 2, 1]);
        assert_eq!(numbers(1, Some(37), |_, _| {}), [3, 2, 1], "37 days are full");
        assert_eq!(numbers(9, Some(1), |_, _| {}), [1]);
        assert_eq!(numbers(10, None, |_, _| {}), [0; 0]);
    }

    #[test]
    fn only_images_that_can_be_used_count() {
        let failed = |number: u32, image: &mut ImageRecord| {
            if number == 10 {
                image.status = ImageStatus::Failed;
            }
        };
        assert_eq!(numbers(7, None, failed), [2, 1]);
        let disabled = |number: u32, image: &mut ImageRecord| {
            image.life = (number > 8).then_some(ImageLife::Disabled);
        };
        assert_eq!(numbers(7, None, disabled), [1], "the disabled ones are new, and take no place");
        let deleted = |number: u32, image: &mut ImageRecord| {
            image.life = (number < 3).then_some(ImageLife::Deleted);
        };
        assert_eq!(numbers(7, None, deleted), [3]);
        let overridden = |number: u32, image: &mut ImageRecord| image.overridden = number.is_multiple_of(2);
        assert_eq!(numbers(4, None, overridden), [2, 1]);
    }

    #[test]
    fn images_that_wait_for_an_approval_push_out_no_published_ones() {
        let waits = |number: u32, image: &mut ImageRecord| {
            image.approval = (number > 4).then(|| "stable".parse().unwrap());
        };
        assert_eq!(numbers(2, None, waits), [8, 7, 6, 5, 2, 1]);
    }
}
