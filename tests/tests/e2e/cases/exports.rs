//! Images that are exported to S3 with a role of the account, as VM Import/Export does.

use std::collections::BTreeSet;

use aws_sdk_ec2::Client as Ec2;
use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::error::ProvideErrorMetadata as _;
use aws_sdk_ec2::types::{DiskImageFormat as Format, ExportTaskS3LocationRequest};
use aws_sdk_iam::Client as Iam;
use goldsmith_model::DiskImageFormat;
use goldsmith_sigv4::{Keys, Signable, sha256, sign};
use goldsmith_store::{ExportedObject, ImageStatus};
use serde_json::{Value, json};

use super::Case;
use super::plan::plan;
use super::problems::{assert_refused, names};
use crate::definitions::{Pipeline, folder};
use crate::inventory::Inventory;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("an_image_is_exported_to_s3_and_the_export_of_an_earlier_one_is_made_up_for", exported),
    ("an_export_that_fails_fails_its_region_and_leaves_nothing_running", failed),
    ("what_ec2_does_not_export_is_found_before_the_build", problems),
];

const HOME: &str = "eu-west-1";
/// Size of the root volume of the source image: 8 GiB.
const SIZE: u64 = 8 << 30;

/// The account's root, and what S3 and IAM have to say to it.
struct Account<'s>(&'s Stack);

impl Account<'_> {
    /// Makes a call to S3. Returns status and body.
    fn s3(&self, method: &str, path: &str, region: &str, body: &str) -> (u16, Vec<u8>) {
        let stack = self.0;
        let text = |key: &str| stack.description()[key].as_str().unwrap();
        let url = text("endpointUrl");
        let headers = vec![("host".to_owned(), url.trim_start_matches("http://").to_owned())];
        let payload = sha256(body.as_bytes());
        let request = Signable { method, path, query: "", headers, payload: &payload };
        let keys = Keys { id: text("accessKey"), secret: text("secretKey"), session_token: None };
        let signed = sign(request, keys, (region, "s3"), jiff::Timestamp::now());
        let call = ureq::http::Request::builder().method(method).uri(format!("{url}{path}"));
        let call =
            signed.iter().fold(call, |call, (name, value)| call.header(name, value)).body(body.to_owned()).unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.run(call).unwrap();
        let content = answer.body_mut().with_config().limit(4 << 30).read_to_vec().unwrap();
        (answer.status().as_u16(), content)
    }

    fn make_bucket(&self, name: &str, region: &str) {
        let body = format!(
            "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint></CreateBucketConfiguration>"
        );
        let (status, said) = self.s3("PUT", &format!("/{name}"), region, &body);
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&said));
    }

    /// Makes a role that trusts a service, and that may do this in every bucket, as the manual describes it.
    fn make_role(&self, name: &str, service: &str, may: &[&str]) {
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"sts:Externalid": "vmimport"}},
        }]});
        let policy =
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": may, "Resource": "*"}]});
        let iam = Iam::new(self.0.sdk());
        self.0.block_on(async {
            let make = iam.create_role().role_name(name).assume_role_policy_document(trust.to_string());
            make.send().await.unwrap();
            let put = iam.put_role_policy().role_name(name).policy_name("export").policy_document(policy.to_string());
            put.send().await.unwrap();
        });
    }
}

/// What the role of an export may do in its bucket.
const WRITES: [&str; 5] = ["s3:GetBucketLocation", "s3:GetBucketAcl", "s3:ListBucket", "s3:GetObject", "s3:PutObject"];

/// A pipeline that exports its image at home.
fn exporting(name: &str, role: &str, bucket: &str) -> String {
    let home = format!("  - region: {HOME}\n");
    let export = format!(
        "    s3ExportConfiguration: {{roleName: {role}, diskImageFormat: VHD, s3Bucket: {bucket}, s3Prefix: golden/}}\n"
    );
    Pipeline::quick(name, "").text().replace(&home, &format!("{home}{export}"))
}

