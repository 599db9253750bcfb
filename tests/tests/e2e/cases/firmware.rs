//! How instances of an image boot: a TPM and UEFI keys of the image's own, and boot modes that its source does not have.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::error::ProvideErrorMetadata as _;
use aws_sdk_ec2::types::{
    ArchitectureValues, BlockDeviceMapping, BootModeValues, EbsBlockDevice, Image, ImageAttributeName, InstanceType,
    TpmSupportValues,
};
use goldsmith_model::{BootMode, State, TpmSupport};
use goldsmith_store::{EffectKind, ImageStatus, Scope};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Case;
use super::plan::plan;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("an_image_has_a_tpm_and_uefi_keys_of_its_own_in_both_regions", own_firmware),
    ("an_image_that_cannot_be_registered_leaves_neither_draft_nor_snapshot", not_registered),
    ("what_no_type_or_boot_mode_supports_is_found_before_a_build", found_before),
];

const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];
/// `AMZNUEFI` and some bytes.
const KEYS: &str = "QU1aTlVFRkkAAQIDBAUGBwgJCgsMDQ4P";

fn ec2(stack: &Stack, region: &'static str) -> Client {
    Client::from_conf(aws_sdk_ec2::config::Builder::from(stack.sdk()).region(Region::new(region)).build())
}

/// A folder with the pipeline, whose recipe has these lines, and with the file of keys.
fn folder_of(pipeline: &Pipeline, lines: &str) -> TempDir {
    let files = folder(&pipeline.text().replacen("components:\n", &format!("{lines}components:\n"), 1));
    // As `base64` prints it.
    let (first, rest) = KEYS.split_at(20);
    std::fs::write(files.path().join("keys.b64"), format!("{first}\n{rest}\n")).unwrap();
    files
}

fn described(stack: &Stack, region: &'static str, id: &str) -> Image {
    let found = stack.block_on(ec2(stack, region).describe_images().image_ids(id).send()).unwrap();
    found.images()[0].clone()
}

/// The UEFI data of an image, as EC2 returns them.
fn uefi_data(stack: &Stack, region: &'static str, id: &str) -> Option<String> {
    let describe = ec2(stack, region).describe_image_attribute().image_id(id);
    let found = stack.block_on(describe.attribute(ImageAttributeName::UefiData).send()).unwrap();
    found.uefi_data.and_then(|data| data.value)
}

/// What of a plan's lines begins with this label.
fn labelled(text: &str, label: &str) -> String {
    let line = text.lines().find(|line| line.starts_with(&format!("{label} "))).unwrap_or_else(|| panic!("{text}"));
    line[label.len()..].trim().to_owned()
}

