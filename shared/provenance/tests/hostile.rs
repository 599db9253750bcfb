//! Bytes that nobody in good faith would write. Each gets an answer, and none stops the program.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::{Signer, statement};
use goldsmith_provenance::bundle::LARGEST_BUNDLE;
use goldsmith_provenance::dsse::{PAYLOAD_TYPE, pae};
use goldsmith_provenance::{Bundle, BundleError, ImageContent, PublicKey, Statement, Unsigned, VolumeContent};
use proptest::prelude::*;

fn bundle() -> Vec<u8> {
    let (signer, statement) = (Signer::new(), statement());
    let signature = signer.sign(&pae(PAYLOAD_TYPE, &statement.to_json().unwrap()));
    Unsigned::new(&statement, &signer.key).unwrap().signed(signature).unwrap().to_json().unwrap()
}

#[test]
fn a_cut_bundle_or_statement_is_refused() {
    let (bundle, statement) = (bundle(), statement().to_json().unwrap());
    for length in 0..bundle.len() {
        assert!(matches!(Bundle::from_json(&bundle[..length]), Err(BundleError::Form(_))), "{length}");
    }
    for length in 0..statement.len() {
        assert!(Statement::from_json(&statement[..length]).is_err(), "{length}");
    }
    assert!(Bundle::from_json(&[&bundle[..], b"{}"].concat()).is_err(), "nothing may follow");
}

#[test]
fn a_large_bundle_is_not_even_parsed() {
    let large = vec![b' '; LARGEST_BUNDLE + 1];
    let error = Bundle::from_json(&large).unwrap_err();
    assert!(matches!(error, BundleError::TooLarge { size } if size == large.len()), "{error}");
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{\"x\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        assert!(Bundle::from_json(deep.as_bytes()).is_err() && Statement::from_json(deep.as_bytes()).is_err());
        // Also in what a statement may have freely. Fields that are ignored are skipped without any depth in memory.
        let text = String::from_utf8(statement().to_json().unwrap()).unwrap();
        let parameter = text.replacen(r#""count":3"#, &format!(r#""count":{deep}"#), 1);
        let error = Statement::from_json(parameter.as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("recursion limit"), "{source}");
        let ignored = text.replacen('{', &format!(r#"{{"more":{deep},"#), 1);
        assert_eq!(Statement::from_json(ignored.as_bytes()).unwrap(), statement());
    }
}

#[test]
fn a_field_twice_is_refused() {
    let text = String::from_utf8(bundle()).unwrap();
    for (field, value) in [("payload", "\"\""), ("payloadType", "\"x\""), ("signatures", "[]")] {
        let twice = text.replacen("\"dsseEnvelope\":{", &format!("\"dsseEnvelope\":{{\"{field}\":{value},"), 1);
        assert_ne!(text, twice);
        assert!(matches!(Bundle::from_json(twice.as_bytes()), Err(BundleError::Form(_))), "{field}");
    }
    for field in ["_type", "predicateType", "subject"] {
        let statement = String::from_utf8(statement().to_json().unwrap()).unwrap();
        let twice = statement.replacen('{', &format!("{{\"{field}\":\"x\","), 1);
        assert!(Statement::from_json(twice.as_bytes()).is_err(), "{field}");
    }
}

#[test]
fn numbers_and_texts_without_measure_are_refused() {
    let huge = "9".repeat(100_000);
    assert!(VolumeContent::parse(format!("goldsmith-volume-v1 {huge} 524288\n").as_bytes()).is_err());
    let block = format!("goldsmith-volume-v1 524288 524288\n{huge} {}\n", "ab".repeat(32));
    assert_eq!(VolumeContent::parse(block.as_bytes()).unwrap_err().line, 2);
    let device = format!("goldsmith-image-v1\n{huge} {}\n", "ab".repeat(32));
    assert_eq!(ImageContent::parse(device.as_bytes()).unwrap_err().line, 2);
    let statement = String::from_utf8(statement().to_json().unwrap()).unwrap();
    let number = statement.replacen("\"count\":3", &format!("\"count\":{huge}"), 1);
    assert!(Statement::from_json(number.as_bytes()).is_err(), "no number is silently another one");
}

#[test]
fn keys_with_wrong_lengths_are_refused() {
    let der = Signer::new().key.der().to_vec();
    for (at, length) in [(1, 0x84), (1, 0xff), (1, 0x80), (3, 0x7f), (5, 0x00), (24, 0xff)] {
        let mut wrong = der.clone();
        wrong[at] = length;
        assert!(PublicKey::from_der(&wrong).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,100}") {
        for bytes in [&bytes[..], text.as_bytes()] {
            prop_assert!(Bundle::from_json(bytes).is_err());
            prop_assert!(Statement::from_json(bytes).is_err());
            prop_assert!(PublicKey::from_der(bytes).is_err());
            prop_assert!(VolumeContent::parse(bytes).is_err());
            prop_assert!(ImageContent::parse(bytes).is_err());
        }
        prop_assert!(PublicKey::from_pem(&text).is_err());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n");
        prop_assert!(PublicKey::from_pem(&pem).is_err());
    }
}
