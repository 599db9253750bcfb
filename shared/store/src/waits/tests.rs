//! A state that is begun again while its wait is parked elsewhere.

use std::sync::Arc;

use goldsmith_model::State;
use serde_json::json;

use crate::around::{Call, Moment, meanwhile};
use crate::samples::{build, wait};
use crate::{Effect, EffectKind, Holder, MemoryTable, Scope, Store, Table as _, Wait, Write, keys};

fn scope() -> Scope {
    Scope::from(State::Build)
}

/// A store with an open build.
async fn opened(table: &MemoryTable) -> Store {
    let mut item = json!(build());
    let key = keys::build("web-1");
    item.as_object_mut().unwrap().extend([("pk".to_owned(), json!(key.pk)), ("sk".to_owned(), json!(key.sk))]);
    let item = item.as_object().unwrap().clone();
    table.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
    Store::new(Arc::new(table.clone()))
}

#[tokio::test]
async fn a_state_begun_twice_has_one_wait_with_both_tokens() {
    let table = MemoryTable::new();
    let store = opened(&table).await;
    let now = "2026-11-24T03:00:00Z".parse().unwrap();
    assert!(store.begin(&build(), &scope(), &wait("web-1", "first"), now).await.unwrap());
    let other = store.clone();
    let parked = async move {
        assert!(other.park(&wait("web-1", "first"), &scope(), &wait("command", "first"), "runs").await.unwrap());
    };
    // Right after the state was first read.
    let is_state = |call: Call<'_>| matches!(call, Call::Get(key) if key.sk == "STATE#Build");
    let meanwhile = meanwhile(&table, Moment::After(is_state), parked);
    assert!(meanwhile.begin(&build(), &scope(), &wait("web-1", "second"), now).await.unwrap());
    let waits = store.due_waits("2027-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
    let expected = Wait { other_tokens: vec!["first".to_owned()], ..wait("command", "second") };
    assert_eq!(waits, std::slice::from_ref(&expected));
    assert_eq!(store.wait("web-1", &scope()).await.unwrap(), Some(expected));
}

#[tokio::test]
async fn progress_of_a_build_expires_long_after_it_and_the_build_does_not() {
    let table = MemoryTable::new();
    let store = opened(&table).await;
    let now = "2026-11-24T03:00:00Z".parse().unwrap();
    store.begin(&build(), &scope(), &wait("web-1", "first"), now).await.unwrap();
    let other = Scope::from(State::Plan);
    store.note_running("web-1", &other, now).await.unwrap();
    for n in 0..2 {
        let effect = Effect::intended(&scope(), n, EffectKind::instance("", false), "eu-west-1", "token");
        store.intend(&build(), &effect).await.unwrap();
    }
    store
        .complete(&build(), &Effect::intended(&scope(), 0, EffectKind::instance("", false), "eu-west-1", "token"))
        .await
        .unwrap();
    store.end_state("web-1", &other, crate::StateStatus::Succeeded, "", None, now).await.unwrap();
    let day = 24 * 60 * 60;
    for item in table.dump() {
        let days = item.get("expiresAt").map(|time| (time.as_i64().unwrap() - now.as_second()) / day);
        let expected = if item["sk"] == "META" { None } else { Some(400) };
        assert_eq!(days, expected, "{item:?}");
    }
}

#[tokio::test]
async fn a_long_journal_is_read_in_the_order_in_which_it_was_written() {
    let table = MemoryTable::new();
    let store = opened(&table).await;
    for n in (0..1_100).rev() {
        let effect = Effect::intended(
            &scope(),
            n,
            EffectKind::Parameter { value: "ami-1".to_owned(), previous: None },
            "eu-west-1",
            format!("/{n}"),
        );
        store.intend(&build(), &effect).await.unwrap();
    }
    for effects in [store.effects("web-1", &scope()).await.unwrap(), store.all_effects("web-1").await.unwrap()] {
        assert!(effects.iter().map(|effect| effect.n).eq(0..1_100));
    }
}

#[tokio::test]
async fn who_holds_the_lock_looks_again_after_a_knock_and_the_next_holder_need_not() {
    let (table, now) = (MemoryTable::new(), jiff::Timestamp::UNIX_EPOCH);
    let store = opened(&table).await;
    // A knock does not create a state that never began.
    store.knock("web-1", &scope()).await.unwrap();
    assert_eq!(store.state("web-1", &scope()).await.unwrap(), None);
    store.begin(&build(), &scope(), &wait("web-1", "first"), now).await.unwrap();

    let lock = async || store.lock("web-1", &scope(), Holder::Start, now).await.unwrap();
    let unlock = async |held| store.unlock_unless_knocked("web-1", &scope(), held).await.unwrap();
    let held = lock().await.unwrap();
    store.knock("web-1", &scope()).await.unwrap();
    assert_eq!(lock().await, None);
    assert!(!unlock(&held).await, "it must look again");
    assert_eq!(lock().await, None, "and still holds the lock");
    assert!(unlock(&held).await);
    assert!(unlock(&held).await, "a lock that is lost needs no look");

    store.knock("web-1", &scope()).await.unwrap();
    let held = lock().await.unwrap();
    assert!(unlock(&held).await, "its look was later than the knock");
    let held = lock().await.unwrap();
    store.knock("web-1", &scope()).await.unwrap();
    store.unlock("web-1", &scope(), &held).await.unwrap();
    assert!(lock().await.is_some(), "a holder whose time is over heeds no knock");
}
