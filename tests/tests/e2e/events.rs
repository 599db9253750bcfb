//! Events as AWS delivers them: once, not at all, twice, or after a later one.

use serde_json::{Value, json};

use crate::stack::{SHOWN, Stack};

/// How an event arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Once,
    Never,
    Twice,
    /// After the next event.
    Late,
}

impl Delivery {
    /// For names of pipelines.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Never => "never",
            Self::Twice => "twice",
            Self::Late => "late",
        }
    }

    fn fault(self) -> Option<&'static str> {
        match self {
            Self::Once => None,
            Self::Never => Some("drop"),
            Self::Twice => Some("double"),
            Self::Late => Some("swap"),
        }
    }
}

impl Stack {
    /// The next event of each of these kinds in the home Region is delivered so.
    pub(crate) fn deliver(&self, delivery: Delivery, events: &[&str]) {
        if let Some(fault) = delivery.fault() {
            let when = |event| json!({"event": event, "region": "eu-west-1", "nth": 1});
            let armed = events.iter().map(|event| json!({"when": when(event), "do": fault}));
            self.arm(&Value::Array(armed.collect()));
        }
    }

    /// A new release of the source image; its AMI in the home Region.
    pub(crate) fn release_source(&self) -> String {
        let mut answer = ureq::post(self.admin("release-image")).header(SHOWN, self.secret()).send("").unwrap();
        let answer: Value = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
        answer["images"]["eu-west-1"].as_str().unwrap().to_owned()
    }

    /// Runs the check of sources now; how many builds it started.
    pub(crate) fn check_sources(&self) -> u64 {
        self.invoke("trigger", &json!({"check": "sources"}))["started"].as_u64().unwrap()
    }

    /// Whether the execution's own status events reach the stack.
    pub(crate) fn deliver_status_events(&self, delivered: bool) {
        let client = aws_sdk_eventbridge::Client::new(self.sdk());
        self.block_on(async {
            let prefix = format!("{}-FinishFunctionEnded", crate::STACK);
            let rules = client.list_rules().name_prefix(prefix).send().await.unwrap().rules.unwrap_or_default();
            let name = rules.first().and_then(|rule| rule.name()).expect("finish has a rule");
            if delivered {
                client.enable_rule().name(name).send().await.unwrap();
            } else {
                client.disable_rule().name(name).send().await.unwrap();
            }
        });
    }
}
