//! KMS keys. Every name refers to a key that the account may use, unless a test says otherwise.

use async_trait::async_trait;

use super::FakeCloud;
use super::call::{ACCOUNT, Call};
use crate::{Key, KeyUsers, Keys, Result};

#[async_trait]
impl Keys for FakeCloud {
    async fn key(&self, region: &str, name: &str) -> Result<Option<Key>> {
        self.read(Call::new("DescribeKey", region), |world| {
            let account = &world.account;
            let key = Key {
                arn: format!("arn:aws:kms:{region}:{ACCOUNT}:key/{name}"),
                enabled: !account.disabled_keys.contains(name),
                managed_by_aws: name.ends_with("alias/aws/ebs"),
                symmetric: true,
                state: if account.disabled_keys.contains(name) { "Disabled" } else { "Enabled" }.to_owned(),
            };
            Ok(Some(key).filter(|_| !account.missing.contains(name)))
        })
        .await
    }

    async fn key_users(&self, region: &str, arn: &str) -> Result<KeyUsers> {
        let call = Call::new("GetKeyPolicy", region);
        let users = self.read(call, |world| {
            Ok(world.account.key_users.iter().find(|(key, _)| arn.ends_with(*key)).map(|(_, users)| users.clone()))
        });
        let users = users.await?;
        self.read(Call::new("ListGrants", region), |_| Ok(())).await?;
        Ok(users.unwrap_or(KeyUsers { everyone: true, ..KeyUsers::default() }))
    }
}
