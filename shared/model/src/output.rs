//! The output of an execution: how it ended, in the form that the definition, the stack's functions and the CLI read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ImageRef;

/// The output of an execution that has not failed. A failed execution has an error and a cause instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ExecutionOutput {
    /// Plan has opened a build of an image. Only the states after Plan see this output.
    Build {
        /// The image that is being made.
        image: ImageRef,
        /// Instance types on which the image is tested.
        tests: Vec<String>,
        /// Regions to which the image is distributed.
        regions: Vec<String>,
        /// Whether the provenance of the image is signed.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        attest: bool,
        /// Whether copies begin before the tests.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        begin_copies: bool,
        /// Whether the build makes a checkpoint.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        checkpoint: bool,
    },
    /// Plan has opened a run that only tests an AMI. Only the states after Plan see this output.
    Verify {
        /// Number of the run, in the form of an image's number.
        image: ImageRef,
        /// Instance types on which the AMI is tested.
        tests: Vec<String>,
        /// Regions to which the AMI is distributed, which is an empty list.
        regions: Vec<String>,
    },
    /// An AMI has passed its tests.
    Verified {
        /// Number of the run, in the form of an image's number.
        image: ImageRef,
        /// The AMI.
        ami: String,
    },
    /// Plan has opened a run that only distributes an image that exists. Only the states that follow see this output.
    Distribute {
        /// Number of the run, in the form of an image's.
        image: ImageRef,
        /// Instance types to test the image on: none.
        tests: Vec<String>,
        /// Regions in which something is missing.
        regions: Vec<String>,
    },
    /// An image that existed has got what its distribution lacked.
    Distributed {
        /// Number of the run, in the form of an image's.
        image: ImageRef,
        /// The image that was distributed.
        distributed: ImageRef,
        /// AMI id of each copy that the run has made, by Region.
        amis: BTreeMap<String, String>,
    },
    /// There is a new image.
    Built {
        /// The image.
        image: ImageRef,
        /// AMI id for each Region.
        amis: BTreeMap<String, String>,
    },
    /// There was nothing to build.
    Skipped {
        /// The reason, in words for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Another build of the pipeline is running.
    AlreadyRunning {
        /// The reason, in words for people.
        reason: String,
        /// The image of the other build.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<ImageRef>,
    },
    /// An automatic build of the pipeline began within the last hour.
    TooSoon {
        /// The reason, in words for people.
        reason: String,
    },
}

impl ExecutionOutput {
    /// Returns whether the execution has left its cause to another execution.
    #[must_use]
    pub fn has_stood_back(&self) -> bool {
        matches!(self, Self::AlreadyRunning { .. } | Self::TooSoon { .. })
    }
}

/// The texts that Finish returns to the definition for the Fail state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionFailure {
    /// Name of the error, such as `Goldsmith.CommandFailed`.
    pub error: String,
    /// `STATE: MESSAGE`
    pub cause: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::ExecutionOutput;

    #[test]
    fn outputs_have_their_published_shapes() {
        let image = || "web/1.0.0/1".parse().unwrap();
        let reason = || "because".to_owned();
        for (output, json, stood_back) in [
            (
                ExecutionOutput::Build {
                    image: image(),
                    tests: vec!["t3.small".to_owned()],
                    regions: vec![],
                    attest: false,
                    begin_copies: false,
                    checkpoint: false,
                },
                json!({"outcome": "build", "image": "web/1.0.0/1", "tests": ["t3.small"], "regions": []}),
                false,
            ),
            (
                ExecutionOutput::Built { image: image(), amis: [("eu-west-1".to_owned(), "ami-1".to_owned())].into() },
                json!({"outcome": "built", "image": "web/1.0.0/1", "amis": {"eu-west-1": "ami-1"}}),
                false,
            ),
            (
                ExecutionOutput::Verify { image: image(), tests: vec!["t3.small".to_owned()], regions: vec![] },
                json!({"outcome": "verify", "image": "web/1.0.0/1", "tests": ["t3.small"], "regions": []}),
                false,
            ),
            (
                ExecutionOutput::Verified { image: image(), ami: "ami-1".to_owned() },
                json!({"outcome": "verified", "image": "web/1.0.0/1", "ami": "ami-1"}),
                false,
            ),
            (
                ExecutionOutput::Distribute { image: image(), tests: vec![], regions: vec!["us-east-1".to_owned()] },
                json!({"outcome": "distribute", "image": "web/1.0.0/1", "tests": [], "regions": ["us-east-1"]}),
                false,
            ),
            (
                ExecutionOutput::Distributed {
                    image: "web/1.0.0/2".parse().unwrap(),
                    distributed: image(),
                    amis: [("us-east-1".to_owned(), "ami-1".to_owned())].into(),
                },
                json!({"outcome": "distributed", "image": "web/1.0.0/2", "distributed": "web/1.0.0/1",
                       "amis": {"us-east-1": "ami-1"}}),
                false,
            ),
            (ExecutionOutput::Skipped { reason: None }, json!({"outcome": "skipped"}), false),
            (
                ExecutionOutput::AlreadyRunning { reason: reason(), image: Some(image()) },
                json!({"outcome": "already-running", "reason": "because", "image": "web/1.0.0/1"}),
                true,
            ),
            (ExecutionOutput::TooSoon { reason: reason() }, json!({"outcome": "too-soon", "reason": "because"}), true),
        ] {
            assert_eq!(json!(output), json);
            assert_eq!(serde_json::from_value::<ExecutionOutput>(json).unwrap(), output);
            assert_eq!(output.has_stood_back(), stood_back);
        }
    }
}
