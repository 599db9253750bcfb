//! Tests revocations of an image on which other images are built.

use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_cloud::{ImageState, Images as _, Kind};
use goldsmith_store::{ChannelMove, ImageLife, ImageRecord};
use serde_json::{Value, json};

use super::effects::effects;
use super::{Revoked, revoke, undo};
use crate::image_switch;
use crate::output::Show;
use crate::testing::{Stack, WEB, globals};

const ANNA: &str = "arn:aws:iam::111122223333:user/anna";

/// Two images of `web`, an image of `app` on the second one, and one of `api` on that.
async fn family() -> Stack {
    let stack = Stack::new();
    let more = ["app", "api"].map(|name| {
        format!("---\n{{kind: ImagePipeline, name: {name}, imageRecipe: web, infrastructureConfiguration: small}}\n")
    });
    stack.apply(&format!("{WEB}{}", more.concat())).await;
    let mut last = "ami-debian".to_owned();
    for (name, number) in [("web", 1), ("web", 2), ("app", 1), ("api", 1)] {
        let source = if name == "web" { "ami-debian" } else { last.as_str() };
        let ami = stack.cloud.add_image(HOME, "self", &format!("{name} {number}"));
        put(&stack, name, number, json!({"sourceImage": source, "amis": {HOME: ami}})).await;
        last = ami;
    }
    stack
}

async fn put(stack: &Stack, name: &str, number: u32, more: Value) {
    let mut record = json!({"image": format!("{name}/1.0.0/{number}"), "build": format!("{name}-{number}"), "pipeline": name,
                            "cause": {"kind": "manual", "id": "1"}, "status": "AVAILABLE", "inputDigest": "",
                            "createdAt": format!("2026-01-0{number}T00:00:00.000Z")});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    stack.put(&format!("IMAGE#{name}"), &format!("V#0000000001.0000000000.0000000000#{number:010}"), record).await;
    stack.put("IMAGES", name, json!({})).await;
}

async fn point(stack: &Stack, pipeline: &str, channel: &str, images: &[u32]) {
    let mut last = None;
    for number in images {
        let to = Some(format!("{pipeline}/1.0.0/{number}").parse().unwrap());
        let step = ChannelMove::after(last.as_ref(), &channel.parse().unwrap(), to, String::new(), ANNA.to_owned());
        stack.connection.store.move_channel(&pipeline.parse().unwrap(), &step).await.unwrap();
        last = Some(step);
    }
}

async fn image(stack: &Stack, image: &str) -> ImageRecord {
    stack.connection.store.image(&image.parse().unwrap()).await.unwrap().unwrap()
}

async fn revoked(stack: &Stack, name: &str, cascade: bool, move_channels: bool) -> Result<Revoked, String> {
    let record = image(stack, name).await;
    let effects = effects(&stack.connection, &record, cascade, move_channels).await;
    let effects = effects.map_err(|error| error.to_string())?;
    revoke(&stack.connection, effects, "CVE-2026-1", ANNA).await.map_err(|error| error.to_string())
}

