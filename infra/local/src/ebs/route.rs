//! The actions of this service, as methods and paths name them.

use hyper::Method;

/// The actions of this service.
pub(crate) const ACTIONS: [&str; 6] = [
    "StartSnapshot",
    "PutSnapshotBlock",
    "CompleteSnapshot",
    "ListSnapshotBlocks",
    "ListChangedBlocks",
    "GetSnapshotBlock",
];

/// An action, and the snapshot and block that it applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Start,
    Complete { snapshot: String },
    Put { snapshot: String, index: String },
    Get { snapshot: String, index: String },
    List { snapshot: String },
    ListChanged { second: String },
    Unknown,
}

impl Route {
    /// Returns the route that a method and a path name.
    pub(super) fn of(method: &Method, path: &str) -> Self {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let owned = |text: &str| text.to_owned();
        match (method.as_str(), parts.as_slice()) {
            ("POST", ["snapshots"]) => Route::Start,
            ("POST", ["snapshots", "completion", id]) => Route::Complete { snapshot: owned(id) },
            ("PUT", ["snapshots", id, "blocks", index]) => Route::Put { snapshot: owned(id), index: owned(index) },
            ("GET", ["snapshots", id, "blocks", index]) => Route::Get { snapshot: owned(id), index: owned(index) },
            ("GET", ["snapshots", id, "blocks"]) => Route::List { snapshot: owned(id) },
            ("GET", ["snapshots", id, "changedblocks"]) => Route::ListChanged { second: owned(id) },
            _ => Route::Unknown,
        }
    }

    /// Returns the name of the action.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Route::Start => "StartSnapshot",
            Route::Complete { .. } => "CompleteSnapshot",
            Route::Put { .. } => "PutSnapshotBlock",
            Route::Get { .. } => "GetSnapshotBlock",
            Route::List { .. } => "ListSnapshotBlocks",
            Route::ListChanged { .. } => "ListChangedBlocks",
            Route::Unknown => "",
        }
    }
}
