//! A statement, and a key that signs it here as KMS would elsewhere.

use std::collections::BTreeMap;

use goldsmith_provenance::statement::{
    BUILD_TYPE, BuildDefinition, BuildMetadata, Builder, Provenance, ResourceDescriptor, RunDetails,
};
use goldsmith_provenance::{ImageContent, PublicKey, Statement, Subject};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// A statement with every field, and with texts that need escapes in JSON.
pub(crate) fn statement() -> Statement {
    let digest = |byte: u8| BTreeMap::from([("sha256".to_owned(), hex::encode([byte; 32]))]);
    let value = |json: serde_json::Value| json.as_object().cloned().unwrap_or_default();
    let volumes = BTreeMap::from([("/dev/sda1".to_owned(), [1; 32])]);
    let base = ResourceDescriptor {
        name: "base".to_owned(),
        uri: "arn:aws:ec2:eu-west-1::image/ami-0".to_owned(),
        digest: digest(2),
        annotations: value(serde_json::json!({"snapshots": {"/dev/sda1": "snap-0"}})),
    };
    let definition = BuildDefinition {
        build_type: BUILD_TYPE.to_owned(),
        external_parameters: value(
            serde_json::json!({"pipeline": "web \"server\" \u{e4}\n", "count": 3, "list": [true]}),
        ),
        internal_parameters: value(serde_json::json!({"region": "eu-west-1"})),
        resolved_dependencies: vec![base.clone(), ResourceDescriptor { uri: String::new(), ..base }],
    };
    let details = RunDetails {
        builder: Builder {
            id: "urn:goldsmith:stack:goldsmith".to_owned(),
            version: BTreeMap::from([("goldsmith".to_owned(), "0.1.0".to_owned())]),
        },
        metadata: BuildMetadata {
            invocation_id: Some("build-1".to_owned()),
            started_on: "2026-11-30T10:00:00Z".parse().ok(),
            finished_on: "2026-11-30T10:20:00.25Z".parse().ok(),
        },
        byproducts: vec![ResourceDescriptor {
            name: "contents".to_owned(),
            digest: digest(3),
            ..ResourceDescriptor::default()
        }],
    };
    Statement {
        subject: Subject {
            name: "ami-0123456789abcdef0".to_owned(),
            uri: "arn:aws:ec2:eu-west-1::image/ami-0123456789abcdef0".to_owned(),
            digest: ImageContent::new(volumes).unwrap().digest(),
        },
        predicate: Provenance { build_definition: definition, run_details: details },
    }
}

/// A pair of keys.
pub(crate) struct Signer {
    pair: EcdsaKeyPair,
    pub(crate) key: PublicKey,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let private = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, private.as_ref(), &random).unwrap();
        let head = hex::decode("3059301306072a8648ce3d020106082a8648ce3d030107034200").unwrap();
        let key = PublicKey::from_der(&[&head, pair.public_key().as_ref()].concat()).unwrap();
        Self { pair, key }
    }

    /// Signs a message, in DER.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}
