//! Says which images the retention of their pipeline takes, and why the others stay. It changes nothing.

use goldsmith_cloud::{Image, Images, Protection};
use goldsmith_model::Retention;
use goldsmith_store::{ImageRecord, beyond};
use jiff::{SignedDuration, Timestamp};

use super::references::{Reference, References};
use crate::Result;

/// Tag of an AMI that stays whatever the retention of its pipeline says. Its value does not matter.
pub const TAG_KEEP: &str = "goldsmith:keep";

/// Judges the images of one pipeline by its retention.
#[derive(Clone, Copy)]
pub struct Judge<'j> {
    /// Where the AMIs are described.
    pub images: &'j dyn Images,
    /// Where to look for references.
    pub references: &'j References,
    /// The retention of the pipeline.
    pub rule: &'j Retention,
    /// Accounts, organizations or `all`, whose launch permissions keep no image.
    pub unshare: &'j [String],
    /// Whether an AMI that is protected from being deregistered stays. Only a person switches that off.
    pub keeps_protected: bool,
    /// The time now.
    pub now: Timestamp,
}

impl Judge<'_> {
    /// Returns the images that are too many and old enough, the newest first. Each of them goes, unless
    /// [`Judge::why_it_stays`] says why it stays. `images` are all images of the pipeline.
    #[must_use]
    pub fn beyond<'i>(&self, images: &'i [ImageRecord]) -> Vec<&'i ImageRecord> {
        beyond(self.rule, images, self.now)
    }

    /// Returns why an image that is beyond the retention stays, in words; nothing if it goes.
    ///
    /// # Errors
    /// Fails if a call to AWS or to the table fails. Then nothing is known about the image, and it must stay.
    pub async fn why_it_stays(&self, image: &ImageRecord) -> Result<Vec<String>> {
        self.why(image, self.references.of(image).await?).await
    }

    /// Returns the same as [`Judge::why_it_stays`], but reads everything again.
    ///
    /// # Errors
    /// As [`Judge::why_it_stays`].
    pub async fn why_it_stays_now(&self, image: &ImageRecord) -> Result<Vec<String>> {
        self.why(image, self.references.of_now(image).await?).await
    }

    async fn why(&self, image: &ImageRecord, found: Vec<Reference>) -> Result<Vec<String>> {
        let found = found.into_iter();
        let mut why: Vec<String> =
            found.filter(|one| !one.is_only_of(self.unshare)).map(|one| one.by.to_string()).collect();
        why.extend(self.why_its_amis_stay(image).await?);
        Ok(why)
    }

    /// Returns why an image stays, as far as its AMIs themselves say so. Right before an image is deleted, this look is
    /// enough: [`super::delete`] looks for references itself.
    ///
    /// # Errors
    /// Fails if an AMI cannot be described.
    pub async fn why_its_amis_stay(&self, image: &ImageRecord) -> Result<Vec<String>> {
        let mut why = Vec::new();
        for (region, id) in &image.amis {
            if let Some(found) = self.images.image(region, id).await? {
                why.extend(self.why_an_ami_stays(&found));
            }
        }
        Ok(why)
    }

    fn why_an_ami_stays(&self, ami: &Image) -> Vec<String> {
        let Image { id, tags, last_launched, protection, .. } = ami;
        let mut why = Vec::new();
        if tags.contains_key(TAG_KEEP) {
            why.push(format!("the tag {TAG_KEEP} of {id}"));
        }
        if let (Some(days), Some(at)) = (self.rule.not_launched_for_days, last_launched) {
            let idle = SignedDuration::from_hours(24 * i64::from(days));
            // A time that cannot be read may be a moment ago.
            if at.parse::<Timestamp>().map_or(true, |at| self.now.duration_since(at) < idle) {
                why.push(format!("the last launch of {id}, which was at {at}"));
            }
        }
        if self.keeps_protected && *protection != Protection::Off {
            why.push(format!("the protection of {id} from being deregistered"));
        }
        why
    }
}

#[cfg(test)]
mod tests;
