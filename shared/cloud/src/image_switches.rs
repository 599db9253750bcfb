//! Whether instances may be launched from an AMI, whether it is listed, and whether it may be deregistered.

use async_trait::async_trait;

use crate::Result;

/// Switches of AMIs, for people and for the retention of pipelines: no state of a build uses them.
#[async_trait]
pub trait ImageSwitches: Send + Sync {
    /// `DisableImage`: nobody can launch an instance from the image, and it loses all launch permissions. *Effect*,
    /// safe to repeat. `enable` undoes it, except for the launch permissions. It is no error if the image does not
    /// exist.
    async fn disable(&self, region: &str, id: &str) -> Result<()>;
    /// `EnableImage`. *Effect*, safe to repeat. Fails with kind `NotFound` if the image does not exist.
    async fn enable(&self, region: &str, id: &str) -> Result<()>;
    /// `DisableImageDeprecation`: the image no longer becomes deprecated, or is no longer deprecated. *Effect*, safe to
    /// repeat. [`crate::Images::deprecate`] undoes it. Fails with kind `NotFound` if the image does not exist.
    async fn undeprecate(&self, region: &str, id: &str) -> Result<()>;
    /// `DisableImageDeregistrationProtection`. *Effect*, safe to repeat. [`crate::Images::protect`] undoes it. If the
    /// protection has a cooldown, the image cannot be deregistered for 24 hours from then on. It is no error if the
    /// image does not exist.
    async fn unprotect(&self, region: &str, id: &str) -> Result<()>;
}
