//! Joins: sources for which several pipelines make images. Such a source is a filter over the account's own images, or
//! a parameter that all of these pipelines write.
//!
//! If one image of a base starts several of these pipelines, a pipeline that builds on the newest of their images must
//! not be built after each of them. It waits until the last of them has ended, and is then built once.

use goldsmith_model::definitions::{Definitions, Graph, Stored};
use goldsmith_model::{Cause, Name, SourceImage};
use jiff::SignedDuration;

use crate::parts::newest::newest_image_of;
use crate::{Context, Result};

/// Longest age of a kept cause at which others still wait for its build: the least time between two automatic builds of
/// a pipeline.
const SOON: SignedDuration = SignedDuration::from_hours(1);

/// Returns whether several pipelines of this stack may make images for the source.
pub(super) fn may_join(source: &SourceImage) -> bool {
    match source {
        // Only AWS can write below `/aws/`, and most pipelines start from there: they cost no look at the definitions.
        SourceImage::Parameter(name) => !name.starts_with("/aws/"),
        SourceImage::Newest { owners, .. } => owners.iter().any(|owner| owner == "self"),
        SourceImage::Ami(_) | SourceImage::Pipeline(_) => false,
    }
}

/// Returns whether another pipeline that makes images for the source still has to be built for the cause that led to
/// this image of the source. `stored` contains all pipelines.
pub(super) async fn is_unfinished(
    context: &Context,
    stored: &Stored,
    source: &SourceImage,
    image: &str,
) -> Result<bool> {
    let none = Definitions::default();
    let graph = Graph::new(&none, stored);
    let makers: Vec<&Name> = graph.makers(source).into_iter().map(|(name, _)| name).collect();
    if makers.len() < 2 {
        return Ok(false);
    }
    let Some((maker, cause)) = made_by(context, &makers, image).await? else { return Ok(false) };
    let now = context.clock.now();
    let is_frozen =
        |name: &Name| graph.pipelines().iter().any(|one| one.name == *name && one.frozen_until(now).is_some());
    for other in makers.into_iter().filter(|other| **other != maker && !is_frozen(other)) {
        for kept in context.store.pending_causes(other).await? {
            // A build that has failed may be tried again for days, and nobody waits for that, nor for a freeze.
            if kept.cause == cause && kept.failures == 0 && !kept.rests(now + SOON) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Returns which of these pipelines has made the image, and the cause of that build if it was automatic.
async fn made_by(context: &Context, makers: &[&Name], image: &str) -> Result<Option<(Name, Cause)>> {
    for maker in makers {
        if let Some(newest) = newest_image_of(context, maker).await?
            && newest.amis.get(&context.config.region).is_some_and(|id| id == image)
        {
            let cause = Some(newest.cause).filter(Cause::is_automatic);
            return Ok(cause.map(|cause| ((*maker).clone(), cause)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::ExecutionStatus;
    use goldsmith_cloud::fake::Outcome;
    use jiff::SignedDuration;
    use serde_json::json;

    use crate::events::{reap, trigger};
    use crate::testing::Stack;

    /// Two pipelines that build on `web`, and one that builds on the newer of their images.
    const DIAMOND: &str = r#"
{kind: ImageRecipe, name: app-left, semanticVersion: 1.0.0, parentImage: "pipeline:web", components: [{name: nginx, version: 1.x.x}]}
---
{kind: ImageRecipe, name: app-right, semanticVersion: 1.0.0, parentImage: "pipeline:web", components: [{name: nginx, version: 1.x.x}]}
---
{kind: ImageRecipe, name: joined, semanticVersion: 1.0.0, parentImage: {owners: [self], name: "app-*"}, components: [{name: nginx, version: 1.x.x}]}
---
{kind: ImagePipeline, name: left, imageRecipe: app-left, infrastructureConfiguration: small, rebuildOn: [dependency]}
---
{kind: ImagePipeline, name: right, imageRecipe: app-right, infrastructureConfiguration: small, rebuildOn: [dependency]}
---
{kind: ImagePipeline, name: joined, imageRecipe: joined, infrastructureConfiguration: small, rebuildOn: [source-update]}
"#;

    struct Diamond {
        stack: Stack,
        delivered: usize,
    }

    impl Diamond {
        /// All four pipelines were built once. Then `web` was built again, which has started `left` and `right`.
        async fn new() -> Self {
            let stack = Stack::new().await;
            stack.apply(DIAMOND).await;
            let mut diamond = Self { stack, delivered: 0 };
            for first in ["first", "second"] {
                diamond.stack.start_and_execute(first, json!({"pipeline": "web"})).await.unwrap();
                diamond.deliver().await;
                if first == "first" {
                    diamond.build("left", false).await;
                    diamond.build("right", false).await;
                    diamond.check().await;
                    diamond.stack.clock.advance(SignedDuration::from_mins(61));
                }
            }
            diamond
        }

        /// Delivers the calls that `finish` has made to `trigger`.
        async fn deliver(&mut self) {
            for wake in self.stack.cloud.wakes().split_off(self.delivered) {
                self.delivered += 1;
                trigger::handle(&self.stack.context(), serde_json::from_str(&wake.payload).unwrap()).await.unwrap();
            }
        }

        /// Runs the execution that was started for a pipeline until it ends. Returns whether there was such an
        /// execution.
        async fn build(&mut self, pipeline: &str, fails: bool) -> bool {
            self.stack.clock.advance(SignedDuration::from_mins(1));
            let named = format!("{{\"pipeline\":\"{pipeline}\"");
            let mut runs = self.stack.cloud.executions().into_iter();
            let run = runs.rfind(|run| run.status == ExecutionStatus::Running && run.input.starts_with(&named));
            let Some(run) = run else { return false };
            if fails {
                let result = json!({"status": "failed", "failureMessage": "the mirror is down"});
                self.stack.cloud.next_command(Outcome::failed(1, &result.to_string()));
            }
            let input = serde_json::from_str(&run.input).unwrap();
            self.stack.start_and_execute(&run.name, input).await.unwrap();
            self.deliver().await;
            true
        }

        /// Checks the sources as the schedule does every 15 minutes, and then runs a tick.
        async fn check(&mut self) {
            self.stack.clock.advance(SignedDuration::from_mins(15));
            trigger::handle(&self.stack.context(), json!({"check": "sources"})).await.unwrap();
            reap::handle(&self.stack.context(), json!({})).await.unwrap();
        }

        async fn images(&self, name: &str) -> usize {
            self.stack.store().images(name).await.unwrap().len()
        }
    }

    #[tokio::test]
    async fn the_join_of_a_diamond_is_built_once_for_both_of_its_inputs() {
        let mut diamond = Diamond::new().await;
        assert!(diamond.build("left", false).await);
        diamond.check().await;
        assert!(!diamond.build("joined", false).await, "the other input is still to come");
        assert!(diamond.build("right", false).await);
        diamond.check().await;
        assert!(diamond.build("joined", false).await);
        let newest = diamond.stack.store().images("app-right").await.unwrap().pop().unwrap();
        let joined = diamond.stack.store().images("joined").await.unwrap().pop().unwrap();
        assert_eq!(Some(&joined.source_image), newest.amis.values().next());
        for _ in 0..10 {
            diamond.check().await;
            assert!(!diamond.build("joined", false).await, "the same pair again");
        }
        assert_eq!((diamond.images("app-left").await, diamond.images("joined").await), (2, 1));
    }

    #[tokio::test]
    async fn an_input_that_fails_does_not_keep_the_join_from_the_other_one() {
        let mut diamond = Diamond::new().await;
        assert!(diamond.build("left", false).await);
        diamond.check().await;
        assert!(diamond.build("right", true).await);
        diamond.check().await;
        assert!(diamond.build("joined", false).await);
        let newest = diamond.stack.store().images("app-left").await.unwrap().pop().unwrap();
        let joined = diamond.stack.store().images("joined").await.unwrap().pop().unwrap();
        assert_eq!(Some(&joined.source_image), newest.amis.values().next());
    }
}
