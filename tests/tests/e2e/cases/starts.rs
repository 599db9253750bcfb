//! Builds that start by themselves, and starts from the console, whatever happens to AWS's events.

use goldsmith_cloud::aws::SsmParameters;
use goldsmith_cloud::{ExecutionStatus, Parameter, Parameters as _};
use goldsmith_model::Cause;
use goldsmith_store::{ImageRecord, ImageStatus};
use serde_json::{Value, json};

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::events::Delivery;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("a_release_rebuilds_what_uses_it_once", |stack| release(stack, Delivery::Once)),
    ("a_release_whose_event_is_lost_rebuilds_once", |stack| release(stack, Delivery::Never)),
    ("a_release_whose_event_is_doubled_rebuilds_once", |stack| release(stack, Delivery::Twice)),
    ("releases_whose_events_are_reordered_rebuild_once", |stack| release(stack, Delivery::Late)),
    ("a_release_during_a_build_is_built_after_it", |stack| release_meanwhile(stack, Delivery::Once)),
    ("a_release_during_a_build_whose_event_is_lost", |stack| release_meanwhile(stack, Delivery::Never)),
    ("a_release_during_a_build_whose_event_is_doubled", |stack| release_meanwhile(stack, Delivery::Twice)),
    ("releases_during_a_build_whose_events_are_reordered", |stack| release_meanwhile(stack, Delivery::Late)),
    ("a_folder_of_which_no_pipeline_is_chosen_is_not_stored", not_chosen),
    ("a_pipeline_name_is_enough_to_start_a_build", |stack| from_the_console(stack, Delivery::Once)),
    ("a_start_from_the_console_whose_events_are_lost", |stack| from_the_console(stack, Delivery::Never)),
    ("a_start_from_the_console_whose_events_are_doubled", |stack| from_the_console(stack, Delivery::Twice)),
    ("a_start_from_the_console_whose_events_are_reordered", |stack| from_the_console(stack, Delivery::Late)),
    ("a_second_start_during_a_build_ends_at_once", second_start),
    ("a_schedule_fires", schedule),
];

/// The event of a new release.
const RELEASED: &str = "Parameter Store Change";
const WATCHES: &str = "rebuildOn: [source-update]\nimageTestsConfiguration: {imageTestsEnabled: false}\n";
const WATCHES_NOTHING: &str = "imageTestsConfiguration: {imageTestsEnabled: false}\n";
const OFF: &str = "status: DISABLED\nimageTestsConfiguration: {imageTestsEnabled: false}\n";

fn apply(stack: &Stack, pipeline: &Pipeline) {
    stack.apply(pipeline.write().path());
}

/// The pipeline starts by itself no more, so that it stays out of the other cases.
fn retire(stack: &Stack, name: &str) {
    apply(stack, &Pipeline::quick(name, OFF));
}

fn images(stack: &Stack, name: &str) -> Vec<ImageRecord> {
    stack.block_on(stack.store().images(name)).unwrap()
}

/// Waits until the pipeline has so many images and the last one has ended; all of them.
fn built(stack: &Stack, name: &str, number: usize) -> Vec<ImageRecord> {
    stack.wait_for("the images", || {
        let images = images(stack, name);
        let ended = images.len() >= number && images.iter().all(|image| image.status != ImageStatus::Building);
        ended.then_some(images)
    })
}

fn assert_made_from(image: &ImageRecord, ami: &str) {
    assert_eq!(image.status, ImageStatus::Available, "{image:?}");
    let source = "ssm:/goldsmith/examples/source".to_owned();
    assert_eq!(image.cause, Cause::SourceUpdate { source, image_id: ami.to_owned() });
}

/// A source image of our own, which no release changes.
fn other_source(stack: &Stack) {
    let parameters = SsmParameters::new(stack.sdk());
    let (region, name) = ("eu-west-1", "/goldsmith/examples/source");
    let value = stack.block_on(parameters.get(region, name)).unwrap().unwrap().value;
    let parameter = Parameter { value, data_type: "text".to_owned() };
    stack.block_on(parameters.put(region, "/images/e2e-other-source", &parameter)).unwrap();
}

/// Releases the source image, with its event delivered so; the newest AMI. A late event comes after that of a second
/// release: the one of the other Region, which nobody hears, must not come in between.
fn release_so(stack: &Stack, delivery: Delivery) -> String {
    stack.deliver(delivery, &[RELEASED]);
    if delivery == Delivery::Late {
        let elsewhere = json!({"event": RELEASED, "region": "us-east-1", "nth": 1});
        stack.arm(&json!([{"when": elsewhere, "do": "drop"}]));
        stack.release_source();
    }
    stack.release_source()
}

fn release(stack: &Stack, delivery: Delivery) {
    let named = |what: &str| format!("{what}-{}", delivery.word());
    let [using, other, unwatched] = ["patched", "elsewhere", "unwatched"].map(named);
    other_source(stack);
    apply(stack, &Pipeline::quick(&using, WATCHES));
    apply(stack, &Pipeline { source: "ssm:/images/e2e-other-source", ..Pipeline::quick(&other, WATCHES) });
    apply(stack, &Pipeline::quick(&unwatched, WATCHES_NOTHING));
    stack.check_sources();
    assert_eq!(images(stack, &using), [], "to begin to watch is no reason to build");
    let ami = release_so(stack, delivery);
    if delivery == Delivery::Never {
        stack.check_sources();
    }
    assert_made_from(&built(stack, &using, 1)[0], &ami);
    stack.disarm();
    assert_eq!(stack.check_sources(), 0);
    assert_eq!(images(stack, &using).len(), 1);
    for untouched in [&other, &unwatched] {
        assert_eq!(images(stack, untouched), []);
    }
    retire(stack, &using);
}

