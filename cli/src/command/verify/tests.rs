//! Tests of the verification, on a stack in memory.

use std::collections::BTreeMap;

use goldsmith_cloud::fake::{FakeCloud, HOME};
use goldsmith_cloud::{ImageCopy, Tags};
use goldsmith_provenance::statement::{
    BUILD_TYPE, BuildDefinition, BuildMetadata, Builder, Provenance, ResourceDescriptor, RunDetails,
};
use goldsmith_provenance::{ImageContent, PublicKey, Statement, Subject, Unsigned, VolumeContent};
use goldsmith_states::SnapshotBlocks;
use serde_json::{Map, Value, json};

use super::{Args, Verified, verify};
use crate::output::Show as _;
use crate::target;
use crate::testing::{ELSEWHERE, STATE_MACHINE, Stack, globals};

const KEY: &str = "arn:aws:kms:eu-west-1:000000000000:key/golden";
const BUNDLE: &str = "provenance/b/bundle.json";
const LIST: &str = "provenance/b/volume-0.txt";

/// A stack with an image in two Regions, of which the second is a copy, and its signed provenance.
struct Signed {
    stack: Stack,
    amis: [String; 2],
}

async fn content(cloud: &FakeCloud, region: &str, ami: &str) -> (String, VolumeContent) {
    let all = cloud.cloud();
    let image = all.images.image(region, ami).await.unwrap().unwrap();
    let (device, snapshot) = image.volumes.first_key_value().unwrap();
    let blocks = SnapshotBlocks { blocks: &*all.blocks, region, snapshot };
    (device.clone(), blocks.read(None, &|| false).await.unwrap().content)
}

/// Returns the statement about an AMI with this volume. `change` makes it another one before it is signed.
fn statement(ami: &str, device: &str, volume: &VolumeContent, change: impl FnOnce(&mut Statement)) -> Statement {
    let image = ImageContent::new(BTreeMap::from([(device.to_owned(), volume.digest())])).unwrap();
    let annotations: Map<String, Value> =
        serde_json::from_value(json!({"bytes": volume.size(), "presentBlocks": volume.present()})).unwrap();
    let listed = ResourceDescriptor {
        name: device.to_owned(),
        digest: BTreeMap::from([("sha256".to_owned(), hex::encode(volume.digest()))]),
        annotations,
        ..ResourceDescriptor::default()
    };
    let mut statement = Statement {
        subject: Subject { name: ami.to_owned(), uri: String::new(), digest: image.digest() },
        predicate: Provenance {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: Map::from_iter([
                    ("image".to_owned(), json!("web/1.0.0/1")),
                    ("pipeline".to_owned(), json!("web")),
                ]),
                internal_parameters: Map::new(),
                resolved_dependencies: vec![],
            },
            run_details: RunDetails {
                builder: Builder { id: STATE_MACHINE.to_owned(), version: BTreeMap::new() },
                metadata: BuildMetadata {
                    invocation_id: Some("arn:execution:b".to_owned()),
                    ..BuildMetadata::default()
                },
                byproducts: vec![listed],
            },
        },
    };
    change(&mut statement);
    statement
}

async fn signed_as(change: impl FnOnce(&mut Statement)) -> Signed {
    let stack = Stack::new();
    let cloud = stack.cloud.cloud();
    stack.cloud.set_up(|account| _ = account.signing_keys.insert("golden".to_owned(), Tags::new()));
    let home = stack.cloud.add_image(HOME, "self", "web 1");
    let copy = ImageCopy {
        source_region: HOME.to_owned(),
        source_image: home.clone(),
        name: "web 1".to_owned(),
        token: "t".to_owned(),
        description: String::new(),
        kms_key_id: None,
        tags: Tags::new(),
    };
    let away = cloud.images.copy(ELSEWHERE, &copy).await.unwrap();
    let (device, volume) = content(&stack.cloud, HOME, &home).await;
    let statement = statement(&home, &device, &volume, change);
    let public = PublicKey::from_der(&cloud.keys.public_key(HOME, KEY).await.unwrap()).unwrap();
    let unsigned = Unsigned::new(&statement, &public).unwrap();
    let signature = cloud.keys.sign(HOME, KEY, unsigned.digest_to_sign()).await.unwrap();
    let bundle = unsigned.signed(signature).unwrap();
    cloud.objects.put(BUNDLE, bundle.to_json().unwrap()).await.unwrap();
    cloud.objects.put(LIST, volume.to_text().into_bytes()).await.unwrap();
    let provenance = json!({"ami": home, "digest": hex::encode(statement.subject.digest), "signingKey": KEY,
                            "fingerprint": public.fingerprint(), "bundle": BUNDLE, "volumes": {device: LIST}});
    let amis = json!({HOME: home, ELSEWHERE: away});
    stack.closed_build(json!({"status": "AVAILABLE", "amis": amis, "provenance": provenance})).await;
    Signed { stack, amis: [home, away] }
}

impl Signed {
    async fn snapshot(&self, region: &str) -> String {
        let ami = &self.amis[usize::from(region != HOME)];
        let image = self.stack.cloud.cloud().images.image(region, ami).await.unwrap().unwrap();
        image.volumes.into_values().next().unwrap()
    }

    async fn verify_with(&self, args: &Args) -> anyhow::Result<Verified> {
        let image = target::image_or_latest(&self.stack.connection.store, &args.image).await?;
        verify(&self.stack.connection, &image, args).await
    }

    async fn verify(&self) -> Verified {
        self.verify_with(&args()).await.unwrap()
    }
}

fn args() -> Args {
    Args { image: "web/1.0.0/1".to_owned(), public_key: None, signature_only: false }
}

