//! Tests of the provenance: what is signed, in which order, and what happens if it cannot be.

use std::sync::Arc;

use async_trait::async_trait;
use goldsmith_cloud::fake::{Between, Fault, HOME, OnItsWay};
use goldsmith_cloud::{Kind, Tags};
use goldsmith_provenance::content::first_difference;
use goldsmith_provenance::{Bundle, Difference, ImageContent, PublicKey, Statement, VolumeContent};
use goldsmith_store::{ImageStatus, ProvenanceRecord, Scope, StateStatus};
use jiff::SignedDuration;
use serde_json::json;

use crate::parts::volume::{Reading, SnapshotBlocks};
use crate::testing::{AWAY, BUILD, FakeClock, Stack, Task, check_state_of, good, whole_build};
use crate::{Context, State, TAG_STACK};

const KEY: &str = "alias/golden-images";

/// The calls with which Attest changes AWS: the event about the stage, the list of blocks, the signature, the bundle and
/// the answer.
const EFFECTS: &[&str] = &["PutEvents", "PutObject", "Sign", "PutObject", "SendTaskSuccess"];

/// A stack whose pipeline has its images signed.
async fn signing() -> Stack {
    let stack = Stack::new().await;
    let tags = Tags::from([(TAG_STACK.to_owned(), "goldsmith".to_owned())]);
    stack.cloud.set_up(|account| _ = account.signing_keys.insert(KEY.to_owned(), tags));
    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.signing_key = Some(KEY.to_owned());
    stack.put_pipeline(web).await;
    stack
}

/// The tasks of a build whose image is signed, in order.
fn signed_build() -> Vec<Task> {
    let mut tasks = whole_build();
    let place = tasks.iter().position(|task| task.state == State::DistributeRegion).unwrap();
    tasks.insert(place, Task::new(State::Attest));
    tasks
}

/// A stack on which everything before this state has succeeded.
async fn before(state: State) -> Stack {
    let stack = signing().await;
    for task in signed_build().iter().take_while(|task| task.state != state) {
        stack.run(task).await.unwrap();
    }
    stack
}

async fn attested(stack: &Stack) -> ProvenanceRecord {
    let state = stack.store().state(BUILD, &Scope::from(State::Attest)).await.unwrap().unwrap();
    state.provenance.unwrap()
}

/// The statement in the bucket, verified with the key's public part.
async fn statement(stack: &Stack, signed: &ProvenanceRecord) -> Statement {
    let public = stack.cloud.cloud().keys.public_key(HOME, &signed.signing_key).await.unwrap();
    let bundle = Bundle::from_json(&stack.cloud.object(&signed.bundle).unwrap()).unwrap();
    bundle.verify(&PublicKey::from_der(&public).unwrap()).unwrap()
}

/// The content of the first volume of the build's AMI in a Region.
async fn volume(stack: &Stack, region: &str) -> VolumeContent {
    let cloud = stack.cloud.cloud();
    let ami = &stack.image().await.amis[region];
    let image = cloud.images.image(region, ami).await.unwrap().unwrap();
    let snapshot = image.volumes.values().next().unwrap();
    let read = SnapshotBlocks { blocks: &*cloud.blocks, region, snapshot }.read(None, &|| false).await.unwrap();
    assert_eq!(read.next, None);
    read.content
}

#[tokio::test]
async fn attest_survives_every_fault() {
    check_state_of(signing, &signed_build(), Task::new(State::Attest), EFFECTS).await;
}

