//! The stack's bucket.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::FakeCloud;
use super::call::Call;
use super::world::World;
use crate::{Kind, ListedObject, Objects, PresignedPut, Result};

/// S3's longest validity of a presigned URL: seven days.
const LONGEST: Duration = Duration::from_secs(604_800);

/// The bucket's lifecycle rule for work orders: S3 removes them a day after they were written, or some hours later.
const ORDERS_STAY: SignedDuration = SignedDuration::from_hours(24);

/// An object that was written.
pub(super) struct ObjectRecord {
    body: Vec<u8>,
    written: Timestamp,
}

impl World {
    /// Returns the objects that have not expired.
    fn kept(&self) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        let now = self.now();
        let is_kept = move |key: &str, written: Timestamp| !key.starts_with("orders/") || now < written + ORDERS_STAY;
        self.objects
            .iter()
            .filter(move |(key, object)| is_kept(key, object.written))
            .map(|(key, object)| (key, &object.body))
    }
}

#[async_trait]
impl Objects for FakeCloud {
    async fn exists(&self, key: &str) -> Result<bool> {
        self.read(Call::home("HeadObject"), |world| Ok(world.kept().any(|(kept, _)| kept == key))).await
    }

    async fn put(&self, key: &str, body: Vec<u8>) -> Result<()> {
        self.effect(Call::home("PutObject"), key, |world| {
            let written = world.now();
            world.objects.insert(key.to_owned(), ObjectRecord { body, written });
            Ok(())
        })
        .await
    }

    async fn get(&self, key: &str, largest: u64) -> Result<Option<Vec<u8>>> {
        let found = self.read(Call::home("GetObject"), |world| {
            Ok(world.kept().find(|(kept, _)| *kept == key).map(|(_, body)| body.clone()))
        });
        match found.await? {
            Some(body) if body.len() as u64 > largest => {
                Err(Call::home("GetObject").error(Kind::Invalid, "EntityTooLarge", "too large"))
            }
            other => Ok(other),
        }
    }

    async fn list(&self, prefix: &str, most: usize) -> Result<Vec<ListedObject>> {
        self.read(Call::home("ListObjectsV2"), |world| {
            let listed = world.kept().filter(|(key, _)| key.starts_with(prefix));
            let listed = listed.map(|(key, body)| ListedObject { key: key.clone(), bytes: body.len() as u64 });
            Ok(listed.take(most + 1).collect())
        })
        .await
    }

    async fn presign_put(&self, key: &str, valid: Duration) -> Result<String> {
        presigned("PutObject", key, valid)
    }

    async fn presign_put_of(&self, key: &str, sha256: &[u8; 32], valid: Duration) -> Result<PresignedPut> {
        let headers = BTreeMap::from([("x-amz-checksum-sha256".to_owned(), format!("{sha256:02x?}"))]);
        Ok(PresignedPut { url: presigned("PutObject", key, valid)?, headers })
    }

    async fn presign(&self, key: &str, valid: Duration) -> Result<String> {
        presigned("GetObject", key, valid)
    }
}

fn presigned(operation: &'static str, key: &str, valid: Duration) -> Result<String> {
    if valid > LONGEST {
        let refused = Call::home(operation);
        return Err(refused.error(Kind::Invalid, "AuthorizationQueryParametersError", "over seven days"));
    }
    Ok(format!(
        "https://bucket.s3.amazonaws.com/{key}?X-Amz-Expires={}&X-Amz-Signature=0123456789abcdef&x-id={operation}",
        valid.as_secs()
    ))
}

impl FakeCloud {
    /// Returns an object of the bucket, or `None`.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.objects().remove(key)
    }

    /// Returns every object of the bucket by its key.
    #[must_use]
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.world().kept().map(|(key, body)| (key.clone(), body.clone())).collect()
    }
}
