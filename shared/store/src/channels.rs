//! Channels: names such as `stable` under which a pipeline offers one of its images, and the history of each.

use goldsmith_model::{ImageRef, Name};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::image_life::while_usable;
use crate::store::encode;
use crate::{BuildRecord, Check, ImageRecord, Result, Store, Write, keys};

/// `PIPELINE#n / CHANNEL#name` for the last move of a channel, and `PIPELINE#n / MOVED#name#number` for each.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelMove {
    /// The channel.
    pub channel: Name,
    /// The number of the move; the first move of a channel is 1.
    pub number: u32,
    /// The previous image of the channel, or `None` if the channel was new or deleted.
    pub from: Option<ImageRef>,
    /// The image to which the channel points after the move, or `None` if the move deleted the channel.
    pub to: Option<ImageRef>,
    /// Time of the move (RFC 3339).
    pub at: String,
    /// The ARN of the session of the person who moved the channel, or `build ID`.
    pub by: String,
    /// The reason that the person gave, if any.
    pub reason: Option<String>,
    /// Whether the channel returned to an earlier image. The next rollback does not offer the images that the channel
    /// has left.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_rollback: bool,
}

impl ChannelMove {
    /// Returns the move of a channel to an image, as the one after `last`.
    #[must_use]
    pub fn after(last: Option<&Self>, channel: &Name, to: Option<ImageRef>, at: String, by: String) -> Self {
        let (number, from) = last.map_or((1, None), |last| (last.number + 1, last.to.clone()));
        Self { channel: channel.clone(), number, from, to, at, by, reason: None, is_rollback: false }
    }
}

/// Returns the previous images of a channel, the latest first. `moves` are all moves of the channel, the oldest first.
///
/// A rollback removes the images that it left from the list, as an undo does: two rollbacks in a row return to the
/// image before the previous one.
#[must_use]
pub fn earlier(moves: &[ChannelMove]) -> Vec<ImageRef> {
    let mut pointed: Vec<&ImageRef> = Vec::new();
    for one in moves {
        match &one.to {
            None => pointed.clear(),
            Some(to) => {
                if one.is_rollback
                    && let Some(at) = pointed.iter().rposition(|image| *image == to)
                {
                    pointed.truncate(at);
                }
                pointed.push(to);
            }
        }
    }
    pointed.pop();
    pointed.into_iter().rev().cloned().collect()
}

impl Store {
    /// Returns the last move of a channel, or `None` if the channel never pointed to an image.
    pub async fn channel(&self, pipeline: &Name, channel: &Name) -> Result<Option<ChannelMove>> {
        self.read(&keys::channel(pipeline, channel)).await
    }

    /// Returns the last moves of a pipeline's channels that point to an image, ordered by name.
    pub async fn channels(&self, pipeline: &Name) -> Result<Vec<ChannelMove>> {
        let mut channels: Vec<ChannelMove> = self.read_all(&format!("PIPELINE#{pipeline}"), "CHANNEL#").await?;
        channels.retain(|channel| channel.to.is_some());
        Ok(channels)
    }

    /// Returns all moves of a channel, the oldest first.
    pub async fn channel_moves(&self, pipeline: &Name, channel: &Name) -> Result<Vec<ChannelMove>> {
        self.read_all(&format!("PIPELINE#{pipeline}"), &format!("MOVED#{channel}#")).await
    }

    /// Returns all moves of all channels of a pipeline.
    pub async fn all_channel_moves(&self, pipeline: &Name) -> Result<Vec<ChannelMove>> {
        self.read_all(&format!("PIPELINE#{pipeline}"), "MOVED#").await
    }

    /// Moves a channel. Safe to repeat.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] if the channel has moved since the move before this one was read, or if the image
    /// is not available, or is disabled or deleted.
    pub async fn move_channel(&self, pipeline: &Name, step: &ChannelMove) -> Result<()> {
        let mut writes = writes(pipeline, step)?;
        writes.extend(step.to.as_ref().map(while_usable));
        match self.write(writes).await {
            // An earlier attempt may have moved it although its answer was lost.
            Err(error) if error.is_conflict() => match self.channel(pipeline, &step.channel).await? {
                Some(now) if now == *step => Ok(()),
                _ => Err(error),
            },
            written => written,
        }
    }

