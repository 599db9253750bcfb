//! What is signed and what is refused.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::{Signer, statement};
use goldsmith_provenance::bundle::LARGEST_BUNDLE;
use goldsmith_provenance::dsse::{PAYLOAD_TYPE, pae};
use goldsmith_provenance::{Bundle, BundleError, SignError, Statement, StatementError, Unsigned, VerifyError};
use serde_json::{Value, json};
use sha2::Digest as _;

fn signed(signer: &Signer, statement: &Statement) -> Bundle {
    let message = pae(PAYLOAD_TYPE, &statement.to_json().unwrap());
    Unsigned::new(statement, &signer.key).unwrap().signed(signer.sign(&message)).unwrap()
}

/// The bundle after a change of its JSON.
fn changed(bundle: &Bundle, change: impl FnOnce(&mut Value)) -> Bundle {
    let mut value: Value = serde_json::from_slice(&bundle.to_json().unwrap()).unwrap();
    change(&mut value);
    Bundle::from_json(value.to_string().as_bytes()).unwrap()
}

/// A bundle of any payload, which the signer has signed.
fn bundle_of(signer: &Signer, payload_type: &str, payload: &[u8]) -> Bundle {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::prelude::BASE64_STANDARD.encode(bytes);
    changed(&signed(signer, &statement()), |value| {
        value["dsseEnvelope"] = json!({
            "payload": base64(payload),
            "payloadType": payload_type,
            "signatures": [{"sig": base64(&signer.sign(&pae(payload_type, payload))), "keyid": signer.key.key_id()}],
        });
    })
}

#[test]
fn a_signed_statement_is_read_by_its_key_only() {
    let (signer, other) = (Signer::new(), Signer::new());
    let bundle = signed(&signer, &statement());
    let read = Bundle::from_json(&bundle.to_json().unwrap()).unwrap();
    assert_eq!(read, bundle);
    assert_eq!(read.verify(&signer.key).unwrap(), statement());
    assert_eq!(read.hint(), signer.key.key_id());
    let error = read.verify(&other.key).unwrap_err();
    assert!(matches!(&error, VerifyError::OtherKey { others, .. } if *others == [signer.key.key_id()]), "{error}");
}

#[test]
fn what_is_to_be_signed_is_the_digest_of_the_encoding() {
    let (signer, statement) = (Signer::new(), statement());
    let expected = sha2::Sha256::digest(pae(PAYLOAD_TYPE, &statement.to_json().unwrap()));
    assert_eq!(Unsigned::new(&statement, &signer.key).unwrap().digest_to_sign(), <[u8; 32]>::from(expected));
}

#[test]
fn a_bundle_has_the_fields_of_sigstore() {
    let signer = Signer::new();
    let bundle = signed(&signer, &statement());
    let mut value: Value = serde_json::from_slice(&bundle.to_json().unwrap()).unwrap();
    let envelope = value["dsseEnvelope"].take();
    let material = json!({"publicKey": {"hint": signer.key.key_id()}, "tlogEntries": []});
    let media_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
    assert_eq!(value, json!({"mediaType": media_type, "verificationMaterial": material, "dsseEnvelope": Value::Null}));
    assert_eq!(envelope["payloadType"], "application/vnd.in-toto+json");
    assert_eq!(envelope["signatures"][0]["keyid"], json!(signer.key.key_id()));
}

#[test]
fn no_bundle_is_made_that_does_not_verify() {
    let (signer, other) = (Signer::new(), Signer::new());
    let statement = statement();
    let message = pae(PAYLOAD_TYPE, &statement.to_json().unwrap());
    for signature in [other.sign(&message), signer.sign(&message[1..]), Vec::new(), vec![0x30; 70]] {
        let error = Unsigned::new(&statement, &signer.key).unwrap().signed(signature).unwrap_err();
        assert!(matches!(error, SignError::Signature { key_id } if key_id == signer.key.key_id()));
    }
    let mut large = statement;
    let text = "x".repeat(LARGEST_BUNDLE * 3 / 4);
    large.predicate.build_definition.internal_parameters.insert("x".to_owned(), json!(text));
    let error = Unsigned::new(&large, &signer.key).unwrap_err();
    assert!(matches!(error, SignError::TooLarge { size } if size > LARGEST_BUNDLE), "{error}");
}