async fn state(stack: &Stack, image: &ImageRecord) -> ImageState {
    stack.cloud.image(HOME, &image.amis[HOME]).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_revocation_says_what_it_affects() {
    let stack = family().await;
    point(&stack, "web", "stable", &[1, 2]).await;
    let web = image(&stack, "web/1.0.0/2").await;
    stack.cloud.add_launch_template(HOME, "lt-1", &web.amis[HOME]);
    put(&stack, "app", 2, json!({"sourceImage": web.amis[HOME], "status": "BUILDING"})).await;
    let expected = format!(
        "\
These images are revoked:
  web/1.0.0/2  AVAILABLE  web
These were built on it, and stay (--cascade revokes them too):
  app/1.0.0/1  AVAILABLE  app
  api/1.0.0/1  AVAILABLE  api
These are being built on it. Cancel their builds:
  app/1.0.0/2  goldsmith cancel app-2
These channels will point to a revoked image (--move-channels moves them back):
  web  stable  web/1.0.0/2
These refer to it, and can launch nothing from it any more:
  {HOME}  {}  the launch template lt-1
These pipelines must be built again:
  web
  app
  api",
        web.amis[HOME]
    );
    let found = effects(&stack.connection, &web, false, false).await.unwrap();
    assert_eq!(found.lines(&globals("")).join("\n"), expected);
    let found = effects(&stack.connection, &web, true, true).await.unwrap().lines(&globals("")).join("\n");
    assert!(found.starts_with("These images are revoked:\n  web/1.0.0/2  AVAILABLE  web\n  app/1.0.0/1"), "{found}");
    assert!(found.contains("These channels move:\n  web  stable  web/1.0.0/2  →  web/1.0.0/1\n"), "{found}");
    let first = effects(&stack.connection, &image(&stack, "web/1.0.0/1").await, false, false).await.unwrap();
    assert!(!first.lines(&globals("")).join("\n").contains("built again"), "web has a newer image");
}

#[tokio::test]
async fn a_revoked_image_is_disabled_marked_and_no_source_also_after_a_failure() {
    let stack = family().await;
    let name = "web/1.0.0/2";
    stack.cloud.fail_next("DisableImage", Fault::Refuse(Kind::Throttled));
    assert!(revoked(&stack, name, false, false).await.is_err());
    for _ in 0..2 {
        let told = revoked(&stack, name, false, false).await.unwrap();
        assert_eq!(told.lines(&globals("")), ["web/1.0.0/2 is revoked"]);
        assert_eq!(
            told.remarks(&globals("--local"))[1..],
            ["  goldsmith --local build web", "  goldsmith --local build app", "  goldsmith --local build api"]
        );
        let record = image(&stack, name).await;
        let revocation = record.revoked.as_ref().unwrap();
        assert_eq!((revocation.reason.as_str(), revocation.by.as_str()), ("CVE-2026-1", ANNA));
        assert_eq!((record.life, state(&stack, &record).await), (Some(ImageLife::Disabled), ImageState::Failed));
    }
    let web = "web".parse().unwrap();
    let newest = stack.connection.store.newest_published(&web, &web).await.unwrap().unwrap();
    assert_eq!(newest.image.to_string(), "web/1.0.0/1");
    assert_eq!(image(&stack, "app/1.0.0/1").await.revoked, None);
    let error = image_switch::enable(&stack.connection, &image(&stack, name).await).await.unwrap_err().to_string();
    let hint = "by user/anna: CVE-2026-1; `goldsmith revoke web/1.0.0/2 --undo` lets it be used again";
    assert!(error.starts_with("web/1.0.0/2 was revoked at ") && error.ends_with(hint), "{error}");
    for _ in 0..2 {
        undo(&globals(""), &stack.connection, &image(&stack, name).await).await.unwrap();
    }
    let record = image(&stack, name).await;
    assert_eq!((&record.revoked, record.life, state(&stack, &record).await), (&None, None, ImageState::Available));
}

#[tokio::test]
async fn a_cascade_revokes_everything_that_was_built_on_the_image() {
    let stack = family().await;
    let told = revoked(&stack, "web/1.0.0/2", true, false).await.unwrap();
    assert_eq!(
        told.revoked.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["web/1.0.0/2", "app/1.0.0/1", "api/1.0.0/1"]
    );
    for name in ["app/1.0.0/1", "api/1.0.0/1"] {
        let record = image(&stack, name).await;
        assert_eq!(record.revoked.as_ref().unwrap().reason, "web/1.0.0/2 was revoked: CVE-2026-1");
        assert_eq!(state(&stack, &record).await, ImageState::Failed);
    }
    assert_eq!(image(&stack, "web/1.0.0/1").await.life, None);
}

#[tokio::test]
async fn channels_move_back_before_the_image_is_revoked_or_nothing_is_done() {
    let stack = family().await;
    point(&stack, "app", "stable", &[1]).await;
    point(&stack, "web", "stable", &[1, 2]).await;
    let error = revoked(&stack, "web/1.0.0/2", true, true).await.unwrap_err();
    assert_eq!(error, "the channel `stable` of `app` has no image before app/1.0.0/1 that can be used");
    assert_eq!(image(&stack, "web/1.0.0/2").await.life, None);
    let told = revoked(&stack, "web/1.0.0/2", false, true).await.unwrap();
    let expected = ["The channel stable of web points to web/1.0.0/1.", "web/1.0.0/2 is revoked"];
    assert_eq!(told.lines(&globals("")), expected);
    let web = stack.connection.store.channels(&"web".parse().unwrap()).await.unwrap().remove(0);
    assert!(web.is_rollback && web.to == Some("web/1.0.0/1".parse().unwrap()), "{web:?}");
    assert_eq!(web.reason.as_deref(), Some("web/1.0.0/2 was revoked: CVE-2026-1"));
}
