//! Tests of a run that only tests an AMI, from Plan to Finish.

use goldsmith_cloud::Image;
use goldsmith_cloud::fake::{ACCOUNT, AMAZON, HOME, Outcome as CommandOutcome};
use goldsmith_model::ImageAudit;
use goldsmith_store::{BuildStatus, ImageStatus};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::State;
use crate::events::reap;
use crate::testing::{Stack, Task, check_state_in, reach_in, whole_verification};

/// The task that runs this state in a verification.
async fn task(state: State) -> (Vec<Task>, Task) {
    let run = whole_verification().await;
    let task = run.iter().find(|task| task.state == state).unwrap().clone();
    (run, task)
}

fn input(ami: &str) -> Value {
    json!({"pipeline": "web", "from": {"at": "test", "image": ami}})
}

async fn described(stack: &Stack, ami: &str) -> Image {
    stack.cloud.cloud().images.image(HOME, ami).await.unwrap().unwrap()
}

#[tokio::test]
async fn each_state_of_a_verification_survives_every_fault() {
    let effects: [(State, &[&str]); 6] = [
        (State::Plan, &[]),
        (State::LaunchTest, &["PutEvents", "RunInstances", "SendTaskSuccess"]),
        (State::ExecuteTest, &["PutObject", "PutObject", "SendCommand", "SendTaskSuccess"]),
        (State::EndTest, &["TerminateInstances"]),
        (State::JudgeTests, &[]),
        (State::Finish, &["TerminateInstances", "PutEvents"]),
    ];
    for (state, effects) in effects {
        let (run, task) = task(state).await;
        check_state_in(&run, task, effects).await;
    }
}

#[tokio::test]
async fn an_ami_that_passes_is_recorded_but_is_no_new_image() {
    for owner in [ACCOUNT, AMAZON] {
        let stack = Stack::new().await;
        let ami = stack.cloud.add_image(HOME, owner, "golden");
        let (image, before) = (described(&stack, &ami).await, stack.inventory());
        let ended = stack.start_and_execute("verify-1", input(&ami)).await.unwrap();
        assert_eq!(ended, json!({"outcome": "verified", "image": "web/1.0.0/1", "ami": ami}));
        assert_eq!((described(&stack, &ami).await, stack.inventory()), (image, before));
        let record = stack.store().build("verify-1").await.unwrap().unwrap();
        assert_eq!((record.status, record.published), (BuildStatus::Closed, false));
        let run = stack.store().image(&record.image).await.unwrap().unwrap();
        assert_eq!((run.status, run.is_verification, run.source_image), (ImageStatus::Verified, true, ami.clone()));
        assert!(run.amis.is_empty() && run.failure.is_none());
        let (name, pipeline) = ("web".parse().unwrap(), "web".parse().unwrap());
        assert_eq!(stack.store().newest_image(&name, &pipeline).await.unwrap(), None);
        let told = stack.cloud.events().pop().unwrap();
        assert_eq!(told.detail_type, "Goldsmith Verification State Change");
        let detail: Value = serde_json::from_str(&told.detail).unwrap();
        assert_eq!((&detail["status"], &detail["tested"]), (&json!("VERIFIED"), &json!(ami)));
        let launches = stack.cloud.requests().launches;
        assert!(launches.iter().all(|(_, launch)| launch.image == ami && launch.instance_type == "t3.small"));
        assert_eq!(launches.len(), 1);
        // The pipeline builds as before, under the next number.
        let built = stack.start_and_execute("build-1", json!({"pipeline": "web"})).await.unwrap();
        assert_eq!((&built["outcome"], &built["image"]), (&json!("built"), &json!("web/1.0.0/2")));
    }
}

#[tokio::test]
async fn an_image_of_the_pipeline_that_fails_its_tests_later_stays_as_it_is() {
    let stack = Stack::new().await;
    let built = stack.start_and_execute("build-1", json!({"pipeline": "web"})).await.unwrap();
    let ami = built["amis"][HOME].as_str().unwrap();
    let (image, before) = (described(&stack, ami).await, stack.inventory());
    stack.cloud.next_command(CommandOutcome::failed(1, r#"{"status": "failed", "failureMessage": "no answer"}"#));
    let ended = stack.start_and_execute("verify-1", input(ami)).await.unwrap();
    assert_eq!(ended["error"], "Goldsmith.TestFailed");
    for _ in 0..2 {
        stack.clock.advance(SignedDuration::from_hours(24));
        reap::handle(&stack.context(), json!({"sweep": true})).await.unwrap();
    }
    assert_eq!((described(&stack, ami).await, stack.inventory()), (image, before));
    let record = stack.store().build("verify-1").await.unwrap().unwrap();
    let run = stack.store().image(&record.image).await.unwrap().unwrap();
    assert_eq!((run.status, run.is_verification), (ImageStatus::Failed, true));
    let (name, pipeline) = ("web".parse().unwrap(), "web".parse().unwrap());
    let newest = stack.store().newest_image(&name, &pipeline).await.unwrap().unwrap();
    assert_eq!(newest.image.to_string(), "web/1.0.0/1");
}

#[tokio::test]
async fn a_verification_that_was_not_judged_is_not_ended_as_passed() {
    let (run, finish) = task(State::Finish).await;
    for state in [State::LaunchTest, State::ExecuteTest, State::JudgeTests] {
        let before = run.iter().find(|task| task.state == state).unwrap();
        let stack = reach_in(&run, before).await;
        let error = stack.run(&finish).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.Internal", "{error:?}");
        assert_eq!(stack.record().await.status, BuildStatus::Open);
    }
}

#[tokio::test]
async fn the_audit_of_a_verified_ami_judges_what_is_older_than_the_ami() {
    let (run, execute) = task(State::ExecuteTest).await;
    let stack = reach_in(&run, &execute).await;
    let created = described(&stack, &stack.source().await).await.created;
    stack.run(&execute).await.unwrap();
    let orders = stack.cloud.objects();
    let is_dated = |order: &&Vec<u8>| String::from_utf8_lossy(order).contains(&created[..19]);
    assert_eq!(orders.values().filter(is_dated).count(), 1, "{created}");
}

#[tokio::test]
async fn only_an_audit_is_enough_to_verify() {
    let stack = Stack::new().await;
    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.image_tests_configuration.image_tests_enabled = false;
    web.audit = ImageAudit::Fail;
    stack.put_pipeline(web).await;
    let ended = stack.start_and_execute("verify-1", input(&stack.source().await)).await.unwrap();
    assert_eq!(ended["outcome"], "verified");
}
