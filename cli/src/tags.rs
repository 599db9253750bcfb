//! The tags by which a stack recognizes its own resources.

use goldsmith_cloud::Tags;

/// Tag with the stack's name, on everything that a build makes.
pub(crate) const TAG_STACK: &str = "goldsmith:stack";
/// Tag with the home Region of that stack: a stack of the same name may exist in another Region.
pub(crate) const TAG_HOME: &str = "goldsmith:home";

/// Tag with the id of the build that made the resource.
pub(crate) const TAG_BUILD: &str = "goldsmith:build";
/// Tag with the time at which the resource was found with only its tags to tie it to a build.
pub(crate) const TAG_LEFTOVER: &str = "goldsmith:leftover-since";

/// Returns whether a resource of a stack of this name belongs to the stack with this home Region. A resource without
/// that tag is older than the tag.
pub(crate) fn has_home(tags: &Tags, home: &str) -> bool {
    tags.get(TAG_HOME).is_none_or(|of| of == home)
}
