//! A stack's own life while builds run: it is updated, an update is rolled back, it is retired, and its table is taken up by
//! a new one. Each case has a stack of its own, deployed as one on AWS is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use goldsmith_cloud::aws::{EventBridgeScheduler, SsmCommands};
use goldsmith_cloud::{Command, Commands as _, Schedules as _};
use goldsmith_model::schedule_name;
use goldsmith_store::{BuildStatus, ImageStatus};
use goldsmith_tests::suite;
use tempfile::{TempDir, TempPath};

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("an_update_in_the_middle_of_a_build_disturbs_nothing", |_| with_a_stack("life-update", updated)),
    ("an_update_that_is_rolled_back_during_a_build_disturbs_nothing", |_| with_a_stack("life-back", rolled_back)),
    ("a_stack_is_retired_with_running_builds_and_leaves_nothing", |_| with_a_stack("life-end", retired)),
    ("a_stack_that_is_not_ours_is_neither_changed_nor_removed", |_| with_a_stack("life-own", somebody_elses)),
    ("a_stack_that_has_lost_its_parameter_is_retired_by_its_tags", |_| with_a_stack("life-part", half_there)),
    ("a_new_stack_takes_up_the_table_of_a_retired_one", |_| with_a_stack("life-again", taken_up)),
];

/// The second Region of a distribution.
const ELSEWHERE: &str = "us-east-1";
/// Ends on the instance when the test says so.
const UNTIL_TOLD: &str = "while [ ! -e /run/go-on ]; do sleep 0.1; done";
/// What no stack may make: Systems Manager keeps these names for AWS.
const FAILING: &str = "  Failing:
    Type: AWS::SSM::Parameter
    DependsOn: [ImageBuild, PlanFunction, LaunchFunction, ExecutePhaseFunction, SnapshotFunction, AttestFunction, FinishFunction, SignalFunction]
    Properties: {Name: /aws/not-ours, Type: String, Value: x}

Outputs:
";

pub(super) fn with_a_stack(name: &str, case: fn(&Stack)) {
    let stack = Stack::up(name);
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| case(&stack)));
    stack.down();
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn updated(stack: &Stack) {
    let zip = another_package();
    let (_folder, build) = begin(stack, "updated");
    let deployed = deploy(stack, &["--parameter", "LogRetentionDays=7"], &zip);
    assert!(deployed.status.success(), "{}", said(&deployed));
    assert!(said(&deployed).contains("LaunchFunction"), "{}", said(&deployed));
    go_on_to(stack, &build, ImageStatus::Available);
    // The next build runs with what is new.
    assert_eq!(stack.build(Pipeline::quick("after-update", "").write().path()).exit, 0);
}

fn rolled_back(stack: &Stack) {
    let zip = another_package();
    let release = tempfile::tempdir().unwrap();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in ["infra", "statemachine"] {
        fs::create_dir(release.path().join(folder)).unwrap();
    }
    let template = fs::read_to_string(repository.join("infra/template.yaml")).unwrap();
    let failing = template.replace("Outputs:\n", FAILING);
    assert_ne!(failing, template);
    fs::write(release.path().join("infra/template.yaml"), failing).unwrap();
    let definition = "statemachine/image-build.asl.json";
    fs::copy(repository.join(definition), release.path().join(definition)).unwrap();
    let (_folder, build) = begin(stack, "rolled-back");
    let deployed = deploy(stack, &["--from", &release.path().display().to_string()], &zip);
    let told = said(&deployed);
    assert_eq!(deployed.status.code(), Some(4), "{told}");
    assert!(told.contains("is UPDATE_ROLLBACK_COMPLETE, and it is as it was before"), "{told}");
    assert!(told.contains("Failing (AWS::SSM::Parameter): "), "{told}");
    go_on_to(stack, &build, ImageStatus::Available);
    assert_eq!(stack.build(Pipeline::quick("after-rollback", "").write().path()).exit, 0);
}

