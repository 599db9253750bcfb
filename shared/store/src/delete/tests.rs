//! Tests which definition uses which, which may be deleted, and which pipelines a change affects.

use std::sync::Arc;

use goldsmith_model::definitions::{Definitions, Draft, SourceFile};

use crate::samples::FOLDER;
use crate::{MemoryTable, Store, Table as _, Write};

async fn read(store: &Store, text: &str) -> (Definitions, goldsmith_model::definitions::Stored) {
    let files = [SourceFile { path: "all.yml".to_owned(), text: text.to_owned() }];
    let draft = Draft::read(&files, &|path| std::fs::read_to_string(path));
    let stored = store.stored_for(&draft).await.unwrap();
    (draft.check(&stored).map_err(|found| found.to_string()).unwrap(), stored)
}

async fn apply(store: &Store, text: &str) {
    let (definitions, _) = read(store, text).await;
    store.apply(&definitions).await.unwrap();
}

/// A stack with two versions of a component, and its table.
async fn stack() -> (MemoryTable, Store) {
    let table = MemoryTable::new();
    let store = Store::new(Arc::new(table.clone()));
    apply(&store, FOLDER).await;
    apply(&store, &FOLDER.replacen("1.0.0", "1.0.1", 1)).await;
    (table, store)
}

/// Deletes what a text names, or returns the error.
async fn delete(store: &Store, text: &str) -> Result<(), String> {
    let wanted = text.parse().unwrap();
    let found = store.catalog().await.unwrap().deletable(&wanted).map_err(|error| error.to_string())?;
    for one in found {
        store.delete_definition(&one).await.unwrap();
        store.delete_definition(&one).await.unwrap();
    }
    Ok(())
}

#[tokio::test]
async fn only_what_nothing_uses_is_deleted_and_then_nothing_is_left() {
    let (table, store) = stack().await;
    for (text, why) in [
        ("component/nginx/1.0.1", "component/nginx/1.0.1 is used by recipe/web/1.0.0"),
        ("component/nginx", "component/nginx/1.0.1 is used by recipe/web/1.0.0"),
        ("recipe/web", "recipe/web/1.0.0 is used by pipeline/web"),
        ("infrastructure/small", "infrastructure/small is used by pipeline/web"),
        ("distribution/small", "there is no distribution/small"),
        ("component/nginx/2.0.0", "there is no component/nginx/2.0.0"),
    ] {
        assert_eq!(delete(&store, text).await.unwrap_err(), why);
    }
    // The recipe takes 1.0.1, so nothing uses 1.0.0.
    delete(&store, "component/nginx/1.0.0").await.unwrap();
    assert_eq!(delete(&store, "component/nginx/1.0.0").await.unwrap_err(), "there is no component/nginx/1.0.0");
    for text in ["pipeline/web", "recipe/web", "infrastructure/small", "component/nginx"] {
        delete(&store, text).await.unwrap();
    }
    assert!(table.dump().is_empty(), "{:?}", table.dump());
}

#[tokio::test]
async fn a_pipeline_on_whose_images_another_one_builds_stays() {
    let (_, store) = stack().await;
    let app = FOLDER.replace("name: web", "name: app").replace("imageRecipe: web", "imageRecipe: app");
    apply(&store, &app.replacen("1.0.0", "1.0.1", 1).replace("ssm:/a", "pipeline:web")).await;
    assert_eq!(delete(&store, "pipeline/web").await.unwrap_err(), "pipeline/web is used by pipeline/app");
    delete(&store, "pipeline/app").await.unwrap();
    delete(&store, "pipeline/web").await.unwrap();
}

#[tokio::test]
async fn a_running_build_keeps_its_pipeline_and_its_components() {
    let (_, store) = stack().await;
    let mut build = crate::samples::build();
    let document =
        serde_json::json!({"name": "nginx", "version": "1.0.0", "digest": "", "testOnly": false, "parameters": {}});
    build.plan.documents = vec![serde_json::from_value(document).unwrap()];
    let (image, version) = ("web".parse().unwrap(), "1.0.0".parse().unwrap());
    store.open_build(&build.build, &build.pipeline, &image, version, |_, _| build.clone()).await.unwrap();
    let why = |what: &str| format!("{what} is used by the running build web-1");
    for text in ["component/nginx/1.0.0", "pipeline/web"] {
        assert_eq!(delete(&store, text).await.unwrap_err(), why(text));
    }
}

#[tokio::test]
async fn what_an_earlier_release_has_stored_is_listed_once_it_is_applied_again() {
    let (table, store) = stack().await;
    let whole = table.dump();
    for item in table.dump().into_iter().filter(|item| item["pk"] == "DEFINITIONS") {
        let key = crate::Key::new("DEFINITIONS", item["sk"].as_str().unwrap());
        table.write(vec![Write::Delete { key, checks: vec![] }]).await.unwrap();
    }
    let names =
        |catalog: crate::Catalog| catalog.definitions().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    // The list of pipelines names the recipe, so what the recipe uses is not taken for unused.
    assert_eq!(names(store.catalog().await.unwrap()), "recipe/web/1.0.0 pipeline/web");
    apply(&store, FOLDER).await;
    assert_eq!(table.dump(), whole);
    let all = "component/nginx/1.0.0 component/nginx/1.0.1 recipe/web/1.0.0 infrastructure/small pipeline/web";
    assert_eq!(names(store.catalog().await.unwrap()), all);
}

/// Returns what applying a text would change, as `definition: pipelines`.
async fn reached(store: &Store, text: &str) -> Vec<String> {
    let (definitions, stored) = read(store, text).await;
    let mut changes = store.changes(&definitions).await.unwrap();
    store.reach(&mut changes, &definitions, &stored).await.unwrap();
    let reaching = changes.iter().filter(|change| !change.pipelines.is_empty());
    let names = |change: &crate::Change| change.pipelines.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    reaching.map(|change| format!("{} {}: {}", change.kind, change.name, names(change))).collect()
}

#[tokio::test]
async fn a_change_reaches_the_pipelines_whose_next_build_takes_it() {
    let (_, store) = stack().await;
    apply(&store, "{kind: ImagePipeline, name: api, imageRecipe: web/1.0.0, infrastructureConfiguration: small}\n")
        .await;
    assert_eq!(reached(&store, &FOLDER.replacen("1.0.0", "1.0.1", 1)).await, [""; 0], "nothing changes");
    assert_eq!(reached(&store, &FOLDER.replacen("1.0.0", "0.9.0", 1)).await, [""; 0], "a lower version is not taken");
    assert_eq!(reached(&store, &FOLDER.replacen("1.0.0", "2.0.0", 1)).await, [""; 0], "no recipe takes 2.x.x");
    let newer = FOLDER.replacen("1.0.0", "1.0.2", 1);
    assert_eq!(reached(&store, &newer).await, ["component nginx: api web"]);
    let recipe = FOLDER.replacen("1.0.0", "1.0.1", 1).replace("1.0.0", "1.1.0");
    assert_eq!(reached(&store, &recipe).await, ["image recipe web: web"], "api names 1.0.0");
    let large = FOLDER.replacen("1.0.0", "1.0.1", 1).replace("t3.small", "t3.large");
    assert_eq!(reached(&store, &large).await, ["infrastructure configuration small: api web"]);
    let disabled = FOLDER
        .replacen("1.0.0", "1.0.1", 1)
        .replace("name: web, imageRecipe", "name: web, status: DISABLED, imageRecipe");
    assert_eq!(reached(&store, &disabled).await, ["image pipeline web: web"]);
}
