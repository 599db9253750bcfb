//! The checkpoints of a stack's pipelines. They only serve later builds, so they go with the stack.

use std::collections::BTreeSet;

use anyhow::Result;
use goldsmith_cloud::Images;
use goldsmith_store::{EffectKind, Store};

use crate::output;
use crate::tags::{TAG_BUILD, TAG_STACK, has_home};

/// Deregisters the checkpoints that the stack's builds have made in the home Region, also those that newer ones have
/// replaced. The tags only lead to the builds: their journals say what is a checkpoint. An AMI that cannot be removed
/// stays, and is reported. Safe to repeat.
///
/// # Errors
/// Fails if a call to the table fails, and if the AMIs cannot be listed.
pub(super) async fn end(images: &dyn Images, store: &Store, stack: &str, home: &str) -> Result<()> {
    let tagged = images.tagged(home, TAG_STACK, stack).await?;
    let ours = tagged.iter().filter(|image| has_home(&image.tags, home));
    let builds: BTreeSet<&String> = ours.filter_map(|image| image.tags.get(TAG_BUILD)).collect();
    for build in builds {
        let effects = store.all_effects(build).await?;
        let made = effects.into_iter().filter(|effect| effect.kind == EffectKind::Checkpoint && effect.region == home);
        for id in made.filter_map(|effect| effect.id) {
            if tagged.iter().all(|image| image.id != id) {
                continue;
            }
            output::say(&format!("Removing the checkpoint {id}"));
            if let Err(error) = images.deregister(home, &id).await {
                output::say(&format!("The checkpoint {id} in {home} stays: {error}"));
            }
        }
    }
    Ok(())
}
