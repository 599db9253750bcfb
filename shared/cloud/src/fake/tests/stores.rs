//! Tests parameters, objects, functions, events, logs and the inventory.

use std::time::Duration;

use super::*;
use crate::fake::{EmittedEvent, Inventory, Wakeup};
use crate::{LogPage, Parameter, Schedule, Schedules};

#[tokio::test]
async fn parameters_are_overwritten_and_deleted_per_region() {
    let (fake, cloud, _) = fake();
    let text = |value: &str| Parameter { value: value.to_owned(), data_type: "text".to_owned() };
    cloud.parameters.put(HOME, "/p", &text("a")).await.unwrap();
    cloud.parameters.put(HOME, "/p", &text("b")).await.unwrap();
    assert_eq!(cloud.parameters.get(HOME, "/p").await.unwrap(), Some(text("b")));
    assert_eq!(cloud.parameters.get(OTHER, "/p").await.unwrap(), None);
    assert_eq!(fake.inventory().region(HOME).parameters["/p"], "b");
    cloud.parameters.delete(HOME, "/p").await.unwrap();
    cloud.parameters.delete(HOME, "/p").await.unwrap();
    assert_eq!(fake.inventory(), Inventory::default());
}

#[tokio::test]
async fn the_oldest_of_a_hundred_versions_goes_unless_it_has_a_label() {
    let (fake, cloud, _) = fake();
    let text = Parameter { value: "a".to_owned(), data_type: "text".to_owned() };
    fake.label_parameter(HOME, "/p", &text, 1, 1);
    for version in 2..=100 {
        cloud.parameters.put(HOME, "/p", &text).await.unwrap_or_else(|error| panic!("{version}: {error}"));
    }
    for _ in 0..2 {
        let error = cloud.parameters.put(HOME, "/p", &text).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Invalid, "ParameterMaxVersionLimitExceeded"));
        assert!(error.message.contains("Version 1, the oldest version, can't be deleted"), "{error}");
    }
    cloud.parameters.put(OTHER, "/p", &text).await.unwrap();
    fake.unlabel_parameter(HOME, "/p");
    cloud.parameters.put(HOME, "/p", &text).await.unwrap();
    fake.label_parameter(HOME, "/p", &text, 100, 1);
    cloud.parameters.delete(HOME, "/p").await.unwrap();
    cloud.parameters.put(HOME, "/p", &text).await.unwrap();
}

#[tokio::test]
async fn a_parameters_value_fits_its_type() {
    let (_, cloud, _) = fake();
    for (value, data_type) in [("", "text"), ("web", "aws:ec2:image"), ("a", "number"), (&*"x".repeat(4_097), "text")] {
        let parameter = Parameter { value: value.to_owned(), data_type: data_type.to_owned() };
        assert_eq!(kind(cloud.parameters.put(HOME, "/p", &parameter).await), Kind::Invalid, "{data_type}");
    }
    let image = Parameter { value: "ami-1".to_owned(), data_type: "aws:ec2:image".to_owned() };
    cloud.parameters.put(HOME, "/p", &image).await.unwrap();
}

#[tokio::test]
async fn objects_are_there_once_written_and_presigned_for_seven_days_at_most() {
    let (fake, cloud, _) = fake();
    assert!(!cloud.objects.exists("orders/1").await.unwrap());
    cloud.objects.put("orders/1", b"{}".to_vec()).await.unwrap();
    assert!(cloud.objects.exists("orders/1").await.unwrap());
    assert_eq!(fake.object("orders/1"), Some(b"{}".to_vec()));
    let url = cloud.objects.presign("orders/1", Duration::from_secs(600)).await.unwrap();
    assert!(url.starts_with("https://") && url.contains("/orders/1?") && url.contains("Expires=600"), "{url}");
    assert_eq!(kind(cloud.objects.presign("orders/1", Duration::from_secs(604_801)).await), Kind::Invalid);
}

#[tokio::test]
async fn a_schedule_that_is_right_is_no_effect() {
    let fake = FakeCloud::new();
    let schedule = |name: &str, enabled| Schedule {
        group: "g".to_owned(),
        name: name.to_owned(),
        expression: "rate(1 day)".to_owned(),
        timezone: "UTC".to_owned(),
        enabled,
        target: "arn:t".to_owned(),
        role: "arn:r".to_owned(),
        input: "{}".to_owned(),
    };
    for enabled in [true, true, false] {
        fake.put(&schedule("web", enabled)).await.unwrap();
    }
    assert_eq!(fake.schedules(), [schedule("web", false)]);
    assert_eq!(kind(fake.put(&schedule("web server", true)).await), Kind::Invalid);
    for _ in 0..2 {
        Schedules::delete(&fake, "g", "web").await.unwrap();
    }
    let effects: Vec<&str> = fake.effects().iter().filter(|effect| effect.happened).map(|effect| effect.name).collect();
    assert_eq!(effects, ["CreateSchedule", "UpdateSchedule", "DeleteSchedule"]);
}

#[tokio::test]
async fn wakes_and_events_are_remembered() {
    let (fake, cloud, _) = fake();
    cloud.functions.wake("launch", "{}").await.unwrap();
    cloud.events.emit("Image Built", &["ami-1".to_owned()], "{}").await.unwrap();
    assert_eq!(fake.wakes(), [Wakeup { function: "launch".to_owned(), payload: "{}".to_owned() }]);
    let event = EmittedEvent {
        detail_type: "Image Built".to_owned(),
        resources: vec!["ami-1".to_owned()],
        detail: "{}".to_owned(),
    };
    assert_eq!(fake.events(), [event]);
}

#[tokio::test]
async fn logs_are_read_page_by_page_to_a_cursor_that_stays() {
    let (fake, cloud, _) = fake();
    let lines: Vec<String> = (0..150).map(|n| format!("line {n}")).collect();
    let texts = |page: LogPage| page.lines.into_iter().map(|line| line.text).collect::<Vec<_>>();
    fake.append_log(HOME, "g", "s", &lines.iter().map(String::as_str).collect::<Vec<_>>());
    let first = cloud.logs.page(HOME, "g", "s", None).await.unwrap();
    let second = cloud.logs.page(HOME, "g", "s", first.cursor.as_deref()).await.unwrap();
    let cursor = second.cursor.clone();
    assert_eq!([texts(first), texts(second)].concat(), lines);
    let end = cloud.logs.page(HOME, "g", "s", cursor.as_deref()).await.unwrap();
    assert_eq!((end.lines.len(), &end.cursor), (0, &cursor));
    fake.append_log(HOME, "g", "s", &["more"]);
    assert_eq!(texts(cloud.logs.page(HOME, "g", "s", end.cursor.as_deref()).await.unwrap()), ["more"]);
    assert_eq!(cloud.logs.tail(HOME, "g", "s", 2).await.unwrap(), ["line 149", "more"]);
    assert_eq!(cloud.logs.page(HOME, "g", "none", None).await.unwrap(), LogPage::default());
    assert_eq!(kind(cloud.logs.page(HOME, "g", "s", Some("x")).await), Kind::Invalid);
}

#[tokio::test]
async fn looking_at_the_inventory_moves_nothing_and_shows_tags() {
    let (fake, cloud, source) = fake();
    let id = cloud.machines.launch(HOME, &launch("t", &source)).await.unwrap().id;
    assert_eq!(fake.inventory(), fake.inventory());
    assert_eq!(fake.inventory().region(HOME).instances[&id], tags());
    assert_eq!(state(&cloud, &id).await, InstanceState::Pending);
    cloud.machines.terminate(HOME, &id).await.unwrap();
    assert!(fake.inventory().is_empty());
}
