//! Undoes what a build made. It finds the resources in the journal and by their tags.
//!
//! A tag only says where to look. A resource is removed only if the journal, or what EC2 says about the call that made
//! it, proves that it belongs to the build ([`Proof`]). Everything else is left to [`crate::events::reap`], which
//! reports it.

mod exports;
mod images;
mod kept;
mod requests;
mod targets;
mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use goldsmith_cloud::{Image, Instance, Parameter, Snapshot, Tags, Volume};
use goldsmith_store::{BuildRecord, Effect, EffectKind, ExportedObject, LeftBehind, PreviousParameter, Proof, Tagged};
use jiff::Timestamp;

use crate::engine::LATE;
use crate::{Context, Error, Result, TAG_BUILD};

/// How often a describe call by tag is repeated if the journal holds an effect whose result is unknown. EC2 may show a
/// resource only some seconds after it was made, so an empty answer proves nothing.
const SEARCHES: u32 = 5;
/// Pause between two of these describe calls.
const SEARCH_PAUSE: Duration = Duration::from_secs(2);

pub(crate) use kept::Kept;
pub(crate) use requests::end_instance;

/// Undoes one effect.
pub(crate) async fn undo(context: &Context, effect: &Effect) -> Result<()> {
    let cloud = &context.cloud;
    match (&effect.kind, &effect.id) {
        (EffectKind::Parameter { value, previous }, _) => {
            undo_parameter(context, effect, value, previous.as_ref()).await?;
        }
        (EffectKind::TemplateVersion { image, source, description }, _) => {
            templates::undo(context, effect, image, source, description).await?;
        }
        (EffectKind::Export { .. }, Some(id)) => drop(exports::cancel(context, &effect.region, id).await?),
        (_, None) => {}
        (EffectKind::Instance { .. }, Some(id)) => end_instance(context, effect, id).await?,
        (EffectKind::Draft, Some(id)) => cloud.registrations.unregister(&effect.region, id).await?,
        (EffectKind::Image | EffectKind::Checkpoint | EffectKind::RegisteredImage { .. }, Some(id)) => {
            cloud.images.deregister(&effect.region, id).await?
        }
        (EffectKind::TargetImage { account }, Some(id)) => {
            cloud.target_accounts.enter(account).await?.images.deregister(&effect.region, id).await?;
        }
        (EffectKind::Command { .. }, Some(id)) => cloud.commands.cancel(&effect.region, id).await?,
    }
    Ok(())
}

/// Restores a parameter's value, but only if the parameter still has the value that this build wrote. The build may
/// never have written its value, or somebody may have written another value since.
async fn undo_parameter(
    context: &Context,
    effect: &Effect,
    value: &str,
    previous: Option<&PreviousParameter>,
) -> Result<()> {
    let parameters = &context.cloud.parameters;
    let now = parameters.get(&effect.region, &effect.name).await?;
    if now.is_none_or(|now| now.value != value) {
        return Ok(());
    }
    match previous {
        Some(previous) => {
            let value = Parameter { value: previous.value.clone(), data_type: previous.data_type.clone() };
            parameters.put(&effect.region, &effect.name, &value).await?;
        }
        None => parameters.delete(&effect.region, &effect.name).await?,
    }
    Ok(())
}

/// What to do if a call fails and may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Return the error: the whole work is retried soon.
    Some,
    /// Treat the call like one that AWS rejects, and continue with the rest.
    None,
}

/// The result of undoing a build.
#[derive(Debug, Default)]
pub(crate) struct Undone {
    /// Whether a function may still be writing a parameter or a launch template. The build has not tagged parameters
    /// and templates, so the sweep would not find them later. It finds everything else by its tags.
    pub(crate) is_putting: bool,
    /// The resources that could not be removed or restored.
    pub(crate) left: Vec<LeftBehind>,
    /// Objects of exports that were completed: they stay.
    pub(crate) exported: Vec<ExportedObject>,
}