fn retired(stack: &Stack) {
    let types = "instanceTypes: [t3.small]\n";
    let failing = Pipeline::new("kept", &[("build", "Fails", "false")]).text();
    let kept = stack.build(folder(&failing.replace(types, &format!("{types}keepOnFailure: PT4H\n"))).path());
    let instances = stack.left_of(kept.build()).instances;
    assert_eq!(instances.len(), 1, "{kept:?}");
    let shown = stack.goldsmith_by_endpoint(&["show", kept.build()]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(&format!("ssm start-session --target {}", instances[0].id)), "{shown}");
    // `finish` may mark the instance, and has ended the build.
    let record = stack.block_on(stack.store().build(kept.build())).unwrap().unwrap();
    assert_eq!(record.status, BuildStatus::Closed, "{kept:?}");
    let stays = stack.build(Pipeline::new("stays", &[("build", "Nothing", "true")]).write().path());
    let running = ["one", "two"].map(|name| begin(stack, name).1);
    let retired = stack.goldsmith_by_endpoint(&["retire", "--yes"]);
    assert!(retired.status.success(), "{}", said(&retired));
    for build in running.iter().map(String::as_str).chain([kept.build()]) {
        let left = stack.left_of(build);
        assert_eq!(left.counts(), (0, 0, 0), "{build}: {left:?}");
        assert!(left.volumes.is_empty(), "{build}: {left:?}");
        let record = stack.block_on(stack.store().build(build)).unwrap().unwrap();
        assert_eq!(record.status, BuildStatus::Closed);
    }
    for build in &running {
        assert_eq!(status(stack, build), ImageStatus::Cancelled);
    }
    let functions = aws_sdk_lambda::Client::new(stack.sdk()).list_functions().send();
    let functions = stack.block_on(functions).unwrap().functions.unwrap_or_default();
    assert!(functions.is_empty(), "{functions:?}");
    // A second time there is nothing to do, and it says so.
    let again = stack.goldsmith_by_endpoint(&["retire", "--yes"]);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert!(said(&again).contains("there is no stack life-end"), "{}", said(&again));
    assert!(said(&again).contains("deploy --table life-end-Table-"), "{}", said(&again));
    // Images stay, until they are removed as what a stack that is gone has left.
    assert_eq!(stack.left_of(stays.build()).counts(), (0, 2, 2), "{stays:?}");
    forget_image(stack, stays.build());
    let cleaned =
        stack.goldsmith_by_endpoint(&["clean", "--yes", "--images", "--region", "eu-west-1", "--region", ELSEWHERE]);
    assert!(cleaned.status.success(), "{}", said(&cleaned));
    assert_eq!(stack.left_of(stays.build()).counts(), (0, 0, 0), "{}", said(&cleaned));
}

/// Deregisters the image elsewhere as people do who do not think of its snapshot.
fn forget_image(stack: &Stack, build: &str) {
    let client = aws_sdk_ec2::config::Builder::from(stack.sdk()).region(aws_sdk_ec2::config::Region::new(ELSEWHERE));
    let client = aws_sdk_ec2::Client::from_conf(client.build());
    let images = stack.left_of(build).images;
    let image = images.iter().find(|image| image.region == ELSEWHERE).unwrap();
    stack.block_on(client.deregister_image().image_id(&image.id).send()).unwrap();
    assert_eq!(stack.left_of(build).counts(), (0, 1, 2));
}

/// What somebody else may have under the name that a command is given.
const THEIRS: &str = "Resources:
  Orders:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
Outputs:
  Orders: {Value: !Ref Orders}
";

fn somebody_elses(stack: &Stack) {
    let retired = stack.goldsmith_by_endpoint(&["retire", "--yes"]);
    assert!(retired.status.success(), "{}", said(&retired));
    let stacks = aws_sdk_cloudformation::Client::new(stack.sdk());
    stack.block_on(stacks.create_stack().stack_name(stack.name()).template_body(THEIRS).send()).unwrap();
    let described = || {
        let answer = stack.block_on(stacks.describe_stacks().stack_name(stack.name()).send()).unwrap();
        answer.stacks.unwrap_or_default().pop().unwrap()
    };
    let made = stack.wait_for("the stack", || {
        let found = described();
        (found.stack_status.as_ref().unwrap().as_str() == "CREATE_COMPLETE").then_some(found)
    });
    let package = package();
    for refused in [stack.goldsmith_by_endpoint(&["retire", "--yes"]), deploy(stack, &[], &package)] {
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains("the stack life-own is not a stack of Goldsmith"), "{}", said(&refused));
    }
    assert_eq!(described(), made);
}