#[tokio::test]
async fn the_image_is_signed_before_it_is_distributed_and_its_record_says_so() {
    let stack = signing().await;
    stack.start_and_execute(BUILD, json!({"pipeline": "web"})).await.unwrap();
    let image = stack.image().await;
    let signed = image.provenance.clone().unwrap();
    assert_eq!(signed, attested(&stack).await);
    assert!(signed.signing_key.starts_with("arn:aws:kms:eu-west-1:"), "{signed:?}");
    let statement = statement(&stack, &signed).await;
    assert_eq!(statement.subject.name, image.amis[HOME]);
    assert_eq!(statement.subject.uri, format!("arn:aws:ec2:eu-west-1::image/{}", image.amis[HOME]));
    // What is signed is the content: of the list in the bucket, of the AMI, and of its copy in another Region.
    let [(device, list)] = &*signed.volumes.iter().collect::<Vec<_>>() else { panic!("{signed:?}") };
    let listed = VolumeContent::parse(&stack.cloud.object(list).unwrap()).unwrap();
    let of =
        |volume: &VolumeContent| ImageContent::new([((*device).clone(), volume.digest())].into()).unwrap().digest();
    assert_eq!((of(&listed), hex::encode(of(&listed))), (statement.subject.digest, signed.digest));
    for region in [HOME, AWAY] {
        assert_eq!(first_difference(&listed, &volume(&stack, region).await), None, "{region}");
    }
    // Five blocks have data. One has only zeros: EBS has it, but it reads like one that EBS does not have.
    let home = volume(&stack, HOME).await;
    assert_eq!((home.blocks().len(), home.present(), home.size()), (5, 6, 8 << 30));
    let predicate = statement.predicate;
    let dependencies: Vec<&str> =
        predicate.build_definition.resolved_dependencies.iter().map(|one| one.name.as_str()).collect();
    assert_eq!((dependencies[0], *dependencies.last().unwrap()), ("source", "agent-x86_64"));
    assert_eq!(predicate.build_definition.external_parameters["image"], json!("web/1.0.0/1"));
    assert_eq!(predicate.run_details.byproducts[0].annotations["presentBlocks"], json!(6));
    let states = stack.store().states(BUILD).await.unwrap();
    let began = |state: State| states.iter().find(|one| one.state == state).unwrap().started_at.clone();
    assert!(began(State::JudgeTests) <= began(State::Attest) && began(State::Attest) <= began(State::DistributeRegion));
}

#[tokio::test]
async fn a_flipped_bit_is_named() {
    let stack = signing().await;
    stack.start_and_execute(BUILD, json!({"pipeline": "web"})).await.unwrap();
    let ami = stack.image().await.amis[AWAY].clone();
    let copy = stack.cloud.cloud().images.image(AWAY, &ami).await.unwrap().unwrap();
    stack.cloud.flip_bit(AWAY, copy.volumes.values().next().unwrap(), 900);
    let difference = first_difference(&volume(&stack, HOME).await, &volume(&stack, AWAY).await);
    let Some(Difference::Blocks(found)) = difference else { panic!("{difference:?}") };
    assert_eq!((found.index, found.differing, found.offset()), (900, 1, 900 * 524_288));
}

#[tokio::test]
async fn nothing_is_signed_without_a_key_nor_if_the_start_has_overridden_something() {
    let plain = Stack::new().await;
    plain.start_and_execute(BUILD, json!({"pipeline": "web"})).await.unwrap();
    assert_eq!(plain.image().await.provenance, None);
    let stack = signing().await;
    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.allow_overrides = true;
    stack.put_pipeline(web).await;
    let source = stack.source().await;
    let input = json!({"pipeline": "web", "sourceImage": source});
    stack.start_and_execute(BUILD, input).await.unwrap();
    assert_eq!((stack.record().await.plan.signing_key, stack.image().await.provenance), (None, None));
    assert!(stack.cloud.effects().iter().all(|effect| effect.name != "Sign"));
}

#[tokio::test]
async fn nobody_can_have_an_image_signed_that_was_not_judged_nor_published_that_was_not_signed() {
    let stack = before(State::JudgeTests).await;
    let attest = Task::new(State::Attest);
    let early = stack.start(&attest).await;
    stack.tick_after(SignedDuration::from_mins(1)).await;
    assert_eq!(stack.answer(&early), None);
    let state = stack.store().state(BUILD, &attest.scope()).await.unwrap().unwrap();
    assert_eq!(state.detail, "the tests have not been judged yet");
    assert!(stack.cloud.effects().iter().all(|effect| effect.name != "Sign"));
    // The early call spoils nothing.
    for task in signed_build().iter().skip_while(|task| task.state != State::JudgeTests) {
        stack.run(task).await.unwrap();
    }
    assert!(stack.image().await.provenance.is_some());

    let unsigned = before(State::Attest).await;
    for task in whole_build().iter().filter(|task| task.state == State::DistributeRegion) {
        unsigned.run(task).await.unwrap();
    }
    let error = unsigned.run(&good(State::Publish)).await.unwrap_err();
    assert!(error.cause.contains(&format!("Attest of {BUILD} has not succeeded")), "{}", error.cause);
}

#[tokio::test]
async fn a_key_that_stops_signing_fails_the_build_and_nothing_is_published() {
    let stack = before(State::Attest).await;
    stack.cloud.set_up(|account| _ = account.disabled_keys.insert(KEY.to_owned()));
    let error = stack.run(&Task::new(State::Attest)).await.unwrap_err();
    assert!(error.cause.contains("is disabled"), "{}", error.cause);
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert_eq!(stack.image().await.status, ImageStatus::Failed);
    assert!(stack.inventory().region(HOME).images.is_empty(), "{:?}", stack.inventory());
}