/// One attempt to undo a build. If a resource cannot be removed, or a Region cannot be read, the rest must still be
/// removed, and the pipeline must still be able to build again. So the failure is recorded, and the reaper retries the
/// removal.
struct Undoing<'a> {
    context: &'a Context,
    record: &'a BuildRecord,
    keep: &'a Kept,
    proof: Proof,
    patience: Patience,
    left: Vec<LeftBehind>,
    exported: Vec<ExportedObject>,
    /// Images that a parameter or a launch template may still name.
    held: BTreeSet<String>,
    /// Ids of the spot requests that tags have led to.
    requests: BTreeSet<String>,
    /// Whether there was anything to remove.
    found: bool,
}

/// Returns the images that a parameter or a launch template may still name, because the parameter or template could not
/// be restored or because a function is writing it. They stay for now, since neither must ever name an image that no
/// longer exists.
fn held(record: &BuildRecord, effects: &[Effect], left: &[LeftBehind], now: Timestamp) -> BTreeSet<String> {
    let decided = record.ending.as_ref().and_then(|ending| ending.at.as_ref()?.parse::<Timestamp>().ok());
    // Later no function of the build runs any more, so none can be writing.
    let is_early = decided.is_none_or(|at| now < at + LATE);
    let named = |effect: &Effect| {
        let image = effect.kind.named_image()?;
        let is_left = left.iter().any(|left| left.what == effect.name && left.region == effect.region);
        let may_name = effect.may_exist() && (is_left || (is_early && effect.id.is_none()));
        may_name.then(|| image.to_owned())
    };
    effects.iter().filter_map(named).collect()
}

/// Removes everything that the build made, except what is kept. Safe to repeat.
pub(crate) async fn undo_build(
    context: &Context,
    record: &BuildRecord,
    keep: &Kept,
    patience: Patience,
) -> Result<Undone> {
    let effects = context.store.all_effects(&record.build).await?;
    let image = context.store.image(&record.image).await?;
    let proof = Proof::of(record, &effects, image.as_ref());
    let mut undoing = Undoing::new(context, record, keep, patience, proof);
    // The journal was read before the parameters are, so a parameter that a function puts from here on may be missed.
    let is_open = |effect: &Effect| effect.id.is_none() && effect.may_exist();
    // Nothing but the journal leads to the copy of another account and to an export: the sweep looks for neither.
    let of_journal = |kind: &EffectKind| kind.target_account().is_some() || kind.is_export();
    let may_come = |kind: &EffectKind| of_journal(kind) || !keep.parameters && kind.named_image().is_some();
    let is_putting = effects.iter().any(|effect| is_open(effect) && may_come(&effect.kind));
    // Parameters and launch templates come first, since they must never name an image that no longer exists.
    if !keep.parameters {
        undoing.pointers(&effects).await?;
        undoing.hold(&effects);
    }
    // An image may be exported, so exports come before images.
    undoing.exports(&effects, image.as_ref()).await?;
    // Spot requests come before their instances, since they would launch others.
    undoing.spot_requests().await?;
    undoing.made(&effects).await?;
    let has_tags = |kind: &EffectKind| kind.is_instance() || kind.is_any_image() || of_journal(kind);
    let is_missing = |effect: &Effect| is_open(effect) && has_tags(&effect.kind);
    let unknown = effects.iter().any(|effect| is_missing(effect) || requests::is_unseen(effect));
    for search in 0..if unknown { SEARCHES } else { 1 } {
        if search > 0 {
            context.clock.sleep(SEARCH_PAUSE).await;
            undoing.spot_requests().await?;
        }
        undoing.lost_exports(&effects).await?;
        undoing.tagged().await?;
        // On the heap, because the futures of a whole build are nested, and tests run them on small stacks.
        Box::pin(undoing.of_targets(&effects)).await?;
    }
    undoing.launched_again(&effects).await?;
    Ok(Undone { is_putting, left: undoing.left, exported: undoing.exported })
}

