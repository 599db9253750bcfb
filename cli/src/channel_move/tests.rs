//! Moves of the channels of a pipeline with three images in two Regions.

use std::collections::BTreeSet;

use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_cloud::{ImageSwitches as _, Kind, Parameter, Parameters as _};
use goldsmith_model::{ImageRef, Name};
use goldsmith_states::life::By;
use goldsmith_store::{ChannelMove, ImageLife, ImageRecord, Revocation};
use serde_json::json;

use super::{Moving, carry_out, delete, plan, plan_back, plan_back_to};
use crate::output::Show;
use crate::testing::{ELSEWHERE, Stack, globals};

const ANNA: &str = "arn:aws:iam::111122223333:user/anna";

/// A pipeline whose channel `stable` has a parameter in both Regions, with three images.
struct Scene {
    stack: Stack,
    web: Name,
    stable: Name,
    /// The AMIs of each image in both Regions.
    amis: Vec<[String; 2]>,
}

impl Scene {
    async fn new() -> Self {
        let stack = Stack::new();
        let parameters = "{parameterName: /images/web}, {parameterName: /images/web/stable, channel: stable}";
        let amis = stack.three_images(parameters).await;
        Self { stack, web: "web".parse().unwrap(), stable: "stable".parse().unwrap(), amis }
    }

    async fn image(&self, number: u32) -> ImageRecord {
        self.stack.connection.store.image(&name(number)).await.unwrap().unwrap()
    }

    async fn plan(&self, number: u32) -> Result<Moving, String> {
        let image = self.image(number).await;
        plan(&self.stack.connection, &image, &self.stable).await.map_err(|error| error.to_string())
    }

    async fn promote(&self, number: u32) {
        let moving = self.plan(number).await.unwrap();
        carry_out(&self.stack.connection, &moving, ANNA, Some("tested")).await.unwrap();
    }

    async fn back(&self, except: &[u32]) -> Result<Moving, String> {
        let except: BTreeSet<ImageRef> = except.iter().map(|number| name(*number)).collect();
        let planned = plan_back(&self.stack.connection, &self.web, &self.stable, &except).await;
        planned.map_err(|error| error.to_string())
    }

    /// Asserts that the channel and its parameters name the image with this number; 0 for none.
    async fn assert_points_to(&self, number: u32) {
        let last = self.stack.connection.store.channel(&self.web, &self.stable).await.unwrap();
        let expected = (number > 0).then(|| name(number));
        assert_eq!(last.and_then(|last| last.to), expected);
        self.stack.cloud.settle_parameters();
        let inventory = self.stack.cloud.inventory();
        let amis = self.amis.get((number as usize).wrapping_sub(1));
        for (at, region) in [HOME, ELSEWHERE].into_iter().enumerate() {
            let there = &inventory.region(region).parameters;
            assert_eq!(there.get("/images/web/stable"), amis.map(|amis| &amis[at]), "{region}");
            assert_eq!(there.get("/images/web"), None, "only a build writes it");
        }
    }

    async fn moves(&self) -> Vec<ChannelMove> {
        self.stack.connection.store.channel_moves(&self.web, &self.stable).await.unwrap()
    }
}

