//! The content of images: saved from an instance, or shared with the image that they are copied from.
//!
//! The content of a snapshot is a stack of layers that never change. An image and its copies share them.

use std::sync::Arc;

use crate::chain::chain;
use crate::endpoint::Endpoint;
use crate::events::Event;
use crate::guest::GuestError;
use crate::ids;
use crate::world::{ImageState, InstanceState};

/// Most characters of the reason why an image failed.
const LONGEST_REASON: usize = 500;

impl Endpoint {
    /// Fills an image with what its instance wrote, and settles it when a snapshot of that size would be complete.
    pub(crate) fn fill_image(self: &Arc<Self>, image: &str, instance: &str, reboot: bool) {
        let (endpoint, image, instance) = (self.clone(), image.to_owned(), instance.to_owned());
        // The disk must stay from now on: the instance may be terminated right after the call.
        let copying = self.guest(&instance).and_then(|guest| guest.keep_disk());
        self.spawn(async move {
            // The time of a snapshot counts from the call, so the time that the copy of the files takes here is part of
            // it.
            let start = tokio::time::Instant::now();
            let layer = ids::resource("layer");
            let frozen = freeze(&endpoint, &instance, reboot, &layer).await;
            // The disk may go now. Everything that follows needs only the layer.
            drop(copying);
            let changed = match frozen {
                Ok(layers) => endpoint.store_content(&image, &layer, layers),
                Err(error) => {
                    if let Err(error) = endpoint.host.remove_layer(&layer) {
                        tracing::warn!(layer, error = %chain(&error), "a part of an image cannot be removed");
                    }
                    return endpoint.settle_image(&image, Err(shortened(&chain(&error))));
                }
            };
            let throughput = endpoint.root_throughput(&instance);
            tokio::time::sleep_until(start + endpoint.settings().delays.snapshot(changed, throughput)).await;
            endpoint.settle_image(&image, Ok(()));
        });
    }

    /// Settles an image that already has its content, at the time when a copy of that size would be complete.
    pub(crate) fn copy_image(self: &Arc<Self>, image: &str) {
        let (endpoint, image) = (self.clone(), image.to_owned());
        self.spawn(async move {
            let content = endpoint.world().images.get(&image).map_or(0, |image| image.content);
            tokio::time::sleep(endpoint.settings().delays.copy(content)).await;
            endpoint.settle_image(&image, Ok(()));
        });
    }

    /// Resumes an image that was `pending` when an earlier endpoint ended.
    pub(crate) fn resume_image(self: &Arc<Self>, id: &str) {
        let instance = self.world().images.get(id).filter(|image| image.layers.is_empty()).and_then(|image| {
            // A copy of the source image has no layers either.
            image.from_instance.clone()
        });
        match instance {
            Some(instance) => {
                let reboot = self.state_of(&instance) == Some(InstanceState::Running);
                self.fill_image(id, &instance, reboot);
            }
            None => self.copy_image(id),
        }
    }

    /// Gives an image and its root snapshot their layers. Returns the size of the new layer in bytes. The layer is
    /// removed again if nothing needs it any more: the image may have been deregistered, and its snapshots deleted,
    /// while it was made.
    fn store_content(&self, image: &str, layer: &str, layers: Vec<String>) -> u64 {
        let size = self.host.layer_size(layer);
        let mut world = self.world();
        // From here on the layer has an entry, so a sweep removes it if nothing needs it. Until here, the task that
        // made it does.
        world.layers.insert(layer.to_owned(), size);
        let content = self.base_size + layers.iter().filter_map(|layer| world.layers.get(layer)).sum::<u64>();
        let root = world.images.get_mut(image).and_then(|image| {
            image.content = content;
            image.layers.clone_from(&layers);
            image.root_snapshot().map(str::to_owned)
        });
        if let Some(snapshot) = root.and_then(|id| world.snapshots.get_mut(&id)) {
            snapshot.layers = layers;
            snapshot.content = content;
        }
        let is_gone = !world.images.get(image).is_some_and(|image| image.exists());
        drop(world);
        if is_gone {
            self.sweep_layers();
        }
        size
    }

    fn root_throughput(&self, instance: &str) -> Option<u32> {
        let world = self.world();
        let instance = world.instances.get(instance)?;
        instance.devices.iter().find(|device| device.name == instance.root_device)?.throughput
    }

