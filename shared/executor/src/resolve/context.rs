//! `{{ context:… }}`: what a step can learn about its run. A time is the time at which the reference is replaced. Each
//! reference to `uuid` gets a new UUID.

use std::fs;
use std::io;

use goldsmith_document::ContextKey;
use jiff::Timestamp;

use super::{ResolveError, Scene};
use crate::nonce::random;
use crate::os_release::OsRelease;
use crate::place::Place;

pub(crate) fn value(key: ContextKey, scene: Scene<'_>, place: &Place<'_>) -> Result<String, ResolveError> {
    let of_aws = |name: &str, value: Result<String, _>| {
        value.map_err(|source| ResolveError::Aws { name: format!("context:{name}"), source })
    };
    Ok(match key {
        ContextKey::ExecutionId => scene.execution.to_owned(),
        ContextKey::AccountId => of_aws("accountId", place.aws.account(place.deadline))?,
        ContextKey::Region => of_aws("region", place.aws.region(place.deadline))?,
        ContextKey::OsPlatform => "linux".to_owned(),
        ContextKey::OsName => OsRelease::read().name,
        ContextKey::OsVersion => OsRelease::read().version,
        ContextKey::Date => Timestamp::now().strftime("%Y-%m-%d").to_string(),
        ContextKey::DateTime => Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        ContextKey::Uuid => uuid().map_err(ResolveError::Random)?,
        ContextKey::Hostname => hostname(),
        ContextKey::Phase => scene.phase.to_owned(),
        ContextKey::Step => scene.step.to_owned(),
    })
}

/// Returns a random UUID, version 4.
pub(crate) fn uuid() -> io::Result<String> {
    let mut bytes: [u8; 16] = random()?;
    // These bits hold the version and the variant (RFC 9562).
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    Ok(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
}

fn hostname() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn a_uuid_says_that_it_is_random() {
        let (one, two) = (uuid().unwrap(), uuid().unwrap());
        assert!(one != two && one.len() == 36, "{one} {two}");
        assert!(one.as_bytes()[14] == b'4' && b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }
}
