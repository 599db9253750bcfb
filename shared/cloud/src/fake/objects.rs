//! The stack's bucket.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::FakeCloud;
use super::call::Call;
use crate::{Kind, Objects, Result};

/// S3's longest validity of a presigned URL: seven days.
const LONGEST: Duration = Duration::from_secs(604_800);

#[async_trait]
impl Objects for FakeCloud {
    async fn exists(&self, key: &str) -> Result<bool> {
        self.read(Call::home("HeadObject"), |world| Ok(world.objects.contains_key(key))).await
    }

    async fn put(&self, key: &str, body: Vec<u8>) -> Result<()> {
        self.effect(Call::home("PutObject"), key, |world| {
            world.objects.insert(key.to_owned(), body);
            Ok(())
        })
        .await
    }

    async fn presign(&self, key: &str, valid: Duration) -> Result<String> {
        if valid > LONGEST {
            return Err(Call::home("GetObject").error(
                Kind::Invalid,
                "AuthorizationQueryParametersError",
                "over seven days",
            ));
        }
        Ok(format!(
            "https://bucket.s3.amazonaws.com/{key}?X-Amz-Expires={}&X-Amz-Signature=0123456789abcdef",
            valid.as_secs()
        ))
    }
}

impl FakeCloud {
    /// Returns an object of the bucket, or `None`.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.world().objects.get(key).cloned()
    }

    /// Returns every object of the bucket by its key.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.world().objects.clone()
    }
}
