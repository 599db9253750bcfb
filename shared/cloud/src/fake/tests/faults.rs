//! Tests of the counter of effects, and of the faults that tests request.

use super::*;
use crate::fake::{Fault, Faults};

/// Runs a process until it ends or is killed.
async fn until_killed<T>(fake: &FakeCloud, process: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        result = process => Some(result),
        () = fake.killed() => None,
    }
}

#[tokio::test]
async fn effects_are_counted_in_order_and_reads_are_none() {
    let (fake, cloud, instance) = online().await;
    cloud.machines.instance(HOME, &instance).await.unwrap();
    cloud.images.named(HOME, "web 1").await.unwrap();
    cloud.objects.exists("key").await.unwrap();
    cloud.objects.put("key", Vec::new()).await.unwrap();
    cloud.machines.stop(HOME, "i-0").await.unwrap_err();
    let seen: Vec<_> = fake.effects().into_iter().map(|effect| (effect.n, effect.name, effect.happened)).collect();
    assert_eq!(seen, [(1, "RunInstances", true), (2, "PutObject", true), (3, "StopInstances", false)]);
}

#[tokio::test]
async fn every_mutating_method_is_one_effect() {
    let (fake, cloud, instance) = online().await;
    let command = cloud.commands.send(HOME, &command(&instance, "b/Build/1")).await.unwrap();
    cloud.commands.cancel(HOME, &command).await.unwrap();
    cloud.machines.stop(HOME, &instance).await.unwrap();
    fake.settle();
    let everybody = crate::LaunchPermission { groups: vec!["all".to_owned()], ..Default::default() };
    let image = cloud.images.create(HOME, &new_image("web 1", &instance)).await.unwrap();
    fake.settle();
    cloud.images.copy(OTHER, &copy_of(&image, "c", "web 1")).await.unwrap();
    cloud.images.share(HOME, &image, &everybody).await.unwrap();
    cloud.images.tag(HOME, std::slice::from_ref(&image), &tags()).await.unwrap();
    cloud.images.deregister(HOME, &image).await.unwrap();
    cloud.images.delete_snapshot(HOME, "snap-0").await.unwrap();
    cloud.machines.terminate(HOME, &instance).await.unwrap();
    let parameter = crate::Parameter { value: "v".to_owned(), data_type: "text".to_owned() };
    cloud.parameters.put(HOME, "/p", &parameter).await.unwrap();
    cloud.parameters.delete(HOME, "/p").await.unwrap();
    cloud.objects.put("key", Vec::new()).await.unwrap();
    cloud.executions.start("arn:stateMachine:m", "e", "{}").await.unwrap();
    cloud.executions.stop("arn:execution:m:e", "", "").await.unwrap();
    cloud.executions.succeed("t", "{}").await.unwrap();
    cloud.executions.fail("t", "", "").await.unwrap();
    cloud.functions.wake("launch", "{}").await.unwrap();
    cloud.events.emit("Image Built", &[], "{}").await.unwrap();
    let message = crate::Message { subject: "s".into(), group: "g".into(), id: "i".into(), ..Default::default() };
    cloud.topics.publish("arn:aws:sns:eu-west-1:111122223333:t", &message).await.unwrap();
    let names: Vec<_> = fake.effects().into_iter().map(|effect| effect.name).collect();
    let expected = "RunInstances SendCommand CancelCommand StopInstances CreateImage CopyImage ModifyImageAttribute CreateTags \
        DeregisterImage DeleteSnapshot TerminateInstances PutParameter DeleteParameter PutObject StartExecution StopExecution \
        SendTaskSuccess SendTaskFailure Invoke PutEvents Publish";
    assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_refused_effect_does_not_happen_and_the_next_one_does() {
    let (fake, cloud, source) = fake();
    fake.fail_at(1, Fault::Refuse(Kind::Throttled));
    let request = launch("t", &source);
    let error = cloud.machines.launch(HOME, &request).await.unwrap_err();
    assert_eq!((error.kind, error.operation), (Kind::Throttled, "RunInstances"));
    assert!(fake.inventory().is_empty() && !fake.effects()[0].happened);
    cloud.machines.launch(HOME, &request).await.unwrap();
    assert_eq!(fake.inventory().region(HOME).instances.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_unanswered_and_has_happened() {
    let (fake, cloud, source) = fake();
    fake.fail_at(1, Fault::LoseAnswer);
    assert_eq!(kind(cloud.machines.launch(HOME, &launch("t", &source)).await), Kind::Unanswered);
    assert!(fake.effects()[0].happened);
    assert_eq!(fake.inventory().region(HOME).instances.len(), 1);
}

#[tokio::test]
async fn a_kill_before_leaves_nothing_and_a_kill_after_leaves_the_effect() {
    for (fault, left) in [(Fault::KillBefore, 0), (Fault::KillAfter, 1)] {
        let (fake, cloud, source) = fake();
        fake.fail_at(1, fault);
        let request = launch("t", &source);
        assert!(until_killed(&fake, cloud.machines.launch(HOME, &request)).await.is_none());
        assert_eq!(fake.inventory().region(HOME).instances.len(), left, "{fault:?}");
        let again = until_killed(&fake, cloud.machines.launch(HOME, &request)).await;
        assert!(again.unwrap().is_ok(), "a fault strikes once");
        assert_eq!(fake.inventory().region(HOME).instances.len(), 1);
    }
}

#[tokio::test]
async fn faults_count_from_now_or_go_by_name() {
    let (fake, cloud, _) = fake();
    let put = || cloud.objects.put("key", Vec::new());
    put().await.unwrap();
    fake.fail_at(2, Fault::Refuse(Kind::Denied));
    put().await.unwrap();
    assert_eq!(kind(put().await), Kind::Denied);
    fake.fail_next("PutEvents", Fault::Refuse(Kind::Invalid));
    put().await.unwrap();
    assert_eq!(kind(cloud.events.emit("Image Built", &[], "{}").await), Kind::Invalid);
    cloud.events.emit("Image Built", &[], "{}").await.unwrap();
    assert_eq!(fake.events().len(), 1);
}

/// Another client of the process, with its own error type.
async fn put_item(faults: &Faults, items: &mut Vec<u8>) -> std::result::Result<(), String> {
    let act = async {
        items.push(0);
        Ok(())
    };
    faults.around("PutItem", HOME, "BUILD#1", act, |kind| format!("{kind:?}")).await
}

#[tokio::test]
async fn another_client_counts_with_the_same_counter() {
    let (fake, cloud, _) = fake();
    let faults = fake.faults();
    let mut items = Vec::new();
    fake.fail_at(2, Fault::LoseAnswer);
    fake.fail_at(3, Fault::Refuse(Kind::Throttled));
    fake.fail_at(4, Fault::KillAfter);
    cloud.objects.put("key", Vec::new()).await.unwrap();
    assert_eq!(put_item(&faults, &mut items).await, Err("Unanswered".to_owned()));
    assert_eq!(put_item(&faults, &mut items).await, Err("Throttled".to_owned()));
    assert!(until_killed(&fake, put_item(&faults, &mut items)).await.is_none());
    assert_eq!(items.len(), 2);
    let names: Vec<_> = fake.effects().into_iter().map(|effect| effect.name).collect();
    assert_eq!(names, ["PutObject", "PutItem", "PutItem", "PutItem"]);
}
