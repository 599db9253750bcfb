//! Requests for spot instances.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Tags, World, check_id};
use crate::api::{ApiError, Scope};

/// States of a request (EC2 API reference, SpotInstanceRequest, `state`), except `failed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SpotState {
    /// It has no instance, and launches one.
    Open,
    /// Its instance runs.
    Active,
    /// Its instance is stopped.
    Disabled,
    /// It has ended with its instance.
    Closed,
    /// It launches nothing more, because a call has cancelled it or its time is over.
    Cancelled,
}

impl SpotState {
    /// Returns EC2's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            SpotState::Open => "open",
            SpotState::Active => "active",
            SpotState::Disabled => "disabled",
            SpotState::Closed => "closed",
            SpotState::Cancelled => "cancelled",
        }
    }
}

/// A request for one spot instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SpotRequest {
    pub(crate) id: String,
    pub(crate) scope: Scope,
    /// The instance that it has launched last.
    pub(crate) instance: String,
    /// Whether it launches again when its instance ends; otherwise it is for one launch.
    pub(crate) persistent: bool,
    /// When it ends by itself; `None` if it does not.
    pub(crate) valid_until: Option<Timestamp>,
    pub(crate) created_at: Timestamp,
    pub(crate) tags: Tags,
    pub(crate) state: SpotState,
    /// Its status code (EC2 user guide, "State changes for a Spot request").
    pub(crate) status: String,
    pub(crate) updated_at: Timestamp,
}

impl SpotRequest {
    /// Returns the request that has just launched an instance.
    pub(crate) fn fulfilled(id: String, scope: &Scope, instance: &str, ask: &SpotAsk, tags: Tags) -> Self {
        let now = Timestamp::now();
        SpotRequest {
            id,
            scope: scope.clone(),
            instance: instance.to_owned(),
            persistent: ask.persistent,
            valid_until: ask.valid_until,
            created_at: now,
            tags,
            state: SpotState::Active,
            status: "fulfilled".to_owned(),
            updated_at: now,
        }
    }

    /// Returns EC2's error for a request that it does not know.
    pub(crate) fn missing(id: &str) -> ApiError {
        let message = format!("The spot instance request ID '{id}' does not exist");
        ApiError::new("InvalidSpotInstanceRequestID.NotFound", message)
    }

    /// Moves the request to a state with a status.
    pub(crate) fn enter(&mut self, state: SpotState, status: &str) {
        self.state = state;
        status.clone_into(&mut self.status);
        self.updated_at = Timestamp::now();
    }

    /// Returns whether the request may still launch or start an instance.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, SpotState::Open | SpotState::Active | SpotState::Disabled)
    }

    /// Returns whether its time is over although it has not ended yet.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.is_live() && self.valid_until.is_some_and(|until| until <= now)
    }

    /// Returns what an interruption does to its instance.
    pub(crate) fn interruption(&self) -> &'static str {
        if self.persistent { "stop" } else { "terminate" }
    }
}

/// What RunInstances asks of a spot request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SpotAsk {
    /// Whether the request is persistent. An interruption then stops the instance.
    pub(crate) persistent: bool,
    /// When the request ends by itself.
    pub(crate) valid_until: Option<Timestamp>,
}

impl World {
    /// Returns a spot request of this scope by id.
    pub(crate) fn spot_request(&self, scope: &Scope, id: &str) -> Result<&SpotRequest, ApiError> {
        check_id("sir", id, "InvalidSpotInstanceRequestID.Malformed")?;
        self.spot_requests.get(id).filter(|one| one.scope == *scope).ok_or_else(|| SpotRequest::missing(id))
    }

    /// Returns the request that has launched an instance.
    pub(crate) fn spot_request_of(&self, instance: &str) -> Option<&SpotRequest> {
        self.spot_requests.get(self.instances.get(instance)?.spot_request.as_deref()?)
    }

    /// Returns the same request, for a change. An instance that a persistent request has replaced is no longer that
    /// request's.
    pub(crate) fn change_spot_request_of(&mut self, instance: &str) -> Option<&mut SpotRequest> {
        let id = self.spot_request_of(instance).filter(|request| request.instance == instance)?.id.clone();
        self.spot_requests.get_mut(&id)
    }
}
