//! Bundles, and the verifiers of other projects: `make provenance-verifiers` installs these. They read what this project
//! writes, and refuse what somebody has changed, as this project does.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use common::{Signer, statement};
use goldsmith_provenance::dsse::{PAYLOAD_TYPE, pae};
use goldsmith_provenance::{Bundle, PublicKey, Unsigned};
use serde_json::{Value, json};

/// Makes a key with `cryptography`, prints its two forms and its id, and signs digests as KMS does.
const SIGN: &str = r#"
import sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from securesystemslib.signer import SSlibKey
key = ec.generate_private_key(ec.SECP256R1())
form = serialization.PublicFormat.SubjectPublicKeyInfo
print(key.public_key().public_bytes(serialization.Encoding.DER, form).hex())
print(key.public_key().public_bytes(serialization.Encoding.PEM, form).hex())
print(SSlibKey.from_crypto(key.public_key()).keyid, flush=True)
digest = bytes.fromhex(sys.stdin.readline())
print(key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))).hex())
"#;

/// Verifies the envelope of a bundle with securesystemslib, and reads the payload with the types of in-toto, which
/// refuse any field that they do not know.
const SECURESYSTEMSLIB: &str = r#"
import json, sys
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as Form
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey
bundle, key = (open(path).read() for path in sys.argv[1:])
try:
    envelope = Envelope.from_dict(json.loads(bundle)["dsseEnvelope"])
    envelope.verify([SSlibKey.from_crypto(load_pem_public_key(key.encode()))], 1)
except VerificationError as error:
    sys.exit("REFUSED: " + str(error))
statement = json.loads(envelope.payload)
Statement.copy_from_pb(ParseDict(statement, Form())).validate()
provenance = ParseDict(statement["predicate"], Provenance())
assert provenance.build_definition.build_type and provenance.run_details.metadata.started_on.seconds
print("verified", statement["subject"][0]["digest"]["sha256"])
"#;

/// Verifies a bundle with Sigstore's library, which has no logs and certificates here, but a key.
const SIGSTORE: &str = r#"
const { readFileSync } = require("fs");
const { bundleFromJSON } = require("@sigstore/bundle");
const { toSignedEntity, toTrustMaterial, VerificationError, Verifier } = require("@sigstore/verify");
const { createPublicKey } = require("crypto");
const [path, keyPath, id] = process.argv.slice(1);
const der = createPublicKey(readFileSync(keyPath)).export({ type: "spki", format: "der" });
const keys = { [id]: { rawBytes: der, keyDetails: "PKIX_ECDSA_P256_SHA_256" } };
const none = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [] };
const thresholds = { ctlogThreshold: 0, tlogThreshold: 0, timestampThreshold: 0 };
const bundle = bundleFromJSON(JSON.parse(readFileSync(path)));
try {
  new Verifier(toTrustMaterial(none, keys), thresholds).verify(toSignedEntity(bundle));
} catch (error) {
  if (!(error instanceof VerificationError)) throw error;
  console.error("REFUSED: " + error.message);
  process.exit(1);
}
const statement = JSON.parse(bundle.content.dsseEnvelope.payload);
console.log("verified", statement.subject[0].digest.sha256);
"#;

/// A verifier of another project.
struct Verifier {
    name: &'static str,
    program: PathBuf,
    arguments: [&'static str; 2],
    folder: PathBuf,
}

fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv")
}

fn python() -> Option<PathBuf> {
    let python = installed().join("provenance/bin/python");
    if !python.exists() {
        eprintln!("SKIPPED (the verifiers for Python are not installed): make provenance-verifiers");
    }
    python.exists().then_some(python)
}

/// The verifiers that are installed. It says which are not.
fn verifiers() -> Vec<Verifier> {
    let mut verifiers = Vec::new();
    if let Some(program) = python() {
        let folder = installed();
        verifiers.push(Verifier { name: "securesystemslib", program, arguments: ["-c", SECURESYSTEMSLIB], folder });
    }
    let folder = installed().join("sigstore");
    if folder.join("node_modules").exists() {
        let program = PathBuf::from("node");
        verifiers.push(Verifier { name: "sigstore", program, arguments: ["-e", SIGSTORE], folder });
    } else {
        eprintln!("SKIPPED (the verifier for Node is not installed): make provenance-verifiers");
    }
    verifiers
}

