//! Keys of the table, each spelled once.

use goldsmith_model::Name;

use crate::Key;

/// Partition of what nothing ties to a build.
pub(crate) const LEFTOVERS: &str = "LEFTOVERS";

/// The build's own item.
pub(crate) fn build(id: &str) -> Key {
    Key::new(format!("BUILD#{id}"), "META")
}

/// A state of a build; `item` where the state runs once per Map item.
pub(crate) fn state(build: &str, scope: &str) -> Key {
    Key::new(format!("BUILD#{build}"), format!("STATE#{scope}"))
}

/// An entry of a build's journal. `n` counts the effects of one state.
pub(crate) fn effect(build: &str, scope: &str, n: u32) -> Key {
    Key::new(format!("BUILD#{build}"), format!("EFFECT#{scope}#{n:03}"))
}

/// A parked wait, found by the id of the resource that an event names.
pub(crate) fn wait(resource: &str, build: &str, scope: &str) -> Key {
    Key::new(format!("WAIT#{resource}"), format!("{build}#{scope}"))
}

/// Something that carries the stack's tags, and that nothing ties to a build.
pub(crate) fn leftover(region: &str, id: &str) -> Key {
    Key::new(LEFTOVERS, format!("{region}#{id}"))
}

/// A pipeline's lease.
pub(crate) fn lease(pipeline: &Name) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), "LEASE")
}

/// The counter of builds of one image name and version.
pub(crate) fn counter(image: &Name, padded_version: &str) -> Key {
    Key::new(format!("IMAGE#{image}"), format!("COUNTER#{padded_version}"))
}

/// One image, ordered by version and build.
pub(crate) fn image(name: &Name, padded_version: &str, build: u32) -> Key {
    Key::new(format!("IMAGE#{name}"), format!("V#{padded_version}#{build:010}"))
}

/// An entry of the list of image names.
pub(crate) fn image_name(name: &Name) -> Key {
    Key::new("IMAGES", name.as_str())
}

/// The last image that a pipeline has published under this name.
pub(crate) fn newest(name: &Name, pipeline: &Name) -> Key {
    Key::new(format!("IMAGE#{name}"), format!("NEWEST#{pipeline}"))
}

/// A cause of a pipeline that was served. What is pending is found without these, which are remembered for long.
pub(crate) fn served(pipeline: &Name, id: &str) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), format!("SERVED#{id}"))
}

/// A cause of a pipeline that still asks for a build.
pub(crate) fn cause(pipeline: &Name, id: &str) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), format!("CAUSE#{id}"))
}
