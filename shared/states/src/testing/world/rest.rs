//! Runs everything that is still pending to its end, and checks what must hold then and always.

use std::collections::BTreeSet;

use goldsmith_cloud::fake::HOME;
use goldsmith_store::{BuildRecord, BuildStatus, Item, Scope, StateStatus};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::AWAY;
use super::World;
use crate::State;

/// The largest number of builds for a cause whose builds fail.
const TRIES: usize = 4;

impl World {
    /// Runs everything that is still pending to its end, without further faults.
    pub(crate) async fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..300 {
            if quiet == 3 {
                return;
            }
            quiet = if self.is_quiet().await { quiet + 1 } else { 0 };
            // What is left may wait for its time: a day, after a build that has failed.
            let pause =
                if self.running.is_empty() { SignedDuration::from_hours(1) } else { SignedDuration::from_mins(2) };
            self.stack.clock.advance(pause);
            self.deliver().await;
            self.tick().await;
            self.trigger(json!({"check": "sources"})).await;
            self.find_new_executions().await;
            for which in 0..self.running.len() {
                self.advance(which, false).await;
            }
            self.find_new_executions().await;
            self.assert_no_overlap().await;
        }
    }

    /// Writes the records that the skipped states would have written.
    pub(super) async fn pass_what_is_left_out(&self, name: &str) {
        let scope = |state: State, item: Option<&str>| Scope { state, item: item.map(ToOwned::to_owned) };
        let (store, now) = (self.stack.store(), crate::Clock::now(&self.stack.clock));
        let regions = [HOME, AWAY].map(|region| scope(State::DistributeRegion, Some(region)));
        for scope in regions.into_iter().chain([scope(State::JudgeTests, None)]) {
            store.note_running(name, &scope, now).await.unwrap();
            store.end_state(name, &scope, StateStatus::Succeeded, "left out", None, now).await.unwrap();
        }
    }

    async fn is_quiet(&self) -> bool {
        let mut pending = 0;
        for pipeline in &self.pipelines {
            pending += self.stack.store().pending_causes(pipeline).await.unwrap().len();
        }
        pending == 0
            && self.running.is_empty()
            && self.stack.store().open_builds(jiff::Timestamp::MAX).await.unwrap().is_empty()
    }

    /// Checks what must hold after everything has ended.
    pub(crate) async fn assert_at_rest(&self) {
        assert!(self.running.is_empty(), "still running: {:?}", self.running);
        for pipeline in &self.pipelines {
            let pending = self.stack.store().pending_causes(pipeline).await.unwrap();
            assert!(pending.is_empty(), "lost causes of {pipeline}: {pending:?}");
            assert_eq!(self.stack.store().running_build(pipeline).await.unwrap(), None, "lease of {pipeline}");
        }
        for (cause, builds) in &self.builds_per_cause {
            assert!(builds.len() <= TRIES, "{cause:?} was built too often: {builds:?}");
            let records = self.records();
            let published = records.iter().filter(|record| record.published && builds.contains(&record.build));
            assert!(published.count() <= 1, "{cause:?} was published twice: {builds:?}");
        }
        self.assert_floor();
        let answered: BTreeSet<String> = self.stack.cloud.answers().into_iter().map(|answer| answer.token).collect();
        let open = self.stack.store().due_waits(jiff::Timestamp::MAX).await.unwrap();
        assert!(open.is_empty(), "waits of nobody: {open:?}");
        let silent: Vec<_> = self.tokens.difference(&answered).collect();
        assert!(silent.is_empty(), "tokens that nobody answered: {silent:?}");
    }

    /// Returns every build that ever existed, ordered by its beginning.
    fn records(&self) -> Vec<BuildRecord> {
        let is_build = |item: &Item| item["pk"].as_str().unwrap().starts_with("BUILD#") && item["sk"] == "META";
        let items = self.stack.table.dump().into_iter().filter(is_build);
        let mut records: Vec<BuildRecord> =
            items.map(|item| serde_json::from_value(Value::Object(item)).unwrap()).collect();
        records.sort_by(|a, b| a.created_at.cmp(&b.created_at));
        records
    }

    /// No matter how many events come, a pipeline starts automatically at most once an hour.
    fn assert_floor(&self) {
        for pipeline in &self.pipelines {
            let records = self.records();
            let automatic = records.iter().filter(|record| record.pipeline == *pipeline && record.cause.is_automatic());
            let began: Vec<Timestamp> = automatic.map(|record| record.created_at.parse().unwrap()).collect();
            let too_near = began.windows(2).find(|two| two[1].duration_since(two[0]) < SignedDuration::from_hours(1));
            assert_eq!(too_near, None, "{pipeline} builds too often by itself");
        }
    }

    pub(super) async fn assert_no_overlap(&self) {
        let open = self.stack.store().open_builds(jiff::Timestamp::MAX).await.unwrap();
        for pipeline in &self.pipelines {
            let builds: Vec<_> = open
                .iter()
                .filter(|record| record.pipeline == *pipeline && record.status != BuildStatus::Closed)
                .map(|record| record.build.as_str())
                .collect();
            assert!(builds.len() <= 1, "{pipeline} is built twice at once: {builds:?}");
        }
    }
}
