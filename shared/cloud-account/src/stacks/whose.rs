//! Finds out whether a stack belongs to Goldsmith, and what it leaves behind. The name alone shows neither of these.

use goldsmith_cloud::Result;
use goldsmith_cloud::aws::{failure, incomplete};

use super::{Stack, Stacks};

/// The parameter that the template of every release creates. A stack that only reads such a parameter has the name of
/// another stack in it.
const PARAMETER: &str = "/goldsmith/${AWS::StackName}/config";
const PARAMETER_TYPE: &str = "AWS::SSM::Parameter";
/// The beginning of the names of `goldsmith deploy`'s change sets.
pub const CHANGE_SETS: &str = "goldsmith-";

/// The parts of a stack that stay when the stack is deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Name of the stack's table.
    pub table: Option<String>,
    /// Name of the stack's bucket.
    pub bucket: Option<String>,
}

impl Stacks {
    /// Returns whether the stack with this name was created from a Goldsmith template. A stack that has only proposed
    /// change sets belongs to Goldsmith if Goldsmith proposed all of them, because executing one discards the others.
    ///
    /// # Errors
    /// Fails if a call fails.
    pub async fn is_goldsmiths(&self, name: &str, stack: &Stack) -> Result<bool> {
        if !stack.is_proposed() {
            return Ok(is_of_goldsmith(&self.template(&stack.id).await?));
        }
        let pages = self.client.list_change_sets().stack_name(name).into_paginator().items().send();
        let all = pages.collect::<std::result::Result<Vec<_>, _>>().await;
        let all = all.map_err(failure("ListChangeSets", &self.region))?;
        for id in all.into_iter().filter(|one| !is_own(one.change_set_name())).filter_map(|one| one.change_set_id) {
            if !is_of_goldsmith(&self.proposed_template(&id).await?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn proposed_template(&self, change_set: &str) -> Result<String> {
        const OPERATION: &str = "GetTemplate";
        let original = aws_sdk_cloudformation::types::TemplateStage::Original;
        let answer = self.client.get_template().change_set_name(change_set).template_stage(original).send().await;
        let answer = answer.map_err(failure(OPERATION, &self.region))?;
        answer.template_body.ok_or_else(|| incomplete(OPERATION, &self.region, "template"))
    }

    /// Returns which of the parts that a stack leaves behind exist, given the stack's id. CloudFormation lists them for
    /// 90 days after the stack's deletion.
    ///
    /// # Errors
    /// Fails if a call fails.
    pub async fn kept(&self, id: &str) -> Result<Kept> {
        let pages = self.client.list_stack_resources().stack_name(id).into_paginator().items().send();
        let all = pages.collect::<std::result::Result<Vec<_>, _>>().await;
        let mut kept = Kept::default();
        for one in all.map_err(failure("ListStackResources", &self.region))? {
            let is_there = one.resource_status().is_some_and(|status| {
                let status = status.as_str();
                status != "DELETE_COMPLETE" && status != "CREATE_FAILED"
            });
            let name = one.physical_resource_id.filter(|name| is_there && !name.is_empty());
            match one.logical_resource_id.as_deref() {
                Some("Table") => kept.table = name,
                Some("Bucket") => kept.bucket = name,
                _ => {}
            }
        }
        Ok(kept)
    }
}

fn is_own(change_set: Option<&str>) -> bool {
    let number = change_set.and_then(|name| name.strip_prefix(CHANGE_SETS));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_of_goldsmith(template: &str) -> bool {
    template.contains(PARAMETER) && template.contains(PARAMETER_TYPE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use goldsmith_cloud::aws::replay::{Canned, Replay};

    use super::*;

    const OURS: &str =
        "C: {Type: AWS::SSM::Parameter, Properties: {Name: {Fn::Sub: /goldsmith/${AWS::StackName}/config}}}";
    const THEIRS: &str = "Orders: {Type: AWS::DynamoDB::Table}";

    fn stack(status: &str) -> Stack {
        Stack {
            id: "arn".to_owned(),
            status: status.to_owned(),
            reason: None,
            parameters: BTreeMap::new(),
            outputs: BTreeMap::new(),
            tags: BTreeMap::new(),
            is_protected: false,
        }
    }

    fn template(body: &str) -> Canned {
        let result = format!("<GetTemplateResult><TemplateBody>{body}</TemplateBody></GetTemplateResult>");
        Canned::ok(format!("<GetTemplateResponse>{result}</GetTemplateResponse>"))
    }

    fn proposals(names: &[&str]) -> Canned {
        let one =
            |name| format!("<member><ChangeSetName>{name}</ChangeSetName><ChangeSetId>{name}</ChangeSetId></member>");
        let all: String = names.iter().map(one).collect();
        let result = format!("<ListChangeSetsResult><Summaries>{all}</Summaries></ListChangeSetsResult>");
        Canned::ok(format!("<ListChangeSetsResponse>{result}</ListChangeSetsResponse>"))
    }

    #[tokio::test]
    async fn a_stack_is_known_by_its_template_in_whatever_state_it_is() {
        for status in ["CREATE_COMPLETE", "DELETE_FAILED", "ROLLBACK_COMPLETE"] {
            for (body, ours) in [(OURS, true), (THEIRS, false), ("{}", false)] {
                let stacks = Stacks::new(&Replay::new([template(body)]).config());
                assert_eq!(stacks.is_goldsmiths("s", &stack(status)).await.unwrap(), ours, "{status} {body}");
            }
        }
    }

    #[tokio::test]
    async fn a_stack_that_is_only_proposed_is_known_by_its_proposals() {
        let cases: [(&[&str], &[&str], bool); 5] = [
            (&[], &[], true),
            (&["goldsmith-1799999999"], &[], true),
            (&["goldsmith-1", "samcli-deploy1"], &[OURS], true),
            (&["goldsmith-1", "samcli-deploy1"], &[THEIRS], false),
            (&["goldsmith-orders"], &[THEIRS], false),
        ];
        for (names, bodies, ours) in cases {
            let answers = std::iter::once(proposals(names)).chain(bodies.iter().map(|body| template(body)));
            let stacks = Stacks::new(&Replay::new(answers).config());
            assert_eq!(stacks.is_goldsmiths("s", &stack("REVIEW_IN_PROGRESS")).await.unwrap(), ours, "{names:?}");
        }
    }

    #[tokio::test]
    async fn a_deleted_stack_is_known_by_what_it_kept_and_not_by_what_it_deleted() {
        let resource = |logical: &str, status: &str| {
            format!(
                "<member><LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>the-{logical}\
                 </PhysicalResourceId><ResourceStatus>{status}</ResourceStatus></member>"
            )
        };
        let cases = [
            ("DELETE_SKIPPED", Some("the-Table")),
            ("CREATE_COMPLETE", Some("the-Table")),
            ("DELETE_COMPLETE", None),
            ("CREATE_FAILED", None),
        ];
        for (status, table) in cases {
            let all = resource("Table", status) + &resource("Bucket", "DELETE_SKIPPED") + &resource("Other", status);
            let all = format!("<StackResourceSummaries>{all}</StackResourceSummaries>");
            let result = format!("<ListStackResourcesResult>{all}</ListStackResourcesResult>");
            let answer = Canned::ok(format!("<ListStackResourcesResponse>{result}</ListStackResourcesResponse>"));
            let kept = Stacks::new(&Replay::new([answer]).config()).kept("arn").await.unwrap();
            assert_eq!((kept.table.as_deref(), kept.bucket.as_deref()), (table, Some("the-Bucket")), "{status}");
        }
    }
}
