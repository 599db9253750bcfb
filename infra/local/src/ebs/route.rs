//! The actions of this service, as methods and paths name them.

use hyper::Method;
use strum::{IntoStaticStr, VariantNames};

/// An action, and the snapshot and block that it applies to.
#[derive(Debug, Clone, PartialEq, Eq, IntoStaticStr, VariantNames)]
pub(crate) enum Route {
    StartSnapshot,
    PutSnapshotBlock { snapshot: String, index: String },
    CompleteSnapshot { snapshot: String },
    ListSnapshotBlocks { snapshot: String },
    ListChangedBlocks { second: String },
    GetSnapshotBlock { snapshot: String, index: String },
}

impl Route {
    /// Returns the route that a method and a path name, if they name one.
    pub(super) fn of(method: &Method, path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let owned = |text: &str| text.to_owned();
        Some(match (method.as_str(), parts.as_slice()) {
            ("POST", ["snapshots"]) => Route::StartSnapshot,
            ("POST", ["snapshots", "completion", id]) => Route::CompleteSnapshot { snapshot: owned(id) },
            ("PUT", ["snapshots", id, "blocks", index]) => {
                Route::PutSnapshotBlock { snapshot: owned(id), index: owned(index) }
            }
            ("GET", ["snapshots", id, "blocks", index]) => {
                Route::GetSnapshotBlock { snapshot: owned(id), index: owned(index) }
            }
            ("GET", ["snapshots", id, "blocks"]) => Route::ListSnapshotBlocks { snapshot: owned(id) },
            ("GET", ["snapshots", id, "changedblocks"]) => Route::ListChangedBlocks { second: owned(id) },
            _ => return None,
        })
    }
}
