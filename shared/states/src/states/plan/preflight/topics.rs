//! Checks the topic that is told how the build ends.

use goldsmith_cloud::Kind;

use super::Look;
use crate::states::plan::finding::Finding;
use crate::states::plan::problem::Problem;
use crate::states::plan::resolve::Viewer;

/// Checks that the topic exists, and that the stack may use it.
///
/// The role of the function `plan` may read exactly the topics to which the roles of `finish` and `reap` may publish. No
/// image needs its topic, so a topic that cannot be read is a warning, even if SNS may answer later.
pub(in crate::states::plan) async fn check(look: &Look<'_>, findings: &mut Vec<Finding>) {
    let Some(topic) = look.inputs.infrastructure.sns_topic_arn.clone() else { return };
    let problem = match look.context.cloud.topics.has_topic(&topic).await {
        Ok(true) => return,
        Ok(false) => Problem::TopicMissing { topic },
        Err(error) if error.kind == Kind::Denied && look.viewer == Viewer::Stack => Problem::TopicDenied { topic },
        Err(error) => Problem::Unchecked { error: error.to_string() },
    };
    findings.push(look.inputs.infrastructure_place("snsTopicArn").has(problem));
}
