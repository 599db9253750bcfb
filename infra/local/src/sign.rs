//! Signature Version 4 for the calls to the emulator, which checks it.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// What of a request the signature covers, beside its body.
pub(crate) struct Signing<'a> {
    pub(crate) access_key: &'a str,
    pub(crate) secret: &'a str,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
    /// `20261124T220619Z`.
    pub(crate) time: &'a str,
    pub(crate) host: &'a str,
    pub(crate) target: &'a str,
}

/// The `Authorization` header of a POST to `/`.
pub(crate) fn authorization(signing: &Signing<'_>, body: &[u8]) -> String {
    let day = &signing.time[..8];
    let scope = format!("{day}/{}/{}/aws4_request", signing.region, signing.service);
    let headers = format!("host:{}\nx-amz-date:{}\nx-amz-target:{}\n", signing.host, signing.time, signing.target);
    let signed = "host;x-amz-date;x-amz-target";
    let request = format!("POST\n/\n\n{headers}\n{signed}\n{}", hex(&Sha256::digest(body)));
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", signing.time, hex(&Sha256::digest(request.as_bytes())));
    let first = format!("AWS4{}", signing.secret).into_bytes();
    let key = [day, signing.region, signing.service, "aws4_request"].iter().fold(first, |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &to_sign));
    format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}", signing.access_key)
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // HMAC takes keys of any length: this never is the error branch.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        },
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_another_implementation_does() {
        let signing = Signing {
            access_key: "test",
            secret: "test",
            region: "eu-west-1",
            service: "events",
            time: "20261124T220619Z",
            host: "127.0.0.1:4566",
            target: "AWSEvents.PutEvents",
        };
        // Calculated by botocore for the same request.
        let expected = "8b3a0516faab6330d6c0cf24e6b616ce0f15be7f936a7887423395e11d31d71c";
        let header = authorization(&signing, br#"{"a":1}"#);
        assert!(header.ends_with(&format!("Signature={expected}")), "{header}");
    }
}
