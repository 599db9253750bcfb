//! The error type of all states. The variant decides whether the work is retried, whether the execution gets the error,
//! or whether the error is dropped.

use goldsmith_cloud::CloudError;
use goldsmith_executor::explain;
use goldsmith_store::{FailureCause, Scope, StoreError};

use crate::error_names::ErrorName;

/// What a cause names in place of a state if the execution itself failed.
pub(crate) const EXECUTION: &str = "Execution";

/// Result of a state's work.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a state could not continue its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The build fails, for this reason.
    #[error("{cause}")]
    Failed {
        /// Published name of the error.
        name: ErrorName,
        /// The cause that is recorded.
        cause: Box<FailureCause>,
    },
    /// The build is closed: no effect may be made.
    #[error("the build is closed")]
    Closed,
    /// A call to AWS failed.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// A call to the table failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Error {
    /// Returns the error that fails the build with this name and message. The rest of its cause is empty.
    pub fn failed(name: ErrorName, message: impl Into<String>) -> Self {
        Self::because(name, FailureCause { message: message.into(), ..FailureCause::default() })
    }

    /// Returns the error for a fault of Goldsmith itself: AWS has rejected nothing, and the user has nothing to fix.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::failed(ErrorName::Internal, message)
    }

    /// Returns the error that fails the build with this name and cause.
    #[must_use]
    pub fn because(name: ErrorName, cause: FailureCause) -> Self {
        Self::Failed { name, cause: Box::new(cause) }
    }

    /// Returns whether the same work may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Cloud(error) => error.is_transient(),
            // A conflict that gets this far is a race that was lost. The next attempt begins with fresh reads.
            Self::Store(error) => error.is_transient() || error.is_conflict(),
            // Finish raises this name itself if a state may still wait, so that the definition calls it again.
            Self::Failed { name, .. } => *name == ErrorName::Throttled,
            Self::Closed => false,
        }
    }

    /// Returns whether the call may have failed only because AWS does not yet know a resource that was made a moment
    /// ago.
    #[must_use]
    pub fn may_settle(&self) -> bool {
        matches!(self, Self::Cloud(error) if error.may_settle())
    }

    /// Returns the published name.
    #[must_use]
    pub fn name(&self) -> ErrorName {
        match self {
            Self::Failed { name, .. } => *name,
            Self::Closed => ErrorName::Closed,
            // The definition has one Retry for everything that may work later, whichever service did not answer.
            _ if self.is_transient() => ErrorName::Throttled,
            Self::Cloud(_) | Self::Store(_) => ErrorName::AwsRefused,
        }
    }

    /// Returns the cause that is recorded for this state, or for the execution itself if no state is named.
    #[must_use]
    pub fn cause<'a>(&self, scope: impl Into<Option<&'a Scope>>) -> FailureCause {
        let mut cause = match self {
            Self::Failed { cause, .. } => (**cause).clone(),
            Self::Cloud(error) => FailureCause {
                message: explain(error),
                region: Some(error.region.clone()),
                code: Some(error.code.clone()),
                ..FailureCause::default()
            },
            Self::Store(error) => FailureCause { message: explain(error), ..FailureCause::default() },
            Self::Closed => FailureCause { message: self.to_string(), ..FailureCause::default() },
        };
        blame(&mut cause, scope.into());
        if cause.error.is_empty() {
            self.name().as_str().clone_into(&mut cause.error);
        }
        cause
    }
}

/// Adds the name of a state to a cause that names none.
pub(crate) fn blame(cause: &mut FailureCause, scope: Option<&Scope>) {
    if cause.state.is_empty() {
        cause.state = scope.map_or(EXECUTION, |scope| scope.state.name()).to_owned();
        cause.item = scope.and_then(|scope| scope.item.clone());
    }
}