/// Exports that are in progress.
fn running(stack: &Stack) -> usize {
    let Inventory { exports, .. } = stack.inventory();
    exports.len()
}

/// Checks that an object is a VHD of the whole volume with an ext4 file system on it.
fn check_object(account: &Account<'_>, object: &ExportedObject) {
    assert_eq!((object.region.as_str(), object.format), (HOME, DiskImageFormat::Vhd));
    let path = object.location.strip_prefix("s3:/").unwrap();
    let (status, disk) = account.s3("GET", path, HOME, "");
    assert_eq!(status, 200, "{path}");
    let footer = &disk[disk.len() - 512..];
    assert_eq!((&disk[..8], &footer[..8]), (&b"conectix"[..], &b"conectix"[..]), "{path}");
    assert_eq!(u64::from_be_bytes(footer[48..56].try_into().unwrap()), SIZE, "size of the disk");
    let number = |at: usize| u32::from_be_bytes(disk[at..at + 4].try_into().unwrap()) as usize;
    let table = u64::from_be_bytes(disk[512 + 16..512 + 24].try_into().unwrap());
    // The first block of the disk, behind its bitmap of one sector. A superblock of ext4 is at 1024, its mark at 0x38.
    let first = number(usize::try_from(table).unwrap()) * 512 + 512;
    assert_eq!(disk[first + 1024 + 0x38..][..2], [0x53, 0xef], "the mark of ext4");
    let marker = b"written by the build";
    assert!(disk.windows(marker.len()).any(|part| part == marker), "the file of the build is on the disk");
}