fn told(verified: &Verified) -> String {
    verified.lines(&globals("")).join("\n")
}

#[tokio::test]
async fn an_image_and_its_copy_are_what_was_signed() {
    let signed = signed_as(|_| {}).await;
    let verified = signed.verify().await;
    let text = told(&verified);
    assert!(verified.verified && !text.contains("DIFFERS"), "{text}");
    for (region, ami) in [(HOME, &signed.amis[0]), (ELSEWHERE, &signed.amis[1])] {
        let expected = format!("{region}  {ami}  /dev/xvda {}  as signed, 6 blocks", signed.snapshot(region).await);
        assert!(text.contains(&expected), "{text}");
    }
    let only = Args { signature_only: true, ..args() };
    let verified = signed.verify_with(&only).await.unwrap();
    assert!(verified.verified && verified.amis.is_empty());
}

#[tokio::test]
async fn the_first_block_that_differs_is_named() {
    let signed = signed_as(|_| {}).await;
    signed.stack.cloud.flip_bit(ELSEWHERE, &signed.snapshot(ELSEWHERE).await, 900);
    let verified = signed.verify().await;
    let text = told(&verified);
    assert!(!verified.verified, "{text}");
    assert!(
        text.contains("as signed, 6 blocks") && text.contains("DIFFERS: 1 block differs. The first is block 900"),
        "{text}"
    );
    // Without the list, the digests still say that the content is another one.
    signed.stack.cloud.cloud().objects.put(LIST, b"goldsmith-volume-v1 8589934592 524288\n".to_vec()).await.unwrap();
    let text = told(&signed.verify().await);
    assert!(text.contains("is not the list that was signed"), "{text}");
}

#[tokio::test]
async fn a_statement_about_something_else_is_rejected_and_no_ami_is_read() {
    let of_image = |name: &'static str| {
        move |one: &mut Statement| {
            one.predicate.build_definition.external_parameters.insert("image".to_owned(), json!(name));
        }
    };
    for (signed, said) in [
        (signed_as(of_image("web/1.0.0/2")).await, "the statement is about web/1.0.0/2, not about web/1.0.0/1"),
        (signed_as(|one| one.subject.name = "ami-0123".to_owned()).await, "the statement is about ami-0123, but "),
        (
            signed_as(|one| one.predicate.run_details.metadata.invocation_id = Some("arn:execution:c".to_owned()))
                .await,
            "the execution arn:execution:c was signed, and web/1.0.0/1 is of the build b",
        ),
        (
            signed_as(|one| one.predicate.build_definition.build_type = "urn:other".to_owned()).await,
            "another kind of build",
        ),
        (
            signed_as(|one| one.predicate.run_details.builder.id = "arn:other".to_owned()).await,
            "arn:other has built the image",
        ),
    ] {
        let verified = signed.verify().await;
        let text = told(&verified);
        assert!(!verified.verified && verified.amis.is_empty(), "{text}");
        assert!(text.contains("signature  NOT ACCEPTED") && text.contains(said), "{text}");
    }
}

#[tokio::test]
async fn another_key_and_a_changed_bundle_are_rejected() {
    let signed = signed_as(|_| {}).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pem");
    // The public key of a pair that has signed nothing here.
    let other = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n-----END PUBLIC KEY-----\n";
    std::fs::write(&file, other).unwrap();
    let with_other = Args { public_key: Some(file.clone()), ..args() };
    let text = told(&signed.verify_with(&with_other).await.unwrap());
    assert!(text.contains("signature  NOT ACCEPTED: the bundle has no signature by the key"), "{text}");
    std::fs::write(&file, "no key").unwrap();
    let error = signed.verify_with(&with_other).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: ", file.display())), "{error}");

    let objects = signed.stack.cloud.cloud().objects;
    let mut bundle: Value = serde_json::from_slice(&signed.stack.cloud.object(BUNDLE).unwrap()).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap().replacen('A', "B", 1);
    bundle["dsseEnvelope"]["payload"] = json!(payload);
    objects.put(BUNDLE, bundle.to_string().into_bytes()).await.unwrap();
    let text = told(&signed.verify().await);
    assert!(text.contains("signature  NOT ACCEPTED: the signature is wrong"), "{text}");
}

#[tokio::test]
async fn an_ami_that_is_gone_or_cannot_be_read_is_not_verified() {
    let signed = signed_as(|_| {}).await;
    signed.stack.cloud.fail_always(
        "GetSnapshotBlock",
        ELSEWHERE,
        goldsmith_cloud::fake::Fault::Refuse(goldsmith_cloud::Kind::Denied),
    );
    let verified = signed.verify().await;
    assert!(
        !verified.verified
            && told(&verified).contains("NOT READ: GetSnapshotBlock")
            && !told(&verified).contains("DIFFERS"),
        "{}",
        told(&verified)
    );
    signed.stack.cloud.cloud().images.deregister(ELSEWHERE, &signed.amis[1]).await.unwrap();
    let verified = signed.verify().await;
    assert!(
        !verified.verified && told(&verified).contains("NOT VERIFIED: there is no such AMI"),
        "{}",
        told(&verified)
    );
}

#[tokio::test]
async fn an_image_without_a_signature_says_why() {
    let stack = Stack::new();
    stack.closed_build(json!({"status": "AVAILABLE"})).await;
    let image = target::image_or_latest(&stack.connection.store, "web/1.0.0/1").await.unwrap();
    let error = verify(&stack.connection, &image, &args()).await.unwrap_err().to_string();
    assert_eq!(error, "web/1.0.0/1 is not signed: its pipeline had no `signingKey` when it was built");
}