/// Removes those of the found resources that provably belong to the build, except those that are still kept.
/// Returns whether there were any such resources, and which of them could not be removed.
pub(crate) async fn remove_found(
    context: &Context,
    record: &BuildRecord,
    keep: &Kept,
    proof: Proof,
    effects: &[Effect],
    found: Vec<(String, Tagged)>,
) -> Result<(bool, Vec<LeftBehind>)> {
    let mut undoing = Undoing::new(context, record, keep, Patience::None, proof);
    undoing.held = held(record, effects, &record.after.left, context.clock.now());
    let mut regions: BTreeMap<String, Found> = BTreeMap::new();
    for (region, one) in found {
        regions.entry(region).or_default().add(one);
    }
    for (region, found) in regions {
        undoing.remove_instances(&region, found.instances).await?;
        undoing.remove_volumes(&region, found.volumes).await?;
        let images = &*context.cloud.images;
        let kept = undoing.remove_images(images, &region, None, found.images).await?;
        undoing.remove_snapshots(images, &region, found.snapshots, &kept).await?;
    }
    Ok((undoing.found, undoing.left))
}

/// What was found in one Region, by kind.
#[derive(Default)]
struct Found {
    instances: Vec<Instance>,
    volumes: Vec<Volume>,
    images: Vec<Image>,
    snapshots: Vec<Snapshot>,
}

impl Found {
    fn add(&mut self, one: Tagged) {
        match one {
            Tagged::Instance(one) => self.instances.push(one),
            Tagged::Volume(one) => self.volumes.push(one),
            Tagged::Image(one) => self.images.push(*one),
            Tagged::Snapshot(one) => self.snapshots.push(one),
        }
    }
}

impl<'a> Undoing<'a> {
    fn new(context: &'a Context, record: &'a BuildRecord, keep: &'a Kept, patience: Patience, proof: Proof) -> Self {
        Self {
            context,
            record,
            keep,
            proof,
            patience,
            left: Vec::new(),
            exported: Vec::new(),
            held: BTreeSet::new(),
            requests: BTreeSet::new(),
            found: false,
        }
    }