fn half_there(stack: &Stack) {
    let types = "instanceTypes: [t3.small]\n";
    let failing = Pipeline::new("half-kept", &[("build", "Fails", "false")]).text();
    let kept = stack.build(folder(&failing.replace(types, &format!("{types}keepOnFailure: PT4H\n"))).path());
    assert_eq!(stack.left_of(kept.build()).instances.len(), 1, "{kept:?}");
    let parameters = aws_sdk_ssm::Client::new(stack.sdk());
    let name = format!("/goldsmith/{}/config", stack.name());
    stack.block_on(parameters.delete_parameter().name(name).send()).unwrap();
    let retired = stack.goldsmith_by_endpoint(&["retire", "--yes", "--output", "json"]);
    assert!(retired.status.success(), "{}", said(&retired));
    let left: serde_json::Value = serde_json::from_slice(&retired.stdout).unwrap();
    assert!(left["table"].as_str().is_some_and(|table| table.starts_with("life-part-Table-")), "{left}");
    assert!(left["bucket"].is_string(), "{left}");
    let left = stack.left_of(kept.build());
    assert!(left.instances.is_empty() && left.volumes.is_empty(), "{left:?}");
}

fn taken_up(stack: &Stack) {
    let schedule = "schedule: {scheduleExpression: \"cron(0 3 * * ? *)\"}\n";
    let pipeline = Pipeline::quick("kept-on", schedule).write();
    assert_eq!(stack.build(pipeline.path()).image(), "kept-on/1.0.0/1");
    let (_folder, stopped) = begin(stack, "stopped-before");
    let retired = stack.goldsmith_by_endpoint(&["retire", "--yes", "--output", "json"]);
    assert!(retired.status.success(), "{}", said(&retired));
    let left: serde_json::Value = serde_json::from_slice(&retired.stdout).unwrap();
    let table = left["table"].as_str().unwrap();
    assert_eq!(left["images"], 1);
    let package = package();
    let refused = deploy(stack, &["--table", "life-again-Table-mistyped", "--parameter", "Examples=no"], &package);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("there is no table life-again-Table-mistyped"), "{}", said(&refused));
    // What `retire` has said of the way back: the parameters of the local AWS, which a stack on AWS does not have.
    let agent = left["parameters"]["SsmAgentUrl"].as_str().unwrap();
    let (agent, before) = (format!("SsmAgentUrl={agent}"), stack.goldsmith_by_endpoint(&["retire"]));
    assert!(said(&before).contains(&format!("deploy --table {table} --parameter Examples=no ")), "{}", said(&before));
    assert!(said(&before).contains(&agent), "{}", said(&before));
    // The examples' source is there already: the endpoint serves it.
    let deployed = deploy(stack, &["--table", table, "--parameter", &agent], &package);
    assert!(deployed.status.success(), "{}", said(&deployed));
    assert!(said(&deployed).contains("this stack is deployed with Examples=no"), "{}", said(&deployed));
    assert!(said(&deployed).contains("taken over  Table"), "{}", said(&deployed));
    // What has no name of its own gets another one than before, as on AWS: what was kept is not taken for it.
    let stacks = aws_sdk_cloudformation::Client::new(stack.sdk());
    let described = stack.block_on(stacks.describe_stacks().stack_name(stack.name()).send()).unwrap();
    let outputs = described.stacks.unwrap_or_default().pop().unwrap().outputs.unwrap_or_default();
    let bucket = outputs.iter().find(|output| output.output_key() == Some("Bucket")).unwrap().output_value();
    assert!(bucket.is_some() && bucket != left["bucket"].as_str(), "{bucket:?}");
    assert_eq!(status(stack, &stopped), ImageStatus::Cancelled);
    let pipelines = stack.goldsmith_by_endpoint(&["pipelines"]);
    let listed = String::from_utf8_lossy(&pipelines.stdout).into_owned();
    assert!(listed.contains("kept-on"), "{listed}");
    // Numbers go on, so that no AMI's name is taken.
    let folder = pipeline.path().display().to_string();
    let built = stack.goldsmith_by_endpoint(&["build", &folder, "--output", "json"]);
    let built: serde_json::Value = serde_json::from_slice(&built.stdout).unwrap_or_else(|_| panic!("{}", said(&built)));
    assert_eq!(
        (built["image"].as_str(), built["outcome"].as_str()),
        (Some("kept-on/1.0.0/2"), Some("built")),
        "{built}"
    );
    let schedules = EventBridgeScheduler::new(stack.sdk());
    let name = schedule_name(&"kept-on".parse().unwrap());
    let schedule = stack.block_on(schedules.get(stack.name(), &name)).unwrap();
    assert!(schedule.is_some_and(|(schedule, _)| schedule.enabled), "the schedule is there again");
    // A deployment without the option keeps the table.
    let deployed = deploy(stack, &["--parameter", "LogRetentionDays=7"], &package);
    assert!(deployed.status.success() && !said(&deployed).contains("AWS::DynamoDB::Table"), "{}", said(&deployed));
}

