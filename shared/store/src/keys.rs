//! Keys of the table. Each key is spelled out once.

use goldsmith_model::Name;

use crate::{Key, Place};

/// Partition of resources that nothing ties to a build.
pub(crate) const LEFTOVERS: &str = "LEFTOVERS";

/// Returns the key of the build's own item.
pub(crate) fn build(id: &str) -> Key {
    Key::new(format!("BUILD#{id}"), "META")
}

/// Returns the key of a state of a build. The scope has an item if the state runs once for each item of a Map.
pub(crate) fn state(build: &str, scope: &str) -> Key {
    Key::new(format!("BUILD#{build}"), format!("STATE#{scope}"))
}

/// Returns the key of an entry of a build's journal. `n` counts the effects of one state.
pub(crate) fn effect(build: &str, scope: &str, n: u32) -> Key {
    Key::new(format!("BUILD#{build}"), format!("EFFECT#{scope}#{n:03}"))
}

/// Partition of the launches that wait for room, which are sorted by their lines and by their places in them.
pub(crate) const WAITS_FOR_ROOM: &str = "WAIT#room";

/// Returns the key of a parked wait, which is found by the id of the resource that an event names. For a launch that
/// waits for room, `resource` is its [`Place`].
pub(crate) fn wait(resource: &str, build: &str, scope: &str) -> Key {
    match Place::of(resource) {
        Some(place) => Key::new(WAITS_FOR_ROOM, format!("{}#{build}#{scope}", place.sort_key())),
        None => Key::new(format!("WAIT#{resource}"), format!("{build}#{scope}")),
    }
}

/// Returns the key of a resource that has the stack's tags and that nothing ties to a build.
pub(crate) fn leftover(region: &str, id: &str) -> Key {
    Key::new(LEFTOVERS, format!("{region}#{id}"))
}

/// Returns the key of a pipeline's lease.
pub(crate) fn lease(pipeline: &Name) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), "LEASE")
}

/// Returns the key of a pipeline's failures in a row.
pub(crate) fn failures(pipeline: &Name) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), "FAILURES")
}

/// Returns the key of the last round of a pipeline's retention.
pub(crate) fn retention(pipeline: &Name) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), "RETENTION")
}

/// Returns the key of the checkpoint of a pipeline.
pub(crate) fn checkpoint(pipeline: &Name) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), "CHECKPOINT")
}

/// Returns the key of the rollback of a pipeline that has begun.
pub(crate) fn rollback(pipeline: &Name) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), "ROLLBACK")
}

/// Returns the key of the rollback of a pipeline that was done at this time.
pub(crate) fn pointed(pipeline: &Name, at: &str) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), format!("POINTED#{at}"))
}

/// Returns the key of the last move of a pipeline's channel.
pub(crate) fn channel(pipeline: &Name, channel: &Name) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), format!("CHANNEL#{channel}"))
}

/// Returns the key of one move of a pipeline's channel. These keys are ordered by the number of the move.
pub(crate) fn channel_move(pipeline: &Name, channel: &Name, number: u32) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), format!("MOVED#{channel}#{number:010}"))
}

/// Returns the key of the counter of builds of one image name and version.
pub(crate) fn counter(image: &Name, padded_version: &str) -> Key {
    Key::new(format!("IMAGE#{image}"), format!("COUNTER#{padded_version}"))
}

/// Returns the key of one image. These keys are ordered by version and build.
pub(crate) fn image(name: &Name, padded_version: &str, build: u32) -> Key {
    Key::new(format!("IMAGE#{name}"), format!("V#{padded_version}#{build:010}"))
}

/// Returns the key of an entry of the list of image names.
pub(crate) fn image_name(name: &Name) -> Key {
    Key::new("IMAGES", name.as_str())
}

/// Returns the key of the last image that a pipeline has published under this name.
pub(crate) fn newest(name: &Name, pipeline: &Name) -> Key {
    Key::new(format!("IMAGE#{name}"), format!("NEWEST#{pipeline}"))
}

/// Returns the key of a cause of a pipeline that was served. Served causes are remembered for a long time, so they have
/// their own prefix: a search for pending causes does not read them.
pub(crate) fn served(pipeline: &Name, id: &str) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), format!("SERVED#{id}"))
}

/// Returns the key of a cause that still needs a build of its pipeline.
pub(crate) fn cause(pipeline: &Name, id: &str) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), format!("CAUSE#{id}"))
}