    /// Checks that this is still the last move of a channel, and that the image to which it leads can be used. Writes
    /// nothing.
    ///
    /// # Errors
    /// [`crate::StoreError::Conflict`] if the channel has moved since then, or if the image is not available, or is
    /// disabled or deleted.
    pub async fn confirm_channel(&self, pipeline: &Name, last: &ChannelMove) -> Result<()> {
        let checks = vec![Check::equals("number", last.number)];
        let mut verified = vec![Write::Verify { key: keys::channel(pipeline, &last.channel), checks }];
        verified.extend(last.to.as_ref().map(while_usable));
        self.write(verified).await
    }

    /// Returns the writes that move a build's channel to the image of the build. There are none if the build has no
    /// channel, or if the image is not published.
    pub(crate) async fn channel_writes(&self, record: &BuildRecord, image: &ImageRecord) -> Result<Vec<Write>> {
        let Some(channel) = record.plan.channel.as_ref().filter(|_| !image.overridden) else { return Ok(Vec::new()) };
        let last = self.channel(&record.pipeline, channel).await?;
        let at = image.ended_at.clone().unwrap_or_else(|| image.created_at.clone());
        let by = format!("build {}", record.build);
        let step = ChannelMove::after(last.as_ref(), channel, Some(image.image.clone()), at, by);
        writes(&record.pipeline, &ChannelMove { reason: record.reason.clone(), ..step })
    }
}

