//! Coming to rest, and what must hold then and always.

use std::collections::BTreeSet;

use goldsmith_store::BuildStatus;
use jiff::SignedDuration;
use serde_json::json;

use super::World;

impl World {
    /// Lets everything come to rest, with nothing going wrong any more.
    pub(crate) async fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..100 {
            if quiet == 3 {
                return;
            }
            quiet = if self.is_quiet().await { quiet + 1 } else { 0 };
            self.stack.clock.advance(SignedDuration::from_mins(2));
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

    async fn is_quiet(&self) -> bool {
        let mut pending = 0;
        for pipeline in &self.pipelines {
            pending += self.stack.store().pending_causes(pipeline).await.unwrap().len();
        }
        pending == 0
            && self.running.is_empty()
            && self.stack.store().open_builds(jiff::Timestamp::MAX).await.unwrap().is_empty()
    }

    /// What must hold at rest.
    pub(crate) async fn assert_at_rest(&self) {
        assert!(self.running.is_empty(), "still running: {:?}", self.running);
        for pipeline in &self.pipelines {
            let pending = self.stack.store().pending_causes(pipeline).await.unwrap();
            assert!(pending.is_empty(), "lost causes of {pipeline}: {pending:?}");
            assert_eq!(self.stack.store().running_build(pipeline).await.unwrap(), None, "lease of {pipeline}");
        }
        for (cause, builds) in &self.builds_per_cause {
            assert!(builds.len() <= 1, "{cause:?} was built twice: {builds:?}");
        }
        let answered: BTreeSet<String> = self.stack.cloud.answers().into_iter().map(|answer| answer.token).collect();
        let open = self.stack.store().due_waits(jiff::Timestamp::MAX).await.unwrap();
        assert!(open.is_empty(), "waits of nobody: {open:?}");
        let silent: Vec<_> = self.tokens.difference(&answered).collect();
        assert!(silent.is_empty(), "tokens that nobody answered: {silent:?}");
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