fn exported(stack: &Stack) {
    let account = Account(stack);
    account.make_bucket("e2e-exports", HOME);
    account.make_role("vmimport-e2e", "vmie.amazonaws.com", &WRITES);
    let plain = Pipeline::new("exported", &[("build", "Write", "echo written by the build > /etc/marker")]);
    let plain = Pipeline { regions: &[HOME], ..plain }.text();
    let home = format!("  - region: {HOME}\n");
    let export = "    s3ExportConfiguration: {roleName: vmimport-e2e, diskImageFormat: VHD, s3Bucket: e2e-exports, \
                  s3Prefix: golden/}\n";
    let files = folder(&plain.replace(&home, &format!("{home}{export}")));

    let before = stack.build(folder(&plain).path());
    assert_eq!(before.exit, 0, "{before:?}");
    let (exit, planned) = plan(stack, &files.path().display().to_string(), &[]);
    assert_eq!((exit, planned["findings"].as_array().unwrap().len()), (Some(0), 0), "{planned:#}");
    assert_eq!(planned["regions"][0]["export"]["s3Bucket"], "e2e-exports", "{planned:#}");

    let built = stack.build(files.path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let image = stack.image(built.image());
    let [object] = &image.exports[..] else { panic!("{image:?}") };
    assert!(object.location.starts_with("s3://e2e-exports/golden/export-ami-"), "{object:?}");
    check_object(&account, object);
    assert_eq!(running(stack), 0);
    let shown = stack.goldsmith_by_endpoint(&["show", built.image()]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&object.location), "{shown}");
    let states = stack.block_on(stack.store().states(built.build())).unwrap();
    let done = states.iter().find(|state| state.item.as_deref() == Some(HOME)).unwrap();
    assert!(done.detail.ends_with(&format!("is exported to {}", object.location)), "{}", done.detail);

    // The image from before the export was configured gets it later, once.
    let output = || {
        let output = stack.goldsmith(&["distribute", before.image(), "--yes", "--local", "--output", "json"]);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(output()["outcome"], "distributed");
    let [later] = &stack.image(before.image()).exports[..] else { panic!("{}", before.image()) };
    check_object(&account, later);
    assert_eq!(output()["missing"], json!({}));
}

fn failed(stack: &Stack) {
    let account = Account(stack);
    account.make_bucket("e2e-no-exports", HOME);
    // It may look at the bucket, and not write to it.
    account.make_role("vmimport-reads", "vmie.amazonaws.com", &WRITES[..4]);
    let files = folder(&exporting("unexported", "vmimport-reads", "e2e-no-exports"));
    let failed = stack.build(files.path());
    assert_eq!((failed.exit, failed.json["outcome"].as_str()), (1, Some("failed")), "{failed:?}");
    let image = stack.image(failed.image());
    let failure = image.failure.unwrap();
    assert_eq!((failure.state.as_str(), failure.error.as_str()), ("DistributeRegion", "Goldsmith.CopyFailed"));
    assert!(failure.message.contains("failed: ClientError: S3 does not take the object"), "{}", failure.message);
    assert_eq!((image.status, image.exports.len(), running(stack)), (ImageStatus::Failed, 0, 0));
    // As after every failed distribution, the AMI at home is kept for three days.
    assert_eq!(stack.left_of(failed.build()).counts(), (0, 1, 1));

    // An export that is in progress ends with its build.
    account.make_role("vmimport-writes", "vmie.amazonaws.com", &WRITES);
    let files = folder(&exporting("stopped-export", "vmimport-writes", "e2e-no-exports"));
    stack.set(&json!({"exportAfter": 300}));
    let (stopped, ()) = stack.build_meanwhile(files.path(), || {
        stack.wait_for("the export", || (running(stack) == 1).then_some(()));
        let name = "stopped-export".parse().unwrap();
        let build = stack.block_on(stack.store().running_build(&name)).unwrap().unwrap();
        stack.stop(&stack.execution_arn(&build));
    });
    stack.set(&json!({"exportAfter": 0}));
    assert_eq!(stopped.json["outcome"], "cancelled", "{stopped:?}");
    stack.wait_for("the end of everything", || {
        (running(stack) == 0 && stack.left_of(stopped.build()).counts() == (0, 0, 0)).then_some(())
    });
    assert_eq!(stack.image(stopped.image()).exports.len(), 0);
}

/// What a plan says about an export, and the answer of EC2 to the call of a build that would begin anyway.
fn problems(stack: &Stack) {
    let account = Account(stack);
    account.make_bucket("e2e-elsewhere", "us-east-2");
    account.make_bucket("e2e-near", HOME);
    account.make_role("e2e-other-service", "ec2.amazonaws.com", &WRITES);
    account.make_role("vmimport-good", "vmie.amazonaws.com", &WRITES);
    let found = |role: &str, bucket: &str, change: fn(String) -> String| {
        let files = folder(&change(exporting("unplanned", role, bucket)));
        names(&plan(stack, &files.path().display().to_string(), &[]).1)
    };
    let same = |text: String| text;
    let only = |name: &str| BTreeSet::from([name.to_owned()]);
    assert_eq!(found("vmimport-good", "e2e-near", same), BTreeSet::new());
    assert_eq!(found("e2e-nobody", "e2e-near", same), only("export-role"));
    assert_eq!(found("e2e-other-service", "e2e-near", same), only("export-role"));
    // A person may read every role, and the stack only those that it lists.
    account.make_role("e2e-unlisted", "vmie.amazonaws.com", &WRITES);
    assert_eq!(found("e2e-unlisted", "e2e-near", same), BTreeSet::new());
    let unlisted = folder(&exporting("unlisted", "e2e-unlisted", "e2e-near"));
    assert_refused(&stack.build(unlisted.path()), &["export-role-denied"]);
    assert_eq!(found("vmimport-good", "e2e-nowhere", same), only("export-bucket"));
    assert_eq!(found("vmimport-good", "e2e-elsewhere", same), only("export-bucket"));
    let encrypted = |text: String| map(&text, "/dev/xvda, ebs: {encrypted: true}");
    assert_eq!(found("vmimport-good", "e2e-near", encrypted), only("export-encrypted"));
    let large = |text: String| map(&text, "/dev/xvda, ebs: {volumeSize: 1025}");
    assert_eq!(found("vmimport-good", "e2e-near", large), only("export-too-large"));
    let second = |text: String| map(&text, "/dev/sdf, ebs: {volumeSize: 1}");
    assert_eq!(found("vmimport-good", "e2e-near", second), only("export-volumes"));

    let base = stack.build(Pipeline::quick("unplanned-base", "").write().path());
    let ami = stack.image(base.image()).amis[HOME].clone();
    let ec2 = Ec2::from_conf(aws_sdk_ec2::config::Builder::from(stack.sdk()).region(Region::new(HOME)).build());
    let call = |image: &str, role: &str, bucket: &str| {
        let place = ExportTaskS3LocationRequest::builder().s3_bucket(bucket).build();
        let call = ec2.export_image().image_id(image).disk_image_format(Format::Raw).role_name(role);
        stack.block_on(call.s3_export_location(place).send()).map_err(Box::new)
    };
    let refused = |image: &str, role: &str| {
        let error = call(image, role, "e2e-near").unwrap_err();
        (error.code().unwrap().to_owned(), error.message().unwrap().to_owned())
    };
    for role in ["e2e-nobody", "e2e-other-service"] {
        let (code, message) = refused(&ami, role);
        assert_eq!(code, "InvalidParameter", "{message}");
        assert!(message.contains(&format!("The service role {role} provided does not exist")), "{message}");
    }
    let copy = ec2.copy_image().source_region(HOME).source_image_id(&ami).name("e2e-encrypted").encrypted(true);
    let copy = stack.block_on(copy.send()).unwrap().image_id.unwrap();
    stack.wait_for("the copy", || {
        let found = stack.block_on(ec2.describe_images().image_ids(&copy).send()).ok()?;
        (found.images().first()?.state()?.as_str() == "available").then_some(())
    });
    assert_eq!(refused(&copy, "vmimport-good").0, "InvalidParameter");
    stack.set(&json!({"productCodes": {ami.as_str(): "4t9example"}}));
    assert_eq!(refused(&ami, "vmimport-good").0, "NotExportable");
    let of_base = || {
        let text = exporting("unplanned", "vmimport-good", "e2e-near");
        let files = folder(&text.replace("ssm:/goldsmith/examples/source", &ami));
        names(&plan(stack, &files.path().display().to_string(), &[]).1)
    };
    assert_eq!(of_base(), ["export-product", "source-product"].map(str::to_owned).into());
    stack.set(&json!({"productCodes": {}, "usageOperations": {ami.as_str(): "RunInstances:0010"}}));
    assert_eq!((refused(&ami, "vmimport-good").0.as_str(), of_base()), ("NotExportable", only("export-license")));
    stack.set(&json!({"usageOperations": {}}));

    // EC2 looks at the bucket only once it has begun.
    for bucket in ["e2e-nowhere", "e2e-elsewhere"] {
        let task = call(&ami, "vmimport-good", bucket).unwrap().export_image_task_id.unwrap();
        let ended = stack.wait_for("the end of the task", || {
            let found = ec2.describe_export_image_tasks().export_image_task_ids(&task);
            let found = stack.block_on(found.send()).unwrap().export_image_tasks?.into_iter().next()?;
            (found.status() == Some("deleted")).then_some(found)
        });
        assert!(ended.status_message().unwrap().contains(bucket), "{ended:?}");
    }
    stack.set(&json!({"exportAfter": 300}));
    let task = call(&ami, "vmimport-good", "e2e-near").unwrap().export_image_task_id.unwrap();
    let again = call(&ami, "vmimport-good", "e2e-near").unwrap_err();
    assert_eq!(again.code(), Some("ResourceLimitExceeded"), "one export of an image at a time");
    stack.block_on(ec2.cancel_export_task().export_task_id(&task).send()).unwrap();
    stack.set(&json!({"exportAfter": 0}));
    stack.wait_for("the cancellation", || (running(stack) == 0).then_some(()));
}

/// Adds a device to the recipe.
fn map(text: &str, device: &str) -> String {
    text.replacen("components:\n", &format!("blockDeviceMappings:\n  - {{deviceName: {device}}}\ncomponents:\n"), 1)
}