/// Returns the writes of a move. Both items are written together, so the history has every move.
fn writes(pipeline: &Name, step: &ChannelMove) -> Result<Vec<Write>> {
    let check = match step.number {
        1 => Check::Absent,
        number => Check::equals("number", number - 1),
    };
    let history = keys::channel_move(pipeline, &step.channel, step.number);
    Ok(vec![
        Write::Put { item: encode(keys::channel(pipeline, &step.channel), step)?, checks: vec![check] },
        Write::Put { item: encode(history, step)?, checks: vec![Check::Absent] },
    ])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::{ImageRef, Name};

    use super::{ChannelMove, earlier};
    use crate::builds::image_key;
    use crate::samples::{build, image};
    use crate::store::encode;
    use crate::{ImageLife, MemoryTable, Store, StoreError, Write};

    fn number(image: &ImageRef) -> u32 {
        image.build
    }

    /// A store with the images 1 to 4 of the pipeline `web`.
    async fn store() -> (Store, Name, Name) {
        let store = Store::new(Arc::new(MemoryTable::new()));
        for number in 1..=4 {
            let image = image("web", number, false);
            let item = encode(image_key(&image.image), &image).unwrap();
            store.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
        }
        (store, "web".parse().unwrap(), "stable".parse().unwrap())
    }

    /// Moves `stable` to the image with this number, or deletes it.
    async fn moved(store: &Store, to: Option<u32>, is_rollback: bool) -> crate::Result<()> {
        let (web, stable) = ("web".parse().unwrap(), "stable".parse().unwrap());
        let last = store.channel(&web, &stable).await?;
        let to = to.map(|number| image("web", number, false).image);
        let step = ChannelMove::after(last.as_ref(), &stable, to, "now".to_owned(), "arn:anna".to_owned());
        store.move_channel(&web, &ChannelMove { is_rollback, ..step }).await
    }

    /// The images that a rollback offers.
    async fn offered(store: &Store) -> Vec<u32> {
        let moves = store.channel_moves(&"web".parse().unwrap(), &"stable".parse().unwrap()).await.unwrap();
        earlier(&moves).iter().map(number).collect()
    }

    #[tokio::test]
    async fn a_rollback_undoes_moves_one_after_another() {
        let (store, web, stable) = store().await;
        assert_eq!(offered(&store).await, [0; 0]);
        for to in [1, 2, 1, 3] {
            moved(&store, Some(to), false).await.unwrap();
        }
        assert_eq!(offered(&store).await, [1, 2, 1]);
        for (to, left) in [(1, &[2, 1][..]), (2, &[1])] {
            moved(&store, Some(to), true).await.unwrap();
            assert_eq!(offered(&store).await, left);
        }
        moved(&store, Some(4), true).await.unwrap();
        assert_eq!(offered(&store).await, [2, 1], "it never pointed to image 4 before, so nothing is undone");
        moved(&store, None, false).await.unwrap();
        assert_eq!((offered(&store).await.len(), store.channels(&web).await.unwrap().len()), (0, 0));
        moved(&store, Some(2), false).await.unwrap();
        assert_eq!(offered(&store).await, [0; 0], "a channel that is made again has no past");
        assert_eq!(store.channel_moves(&web, &stable).await.unwrap().len(), 9, "the history has all of it");
        assert_eq!(store.channels(&web).await.unwrap()[0].to.as_ref().map(number), Some(2));
    }

    #[tokio::test]
    async fn of_two_people_who_move_a_channel_one_is_told() {
        let (store, web, stable) = store().await;
        let to = |number| Some(image("web", number, false).image);
        for round in 0..2 {
            let last = store.channel(&web, &stable).await.unwrap();
            let step = |number| ChannelMove::after(last.as_ref(), &stable, to(number), String::new(), String::new());
            for _ in 0..2 {
                store.move_channel(&web, &step(1 + round)).await.unwrap();
            }
            let second = store.move_channel(&web, &step(3)).await;
            assert!(matches!(second, Err(StoreError::Conflict { .. })), "{second:?}");
            let now = store.channel(&web, &stable).await.unwrap().unwrap();
            assert_eq!((now.number, now.to), (round + 1, to(1 + round)));
        }
    }

    #[tokio::test]
    async fn a_channel_never_comes_to_point_to_an_image_that_cannot_be_used() {
        let (store, web, _) = store().await;
        moved(&store, Some(1), false).await.unwrap();
        for life in [ImageLife::Disabled, ImageLife::Deleted] {
            store.set_life(&image("web", 2, false).image, Some(life)).await.unwrap();
            assert!(matches!(moved(&store, Some(2), false).await, Err(StoreError::Conflict { .. })));
        }
        assert!(moved(&store, Some(9), false).await.is_err(), "there is no image 9");
        assert_eq!(store.channels(&web).await.unwrap()[0].number, 1);
    }

    #[tokio::test]
    async fn a_channel_is_confirmed_until_it_moves_or_its_image_cannot_be_used() {
        let (store, web, stable) = store().await;
        moved(&store, Some(1), false).await.unwrap();
        let first = store.channel(&web, &stable).await.unwrap().unwrap();
        store.confirm_channel(&web, &first).await.unwrap();
        moved(&store, Some(2), false).await.unwrap();
        assert!(matches!(store.confirm_channel(&web, &first).await, Err(StoreError::Conflict { .. })));
        let second = store.channel(&web, &stable).await.unwrap().unwrap();
        store.confirm_channel(&web, &second).await.unwrap();
        store.set_life(&image("web", 2, false).image, Some(ImageLife::Disabled)).await.unwrap();
        assert!(matches!(store.confirm_channel(&web, &second).await, Err(StoreError::Conflict { .. })));
    }

    #[tokio::test]
    async fn a_build_moves_its_channel_in_the_write_that_publishes_its_image() {
        let (store, web, stable) = store().await;
        let mut record = build();
        record.plan.channel = Some(stable.clone());
        let published = image("web", 2, false);
        let item = encode(crate::keys::build(&record.build), &record).unwrap();
        store.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
        moved(&store, Some(1), false).await.unwrap();
        for _ in 0..2 {
            assert!(store.publish_build(&record, &published).await.unwrap());
            let now = store.channel(&web, &stable).await.unwrap().unwrap();
            assert_eq!((now.number, now.to.as_ref(), now.by.as_str()), (2, Some(&published.image), "build web-1"));
        }
        let mut closed = record.clone();
        (closed.status, closed.published) = (crate::BuildStatus::Closing, false);
        let item = encode(crate::keys::build(&record.build), &closed).unwrap();
        store.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
        assert!(!store.publish_build(&record, &image("web", 3, false)).await.unwrap());
        assert_eq!(store.channel(&web, &stable).await.unwrap().unwrap().number, 2);
    }
}
