//! Why a build starts, and the execution name that follows from it.

use std::fmt;

use goldsmith_document::digest;
use serde::{Deserialize, Serialize};

use crate::{ImageRef, Name};

/// Maximum number of characters of the pipeline's name in an execution's name. Together with 16 characters of the hash
/// and up to ten of the attempt, the name has at most the 80 characters that Step Functions allows.
const NAME_PART: usize = 40;

/// Why a build starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Cause {
    /// A caller has requested the build.
    Manual {
        /// Id of the request, which the caller chooses, so that a repeated request starts no second build.
        id: String,
    },
    /// The scheduled time has come.
    Schedule {
        /// The scheduled time, in the format of RFC 3339.
        scheduled_time: String,
    },
    /// The source image has a new release.
    SourceUpdate {
        /// The source that the pipeline watches, such as `ssm:NAME`.
        source: String,
        /// The new AMI.
        image_id: String,
    },
    /// Another pipeline has published the image from which this one starts.
    Dependency {
        /// The new image.
        image: ImageRef,
    },
}

impl Cause {
    /// Returns the word for the kind of the cause, as in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Manual { .. } => "manual",
            Self::Schedule { .. } => "schedule",
            Self::SourceUpdate { .. } => "source-update",
            Self::Dependency { .. } => "dependency",
        }
    }

    /// Returns whether the build starts automatically: its cause is not a caller's request.
    #[must_use]
    pub fn is_automatic(&self) -> bool {
        !matches!(self, Self::Manual { .. })
    }

    /// Returns the cause's identity within its kind, which is the same for a repeated delivery of the same cause.
    fn identity(&self) -> Vec<String> {
        match self {
            Self::Manual { id } => vec![id.clone()],
            Self::Schedule { scheduled_time } => vec![scheduled_time.clone()],
            Self::SourceUpdate { source, image_id } => vec![source.clone(), image_id.clone()],
            Self::Dependency { image } => vec![image.to_string()],
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.kind(), self.identity().join(" "))
    }
}

/// Returns the name of the execution that builds a pipeline for a cause, which is the build's id. It has at most 80
/// characters of `A-Za-z0-9-_`, and the same cause always has the same name. Attempts count from 1.
#[must_use]
pub fn execution_name(pipeline: &Name, cause: &Cause, attempt: u32) -> String {
    let parts = [pipeline.to_string(), cause.kind().to_owned()].into_iter().chain(cause.identity());
    let whole: String = parts.map(|part| format!("{}:{part}", part.len())).collect(); // no part runs into the next
    let readable: String = pipeline.as_str().chars().take(NAME_PART).map(|c| if c == ' ' { '-' } else { c }).collect();
    format!("{readable}-{}-{attempt}", &digest(&whole)[..16])
}

#[cfg(test)]
mod tests {
    use super::{Cause, execution_name};

    fn manual(id: &str) -> Cause {
        Cause::Manual { id: id.to_owned() }
    }

    #[test]
    fn stored_by_kind() {
        for json in [
            r#"{"kind":"manual","id":"7"}"#,
            r#"{"kind":"schedule","scheduledTime":"2026-11-24T03:00:00Z"}"#,
            r#"{"kind":"source-update","source":"ssm:/a","imageId":"ami-1"}"#,
            r#"{"kind":"dependency","image":"base/1.0.0/3"}"#,
        ] {
            let cause: Cause = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&cause).unwrap(), json);
            assert!(json.contains(cause.kind()));
        }
    }

    #[test]
    fn a_name_depends_on_the_whole_pipeline_name_the_cause_and_the_attempt() {
        let name = |pipeline: &str, cause, attempt| execution_name(&pipeline.parse().unwrap(), &cause, attempt);
        let first = name("web server", manual("a"), 1);
        assert_eq!(first, name("web server", manual("a"), 1));
        assert!(first.starts_with("web-server-") && first.ends_with("-1"), "{first}");
        let long = "a".repeat(40);
        let others = [
            name("web-server", manual("a"), 1),
            name("web server", manual("b"), 1),
            name("web server", manual("a"), 2),
            name(&format!("{long}b"), manual("a"), 1),
            name(&format!("{long}c"), manual("a"), 1),
            name("web server", Cause::Schedule { scheduled_time: "a".to_owned() }, 1),
        ];
        let unique: std::collections::BTreeSet<&String> = others.iter().chain([&first]).collect();
        assert_eq!(unique.len(), 7);
        let longest = name(&"a b".repeat(42), manual("a"), u32::MAX);
        assert!(longest.len() <= 80 && longest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{longest}");
    }
}
