//! What becomes of images after they were published: what refers to them, which of them are too many, and how they go.
//! The commands of the CLI and the daily round of `reap` both use this, so that both have the same rules.

mod delete;
mod named;
mod references;
mod retention;
mod template_uses;

pub use crate::parts::sharing::{grant, launch_permission};
pub use delete::{Deleted, Deletion, delete, stays};
pub use references::{By, Reference, References};
pub use retention::{Judge, TAG_KEEP};
pub use template_uses::{TemplateUse, TemplateUses};
