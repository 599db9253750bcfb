//! The states of the definition that call a function, the function that each of them calls, and how long each may take.

use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// A state of `statemachine/image-build.asl.json` that is a Task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Resolves everything and opens the build.
    Plan,
    /// Launches the build instance.
    Launch,
    /// Runs the phases `build` and `validate`.
    Build,
    /// Cleans and stops the build instance, and makes the AMI.
    Snapshot,
    /// Launches a test instance from the AMI.
    LaunchTest,
    /// Runs the phase `test`.
    ExecuteTest,
    /// Ends a test instance and reports how the test went.
    EndTest,
    /// Fails the build if a test failed.
    JudgeTests,
    /// Brings the AMI to one Region.
    DistributeRegion,
    /// Makes the image known.
    Publish,
    /// Ends a good build.
    Finish,
    /// Ends a failed build.
    FinishFailed,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 12] = [
        Self::Plan,
        Self::Launch,
        Self::Build,
        Self::Snapshot,
        Self::LaunchTest,
        Self::ExecuteTest,
        Self::EndTest,
        Self::JudgeTests,
        Self::DistributeRegion,
        Self::Publish,
        Self::Finish,
        Self::FinishFailed,
    ];

    /// Returns the state's name in the definition.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "Plan",
            Self::Launch => "Launch",
            Self::Build => "Build",
            Self::Snapshot => "Snapshot",
            Self::LaunchTest => "LaunchTest",
            Self::ExecuteTest => "ExecuteTest",
            Self::EndTest => "EndTest",
            Self::JudgeTests => "JudgeTests",
            Self::DistributeRegion => "DistributeRegion",
            Self::Publish => "Publish",
            Self::Finish => "Finish",
            Self::FinishFailed => "FinishFailed",
        }
    }

    /// Returns the `Handler` of the function that runs the state.
    #[must_use]
    pub fn handler(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Launch | Self::LaunchTest => "launch",
            Self::Build | Self::ExecuteTest => "execute-phase",
            Self::Snapshot => "snapshot",
            Self::EndTest | Self::JudgeTests => "test",
            Self::DistributeRegion => "distribute",
            Self::Publish => "publish",
            Self::Finish | Self::FinishFailed => "finish",
        }
    }

    /// Returns the `TimeoutSeconds` of the state in the definition, or `None` if the state does not wait.
    #[must_use]
    pub fn timeout(self) -> Option<SignedDuration> {
        let seconds = match self {
            Self::Launch | Self::LaunchTest => 3_600,
            Self::Build | Self::ExecuteTest => 172_800,
            Self::Snapshot => 43_200,
            Self::DistributeRegion => 86_400,
            _ => return None,
        };
        Some(SignedDuration::from_secs(seconds))
    }
}

impl fmt::Display for State {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
