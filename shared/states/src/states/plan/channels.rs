//! The channels of a build: the one that points to its image, and the one that approves it.

use goldsmith_model::Name;

use super::resolve::Inputs;

impl Inputs {
    /// Returns the channel whose promotion approves the image, or `None` if the build publishes the image or it is
    /// never published.
    pub(super) fn approval(&self) -> Option<&Name> {
        let approval = self.distribution.as_ref().and_then(|to| to.approval.as_ref()).map(|approval| &approval.channel);
        approval.filter(|_| !self.overridden && !self.is_verification)
    }

    /// Returns the channel that points to the image once it is built. A build never moves the channel that approves its
    /// image.
    pub(super) fn channel(&self) -> Option<&Name> {
        let channel = self.pipeline.channel.as_ref().filter(|_| !self.is_verification);
        channel.filter(|channel| self.approval() != Some(channel))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{Kind, TAG_STATUS};
    use goldsmith_store::{Approved, ImageStatus};
    use jiff::SignedDuration;
    use serde_json::json;

    use crate::State;
    use crate::events::reap;
    use crate::testing::{AWAY, Stack, Task, good, reach, whole_build};

    /// Runs a whole build whose image is approved by a promotion to `stable`, except for Finish. If `denies`, AWS denies
    /// the tags of the second Region from Publish on.
    async fn published(denies: bool) -> Stack {
        let stack = reach(&good(State::Plan)).await;
        stack.need_approval().await;
        for before in whole_build().iter().take_while(|before| before.state != State::Finish) {
            if denies && before.state == State::Publish {
                stack.cloud.fail_always("CreateTags", AWAY, Fault::Refuse(Kind::Denied));
            }
            stack.run(before).await.unwrap();
        }
        stack
    }

    fn statuses(stack: &Stack) -> Vec<String> {
        let places = [HOME, AWAY].map(|region| stack.inventory().region(region));
        places.iter().flat_map(|there| there.images.values()).map(|tags| tags[TAG_STATUS].clone()).collect()
    }

    #[tokio::test]
    async fn an_image_that_needs_an_approval_is_copied_and_given_to_nobody() {
        let stack = published(false).await;
        stack.run(&Task::new(State::Finish)).await.unwrap();
        let image = stack.image().await;
        assert_eq!(
            (image.status, image.awaited().map(ToString::to_string)),
            (ImageStatus::Available, Some("stable".to_owned()))
        );
        for region in [HOME, AWAY] {
            assert!(stack.cloud.launch_permission(region, &image.amis[region]).is_empty(), "{region}");
        }
        let (shared, deprecated) = stack.cloud.terms(AWAY, &image.amis[AWAY]);
        assert!(shared.iter().all(BTreeSet::is_empty) && deprecated.is_some(), "{shared:?}");
        assert!(stack.inventory().region(HOME).parameters.is_empty());
        assert_eq!(statuses(&stack), ["unapproved"; 2]);
        let store = stack.store();
        assert_eq!(store.newest_published(&image.image.name, &image.pipeline).await.unwrap(), None);
        let channels = store.channels(&image.pipeline).await.unwrap();
        assert_eq!(channels.iter().map(|one| one.channel.as_str()).collect::<Vec<_>>(), ["candidate"]);
        assert!(stack.record().await.after.is_over());
    }

    #[tokio::test]
    async fn a_build_does_not_move_the_channel_that_approves_its_image() {
        let stack = reach(&good(State::Plan)).await;
        stack.need_approval().await;
        let mut pipeline = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
        pipeline.channel = Some("stable".parse().unwrap());
        stack.put_pipeline(pipeline).await;
        stack.run(&good(State::Plan)).await.unwrap();
        let plan = stack.record().await.plan;
        assert_eq!((plan.channel, plan.approval), (None, Some("stable".parse().unwrap())));
    }

    #[tokio::test]
    async fn a_mark_that_was_rejected_does_not_hide_an_image_that_was_approved_since() {
        let stack = published(true).await;
        stack.run(&Task::new(State::Finish)).await.unwrap();
        assert_eq!(statuses(&stack)[1], "building");
        stack.cloud.heal();
        let approved = Approved { at: "now".to_owned(), by: "anna".to_owned(), reason: None };
        stack.store().approve(&stack.image().await, &approved).await.unwrap();
        stack.clock.advance(SignedDuration::from_mins(20));
        reap::handle(&stack.context(), json!({})).await.unwrap();
        assert_eq!(statuses(&stack)[1], "published");
    }
}