#[test]
fn changes_are_refused() {
    let (signer, other) = (Signer::new(), Signer::new());
    let bundle = signed(&signer, &statement());
    let of_other = {
        let mut changed = statement();
        changed.subject.name = "ami-f".to_owned();
        changed
    };
    let refused = |change: &dyn Fn(&mut Value)| changed(&bundle, change).verify(&signer.key).unwrap_err();
    let other_bundle: Value = serde_json::from_slice(&signed(&other, &of_other).to_json().unwrap()).unwrap();
    // The payload of another statement, under the signature of this one and under its own.
    let payload = refused(&|value| value["dsseEnvelope"]["payload"] = other_bundle["dsseEnvelope"]["payload"].clone());
    assert!(matches!(payload, VerifyError::Signature { .. }), "{payload}");
    let signature = refused(&|value| {
        let mut signature = other_bundle["dsseEnvelope"]["signatures"][0].clone();
        signature["keyid"] = json!(signer.key.key_id());
        value["dsseEnvelope"]["signatures"] = json!([signature]);
    });
    assert!(matches!(signature, VerifyError::Signature { .. }), "{signature}");
    let payload_type = refused(&|value| value["dsseEnvelope"]["payloadType"] = json!("text/plain"));
    assert!(matches!(payload_type, VerifyError::PayloadType { .. }), "{payload_type}");
    let unsigned = refused(&|value| value["dsseEnvelope"]["signatures"] = json!([]));
    assert!(matches!(unsigned, VerifyError::Unsigned), "{unsigned}");
    let without_id = refused(&|value| value["dsseEnvelope"]["signatures"][0]["keyid"] = json!(""));
    assert!(matches!(without_id, VerifyError::OtherKey { .. }), "{without_id}");
}

#[test]
fn signatures_by_others_make_no_difference() {
    let (signer, other) = (Signer::new(), Signer::new());
    let bundle = signed(&signer, &statement());
    let by = |key: &Signer, id: &Signer| {
        use base64::Engine as _;
        let signature = key.sign(&bundle.envelope().signed_bytes());
        json!({"sig": base64::prelude::BASE64_STANDARD.encode(signature), "keyid": id.key.key_id()})
    };
    let with = |signatures: Value| changed(&bundle, |value| value["dsseEnvelope"]["signatures"] = signatures);
    let both = with(json!([by(&other, &other), by(&signer, &signer)]));
    assert_eq!(both.verify(&signer.key).unwrap(), statement());
    let wrong = with(json!([by(&other, &other), by(&other, &signer)]));
    assert!(matches!(wrong.verify(&signer.key), Err(VerifyError::Signature { .. })));
    let twice = with(json!([by(&signer, &signer), by(&other, &signer)]));
    assert!(matches!(twice.verify(&signer.key), Err(VerifyError::Repeated { count: 2, .. })));
}

#[test]
fn what_is_signed_must_be_a_statement_about_an_image() {
    let signer = Signer::new();
    let verified = |payload: &[u8]| bundle_of(&signer, PAYLOAD_TYPE, payload).verify(&signer.key);
    assert!(matches!(verified(b"{}"), Err(VerifyError::Statement(StatementError::Form(_)))));
    assert!(matches!(verified(b""), Err(VerifyError::Statement(StatementError::Form(_)))));
    let sbom = br#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://spdx.dev/Document"}"#;
    assert!(matches!(verified(sbom), Err(VerifyError::Statement(StatementError::PredicateType { .. }))));
    let text = bundle_of(&signer, "text/plain", &statement().to_json().unwrap());
    assert!(matches!(text.verify(&signer.key), Err(VerifyError::PayloadType { .. })), "also if it is signed");
}

#[test]
fn other_bundles_are_refused_and_named() {
    let bundle = signed(&Signer::new(), &statement());
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&bundle.to_json().unwrap()).unwrap();
        change(&mut value);
        Bundle::from_json(value.to_string().as_bytes()).unwrap_err()
    };
    let older = refused(&|value| value["mediaType"] = json!("application/vnd.dev.sigstore.bundle+json;version=0.1"));
    assert!(matches!(older, BundleError::MediaType { found } if found.contains("0.1")));
    let certificate = refused(&|value| value["verificationMaterial"] = json!({"certificate": {"rawBytes": "AA=="}}));
    assert!(matches!(certificate, BundleError::Form(_)));
    let message = refused(&|value| {
        value.as_object_mut().unwrap().remove("dsseEnvelope");
        value["messageSignature"] = json!({});
    });
    assert!(matches!(message, BundleError::Form(_)));
    // What later versions add is no reason to refuse a bundle.
    let more = changed(&bundle, |value| value["verificationMaterial"]["timestampVerificationData"] = json!({}));
    assert_eq!(more, bundle);
}