fn own_firmware(stack: &Stack) {
    let steps = [("build", "Fine", "true"), ("test", "FineToo", "true")];
    let files = folder_of(&Pipeline::new("sealed", &steps), "bootMode: uefi\ntpmSupport: v2.0\nuefiData: keys.b64\n");
    let path = files.path().display().to_string();
    let boots = |text: &str| {
        let said = labelled(text, "boots");
        assert!(said.starts_with("only by UEFI, with a TPM (v2.0), with UEFI data (SHA-256 "), "{said}");
        said
    };
    let planned = stack.goldsmith(&["plan", &path, "--local"]);
    let planned = boots(&String::from_utf8_lossy(&planned.stdout));

    let built = stack.build(files.path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let image = stack.image(built.image());
    assert_eq!(image.status, ImageStatus::Available);
    for region in REGIONS {
        let found = described(stack, region, &image.amis[region]);
        assert_eq!(found.boot_mode(), Some(&BootModeValues::Uefi), "{region}");
        assert_eq!(found.tpm_support(), Some(&TpmSupportValues::V20), "{region}");
        assert_eq!(uefi_data(stack, region, &image.amis[region]).as_deref(), Some(KEYS), "{region}");
    }
    // One image and one snapshot in each Region: the draft is gone.
    assert_eq!(stack.left_of(built.build()).counts(), (0, 2, 2));

    let record = stack.block_on(stack.store().build(built.build())).unwrap().unwrap();
    let plan = &record.plan;
    assert_eq!((plan.boot_mode, plan.tpm_support), (Some(BootMode::Uefi), Some(TpmSupport::V2)));
    assert!(plan.registered && planned.ends_with(&format!("{})", plan.uefi_data.as_deref().unwrap())), "{planned}");
    let effects = stack.block_on(stack.store().effects(built.build(), &Scope::from(State::Snapshot))).unwrap();
    let drafts: Vec<_> = effects.iter().filter(|effect| effect.kind.is_draft()).collect();
    assert_eq!(drafts[0].name, format!("goldsmith draft {}", built.build()));
    let registered = effects.iter().find(|effect| effect.kind.is_image()).unwrap();
    assert_eq!(registered.id.as_ref(), Some(&image.amis["eu-west-1"]));
    let EffectKind::RegisteredImage { snapshots } = &registered.kind else { panic!("{registered:?}") };
    assert_eq!(snapshots, &image.snapshots["eu-west-1"]);
    // The test ran on an instance with the TPM.
    let of_test = Scope { state: State::LaunchTest, item: Some("t3.small".to_owned()) };
    let launched = stack.block_on(stack.store().effects(built.build(), &of_test)).unwrap();
    let describe = ec2(stack, "eu-west-1").describe_instances().instance_ids(launched[0].id.as_ref().unwrap());
    let found = stack.block_on(describe.send()).unwrap();
    let instance = &found.reservations()[0].instances()[0];
    assert_eq!(instance.image_id(), Some(image.amis["eu-west-1"].as_str()));
    assert_eq!(instance.tpm_support(), Some("v2.0"));

    let shown = stack.goldsmith(&["show", built.image(), "--local"]);
    assert_eq!(boots(&String::from_utf8_lossy(&shown.stdout)), planned);
    // Nothing has changed, so nothing is to do. Other keys are another image.
    assert_eq!(stack.goldsmith(&["plan", "sealed", "--local"]).status.code(), Some(0));
    let text = std::fs::read_to_string(files.path().join("pipeline.yml")).unwrap();
    let text = text.replacen(
        "name: sealed\nsemanticVersion: 1.0.0\nparentImage",
        "name: sealed\nsemanticVersion: 1.0.1\nparentImage",
        1,
    );
    std::fs::write(files.path().join("pipeline.yml"), text).unwrap();
    std::fs::write(files.path().join("keys.b64"), "QU1aTlVFRkk=").unwrap();
    let (_, plan) = self::plan(stack, &path, &[]);
    let changed: Vec<&str> =
        plan["changes"].as_array().unwrap().iter().map(|change| change["what"].as_str().unwrap()).collect();
    assert!(changed.contains(&"uefiData"), "{plan:#}");
}

fn not_registered(stack: &Stack) {
    let files = folder_of(&Pipeline::quick("unsealed", ""), "bootMode: uefi\ntpmSupport: v2.0\n");
    let when = json!({"action": "RegisterImage", "nth": 1});
    stack.arm(&json!([{"when": when, "do": "fail", "code": "UnauthorizedOperation"}]));
    let built = stack.build(files.path());
    stack.disarm();
    assert_eq!((built.exit, built.json["outcome"].as_str()), (1, Some("failed")), "{built:?}");
    assert_eq!(built.json["failure"]["state"].as_str(), Some("Snapshot"), "{built:?}");
    assert_eq!(stack.left_of(built.build()).counts(), (0, 0, 0));
    let again = stack.build(files.path());
    assert_eq!((again.exit, again.json["outcome"].as_str()), (0, Some("built")), "{again:?}");
}

/// The names of what a plan finds for a recipe with these lines.
fn findings(stack: &Stack, name: &str, lines: &str, more: &'static str) -> Vec<String> {
    let steps = [("build", "Fine", "true"), ("test", "FineToo", "true")];
    let pipeline = Pipeline { regions: &["eu-west-1"], more, ..Pipeline::new(name, &steps) };
    let files = folder_of(&pipeline, lines);
    let (_, plan) = plan(stack, &files.path().display().to_string(), &[]);
    let found = plan["findings"].as_array().unwrap().iter();
    found.map(|one: &Value| one["name"].as_str().unwrap().to_owned()).collect()
}

/// What is found before a build, and the call that AWS would reject without it.
fn found_before(stack: &Stack) {
    // The source prefers UEFI, so an instance of another type would have no TPM.
    assert_eq!(findings(stack, "sealed-never", "tpmSupport: v2.0\n", ""), ["uefi-needed"]);
    let on_bios = "imageTestsConfiguration: {instanceTypes: [t2.micro]}\n";
    let lines = "bootMode: uefi\ntpmSupport: v2.0\n";
    assert_eq!(findings(stack, "sealed-on-bios", lines, on_bios), ["test-type-firmware"]);

    let built = stack.build(folder_of(&Pipeline::quick("sealed-base", ""), lines).path());
    let image = stack.image(built.image());
    let ec2 = ec2(stack, "eu-west-1");
    let ebs = EbsBlockDevice::builder().snapshot_id(&image.snapshots["eu-west-1"][0]).build();
    let root = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(ebs).build();
    let register = ec2.register_image().name("e2e-preferred").root_device_name("/dev/xvda");
    let register = register.architecture(ArchitectureValues::X8664).block_device_mappings(root);
    let register = register.boot_mode(BootModeValues::UefiPreferred).tpm_support(TpmSupportValues::V20);
    let refused = stack.block_on(register.send()).unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameterCombination"));
    let launch = ec2.run_instances().image_id(&image.amis["eu-west-1"]).instance_type(InstanceType::T2Micro);
    let refused = stack.block_on(launch.min_count(1).max_count(1).send()).unwrap_err();
    assert_eq!(refused.code(), Some("InvalidParameterValue"));
}
