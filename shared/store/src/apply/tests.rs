//! Tests of applying definitions: once, again, and with a table that fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use goldsmith_model::definitions::{Definitions, Draft, SourceFile};

use super::Outcome;
use crate::around::{self, Around, Call};
use crate::samples::FOLDER;
use crate::{MemoryTable, Store, StoreError};

fn store() -> Store {
    Store::new(Arc::new(MemoryTable::new()))
}

async fn read(store: &Store, text: &str) -> Result<Definitions, String> {
    let files = [SourceFile { path: "all.yml".to_owned(), text: text.to_owned() }];
    let draft = Draft::read(&files, &|path| std::fs::read_to_string(path));
    let stored = store.stored_for(&draft).await.unwrap();
    draft.check(&stored).map_err(|found| found.to_string())
}

async fn outcomes(store: &Store, text: &str) -> Vec<Outcome> {
    let definitions = read(store, text).await.unwrap();
    store.apply(&definitions).await.unwrap().iter().map(|change| change.outcome).collect()
}

#[tokio::test]
async fn what_was_applied_is_read_back() {
    let store = store();
    let definitions = read(&store, FOLDER).await.unwrap();
    assert_eq!(outcomes(&store, FOLDER).await, [Outcome::Created; 4]);
    let pipeline = store.pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(pipeline, definitions.pipelines[0]);
    assert_eq!(store.pipeline_names().await.unwrap(), ["web".parse().unwrap()]);
    let recipe = store.best_recipe(&pipeline.image_recipe.name, pipeline.image_recipe.version).await.unwrap().unwrap();
    assert_eq!(recipe, definitions.recipes[0]);
    let wanted = &recipe.components[0];
    let component = store.best_component(&wanted.name, wanted.version).await.unwrap().unwrap();
    assert_eq!(component, definitions.components[0]);
    assert_eq!(store.component(&component.name, component.version).await.unwrap(), Some(component));
    let small = store.infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(small, definitions.infrastructures[0]);
    assert_eq!(store.distribution(&"small".parse().unwrap()).await.unwrap(), None);
}

#[tokio::test]
async fn the_same_content_again_changes_nothing_and_configurations_are_replaced() {
    let store = store();
    outcomes(&store, FOLDER).await;
    assert_eq!(outcomes(&store, FOLDER).await, [Outcome::Unchanged; 4]);
    let changed = FOLDER.replace("t3.small", "t3.large");
    let expected = [Outcome::Unchanged, Outcome::Unchanged, Outcome::Replaced, Outcome::Unchanged];
    assert_eq!(outcomes(&store, &changed).await, expected);
}

#[tokio::test]
async fn other_content_under_a_stored_version_is_rejected_and_nothing_is_written() {
    let store = store();
    outcomes(&store, FOLDER).await;
    outcomes(&store, &FOLDER.replace("1.0.0", "1.0.1")).await;
    let changed = FOLDER.replace("true", "false").replace("ssm:/a", "ssm:/b").replace("t3.small", "t3.large");
    let definitions = read(&store, &changed).await.unwrap();
    let expected = "\
component `nginx` 1.0.0 is stored with other content, and versions never change: the next free one is 1.0.2
image recipe `web` 1.0.0 is stored with other content, and versions never change: the next free one is 1.0.2";
    assert_eq!(store.apply(&definitions).await.unwrap_err().to_string(), expected);
    let small = store.infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(small.instance_types, ["t3.small"]);
}

#[tokio::test]
async fn wildcards_find_the_highest_stored_version() {
    let store = store();
    for version in ["1.6.8", "1.10.0", "1.7.8", "2.0.0"] {
        outcomes(
            &store,
            &FOLDER.replace("name: web, semanticVersion: 1.0.0", &format!("name: web, semanticVersion: {version}")),
        )
        .await;
    }
    let name = "web".parse().unwrap();
    for (pattern, version) in
        [("x.x.x", Some("2.0.0")), ("1.x.x", Some("1.10.0")), ("1.7.x", Some("1.7.8")), ("1.1.x", None)]
    {
        let found = store.best_recipe(&name, pattern.parse().unwrap()).await.unwrap();
        assert_eq!(found.map(|recipe| recipe.version.to_string()).as_deref(), version, "{pattern}");
    }
}

#[tokio::test]
async fn references_may_be_stored_already() {
    let store = store();
    outcomes(&store, FOLDER).await;
    let pipeline = "{kind: ImagePipeline, name: web2, imageRecipe: web/1.x.x, infrastructureConfiguration: small}\n";
    assert_eq!(outcomes(&store, pipeline).await, [Outcome::Created]);
    let found = read(&store, &pipeline.replace("1.x.x", "2.x.x")).await.unwrap_err();
    assert!(
        found.contains("no version of image recipe `web` matches 2.x.x") && found.contains("existing versions: 1.0.0"),
        "{found}"
    );
}

/// A pipeline that is rebuilt when its source changes.
const WATCHING: &str = "{kind: ImagePipeline, name: web, imageRecipe: web, infrastructureConfiguration: small, \
                        rebuildOn: [source-update, dependency]}\n";

