//! The target of a command: an image, a build by its id, or a definition.

use anyhow::{Result, anyhow};
use goldsmith_cloud::ExecutionStatus;
use goldsmith_document::did_you_mean;
use goldsmith_model::definitions::Kind;
use goldsmith_model::{DefinitionRef, ImageRef, Name};
use goldsmith_store::{BuildRecord, ImageRecord, ImageStatus, Store};

use crate::connection::Connection;
use crate::exit::invalid;

/// Returns the definition that a text names as `KIND/NAME` or `KIND/NAME/VERSION`, or `None` if the text means
/// something else. An image may have the name of a kind, but its last part is the number of a build and not a version.
pub(crate) fn definition(text: &str) -> Result<Option<DefinitionRef>> {
    let kind = text.split_once('/').and_then(|(kind, _)| Kind::from_word(kind));
    if kind.is_none() || text.parse::<ImageRef>().is_ok() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error: goldsmith_model::DefinitionRefError| invalid(error.to_string()))
}

/// Returns the pipeline and the channel of `channel/PIPELINE/CHANNEL`, or `None` for any other text, such as the
/// reference of an image whose name is `channel`.
pub(crate) fn channel(text: &str) -> Result<Option<(Name, Name)>> {
    let Some(named) = text.strip_prefix("channel/").filter(|_| text.parse::<ImageRef>().is_err()) else {
        return Ok(None);
    };
    let Some((pipeline, channel)) = named.split_once('/') else {
        return Err(invalid(format!("`{text}` names no channel: name it as channel/PIPELINE/CHANNEL")));
    };
    let name =
        |part: &str| part.parse::<Name>().map_err(|error: goldsmith_model::NameError| invalid(error.to_string()));
    Ok(Some((name(pipeline)?, name(channel)?)))
}

/// Returns the image that `NAME/VERSION/BUILD`, `NAME/latest` or a build's id names, for commands that take nothing away:
/// another build may become the latest one at any time.
pub(crate) async fn image_or_latest(store: &Store, text: &str) -> Result<ImageRecord> {
    match text.strip_suffix("/latest") {
        Some(name) => latest(store, name).await,
        None => image(store, text).await,
    }
}

/// Returns the image like `image_or_latest`, for a command that also takes a pipeline, and that has found none of this
/// name.
pub(crate) async fn image_instead_of_pipeline(store: &Store, text: &str) -> Result<ImageRecord> {
    if text.contains('/') || store.build(text).await?.is_some() {
        return image_or_latest(store, text).await;
    }
    let near = near(text, &store.pipeline_names().await?);
    let wanted = "name a pipeline, an image as NAME/VERSION/BUILD, or a build by its id";
    Err(invalid(format!("there is no pipeline and no build `{text}`: {wanted}{near}")))
}

/// Returns the record of the build that its id or its image names, or `None` if the execution of this id is running and Plan
/// has not written the record yet.
pub(crate) async fn build_or_start(connection: &Connection, text: &str) -> Result<Option<BuildRecord>> {
    if !text.contains('/') && connection.store.build(text).await?.is_none() {
        let execution = connection.executions.execution(&connection.execution_arn(text)).await?;
        // Only a running build may still get a record. What has ended without one was rejected, or never existed.
        if execution.is_some_and(|execution| execution.status == ExecutionStatus::Running) {
            return Ok(None);
        }
    }
    let image = image(&connection.store, text).await?;
    let record = connection.store.build(&image.build).await?;
    record.map(Some).ok_or_else(|| anyhow!("the record of build {} is gone", image.build))
}

/// Returns the image that `NAME/VERSION/BUILD` or a build's id names.
pub(crate) async fn image(store: &Store, text: &str) -> Result<ImageRecord> {
    let image: ImageRef = if text.contains('/') {
        text.parse().map_err(|error: goldsmith_model::ReferenceError| invalid(error.to_string()))?
    } else {
        match store.build(text).await? {
            Some(build) => build.image,
            None => return Err(invalid(unknown(store, text).await?)),
        }
    };
    match store.image(&image).await? {
        Some(record) => Ok(record),
        None => Err(invalid(format!("there is no image {image}"))),
    }
}

/// Returns the newest image of a name that can be used: its build was good, and since then nobody has disabled, revoked or
/// deleted it. Images that wait for an approval count, because they are what a person looks for.
async fn latest(store: &Store, name: &str) -> Result<ImageRecord> {
    let mut images = store.images(name).await?;
    images.retain(|image| image.status == ImageStatus::Available && image.is_in_use() && !image.overridden);
    let newest = images.into_iter().max_by(|a, b| a.created_at.cmp(&b.created_at));
    newest.ok_or_else(|| invalid(format!("there is no image of the name `{name}` that can be used")))
}

