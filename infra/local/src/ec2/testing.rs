//! An endpoint for the tests of calls: one account in one Region, in which no instance boots.

use std::sync::Arc;

use tempfile::TempDir;

use super::params::Params;
use super::{Call, perform};
use crate::api::{ApiError, Scope};
use crate::endpoint::Endpoint;
use crate::ids;
use crate::world::Snapshot;

/// The endpoint. It ends with this value.
pub(super) struct Scene {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) scope: Scope,
    _folder: TempDir,
}

impl Scene {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Arc::new(Endpoint::in_folder(folder.path()));
        let scope = Scope { account: "111122223333".to_owned(), region: "eu-west-1".to_owned() };
        Scene { endpoint, scope, _folder: folder }
    }

    /// Makes a call. Returns the content of its answer as XML.
    pub(super) fn call(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String, ApiError> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        let params =
            Params::parse(None, form.append_pair("Action", action).extend_pairs(parameters).finish().as_bytes());
        let (endpoint, scope) = (&self.endpoint, &self.scope);
        perform(&Call { endpoint, scope, params: &params, denied_keys: "", role_refusal: None, fault: None })
            .map(|xml| xml.to_string())
    }

    /// Returns the code of a call that must fail.
    #[track_caller]
    pub(super) fn refused(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.call(action, parameters).unwrap_err().code
    }

    /// Adds a complete snapshot. Returns its id.
    pub(super) fn snapshot(&self) -> String {
        let id = ids::resource("snap");
        let snapshot = Snapshot { size: 1, completed: true, ..Snapshot::begun(&id, &self.scope, "StartSnapshot") };
        self.endpoint.world().snapshots.insert(id.clone(), snapshot);
        id
    }

    /// Registers an image of such a snapshot. Returns its id. Needs a runtime, in which the image becomes available.
    pub(super) fn image(&self) -> String {
        let snapshot = self.snapshot();
        let root =
            [("BlockDeviceMapping.1.DeviceName", "/dev/xvda"), ("BlockDeviceMapping.1.Ebs.SnapshotId", &snapshot)];
        let parameters = [("Name", "image"), ("RootDeviceName", "/dev/xvda"), root[0], root[1]];
        self.call("RegisterImage", &parameters).unwrap();
        self.endpoint.world().images.keys().next_back().unwrap().clone()
    }
}