#[tokio::test]
async fn reads_that_fail_once_are_made_again_and_reads_that_always_fail_end_the_build() {
    for read in ["ListSnapshotBlocks", "GetSnapshotBlock", "GetPublicKey", "DescribeImages"] {
        let stack = before(State::Attest).await;
        stack.cloud.fail_next(read, Fault::Refuse(Kind::Throttled));
        stack.run(&Task::new(State::Attest)).await.unwrap();
        let denied = before(State::Attest).await;
        denied.cloud.fail_always(read, HOME, Fault::Refuse(Kind::Denied));
        let error = denied.run(&Task::new(State::Attest)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.AwsRefused", "{read}");
        assert!(error.cause.contains(read), "{}", error.cause);
    }
}

/// A network over which each block takes a third of a minute.
struct Slow(FakeClock);

#[async_trait]
impl Between for Slow {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        if call.name == "GetSnapshotBlock" {
            self.0.advance(SignedDuration::from_secs(20));
        }
        None
    }
}

#[tokio::test]
async fn a_large_volume_is_read_in_slices_with_the_same_result() {
    let fast = before(State::Attest).await;
    fast.run(&Task::new(State::Attest)).await.unwrap();
    let slow = before(State::Attest).await;
    let network = Arc::new(Slow(slow.clock.clone()));
    let context = Context { cloud: slow.cloud.behind(network).cloud(), ..slow.context() };
    let attest = Task::new(State::Attest);
    slow.run_in(&context, &attest).await.unwrap();
    let state = slow.store().state(BUILD, &attest.scope()).await.unwrap().unwrap();
    assert!(state.status == StateStatus::Running && state.detail.starts_with("reading snap-"), "{}", state.detail);
    let stored = slow.cloud.objects();
    let stored: Vec<_> = stored.iter().filter(|(key, _)| key.starts_with("readings/")).collect();
    let [(_, stored)] = stored.as_slice() else { panic!("{stored:?}") };
    let reading = Reading::from_bytes(stored).unwrap();
    assert!(reading.next.is_some() && reading.content.present() > 0, "{reading:?}");
    slow.tick_after(SignedDuration::from_mins(1)).await;
    assert_eq!(attested(&slow).await.digest, attested(&fast).await.digest);
    assert_eq!(
        statement(&slow, &attested(&slow).await).await.predicate.run_details.byproducts[0].annotations["presentBlocks"],
        6
    );
}

#[tokio::test]
async fn a_reading_that_somebody_else_has_stored_is_not_believed() {
    let fast = before(State::Attest).await;
    fast.run(&Task::new(State::Attest)).await.unwrap();
    let forged = before(State::Attest).await;
    let image = forged.cloud.cloud().images.named(HOME, &ami_name(&forged).await).await.unwrap().unwrap();
    let snapshot = image.volumes.values().next().unwrap();
    let reading = Reading { content: VolumeContent::new(8 << 30).unwrap(), next: None };
    let place = format!("readings/{BUILD}/{snapshot}.json");
    forged.cloud.cloud().objects.put(&place, reading.to_bytes().unwrap()).await.unwrap();
    forged.run(&Task::new(State::Attest)).await.unwrap();
    assert_eq!(attested(&forged).await.digest, attested(&fast).await.digest);
}

async fn ami_name(stack: &Stack) -> String {
    stack.record().await.plan.region(HOME).unwrap().name.clone()
}

#[tokio::test]
async fn a_block_that_does_not_arrive_is_read_again_and_those_before_it_are_not() {
    let stack = before(State::Attest).await;
    let calls = Arc::new(Lossy::default());
    let context = Context { cloud: stack.cloud.behind(calls.clone()).cloud(), ..stack.context() };
    stack.run_in(&context, &Task::new(State::Attest)).await.unwrap();
    // Three blocks of the first page, of which the last one is lost, and then the four from that one on.
    assert_eq!(calls.0.lock().unwrap()["GetSnapshotBlock"], 7);
    let whole = before(State::Attest).await;
    whole.run(&Task::new(State::Attest)).await.unwrap();
    assert_eq!(attested(&stack).await.digest, attested(&whole).await.digest);
}

/// A network that loses the third block.
#[derive(Default)]
struct Lossy(std::sync::Mutex<std::collections::BTreeMap<&'static str, u32>>);

#[async_trait]
impl Between for Lossy {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        let mut calls = self.0.lock().unwrap();
        let count = calls.entry(call.name).or_default();
        *count += 1;
        (call.name == "GetSnapshotBlock" && *count == 3).then_some(Fault::Refuse(Kind::Unanswered))
    }
}
