//! The states of the definition that call a function.

use serde::{Deserialize, Serialize};
use strum::VariantArray;

/// A state of `statemachine/image-build.asl.json` that is a Task. Its text form is its name there.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
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
    /// Every state, in the order of a build.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the state's name in the definition.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}
