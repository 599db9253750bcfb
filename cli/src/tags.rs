//! The tags by which a stack recognizes its own resources.

use goldsmith_cloud::Tags;

/// Tag with the stack's name, which everything that a build makes gets.
pub(crate) const TAG_STACK: &str = "goldsmith:stack";
/// Tag with the home Region of that stack: a stack with the same name may exist in another Region.
pub(crate) const TAG_HOME: &str = "goldsmith:home";

/// Tag with the id of the build that made the resource.
pub(crate) const TAG_BUILD: &str = "goldsmith:build";
/// Tag with the time at which the resource was found, if only its tags show its build.
pub(crate) const TAG_LEFTOVER: &str = "goldsmith:leftover-since";

/// Returns whether a resource with the name of this stack belongs to the stack with this home Region. A resource
/// without the home tag was made before that tag existed.
pub(crate) fn has_home(tags: &Tags, home: &str) -> bool {
    tags.get(TAG_HOME).is_none_or(|of| of == home)
}
