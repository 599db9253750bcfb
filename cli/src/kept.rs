//! The instance that a failed build keeps for a while, if its pipeline has `keepOnFailure`.

use anyhow::Result;
use goldsmith_store::{BuildRecord, Keep, Store};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;

/// The place of the instance, and the time until which it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeptInstance {
    pub(crate) id: String,
    pub(crate) region: String,
    /// Time after which the instance may be terminated.
    pub(crate) until: String,
}

impl KeptInstance {
    /// Returns the instance of a build, or `None` if the build keeps none or its time has expired.
    pub(crate) async fn of(store: &Store, build: &BuildRecord, now: Timestamp) -> Result<Option<Self>> {
        let Some(Keep::Instance { until }) = build.ending.as_ref().map(|ending| &ending.keep) else { return Ok(None) };
        if until.parse::<Timestamp>().is_ok_and(|until| until <= now) {
            return Ok(None);
        }
        // The instances of tests are never kept.
        let is_its = |scope: &str| scope == "Launch";
        let effects = store.all_effects(&build.build).await?.into_iter();
        let made = effects.filter(|one| one.kind.is_instance() && is_its(&one.scope));
        let last = made.filter_map(|one| Some((one.id?, one.region))).next_back();
        Ok(last.map(|(id, region)| Self { id, region, until: until.clone() }))
    }

    /// Returns the id of the instance and how to connect to it, as labels and texts.
    pub(crate) fn facts(&self, globals: &Globals) -> [(&'static str, String); 2] {
        let Self { id, region, until } = self;
        let aws = globals.aws_in(Some(region));
        let way = if globals.local {
            // The local AWS has no sessions.
            format!(
                "{aws} ssm send-command --document-name AWS-RunShellScript --instance-ids {id} --parameters commands=COMMAND"
            )
        } else {
            format!("{aws} ssm start-session --target {id}")
        };
        [("kept", format!("{id} in {region} until {until}")), ("get in", way)]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Stack, globals};

    #[tokio::test]
    async fn a_kept_instance_is_shown_with_the_way_in_while_it_exists() {
        let stack = Stack::new();
        let ending = json!({"status": "FAILED", "keep": {"kind": "instance", "until": "2026-01-01T04:00:00.000Z"}});
        stack.kept_build(ending).await;
        let effect = |scope: &str, kind: &str, id: Option<&str>| json!({"scope": scope, "n": 1, "kind": kind, "region": "eu-west-1", "name": "n", "id": id});
        let effects = [("Launch", "i-1", 1), ("Launch", "i-2", 2), ("LaunchTest#t3.small", "i-3", 1)];
        for (scope, id, n) in effects {
            stack.put("BUILD#b", &format!("EFFECT#{scope}#{n}"), effect(scope, "instance", Some(id))).await;
        }
        let store = &stack.connection.store;
        let build = store.build("b").await.unwrap().unwrap();
        let at = |time: &str| time.parse::<Timestamp>().unwrap();
        assert_eq!(KeptInstance::of(store, &build, at("2026-01-01T04:00:00Z")).await.unwrap(), None);
        let kept = KeptInstance::of(store, &build, at("2026-01-01T03:00:00Z")).await.unwrap().unwrap();
        let globals = globals("--profile p");
        let [(_, which), (_, way)] = kept.facts(&globals);
        assert_eq!(which, "i-2 in eu-west-1 until 2026-01-01T04:00:00.000Z");
        assert_eq!(way, "aws --profile p --region eu-west-1 ssm start-session --target i-2");
    }
}
