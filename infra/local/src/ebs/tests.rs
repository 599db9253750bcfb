//! Tests of paths, and of changes to a snapshot while a call is using it.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::Method;

use super::store::{Store, digest_of};
use super::*;
use crate::world::{BlockSnapshot, Snapshot};

const ID: &str = "snap-0123456789abcdef0";

/// An endpoint, its caller, and a snapshot with one block.
struct Scene {
    endpoint: Arc<Endpoint>,
    scope: Scope,
    request: Request,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Arc::new(Endpoint::in_folder(folder.path()));
        let scope = Scope { account: "000000000000".into(), region: "eu-west-1".into() };
        let request = Request {
            route: Some(Route::ListSnapshotBlocks { snapshot: ID.to_owned() }),
            query: BTreeMap::new(),
            headers: BTreeMap::new(),
            body: Bytes::new(),
        };
        let row = BlockSnapshot { parent: None, line: ID.to_owned(), timeout: 60, sealed: false };
        let snapshot = Snapshot { size: 1, ..Snapshot::begun(ID, &scope, "StartSnapshot") };
        let store = endpoint.host.blocks();
        store.begin(ID, None).unwrap();
        let draft = store.draft(ID, b"a", &digest_of(b"a")).unwrap();
        store.put(ID, 0, draft).unwrap();
        let mut world = endpoint.world();
        world.block_snapshots.insert(ID.to_owned(), row);
        world.snapshots.insert(ID.to_owned(), snapshot);
        drop(world);
        Scene { endpoint, scope, request, folder }
    }

    fn call(&self) -> Call<'_> {
        Call { endpoint: &self.endpoint, scope: &self.scope, request: &self.request }
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot, &mut BlockSnapshot)) {
        let mut world = self.endpoint.world();
        let mut row = world.block_snapshots.get(ID).unwrap().clone();
        change(world.snapshots.get_mut(ID).unwrap(), &mut row);
        world.block_snapshots.insert(ID.to_owned(), row);
    }

    fn delete(&self) {
        self.endpoint.world().snapshots.remove(ID);
        self.endpoint.sweep_blocks();
    }
}

#[test]
fn what_is_deleted_while_it_is_read_does_not_exist() {
    type Read = fn(&Store) -> Result<usize, Refusal>;
    let reads: [Read; 2] = [|store| Ok(store.blocks(ID)?.len()), |store| Ok(store.block(ID, 0)?.into_iter().count())];
    for read in reads {
        let scene = Scene::new();
        scene.change(|snapshot, _| snapshot.completed = true);
        assert_eq!(scene.call().read_files(&[ID], || read(&scene.call().store())), Ok(1));
        let outcome = scene.call().read_files(&[ID], || {
            scene.delete();
            read(&scene.call().store())
        });
        assert_eq!(outcome, Err(Refusal::no_snapshot(ID)));
    }
}

#[test]
fn missing_blocks_of_an_existing_snapshot_are_an_internal_error() {
    let scene = Scene::new();
    scene.change(|snapshot, _| snapshot.completed = true);
    scene.endpoint.host.blocks().remove(ID).unwrap();
    let outcome = scene.call().read_files(&[ID], || Ok(scene.call().store().blocks(ID)?.len()));
    assert_eq!(outcome.map_err(|refusal| refusal.status), Err(500));
}

#[test]
fn a_snapshot_that_is_completed_at_the_end_of_its_time_is_not_given_up() {
    type Change = fn(&mut Snapshot, &mut BlockSnapshot);
    let changes: [(Change, bool); 3] =
        [(|_, row| row.sealed = true, false), (|snapshot, _| snapshot.completed = true, false), (|_, _| {}, true)];
    for (change, is_given_up) in changes {
        let scene = Scene::new();
        let long_ago = SystemTime::now() - Duration::from_secs(3601);
        let own = scene.folder.path().join("blocks").join(ID).join("own");
        File::open(own).unwrap().set_modified(long_ago).unwrap();
        scene.change(change);
        assert_eq!(scene.endpoint.wait_or_give_up(ID), None);
        assert_eq!(scene.endpoint.world().snapshots.get(ID).unwrap().failure.is_some(), is_given_up);
    }
}

#[test]
fn paths_are_told_apart_from_those_of_other_services() {
    assert!(is_path("/snapshots") && is_path("/snapshots/snap-1/blocks"));
    assert!(!is_path("/") && !is_path("/snapshotsx"));
    assert_eq!(Route::of(&Method::POST, "/snapshots"), Some(Route::StartSnapshot));
    assert_eq!(Route::of(&Method::GET, "/snapshots"), None);
    let list = Route::ListSnapshotBlocks { snapshot: "snap-1".to_owned() };
    assert_eq!(Route::of(&Method::GET, "/snapshots/snap-1/blocks"), Some(list));
}