impl Verifier {
    /// Returns what the verifier prints, or why it refuses the bundle. Other failures are those of the test.
    fn verify(&self, bundle: &[u8], key: &PublicKey) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let (bundle_path, key_path) = (folder.path().join("bundle.json"), folder.path().join("key.pem"));
        std::fs::write(&bundle_path, bundle).unwrap();
        std::fs::write(&key_path, key.to_pem()).unwrap();
        let mut command = Command::new(&self.program);
        command.args(self.arguments).arg(&bundle_path).arg(&key_path);
        if self.name == "sigstore" {
            command.arg(key.key_id());
        }
        let output = command.current_dir(&self.folder).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned());
        }
        assert!(said.starts_with("REFUSED: "), "{}: {said}", self.name);
        Err(said)
    }
}

fn signed(signer: &Signer) -> Bundle {
    let message = pae(PAYLOAD_TYPE, &statement().to_json().unwrap());
    Unsigned::new(&statement(), &signer.key).unwrap().signed(signer.sign(&message)).unwrap()
}

#[test]
fn others_verify_what_is_signed_here() {
    let signer = Signer::new();
    let bundle = signed(&signer).to_json().unwrap();
    let expected = format!("verified {}", hex::encode(statement().subject.digest));
    for verifier in verifiers() {
        assert_eq!(verifier.verify(&bundle, &signer.key), Ok(expected.clone()), "{}", verifier.name);
    }
}

#[test]
fn others_and_this_project_refuse_the_same() {
    let (signer, other) = (Signer::new(), Signer::new());
    let bundle: Value = serde_json::from_slice(&signed(&signer).to_json().unwrap()).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value = bundle.clone();
        change(&mut value["dsseEnvelope"]);
        value.to_string().into_bytes()
    };
    let payload = statement().to_json().unwrap();
    let tampered = String::from_utf8(payload.clone()).unwrap().replacen("ami-0123", "ami-f123", 1);
    let by_other = BASE64_STANDARD.encode(other.sign(&pae(PAYLOAD_TYPE, &payload)));
    let cases = [
        ("payload", changed(&|envelope| envelope["payload"] = json!(BASE64_STANDARD.encode(&tampered)))),
        ("payload type", changed(&|envelope| envelope["payloadType"] = json!("application/vnd.in-toto+xml"))),
        ("another key's signature", changed(&|envelope| envelope["signatures"][0]["sig"] = json!(by_other))),
    ];
    let verifiers = verifiers();
    for (name, bundle) in cases {
        assert!(Bundle::from_json(&bundle).unwrap().verify(&signer.key).is_err(), "{name}");
        for verifier in &verifiers {
            let error = verifier.verify(&bundle, &signer.key).unwrap_err();
            let expected = ["signature verification failed", "Accepted signatures do not match threshold"];
            assert!(expected.iter().any(|expected| error.contains(expected)), "{name}: {}: {error}", verifier.name);
        }
    }
    // The right bundle, and somebody else's key.
    let bundle = bundle.to_string().into_bytes();
    assert!(Bundle::from_json(&bundle).unwrap().verify(&other.key).is_err());
    for verifier in &verifiers {
        assert!(verifier.verify(&bundle, &other.key).is_err(), "{}", verifier.name);
    }
}

#[test]
fn the_signature_of_a_digest_is_that_of_the_statement() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let Some(python) = python() else { return };
    let mut child =
        Command::new(python).args(["-c", SIGN]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let key = PublicKey::from_der(&hex::decode(lines.next().unwrap()).unwrap()).unwrap();
    assert_eq!(hex::encode(key.to_pem()), lines.next().unwrap(), "the PEM is that of cryptography");
    assert_eq!(key.key_id(), lines.next().unwrap(), "the id is that of securesystemslib");
    let unsigned = Unsigned::new(&statement(), &key).unwrap();
    let digest = hex::encode(unsigned.digest_to_sign());
    child.stdin.take().unwrap().write_all(format!("{digest}\n").as_bytes()).unwrap();
    let signature = hex::decode(lines.next().unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    let bundle = unsigned.signed(signature).unwrap();
    assert_eq!(bundle.verify(&key).unwrap(), statement());
    for verifier in verifiers() {
        verifier.verify(&bundle.to_json().unwrap(), &key).unwrap();
    }
}
