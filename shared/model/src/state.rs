//! The states of the definition that invoke a function.

use serde::{Deserialize, Serialize};
use strum::VariantArray;

/// A state of `statemachine/image-build.asl.json` that is a Task. Its text form is its name in the definition.
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
    /// Runs the phases `build` and `validate`, up to the checkpoint if the build makes one.
    Build,
    /// Makes the checkpoint: an AMI of the build instance as the first components have left it.
    Checkpoint,
    /// Runs the phases `build` and `validate` of the components after the checkpoint.
    BuildRest,
    /// Launches another build instance, on demand, after EC2 has taken the first one back or has not started it again.
    LaunchAgain,
    /// Runs the phases `build` and `validate` on that instance, from their beginning.
    BuildAgain,
    /// Cleans and stops the build instance, and makes the AMI.
    Snapshot,
    /// Begins the copies of the AMI to other Regions, before the tests.
    BeginCopies,
    /// Launches a test instance from the AMI.
    LaunchTest,
    /// Runs the phase `test`.
    ExecuteTest,
    /// Terminates a test instance and reports the outcome of the test.
    EndTest,
    /// Fails the build if a test failed.
    JudgeTests,
    /// Digests the volumes of the AMI, and signs its provenance.
    Attest,
    /// Brings the AMI to one Region.
    DistributeRegion,
    /// Publishes the image.
    Publish,
    /// Ends a successful build.
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
