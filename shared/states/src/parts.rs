//! Code that several states share.

pub(crate) mod advisories;
pub(crate) mod builder;
pub(crate) mod command;
pub(crate) mod contents;
pub(crate) mod downloads;
pub(crate) mod export;
pub(crate) mod firmware;
pub(crate) mod image_tags;
pub(crate) mod keys;
pub(crate) mod metrics;
pub(crate) mod newest;
pub(crate) mod parameter_paths;
pub(crate) mod passed;
mod script;
pub(crate) mod sharing;
pub(crate) mod short;
pub(crate) mod status;
pub(crate) mod tagged;
pub(crate) mod template_version;
pub(crate) mod token;
pub(crate) mod user_data;
pub(crate) mod volume;
