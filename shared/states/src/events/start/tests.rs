//! Tests a property of starts with random histories of a whole account.

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy};
use proptest::{prop_oneof, proptest};

use crate::testing::{Step, World};

/// How many random histories are run. `GOLDSMITH_CASES` sets another number.
fn cases() -> u32 {
    option_env!("GOLDSMITH_CASES").and_then(|text| text.parse().ok()).unwrap_or(400)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0usize..2).prop_map(Step::Schedule),
        2 => (0usize..9).prop_map(Step::Redeliver),
        2 => Just(Step::Release),
        1 => Just(Step::Check),
        1 => (0usize..2).prop_map(Step::Manual),
        8 => (0usize..4).prop_map(Step::Advance),
        1 => (0usize..4).prop_map(Step::Fail),
        1 => (0usize..4).prop_map(Step::Stop),
        1 => (0usize..4).prop_map(Step::StopQuietly),
        2 => (0u8..2).prop_map(|after| Step::Crash(after == 1)),
        3 => Just(Step::Deliver),
        1 => Just(Step::Lose),
        2 => Just(Step::Tick),
        1 => prop_oneof![Just(1i64), Just(91)].prop_map(Step::Days),
    ]
}

#[test]
fn no_two_builds_overlap_no_cause_is_lost_and_none_is_built_twice() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let config = ProptestConfig {
        cases: cases(),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in vec(step(), 1..60))| {
        runtime.block_on(async {
            let mut world = World::new().await;
            for step in &steps {
                world.step(*step).await;
            }
            world.settle().await;
            world.assert_at_rest().await;
        });
    });
}
