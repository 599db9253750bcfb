//! Code that several states share.

pub(crate) mod command;
pub(crate) mod keys;
pub(crate) mod newest;
pub(crate) mod passed;
mod script;
pub(crate) mod sharing;
pub(crate) mod short;
pub(crate) mod status;
pub(crate) mod tagged;
pub(crate) mod template_version;
pub(crate) mod token;
pub(crate) mod user_data;
