//! What has changed since the last good build of a pipeline, for a build that failed.

use anyhow::Result;
use goldsmith_model::ImageRef;
use goldsmith_states::{Difference, between_builds};
use goldsmith_store::{BuildRecord, ImageRecord, ImageStatus};
use serde::Serialize;

use crate::command::plan;
use crate::connection::Connection;

/// The last good build before a failed one, and what differs between them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Since {
    /// The image of the last good build.
    pub(crate) image: ImageRef,
    /// When that build began (RFC 3339).
    pub(crate) began: String,
    /// The differences between the plans of the two builds.
    pub(crate) changes: Vec<Difference>,
}

/// Compares a failed build with the last good build of its pipeline. Returns `None` if the build did not fail, or if no
/// build before it was good.
///
/// # Errors
/// Fails if a call to the table fails.
pub(super) async fn last_good(
    connection: &Connection,
    failed: &ImageRecord,
    build: Option<&BuildRecord>,
    all: &[ImageRecord],
) -> Result<Option<Since>> {
    let Some(build) = build.filter(|build| failed.status == ImageStatus::Failed && build.plan.is_build()) else {
        return Ok(None);
    };
    let is_good = |image: &&ImageRecord| {
        let is_whole = image.status == ImageStatus::Available && !image.overridden;
        is_whole && image.pipeline == failed.pipeline && image.created_at < failed.created_at
    };
    let Some(good) = all.iter().filter(is_good).max_by(|a, b| a.created_at.cmp(&b.created_at)) else {
        return Ok(None);
    };
    let Some(record) = connection.store.build(&good.build).await? else { return Ok(None) };
    let changes = between_builds(&record.plan, &build.plan);
    Ok(Some(Since { image: good.image.clone(), began: good.created_at.clone(), changes }))
}

impl Since {
    /// Returns the comparison as text for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { image, began, changes } = self;
        if changes.is_empty() {
            return vec![
                format!("Nothing in the plan has changed since the last good build, {image} of {began}."),
                "  The cause is outside of it: packages, downloads, the network or the account.".to_owned(),
            ];
        }
        let mut lines = vec![format!("Changed since the last good build, {image} of {began}:")];
        lines.extend(changes.iter().map(|change| format!("  {}", plan::changed(change))));
        lines
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::command::show::image;
    use crate::output::Show;
    use crate::testing::{Stack, globals};

    /// Stores a good build of 2025 before the failed build `b`, with these attributes of its plan.
    async fn stack_with(plan: Value) -> Stack {
        let stack = Stack::new();
        let failure = json!({"state": "Build", "error": "Goldsmith.CommandFailed", "message": "step Install failed"});
        stack.closed_build(json!({"status": "FAILED", "failure": failure})).await;
        let mut build = stack.table_item("BUILD#b", "META").await;
        let first = "2025-12-31T00:00:00.000Z";
        build
            .as_object_mut()
            .unwrap()
            .extend([("build".to_owned(), json!("a")), ("createdAt".to_owned(), json!(first))]);
        build["plan"].as_object_mut().unwrap().extend(plan.as_object().unwrap().clone());
        stack.put("BUILD#a", "META", build).await;
        let mut good = stack.table_item("IMAGE#web", "V#0000000001.0000000000.0000000000#0000000001").await;
        good.as_object_mut().unwrap().remove("failure");
        for (name, value) in [("image", "web/0.9.0/1"), ("build", "a"), ("status", "AVAILABLE"), ("createdAt", first)] {
            good[name] = json!(value);
        }
        stack.put("IMAGE#web", "V#0000000000.0000000009.0000000000#0000000001", good).await;
        stack
    }

    async fn text(stack: &Stack, of: &str) -> String {
        image(&stack.connection, of).await.unwrap().lines(&globals("")).join("\n")
    }

    #[tokio::test]
    async fn a_failed_build_says_what_has_changed_since_the_last_good_one() {
        let nginx = json!({"name": "nginx", "version": "1.0.0", "digest": "", "testOnly": false, "parameters": {}});
        let stack = stack_with(json!({"sourceImage": "ami-9", "documents": [nginx]})).await;
        let expected = "
Changed since the last good build, web/0.9.0/1 of 2025-12-31T00:00:00.000Z:
  source image: ami-9 → ami-0
  component nginx: 1.0.0 is gone";
        let shown = text(&stack, "web/1.0.0/1").await;
        assert!(shown.contains(expected), "{shown}");
        assert!(!text(&stack, "web/0.9.0/1").await.contains("last good build"));
        let json = serde_json::to_value(image(&stack.connection, "web/1.0.0/1").await.unwrap()).unwrap();
        let source = json!({"what": "source image", "from": "ami-9", "to": "ami-0"});
        assert_eq!(json["sinceLastGood"]["changes"][0], source, "{json}");
        assert_eq!(json["sinceLastGood"]["image"], "web/0.9.0/1");
    }

    #[tokio::test]
    async fn names_and_parameters_that_the_builds_number_changes_are_no_cause() {
        let region = json!({"region": "eu-west-1", "name": "web 1", "description": "build 1", "tags": {"build": "1"},
                            "parameters": [], "launchPermission": {}});
        let stack = stack_with(json!({"regions": [region]})).await;
        let mut other = region.clone();
        other["description"] = json!("build 2");
        stack.plan_regions(json!([other])).await;
        let expected = "
Nothing in the plan has changed since the last good build, web/0.9.0/1 of 2025-12-31T00:00:00.000Z.
  The cause is outside of it: packages, downloads, the network or the account.";
        let shown = text(&stack, "web/1.0.0/1").await;
        assert!(shown.contains(expected), "{shown}");
    }

    #[tokio::test]
    async fn a_pipeline_that_never_had_a_good_build_compares_nothing() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "FAILED"})).await;
        assert!(!text(&stack, "web/1.0.0/1").await.contains("last good build"));
    }
}