    /// Ends the wait for an image: it is available, or failed for a reason. Snapshots of an image that was deregistered
    /// in the meantime continue without it.
    pub(crate) fn settle_image(&self, id: &str, outcome: Result<(), String>) {
        let mut world = self.world();
        let Some(image) = world.images.get_mut(id) else { return };
        match image.state() {
            ImageState::Pending => {
                // A fault that was requested comes before an error that happened by itself: the caller waits for its
                // own reason.
                image.failure = image.failure.take().or(outcome.err());
                image.states.push(if image.failure.is_none() { ImageState::Available } else { ImageState::Failed });
                self.emit(Event::of_image(image));
            }
            ImageState::Deregistered => image.failure = image.failure.take().or(outcome.err()),
            ImageState::Available | ImageState::Failed | ImageState::Disabled => return,
        }
        let (failure, snapshots) = (image.failure.clone(), image.snapshots());
        for snapshot in snapshots {
            if let Some(snapshot) = world.snapshots.get_mut(&snapshot).filter(|snapshot| snapshot.is_pending()) {
                snapshot.completed = failure.is_none();
                snapshot.failure.clone_from(&failure);
            }
        }
    }
}

/// Saves what an instance wrote as a new layer. Returns all layers of the image.
async fn freeze(
    endpoint: &Arc<Endpoint>,
    instance: &str,
    reboot: bool,
    layer: &str,
) -> Result<Vec<String>, GuestError> {
    let guest = endpoint.guest(instance).ok_or_else(|| GuestError::NotRunning { id: instance.to_owned() })?;
    if !reboot {
        return guest.freeze(layer).await;
    }
    // CreateImage without NoReboot takes the disk while nothing runs, so that files are complete (EC2 API reference,
    // CreateImage).
    guest.halt(true).await;
    let layers = guest.freeze(layer).await;
    // The image does not depend on whether its instance starts again.
    endpoint.boot_again(instance, &guest).await;
    layers
}

/// Returns the beginning of a reason, as DescribeImages shows it: a program may write a message for each of many files.
fn shortened(reason: &str) -> String {
    let first = reason.lines().next().unwrap_or_default();
    let text: String = first.chars().take(LONGEST_REASON).collect();
    if text.len() < reason.len() { format!("{text} …") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_of_an_image_that_was_deregistered_meanwhile_are_completed() {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Endpoint::in_folder(folder.path());
        let id = endpoint.world().newest_source("eu-west-1");
        let mut image = endpoint.world().images.get(&id).unwrap().clone();
        let snapshot = image.root_snapshot().unwrap().to_owned();
        image.states.push(ImageState::Deregistered);
        endpoint.world().images.insert(id.clone(), image);
        endpoint.world().snapshots.get_mut(&snapshot).unwrap().completed = false;
        assert_eq!(crate::resume::unsettled(&endpoint.world()), std::slice::from_ref(&id), "also after a restart");
        endpoint.settle_image(&id, Ok(()));
        assert!(endpoint.world().snapshots.get(&snapshot).unwrap().completed);
        assert_eq!(endpoint.world().images.get(&id).unwrap().state(), ImageState::Deregistered);
        assert_eq!(crate::resume::unsettled(&endpoint.world()), [""; 0]);
    }

    #[test]
    fn a_reason_is_its_first_line_and_not_endless() {
        assert_eq!(shortened("cp failed: full"), "cp failed: full");
        assert_eq!(shortened("cp failed: a\ncp: b"), "cp failed: a …");
        assert_eq!(shortened(&"a".repeat(10_000)).len(), LONGEST_REASON + " …".len());
    }

    #[test]
    fn a_layer_stays_only_for_an_image_that_was_not_deregistered_meanwhile() {
        for state in [ImageState::Pending, ImageState::Deregistered] {
            let folder = tempfile::tempdir().unwrap();
            let endpoint = Endpoint::in_folder(folder.path());
            let id = endpoint.world().newest_source("eu-west-1");
            let mut image = endpoint.world().images.get(&id).unwrap().clone();
            image.devices.clear();
            image.states.push(state);
            endpoint.world().images.insert(id.clone(), image);
            let layer = folder.path().join("layers/layer-1");
            std::fs::create_dir(&layer).unwrap();
            std::fs::write(layer.join("file"), "content").unwrap();
            assert_eq!(endpoint.store_content(&id, "layer-1", vec!["layer-1".to_owned()]), 7);
            let stays = state == ImageState::Pending;
            assert_eq!((layer.exists(), endpoint.world().layers.contains_key("layer-1")), (stays, stays), "{state:?}");
        }
    }
}