fn name(number: u32) -> ImageRef {
    format!("web/1.0.0/{number}").parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_channel_moves_with_its_parameters_in_both_regions() {
    let scene = Scene::new().await;
    for number in [1, 3, 3, 2] {
        scene.promote(number).await;
        scene.assert_points_to(number).await;
    }
    let moves = scene.moves().await;
    let targets: Vec<_> = moves.iter().map(|one| (one.from.clone(), one.to.clone())).collect();
    let expected = [(None, 1), (Some(1), 3), (Some(3), 2)];
    assert_eq!(targets, expected.map(|(from, to)| (from.map(name), Some(name(to)))), "3 was promoted once");
    assert!(moves.iter().all(|one| one.by == ANNA && one.reason.as_deref() == Some("tested")), "{moves:?}");
}

#[tokio::test(start_paused = true)]
async fn rollbacks_go_back_one_image_after_another_and_skip_those_that_cannot_be_used() {
    let scene = Scene::new().await;
    let connection = &scene.stack.connection;
    assert_eq!(scene.back(&[]).await.unwrap_err(), "the pipeline `web` has no channel `stable`");
    for number in [1, 2, 3] {
        scene.promote(number).await;
    }
    assert_eq!(scene.back(&[2]).await.unwrap().to, name(1));
    for number in [2, 1] {
        carry_out(connection, &scene.back(&[]).await.unwrap(), ANNA, None).await.unwrap();
        scene.assert_points_to(number).await;
    }
    let none = "the channel `stable` of `web` has no image before web/1.0.0/1 that can be used";
    assert_eq!(scene.back(&[]).await.unwrap_err(), none);
    let to = plan_back_to(connection, &scene.image(3).await, &scene.stable).await.unwrap();
    carry_out(connection, &to, ANNA, None).await.unwrap();
    scene.assert_points_to(3).await;
    connection.store.set_life(&name(1), Some(ImageLife::Disabled)).await.unwrap();
    assert!(scene.back(&[]).await.unwrap_err().contains("has no image before web/1.0.0/3"));
    let mistyped = "stabel".parse().unwrap();
    let error = plan_back_to(connection, &scene.image(2).await, &mistyped).await.unwrap_err().to_string();
    assert_eq!(error, "the pipeline `web` has no channel `stabel`; did you mean `stable`?");
}

#[tokio::test(start_paused = true)]
async fn if_one_region_fails_the_channel_and_all_parameters_go_back() {
    for before in [0, 1] {
        for fault in [Fault::Refuse(Kind::Denied), Fault::LoseAnswer] {
            let scene = Scene::new().await;
            scene.stack.cloud.pace(|pace| pace.until_parameter = 0);
            if before > 0 {
                scene.promote(before).await;
            }
            let moving = scene.plan(2).await.unwrap();
            scene.stack.cloud.fail_at(2, fault); // the put in the second Region
            let error = carry_out(&scene.stack.connection, &moving, ANNA, None).await.unwrap_err().to_string();
            assert_eq!(error, "the parameters were not changed");
            scene.assert_points_to(before).await;
            let last = scene.moves().await.pop().unwrap();
            assert_eq!(last.reason.as_deref(), Some("its parameters could not be changed"));
            scene.promote(2).await;
            scene.assert_points_to(2).await;
        }
    }
}

#[tokio::test]
async fn a_move_shows_its_changes_before_it_is_made_and_then_only_the_outcome() {
    let scene = Scene::new().await;
    let moving = scene.plan(2).await.unwrap();
    assert_eq!(moving.rows().len(), 3, "the channel, and its parameter in two Regions");
    assert_eq!(moving.lines(&globals("")), ["The channel stable of web points to web/1.0.0/2."]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_promotion_never_returns_to_an_image_that_cannot_be_used() {
    for fault in [Fault::Refuse(Kind::Denied), Fault::LoseAnswer] {
        let scene = Scene::new().await;
        let (connection, cloud) = (&scene.stack.connection, &scene.stack.cloud);
        cloud.pace(|pace| pace.until_parameter = 0);
        scene.promote(1).await;
        let revocation = Revocation { at: String::new(), by: ANNA.to_owned(), reason: "CVE-2026-1".to_owned() };
        connection.store.revoke(&name(1), &revocation).await.unwrap();
        // The second one begins where the channel points to the new image already.
        for _ in 0..2 {
            let moving = scene.plan(2).await.unwrap();
            cloud.fail_at(2, fault); // the put in the second Region
            let error = carry_out(connection, &moving, ANNA, None).await.unwrap_err().to_string();
            let advice = "The channel `stable` of `web` points to web/1.0.0/2, but not all of its parameters name \
                          web/1.0.0/2. ";
            assert!(error.contains(advice), "{error}");
            let why = "The channel does not return to web/1.0.0/1, because that image can no longer be used. ";
            assert_eq!(error.contains(why), moving.from == Some(name(1)), "{error}");
            assert!(
                error.ends_with("`goldsmith promote web/1.0.0/2 --to stable` sets the other parameters"),
                "{error}"
            );
            assert_eq!(scene.moves().await.len(), 2);
            let named = |region: &str| cloud.inventory().region(region).parameters["/images/web/stable"].clone();
            assert_eq!(named(HOME), scene.amis[1][0], "what names the new image stays");
            let is_put = matches!(fault, Fault::LoseAnswer);
            assert_eq!(named(ELSEWHERE), scene.amis[usize::from(is_put)][1], "nothing is set back");
        }
        scene.promote(2).await;
        scene.assert_points_to(2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_image_to_which_a_failed_promotion_returns_is_referred_to_before_its_parameters_are() {
    let scene = Scene::new().await;
    let connection = &scene.stack.connection;
    scene.promote(1).await;
    // Each parameter takes its value after two pauses of 300 ms. The first put that fails is the one that returns.
    scene.stack.cloud.pace(|pace| pace.until_parameter = 2);
    let moving = scene.plan(2).await.unwrap();
    scene.stack.cloud.fail_always("PutParameter", ELSEWHERE, Fault::Refuse(Kind::Denied));
    let look = async {
        tokio::time::sleep(std::time::Duration::from_millis(900)).await;
        connection.references().of(&scene.image(1).await).await.unwrap()
    };
    let (ended, found) = tokio::join!(carry_out(connection, &moving, ANNA, None), look);
    assert!(ended.is_err());
    assert!(found.iter().any(|one| matches!(&one.by, By::Channel(channel) if *channel == scene.stable)), "{found:?}");
    scene.assert_points_to(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_died_between_the_channel_and_its_parameters_is_finished_by_the_next_one() {
    let scene = Scene::new().await;
    scene.promote(1).await;
    let last = scene.moves().await.pop();
    let step = ChannelMove::after(last.as_ref(), &scene.stable, Some(name(2)), String::new(), String::new());
    scene.stack.connection.store.move_channel(&scene.web, &step).await.unwrap();
    scene.promote(2).await;
    scene.assert_points_to(2).await;
    assert_eq!(scene.moves().await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn of_two_people_who_promote_at_once_one_is_told_and_the_parameters_follow_the_channel() {
    let scene = Scene::new().await;
    let connection = &scene.stack.connection;
    let (one, other) = (scene.plan(1).await.unwrap(), scene.plan(2).await.unwrap());
    assert!(!one.is_still(&other) && one.is_still(&scene.plan(1).await.unwrap()));
    carry_out(connection, &other, ANNA, None).await.unwrap();
    let error = carry_out(connection, &one, ANNA, None).await.unwrap_err().to_string();
    let expected = "the channel `stable` or the image web/1.0.0/1 has changed in the meantime: call the command again";
    assert_eq!(error, expected);
    scene.assert_points_to(2).await;
}

#[tokio::test(start_paused = true)]
async fn no_parameter_names_an_image_that_goes_between_the_plan_and_the_move() {
    for before in [1, 2] {
        let scene = Scene::new().await;
        let (store, parameters) = (&scene.stack.connection.store, &scene.stack.cloud);
        scene.promote(before).await;
        // Somebody has changed it by hand, so also a promotion of the same image would write it.
        let by_hand = Parameter { value: "ami-0".to_owned(), data_type: "text".to_owned() };
        parameters.put(HOME, "/images/web/stable", &by_hand).await.unwrap();
        let moving = scene.plan(2).await.unwrap();
        store.set_life(&name(2), Some(ImageLife::Disabled)).await.unwrap();
        let error = carry_out(&scene.stack.connection, &moving, ANNA, None).await.unwrap_err().to_string();
        let expected =
            "the channel `stable` or the image web/1.0.0/2 has changed in the meantime: call the command again";
        assert_eq!(error, expected);
        assert_eq!(parameters.inventory().region(HOME).parameters["/images/web/stable"], "ami-0", "{before}");
        assert_eq!(scene.moves().await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn parameters_follow_whoever_has_moved_the_channel_last() {
    // The second person comes while the first one waits for its first parameter, or for its last one.
    for millis in [1, 900] {
        let scene = Scene::new().await;
        let connection = &scene.stack.connection;
        scene.stack.cloud.pace(|pace| pace.until_parameter = 2);
        let (one, other) = (scene.plan(1).await.unwrap(), async {
            tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
            scene.promote(2).await;
        });
        let (first, ()) = tokio::join!(carry_out(connection, &one, ANNA, None), other);
        let expected = "somebody has moved the channel `stable` of `web` to web/1.0.0/2 in the meantime";
        assert_eq!(first.unwrap_err().to_string(), expected);
        scene.assert_points_to(2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_the_right_to_change_the_parameters_changes_nothing() {
    for region in [HOME, ELSEWHERE] {
        let scene = Scene::new().await;
        scene.promote(1).await;
        let moving = scene.plan(2).await.unwrap();
        scene.stack.cloud.fail_always("PutParameter", region, Fault::Refuse(Kind::Denied));
        let error = carry_out(&scene.stack.connection, &moving, ANNA, None).await.unwrap_err().to_string();
        assert_eq!(error, "the parameters were not changed");
        scene.assert_points_to(1).await;
    }
}

#[tokio::test]
async fn what_cannot_be_promoted_is_said_before_anything_changes() {
    let scene = Scene::new().await;
    let (stack, store) = (&scene.stack, &scene.stack.connection.store);
    stack.cloud.disable(ELSEWHERE, &scene.amis[0][1]).await.unwrap();
    let expected =
        format!("{} in {ELSEWHERE} cannot be launched, so /images/web/stable cannot name it", scene.amis[0][1]);
    assert_eq!(scene.plan(1).await.unwrap_err(), expected);
    store.set_life(&name(1), Some(ImageLife::Disabled)).await.unwrap();
    assert_eq!(scene.plan(1).await.unwrap_err(), "web/1.0.0/1 is DISABLED, so no channel can point to it");
    let mut overridden = scene.image(2).await;
    overridden.overridden = true;
    let error = plan(&stack.connection, &overridden, &scene.stable).await.unwrap_err().to_string();
    assert_eq!(error, "web/1.0.0/2 was started with overrides, so it is never published");
    stack.closed_build(json!({"status": "AVAILABLE"})).await;
    let mut build = stack.table_item("BUILD#b", "META").await;
    (build["image"], build["plan"]["channel"]) = (json!("web/1.0.0/4"), json!("stable"));
    stack.put("BUILD#b", "META", build).await;
    stack.put("PIPELINE#web", "LEASE", json!({"build": "b", "fence": 2})).await;
    let expected = "the build b of `web` is running and moves the channel `stable`: wait for it or cancel it first";
    assert_eq!(scene.plan(2).await.unwrap_err(), expected);
    let free = "free".parse().unwrap();
    plan(&stack.connection, &scene.image(2).await, &free).await.expect("the build moves another channel");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_channel_points_to_nothing_and_its_parameters_stay() {
    let scene = Scene::new().await;
    let connection = &scene.stack.connection;
    scene.promote(1).await;
    delete(connection, &scene.web, &scene.stable, ANNA).await.unwrap();
    assert!(connection.store.channels(&scene.web).await.unwrap().is_empty());
    let inventory = scene.stack.cloud.inventory();
    assert_eq!(inventory.region(HOME).parameters["/images/web/stable"], scene.amis[0][0]);
    assert!(scene.back(&[]).await.is_err());
    scene.promote(2).await;
    scene.assert_points_to(2).await;
}

#[tokio::test]
async fn an_image_that_waits_gets_into_no_parameter_of_another_channel() {
    let scene = Scene::new().await;
    let release: Name = "release".parse().unwrap();
    let image = ImageRecord { approval: Some(release.clone()), ..scene.image(1).await };
    let to =
        async |channel: &Name| plan(&scene.stack.connection, &image, channel).await.map_err(|error| error.to_string());
    let expected = "nobody has approved web/1.0.0/1: `goldsmith promote web/1.0.0/1 --to release` approves it";
    assert_eq!(to(&scene.stable).await.unwrap_err(), expected);
    to(&"candidate".parse().unwrap()).await.expect("no parameter follows this channel");
    to(&release).await.expect("this channel approves the image");
}
