//! KMS keys. Every name refers to a key that the account may use, unless a test says otherwise.

use async_trait::async_trait;
use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{DerSignature, SigningKey};

use super::FakeCloud;
use super::call::{ACCOUNT, Call};
use super::world::World;
use crate::{CloudError, Key, KeyUsers, Keys, Kind, Result, Tags};

/// The private key of every key that signs: any number is one.
const SECRET: [u8; 32] = [7; 32];
/// What comes before the point of the curve in the DER form of a public key.
const SUBJECT_PUBLIC_KEY_INFO: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

#[async_trait]
impl Keys for FakeCloud {
    async fn key(&self, region: &str, name: &str) -> Result<Option<Key>> {
        self.read(Call::new("DescribeKey", region), |world| {
            let account = &world.account;
            let key = Key {
                arn: format!("arn:aws:kms:{region}:{ACCOUNT}:key/{name}"),
                enabled: !account.disabled_keys.contains(name),
                managed_by_aws: name.ends_with("alias/aws/ebs"),
                symmetric: !account.signing_keys.contains_key(name),
                signs_p256: account.signing_keys.contains_key(name),
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

    async fn key_tags(&self, region: &str, arn: &str) -> Result<Tags> {
        self.read(Call::new("ListResourceTags", region), |world| {
            Ok(world.account.signing_keys.get(name_of(arn)).cloned().unwrap_or_default())
        })
        .await
    }

    async fn public_key(&self, region: &str, arn: &str) -> Result<Vec<u8>> {
        let call = Call::new("GetPublicKey", region);
        self.read(call, |world| {
            world.signing(call, arn)?;
            let point = secret(call)?.verifying_key().to_encoded_point(false);
            Ok([&SUBJECT_PUBLIC_KEY_INFO, point.as_bytes()].concat())
        })
        .await
    }

    async fn sign(&self, region: &str, arn: &str, digest: [u8; 32]) -> Result<Vec<u8>> {
        let call = Call::new("Sign", region);
        self.effect(call, arn, |world| {
            world.signing(call, arn)?;
            let signed: std::result::Result<DerSignature, _> = secret(call)?.sign_prehash(&digest);
            Ok(signed.map_err(|error| broken(call, error))?.as_bytes().to_vec())
        })
        .await
    }
}

impl World {
    /// Checks that a key signs and is enabled.
    fn signing(&self, call: Call<'_>, arn: &str) -> Result<()> {
        let name = name_of(arn);
        if self.account.disabled_keys.contains(name) {
            return Err(call.error(Kind::Invalid, "DisabledException", format!("{arn} is disabled.")));
        }
        if self.account.missing.contains(name) {
            return Err(call.error(Kind::NotFound, "NotFoundException", format!("Key '{arn}' does not exist")));
        }
        if self.account.signing_keys.contains_key(name) {
            return Ok(());
        }
        Err(call.error(Kind::Invalid, "InvalidKeyUsageException", format!("{arn} key usage is ENCRYPT_DECRYPT")))
    }
}

fn secret(call: Call<'_>) -> Result<SigningKey> {
    SigningKey::from_slice(&SECRET).map_err(|error| broken(call, error))
}

fn broken(call: Call<'_>, error: impl ToString) -> CloudError {
    call.error(Kind::Unanswered, "KMSInternalException", error.to_string())
}

/// Returns the name of a key in its ARN.
fn name_of(arn: &str) -> &str {
    arn.split_once(":key/").map_or(arn, |(_, name)| name)
}