    /// Returns the result of a call, or `None` if the call failed and the failure was recorded.
    fn tolerate<T>(&mut self, result: Result<T>, region: &str, what: &str) -> Result<Option<T>> {
        match result {
            Err(error) if self.patience == Patience::None || !error.is_transient() => {
                tracing::warn!(%error, what, region, build = self.record.build, "left behind for now");
                self.note(region, what, &error);
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    fn note(&mut self, region: &str, what: &str, error: &Error) {
        if !self.left.iter().any(|left| left.what == what && left.region == region) {
            let reason = error.to_string();
            self.left.push(LeftBehind { what: what.to_owned(), region: region.to_owned(), reason });
        }
    }

    /// Restores the previous values of the build's parameters and the previous versions of its launch templates, in
    /// reverse order.
    async fn pointers(&mut self, effects: &[Effect]) -> Result<()> {
        let named = effects.iter().rev().filter(|effect| effect.kind.named_image().is_some() && effect.may_exist());
        for effect in named {
            let undone = undo(self.context, effect).await;
            self.tolerate(undone, &effect.region, &effect.name)?;
        }
        Ok(())
    }

    /// Keeps the images that a parameter or a launch template may still name, and records each image whose parameter or
    /// template could not be restored.
    fn hold(&mut self, effects: &[Effect]) {
        self.held = held(self.record, effects, &self.left, self.context.clock.now());
        for effect in effects {
            let Some(image) = effect.kind.named_image() else { continue };
            let is_left = self.left.iter().any(|left| left.what == effect.name && left.region == effect.region);
            if is_left {
                let what = if effect.kind.is_parameter() { "parameter" } else { "launch template" };
                let reason = format!("the {what} {} may still name it", effect.name);
                self.left.push(LeftBehind { what: image.to_owned(), region: effect.region.clone(), reason });
            }
        }
    }

    /// Removes the resources that the journal names.
    async fn made(&mut self, effects: &[Effect]) -> Result<()> {
        for effect in effects {
            let Some(id) = &effect.id else { continue };
            // A command ends with its instance. Only a command on a kept instance would run on.
            let needed = match effect.kind {
                EffectKind::Instance { .. }
                | EffectKind::Image
                | EffectKind::Draft
                | EffectKind::Checkpoint
                | EffectKind::RegisteredImage { .. }
                | EffectKind::TargetImage { .. } => {
                    let keeps = [&self.keep.images, &self.keep.instances, &self.held];
                    !self.keep.is_checkpoint(id) && keeps.iter().all(|kept| !kept.contains(id))
                }
                EffectKind::Command { .. } => !self.keep.instances.is_empty(),
                EffectKind::Export { .. } | EffectKind::Parameter { .. } | EffectKind::TemplateVersion { .. } => false,
            };
            let undone = if needed {
                undo(self.context, effect).await
            } else if self.keep.instances.contains(id) {
                requests::release_kept(self.context, effect, id).await
            } else {
                continue;
            };
            self.tolerate(undone, &effect.region, id)?;
        }
        Ok(())
    }

    async fn tagged(&mut self) -> Result<()> {
        for planned in &self.record.plan.regions {
            self.instances(&planned.region).await?;
            self.volumes(&planned.region).await?;
            self.images(&*self.context.cloud.images, &planned.region, None).await?;
        }
        Ok(())
    }

    async fn instances(&mut self, region: &str) -> Result<()> {
        let machines = &self.context.cloud.machines;
        let tagged = machines.tagged(region, TAG_BUILD, &self.record.build).await;
        let Some(tagged) = self.tolerate(tagged.map_err(Error::from), region, "instances")? else { return Ok(()) };
        self.remove_instances(region, tagged).await
    }

    async fn remove_instances(&mut self, region: &str, tagged: Vec<Instance>) -> Result<()> {
        let machines = &self.context.cloud.machines;
        for instance in tagged.into_iter().filter(|instance| self.context.config.owns(&instance.tags)) {
            let kept = self.keep.instances.contains(&instance.id) && !self.has_expired(&instance.tags);
            let is_ours = self.proof.has_instance(region, &instance.id, &instance.token);
            if is_ours && !kept && !instance.state.is_gone() {
                self.found = true;
                let ended = machines.end(region, &instance.id, instance.spot_request.as_deref()).await;
                self.tolerate(ended.map_err(Error::from), region, &instance.id)?;
            }
        }
        Ok(())
    }

    /// Removes the remaining volumes. EC2 deletes a volume with its instance, unless something on the instance or a
    /// person has changed that.
    async fn volumes(&mut self, region: &str) -> Result<()> {
        let machines = &self.context.cloud.machines;
        let left = machines.volumes_left(region, TAG_BUILD, &self.record.build).await;
        let Some(left) = self.tolerate(left.map_err(Error::from), region, "volumes")? else { return Ok(()) };
        self.remove_volumes(region, left).await
    }

    async fn remove_volumes(&mut self, region: &str, left: Vec<Volume>) -> Result<()> {
        let machines = &self.context.cloud.machines;
        for volume in left.into_iter().filter(|volume| self.context.config.owns(&volume.tags)) {
            if !self.proof.has_volume(region, &volume.id) {
                continue;
            }
            self.found = true;
            let gone = machines.delete_volume(region, &volume.id).await;
            self.tolerate(gone.map_err(Error::from), region, &volume.id)?;
        }
        Ok(())
    }

    fn has_expired(&self, tags: &Tags) -> bool {
        self.keep.has_expired(tags, self.context.clock.now())
    }
}
