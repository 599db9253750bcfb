//! The tags by which a stack knows what is its own.

use goldsmith_cloud::Tags;

/// Tag with the stack's name, on everything that a build makes.
pub(crate) const TAG_STACK: &str = "goldsmith:stack";
/// Tag with the home Region of that stack: a stack of the same name may live in another Region.
pub(crate) const TAG_HOME: &str = "goldsmith:home";

/// Tag with the id of the build that made it.
pub(crate) const TAG_BUILD: &str = "goldsmith:build";
/// Tag with the time at which it was found that nothing but tags ties the resource to a build.
pub(crate) const TAG_LEFTOVER: &str = "goldsmith:leftover-since";

/// Whether a resource of a stack of this name is of the one with this home. What carries no home was made before there was one.
pub(crate) fn has_home(tags: &Tags, home: &str) -> bool {
    tags.get(TAG_HOME).is_none_or(|of| of == home)
}
