//! One call of EC2, as the files that serve calls get it.

use std::sync::Arc;

use super::params::Params;
use super::xml::Xml;
use crate::api::{ApiError, Scope};
use crate::endpoint::Endpoint;
use crate::faults::CallFault;
use crate::world::{Image, ImageState};

/// The name of a call, which is its `Action`, and the function that serves it. The file of that function lists it in a
/// table `CALLS`.
pub(super) type Row = (&'static str, fn(&Call<'_>) -> Result<Xml, ApiError>);

/// One call: its caller, its scope and its content.
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) scope: &'a Scope,
    pub(crate) params: &'a Params,
    /// ARNs of the keys that the caller's own policies deny, separated by commas.
    pub(crate) denied_keys: &'a str,
    /// Why the role that an export names may not be used; `None` if it may, or for other calls.
    pub(crate) role_refusal: Option<&'a ApiError>,
    /// The fault that the call triggered.
    pub(crate) fault: Option<&'a CallFault>,
}

impl Call<'_> {
    /// Rejects the call if it is a dry run.
    pub(super) fn check_dry_run(&self) -> Result<(), ApiError> {
        if !self.params.flag("DryRun") {
            return Ok(());
        }
        Err(ApiError::new("DryRunOperation", "Request would have succeeded, but DryRun flag is set."))
    }

    /// Returns the state of an image as this call knows it. A new image is not found yet, even by a call that follows a
    /// describe call that has shown it (EC2 API reference, "Eventual consistency").
    pub(super) fn known_state(&self, image: &Image) -> Result<ImageState, ApiError> {
        let missing =
            || ApiError::new("InvalidAMIID.NotFound", format!("The image id '[{}]' does not exist", image.id));
        image.states.at(self.endpoint.settings().known_at()).ok_or_else(missing)
    }

    /// Returns why a new image will fail; `None` if it will not.
    pub(super) fn image_failure(&self) -> Option<String> {
        match self.fault {
            Some(CallFault::FailImage(reason)) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Returns the key of the client token, if the call has one, and the digest of the request.
    pub(super) fn token(&self) -> Option<(String, String)> {
        let token = self.params.get("ClientToken")?;
        let action = self.params.get("Action").unwrap_or_default();
        Some((format!("{}/{action}/{token}", self.scope), self.params.digest()))
    }
}