fn watching() -> String {
    let plain = "{kind: ImagePipeline, name: web, imageRecipe: web, infrastructureConfiguration: small}\n";
    FOLDER.replace(plain, WATCHING)
}

/// Returns which pipeline watches which source, and why, as `pipeline source why`.
async fn watched(store: &Store) -> Vec<String> {
    let mut lines = Vec::new();
    for source in store.sources().await.unwrap() {
        for one in store.subscribers(&source.hash).await.unwrap() {
            lines.push(format!("{} {} {:?}", one.pipeline, source.source.written(), one.why));
        }
    }
    lines.sort();
    lines
}

#[tokio::test]
async fn what_a_pipeline_watches_follows_its_definition_and_its_recipe() {
    let store = store();
    outcomes(&store, FOLDER).await;
    assert!(watched(&store).await.is_empty(), "no rebuildOn");
    outcomes(&store, &watching()).await;
    assert_eq!(watched(&store).await, ["web ssm:/a SourceUpdate"]);
    let recipe = |version: &str, source: &str| {
        format!(
            "{{kind: ImageRecipe, name: web, semanticVersion: {version}, parentImage: {source}, components: [{{name: \
             nginx, version: 1.x.x}}]}}\n"
        )
    };
    // Only a newer recipe is applied: the stored pipeline uses it from now on.
    outcomes(&store, &recipe("1.0.1", "ssm:/b")).await;
    assert_eq!(watched(&store).await, ["web ssm:/b SourceUpdate"]);
    outcomes(&store, &recipe("0.9.0", "ssm:/c")).await;
    assert_eq!(watched(&store).await, ["web ssm:/b SourceUpdate"], "an older recipe is not used");
    outcomes(&store, &FOLDER.replace("name: web", "name: base").replace("imageRecipe: web", "imageRecipe: base")).await;
    outcomes(&store, &recipe("1.0.2", "pipeline:base")).await;
    assert_eq!(watched(&store).await, ["web pipeline:base Dependency"]);
    outcomes(&store, &WATCHING.replace("[source-update, dependency]", "[source-update]")).await;
    assert!(watched(&store).await.is_empty(), "another pipeline's image is a dependency");
    outcomes(&store, WATCHING).await;
    assert_eq!(watched(&store).await.len(), 1);
    outcomes(&store, &WATCHING.replace("name: web,", "name: web, status: DISABLED,")).await;
    assert!(watched(&store).await.is_empty(), "disabled");
    outcomes(&store, WATCHING).await;
    outcomes(&store, &recipe("1.0.3", "ami-0123456789abcdef0")).await;
    assert!(watched(&store).await.is_empty(), "an AMI id never changes");
}

#[tokio::test]
async fn a_circle_through_stored_pipelines_is_rejected_and_writes_nothing() {
    let store = store();
    outcomes(&store, FOLDER).await;
    let app = FOLDER.replace("name: web", "name: app").replace("imageRecipe: web", "imageRecipe: app");
    outcomes(&store, &app.replace("ssm:/a", "pipeline:web")).await;
    let recipe = "{kind: ImageRecipe, name: web, semanticVersion: 1.0.1, parentImage: pipeline:app, components: \
                  [{name: nginx, version: 1.x.x}]}\n";
    let found = read(&store, recipe).await.unwrap_err();
    let first = "all.yml:1:69: error: pipelines build on each other in a circle: `app` → `web` → `app`";
    assert_eq!(found.lines().next(), Some(first));
    assert_eq!(read(&store, &recipe.replace("pipeline:app", "ssm:/z")).await.unwrap().recipes.len(), 1);
}

/// Leaves write number `.0` without an answer. The write is made only if `.1` is true.
struct Faulty(AtomicUsize, bool);

impl Around for Faulty {
    async fn around<T: Send>(
        &self,
        call: Call<'_>,
        made: impl Future<Output = crate::Result<T>> + Send,
    ) -> crate::Result<T> {
        if call != Call::Write || self.0.fetch_sub(1, Ordering::Relaxed) != 1 {
            return made.await;
        }
        if self.1 {
            made.await?;
        }
        Err(StoreError::Unanswered { operation: "TransactWriteItems", source: "connection reset".into() })
    }
}

#[tokio::test]
async fn applying_again_resumes_wherever_it_stopped() {
    let whole = MemoryTable::new();
    outcomes(&Store::new(Arc::new(whole.clone())), &watching()).await;
    // Component, recipe, infrastructure, pipeline, subscription.
    for (nth, done) in (1..=5).flat_map(|nth| [(nth, false), (nth, true)]) {
        let table = MemoryTable::new();
        let faulty = around::store(&table, Faulty(nth.into(), done));
        let definitions = read(&faulty, &watching()).await.unwrap();
        assert!(faulty.apply(&definitions).await.is_err(), "{nth} {done}");
        faulty.apply(&definitions).await.unwrap();
        assert_eq!(table.dump(), whole.dump(), "{nth} {done}");
    }
}
