//! Calls that meet each other, and calls that are interrupted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use goldsmith_model::RebuildOn;
use serde_json::Value;

use super::{name, source, watch};
use crate::around::{self, Around, AroundTable};
use crate::{Item, MemoryTable, Result, Store, StoreError};

/// A call about the pipeline `web`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Call {
    Again(RebuildOn),
    Move(&'static str),
    End,
    /// As an earlier version does it.
    EndEarlier,
    Note(&'static str),
}

const CALLS: [Call; 7] = [
    Call::Again(RebuildOn::SourceUpdate),
    Call::Again(RebuildOn::Dependency),
    Call::Move("ssm:/b"),
    Call::Move("ssm:/c"),
    Call::End,
    Call::Note("ami-2"),
    Call::Note("ami-3"),
];

impl Call {
    async fn make(self, store: &Store) -> Result<()> {
        let (web, a) = (name("web"), source("ssm:/a"));
        match self {
            Self::Again(why) => store.subscribe(&web, &a, why).await,
            Self::Move(to) => store.subscribe(&web, &source(to), RebuildOn::SourceUpdate).await,
            Self::End => store.unsubscribe(&web).await,
            Self::EndEarlier => {
                super::earlier::unwatch(store.table(), "web", &a).await;
                Ok(())
            }
            Self::Note(image) => store.note_built(&a.hash(), &web, image).await,
        }
    }
}

/// What happens at the call with this number.
#[derive(Debug, Clone, Copy)]
enum Disturbance {
    Other(Call),
    Refused,
    AnswerLost,
}

struct Disturbed {
    store: Store,
    left: AtomicUsize,
    by: Disturbance,
}

impl Disturbed {
    fn new(table: &MemoryTable, at: usize, by: Disturbance) -> Arc<AroundTable<Self>> {
        let store = Store::new(Arc::new(table.clone()));
        let around = Self { store, left: AtomicUsize::new(at + 1), by };
        Arc::new(AroundTable { table: table.clone(), around })
    }

    /// Whether the call with the number was made.
    fn has_come(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

impl Around for Disturbed {
    async fn around<T: Send>(&self, _: around::Call<'_>, made: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if self.has_come() || self.left.fetch_sub(1, Ordering::Relaxed) > 1 {
            return made.await;
        }
        match self.by {
            Disturbance::Other(other) => {
                other.make(&self.store).await.unwrap();
                made.await
            }
            Disturbance::Refused => Err(StoreError::Busy { code: "ThrottlingException".to_owned() }),
            Disturbance::AnswerLost => {
                let _ = made.await;
                Err(StoreError::Unanswered { operation: "TransactWriteItems", source: "connection reset".into() })
            }
        }
    }
}

/// What the pipeline `web` may look like before the calls.
#[derive(Debug, Clone, Copy)]
enum Before {
    Nothing,
    NeverBuilt,
    Built,
    /// Built, as an earlier version has written it.
    BuiltEarlier,
}

const BEFORE: [Before; 4] = [Before::Nothing, Before::NeverBuilt, Before::Built, Before::BuiltEarlier];

async fn table(before: Before) -> MemoryTable {
    let table = MemoryTable::new();
    let (store, a) = (Store::new(Arc::new(table.clone())), source("ssm:/a"));
    match before {
        Before::Nothing => {}
        Before::NeverBuilt => watch(&store, "web", &a).await,
        Before::Built => {
            watch(&store, "web", &a).await;
            store.note_built(&a.hash(), &name("web"), "ami-1").await.unwrap();
        }
        Before::BuiltEarlier => super::earlier::watch(&table, "web", &a, Some("ami-1")).await,
    }
    table
}

/// Returns all items. The number of subscriptions that were ever made is left out: it may be higher if two calls met.
fn items(table: &MemoryTable) -> Vec<Item> {
    let mut items = table.dump();
    items.iter_mut().for_each(|item| item.retain(|attribute, _| attribute != "made" && attribute != "recordVersion"));
    items
}

/// The pipeline watches at most one source, by one subscription, which is where it is looked for.
fn check(table: &MemoryTable, what: &str) {
    let items = items(table);
    let text = |item: &Item, attribute: &str| item.get(attribute).and_then(Value::as_str).map(str::to_owned);
    let subscriptions: Vec<&Item> = items.iter().filter(|item| text(item, "sk").unwrap().starts_with("SUB#")).collect();
    let watching: Vec<&Item> = items.iter().filter(|item| text(item, "sk").unwrap() == "SOURCE").collect();
    assert_eq!(subscriptions.len(), watching.len(), "{what}: {items:?}");
    let sources = items.iter().filter(|item| text(item, "pk").unwrap() == "SOURCES").count();
    assert_eq!((sources, items.len()), (watching.len(), 4 * watching.len()), "{what}: {items:?}");
    for (subscription, watching) in subscriptions.into_iter().zip(watching) {
        assert_eq!(text(subscription, "pk").unwrap(), format!("SOURCE#{}", text(watching, "hash").unwrap()), "{what}");
        let expected = match text(watching, "lastImage") {
            Some(image) => format!("SUB##{image}#web"),
            None => "SUB#web".to_owned(),
        };
        assert_eq!(text(subscription, "sk").unwrap(), expected, "{what}");
        let image = text(subscription, "lastImage");
        assert!(text(watching, "lastImage").is_none_or(|last| image == Some(last)), "{what}: {items:?}");
    }
}

#[tokio::test]
async fn calls_that_meet_leave_what_one_after_the_other_leaves() {
    let mut met = 0;
    for (before, one, other) in BEFORE
        .into_iter()
        .flat_map(|it| CALLS.map(|one| (it, one)))
        .flat_map(|(it, one)| CALLS.map(|two| (it, one, two)))
    {
        let mut orders = Vec::new();
        for order in [[one, other], [other, one]] {
            let table = table(before).await;
            for call in order {
                call.make(&Store::new(Arc::new(table.clone()))).await.unwrap();
            }
            check(&table, "one after the other");
            orders.push(items(&table));
        }
        for at in 0.. {
            let (table, what) = (table(before).await, format!("{before:?}, {one:?}, {other:?} at {at}"));
            let disturbed = Disturbed::new(&table, at, Disturbance::Other(other));
            one.make(&Store::new(disturbed.clone())).await.unwrap();
            if !disturbed.around.has_come() {
                break;
            }
            check(&table, &what);
            assert!(orders.contains(&items(&table)), "{what}: {:?}", items(&table));
            met += 1;
        }
    }
    assert!(met > 500, "{met}");
}

#[tokio::test]
async fn a_build_that_ends_does_not_bring_back_what_an_earlier_version_has_ended() {
    for (before, at) in [Before::NeverBuilt, Before::Built].into_iter().flat_map(|before| [(before, 1), (before, 2)]) {
        let table = table(before).await;
        let disturbed = Disturbed::new(&table, at, Disturbance::Other(Call::EndEarlier));
        Call::Note("ami-2").make(&Store::new(disturbed.clone())).await.unwrap();
        assert!(disturbed.around.has_come(), "{before:?} at {at}");
        assert!(table.dump().iter().all(|item| item["sk"] != "SOURCE"), "{before:?} at {at}: {:?}", table.dump());
    }
}

#[tokio::test]
async fn an_interrupted_call_is_finished_by_the_same_call() {
    for (before, call) in BEFORE.into_iter().flat_map(|before| CALLS.map(|call| (before, call))) {
        let whole = table(before).await;
        call.make(&Store::new(Arc::new(whole.clone()))).await.unwrap();
        for (at, by) in (0..20).flat_map(|at| [(at, Disturbance::Refused), (at, Disturbance::AnswerLost)]) {
            let (table, what) = (table(before).await, format!("{before:?}, {call:?}, {by:?} at {at}"));
            let disturbed = Disturbed::new(&table, at, by);
            let interrupted = call.make(&Store::new(disturbed.clone())).await;
            assert_eq!(interrupted.is_err(), disturbed.around.has_come(), "{what}");
            call.make(&Store::new(Arc::new(table.clone()))).await.unwrap();
            // A source without a subscriber may stay, until the next pipeline leaves it.
            let is_source = |item: &Item| item["pk"] == "SOURCES" || item["sk"] == "META";
            let left =
                |table: &MemoryTable| items(table).into_iter().filter(|item| !is_source(item)).collect::<Vec<_>>();
            assert_eq!(left(&table), left(&whole), "{what}");
            if !matches!(call, Call::Move(_) | Call::End) {
                assert_eq!(table.dump(), whole.dump(), "{what}");
            }
        }
    }
}