/// Starts a build whose first step waits, and waits until it does; the folder of its pipeline, and the build's id.
pub(super) fn begin(stack: &Stack, name: &str) -> (TempDir, String) {
    let pipeline = Pipeline { regions: &["eu-west-1"], ..Pipeline::new(name, &[("build", "Waits", UNTIL_TOLD)]) };
    let folder = pipeline.write();
    let started =
        stack.goldsmith(&["build", &folder.path().display().to_string(), "--local", "--detach", "--output", "json"]);
    let started: serde_json::Value =
        serde_json::from_slice(&started.stdout).unwrap_or_else(|_| panic!("{}", said(&started)));
    let build = started["build"].as_str().unwrap().to_owned();
    stack.wait_for("the build's step", || {
        let effects = stack.block_on(stack.store().all_effects(&build)).unwrap();
        effects.iter().any(|effect| effect.kind.is_command() && effect.id.is_some()).then_some(())
    });
    (folder, build)
}

/// Lets a build that was begun go on, and waits for its end. It has not ended before: nothing else lets it go on.
pub(super) fn go_on_to(stack: &Stack, build: &str, expected: ImageStatus) {
    let record = stack.block_on(stack.store().build(build)).unwrap().unwrap();
    assert_eq!(record.status, BuildStatus::Open);
    let [instance] = &stack.left_of(build).instances[..] else { panic!("one instance: {:?}", stack.left_of(build)) };
    let command = Command {
        instance: instance.id.clone(),
        comment: "go on".to_owned(),
        script: "touch /run/go-on".to_owned(),
        timeout_seconds: 60,
        log_group: format!("/goldsmith/{}/builds", stack.name()),
    };
    stack.block_on(SsmCommands::new(stack.sdk()).send("eu-west-1", &command)).unwrap();
    stack.ended(&record.execution);
    stack.wait_for("the build's record", || {
        let record = stack.block_on(stack.store().build(build)).unwrap().unwrap();
        (record.status == BuildStatus::Closed).then_some(())
    });
    assert_eq!(status(stack, build), expected);
}

fn status(stack: &Stack, build: &str) -> ImageStatus {
    let record = stack.block_on(stack.store().build(build)).unwrap().unwrap();
    stack.block_on(stack.store().image(&record.image)).unwrap().unwrap().status
}

pub(super) fn deploy(stack: &Stack, more: &[&str], package: &Path) -> Output {
    let package = package.display().to_string();
    let arguments: Vec<&str> = ["deploy", "--yes", "--package", &package].iter().chain(more).copied().collect();
    stack.goldsmith_by_endpoint(&arguments)
}

/// The functions' zip that `make package` has made.
pub(super) fn package() -> PathBuf {
    suite::goldsmith().parent().and_then(Path::parent).unwrap().join("lambda/functions.zip")
}

/// The functions' zip with a comment: another digest, the same programs.
fn another_package() -> TempPath {
    let mut zip = fs::read(package()).unwrap();
    // The last two bytes are the length of the comment.
    assert_eq!(zip.split_off(zip.len() - 2), [0, 0]);
    zip.extend([1, 0, b'.']);
    let file = tempfile::Builder::new().suffix(".zip").tempfile().unwrap().into_temp_path();
    fs::write(&file, zip).unwrap();
    file
}

pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