fn release_meanwhile(stack: &Stack, delivery: Delivery) {
    let name = format!("meanwhile-{}", delivery.word());
    apply(stack, &Pipeline::quick(&name, WATCHES));
    stack.check_sources();
    let (execution, ami) = while_held(stack, &name, || {
        let ami = release_so(stack, delivery);
        if delivery != Delivery::Never {
            stack.wait_for("the kept cause", || {
                let kept = stack.block_on(stack.store().pending_causes(&name.parse().unwrap())).unwrap();
                kept.iter().any(|kept| kept.cause.to_string().ends_with(&ami)).then_some(())
            });
        }
        ami
    });
    assert_eq!(execution, ExecutionStatus::Succeeded);
    if delivery == Delivery::Never {
        stack.check_sources();
    }
    let images = built(stack, &name, 2);
    assert_made_from(&images[1], &ami);
    assert_eq!(stack.check_sources(), 0);
    assert_eq!(built(stack, &name, 2).len(), 2, "{images:?}");
    retire(stack, &name);
}

/// Starts a build from the console, and holds it while its image is made. Returns how the build ended.
pub(super) fn while_held<T>(stack: &Stack, name: &str, meanwhile: impl FnOnce() -> T) -> (ExecutionStatus, T) {
    stack.arm(&json!([{"when": {"action": "CreateImage", "nth": 1}, "do": "hold"}]));
    let arn = stack.start(&format!("e2e-{name}"), &json!({"pipeline": name}).to_string());
    stack.wait_for("the image in the making", || {
        let images = stack.inventory().images;
        let is_ours = |tag: &String| tag.starts_with(&format!("{name}/"));
        images.iter().any(|image| image.tags.get("goldsmith:image").is_some_and(is_ours)).then_some(())
    });
    let seen = meanwhile();
    stack.disarm();
    (stack.ended(&arn).status, seen)
}

fn from_the_console(stack: &Stack, delivery: Delivery) {
    let name = format!("console-{}", delivery.word());
    apply(stack, &Pipeline::new(&name, &[("build", "Nothing", "true"), ("test", "Nothing", "true")]));
    stack.deliver(
        delivery,
        &[
            "EC2 AMI State Change/available",
            "EC2 Command Invocation Status-change Notification/Success",
            "EC2 Instance State-change Notification/running",
            "EC2 Instance State-change Notification/stopped",
        ],
    );
    let execution = stack.start_by_aws_cli(&json!({"pipeline": name}).to_string());
    let ended = stack.ended(&execution);
    stack.disarm();
    let build = execution.rsplit(':').next().unwrap();
    assert_eq!(ended.status, ExecutionStatus::Succeeded, "{ended:?}");
    let output: Value = serde_json::from_str(&ended.output.unwrap()).unwrap();
    assert_eq!((&output["outcome"], &output["image"]), (&json!("built"), &json!(format!("{name}/1.0.0/1"))));
    assert_eq!(images(stack, &name)[0].cause, Cause::Manual { id: build.to_owned() });
    assert_eq!(stack.left_of(build).counts(), (0, 2, 2));
}

fn second_start(stack: &Stack) {
    let name = "started-twice";
    apply(stack, &Pipeline::quick(name, WATCHES_NOTHING));
    let input = json!({"pipeline": name}).to_string();
    let (first, second) = while_held(stack, name, || stack.execute("e2e-started-twice-again", &input));
    assert_eq!((first, second.status), (ExecutionStatus::Succeeded, ExecutionStatus::Succeeded));
    let output: Value = serde_json::from_str(&second.output.unwrap()).unwrap();
    let expected = (&json!("already-running"), &json!("started-twice/1.0.0/1"));
    assert_eq!((&output["outcome"], &output["image"]), expected);
    assert_eq!(images(stack, name).len(), 1, "a manual start is not kept");
}

fn schedule(stack: &Stack) {
    let name = "scheduled";
    let more = "schedule: {scheduleExpression: rate(1 minute)}\nimageTestsConfiguration: {imageTestsEnabled: false}\n";
    apply(stack, &Pipeline::quick(name, more));
    let first = &built(stack, name, 1)[0];
    assert_eq!(first.status, ImageStatus::Available);
    assert!(matches!(first.cause, Cause::Schedule { .. }), "{first:?}");
    retire(stack, name);
}

fn not_chosen(stack: &Stack) {
    let texts = ["chosen-one", "chosen-two"].map(|name| Pipeline::quick(name, "").text());
    let folder = folder(&texts.join("\n---\n"));
    let path = folder.path().display().to_string();
    for wrong in [&["build", &path, "--local"][..], &["build", &path, "--local", "--pipeline", "chosen-three"]] {
        let refused = stack.goldsmith(wrong);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains("chosen-one, chosen-two"), "{refused:?}");
    }
    let names = stack.block_on(stack.store().pipeline_names()).unwrap();
    assert!(names.iter().all(|name| !name.as_str().starts_with("chosen")), "{names:?}");
}
