//! Other accounts that get their own copies of this stack's images.

use std::sync::Arc;

use async_trait::async_trait;

use crate::{Account, Images, Result};

/// Another account, as the stack's role in that account sees it.
#[derive(Clone)]
pub struct TargetAccount {
    /// AMIs and snapshots of the account.
    pub images: Arc<dyn Images>,
    /// Its settings.
    pub account: Arc<dyn Account>,
}

/// Returns the name of the role that a stack takes on in other accounts. IAM allows at most 64 characters, which a stack with a
/// long name can exceed. The names of roles are the same in all Regions, so the name has the stack's home Region in it.
#[must_use]
pub fn target_role_name(stack: &str, home: &str) -> String {
    format!("{stack}-target-{home}")
}

/// The accounts that have deployed `infra/target-account.yaml`.
#[async_trait]
pub trait TargetAccounts: Send + Sync {
    /// `AssumeRole`. Returns the account. The result is valid for at least as long as a function can run. The error has
    /// kind `Denied` if the stack's role does not exist there, and also if the role does not trust the caller: STS does
    /// not distinguish the two.
    async fn enter(&self, account: &str) -> Result<TargetAccount>;
}