/// Returns the reason why a text without slashes names no build. The user may have meant a pipeline.
async fn unknown(store: &Store, text: &str) -> Result<String> {
    let wanted = "name an image as NAME/VERSION/BUILD, or a build by its id";
    let pipelines = store.pipeline_names().await?;
    if pipelines.iter().any(|name| name.as_str() == text) {
        return Ok(format!("`{text}` is a pipeline: {wanted}"));
    }
    Ok(format!("there is no build `{text}`: {wanted}{}", near(text, &pipelines)))
}

fn near(text: &str, pipelines: &[Name]) -> String {
    let near = did_you_mean(text, pipelines.iter().map(Name::as_str));
    near.map(|near| format!("; did you mean the pipeline `{near}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{channel, definition, image, image_instead_of_pipeline, image_or_latest};
    use crate::testing::{Stack, WEB};

    #[tokio::test]
    async fn the_latest_image_is_the_newest_that_can_be_used() {
        let stack = Stack::new();
        let store = &stack.connection.store;
        let none = image_or_latest(store, "web/latest").await.unwrap_err().to_string();
        assert_eq!(none, "there is no image of the name `web` that can be used");
        stack.closed_build(json!({"status": "AVAILABLE"})).await;
        let first = stack.table_item("IMAGE#web", "V#0000000001.0000000000.0000000000#0000000001").await;
        for (number, attribute, value) in [
            (2, "status", json!("AVAILABLE")), // the newest good one
            (3, "status", json!("FAILED")),
            (4, "life", json!("DISABLED")),
            (5, "overridden", json!(true)),
        ] {
            let mut next = first.clone();
            next["image"] = json!(format!("web/1.0.0/{number}"));
            next["createdAt"] = json!(format!("2026-01-0{number}T00:00:00.000Z"));
            next[attribute] = value;
            stack.put("IMAGE#web", &format!("V#0000000001.0000000000.0000000000#000000000{number}"), next).await;
        }
        assert_eq!(image_or_latest(store, "web/latest").await.unwrap().image.to_string(), "web/1.0.0/2");
        let exact = image(store, "web/latest").await.unwrap_err().to_string();
        assert_eq!(exact, "`web/latest` is not NAME/VERSION/BUILD, such as web-server/1.2.0/7");
    }

    #[tokio::test]
    async fn a_pipeline_is_offered_where_one_can_be_named() {
        let stack = Stack::new();
        stack.apply(WEB).await;
        let store = &stack.connection.store;
        let none = image_instead_of_pipeline(store, "wib").await.unwrap_err().to_string();
        let expected = "there is no pipeline and no build `wib`: name a pipeline, an image as NAME/VERSION/BUILD, or a \
                        build by its id; did you mean the pipeline `web`?";
        assert_eq!(none, expected);
        stack.closed_build(json!({"status": "FAILED"})).await;
        for text in ["b", "web/1.0.0/1"] {
            assert_eq!(image_instead_of_pipeline(store, text).await.unwrap().image.to_string(), "web/1.0.0/1");
        }
        assert!(image_instead_of_pipeline(store, "web/latest").await.is_err());
    }

    #[test]
    fn a_channel_is_named_with_its_pipeline() {
        let named = |text: &str| channel(text).map(|found| found.map(|(one, other)| format!("{one} {other}")));
        assert_eq!(named("channel/web/stable").unwrap().as_deref(), Some("web stable"));
        assert_eq!(named("channel/1.0.0/7").unwrap(), None, "an image");
        assert_eq!(named("web/1.0.0/7").unwrap(), None);
        let error = named("channel/web").unwrap_err().to_string();
        assert_eq!(error, "`channel/web` names no channel: name it as channel/PIPELINE/CHANNEL");
        assert!(named("channel/web/stable/x").unwrap_err().to_string().contains("has a `/`"));
    }

    #[test]
    fn an_image_may_be_named_like_a_kind() {
        let named = |text: &str| definition(text).unwrap().map(|found| found.to_string());
        assert_eq!(named("component/1.0.0/7"), None);
        assert_eq!(named("web/1.0.0/7"), None);
        assert_eq!(named("web"), None);
        assert_eq!(named("component/nginx/1.0.0").as_deref(), Some("component/nginx/1.0.0"));
        let error = definition("pipeline/web/1.0.0").unwrap_err().to_string();
        assert_eq!(error, "image pipeline `web` has no versions: name it as pipeline/web");
    }
}
