//! Keeps watching after a call that fails temporarily.

use anyhow::Result;
use goldsmith_cloud::CloudError;
use goldsmith_store::StoreError;

/// Number of failed calls in a row after which the watching ends.
const LIMIT: u32 = 20;

/// Counts failed calls in a row.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    failed: u32,
}

impl Patience {
    /// Returns the result of the call, or `None` if the call failed temporarily and not too often in a row.
    pub(crate) fn take<T>(&mut self, look: Result<T>) -> Result<Option<T>> {
        match look {
            Ok(found) => {
                self.failed = 0;
                Ok(Some(found))
            }
            Err(error) if may_pass(&error) && self.failed < LIMIT => {
                self.failed += 1;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn may_pass(error: &anyhow::Error) -> bool {
    let cloud = error.downcast_ref::<CloudError>().is_some_and(CloudError::is_transient);
    cloud || error.downcast_ref::<StoreError>().is_some_and(StoreError::is_transient)
}

#[cfg(test)]
mod tests {
    use goldsmith_store::StoreError;

    use super::{LIMIT, Patience};

    #[test]
    fn patience_ends_and_begins_anew_with_an_answer() {
        let busy = || Err::<(), _>(StoreError::Busy { code: "Throttling".to_owned() }.into());
        let mut patience = Patience::default();
        for _ in 0..2 {
            for _ in 0..LIMIT {
                assert!(patience.take(busy()).unwrap().is_none());
            }
            assert!(patience.take(Ok(())).unwrap().is_some());
        }
        for _ in 0..LIMIT {
            assert!(patience.take(busy()).unwrap().is_none());
        }
        assert!(patience.take(busy()).is_err());
        assert!(Patience::default().take::<()>(Err(anyhow::anyhow!("denied"))).is_err());
    }
}
