//! Change sets: how a stack would change, before it changes.

use std::collections::BTreeSet;

use aws_sdk_cloudformation::types::{
    Capability, ChangeAction, ChangeSetStatus, ChangeSetType, OnStackFailure, Parameter, Replacement, ResourceChange,
    Tag,
};
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::{failure, incomplete};

use super::{Proposal, Stacks, Value};

/// A change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSet {
    /// CloudFormation has not computed the change set yet.
    Pending,
    /// The change set can be executed. The changes are in CloudFormation's order; an empty list means that only outputs
    /// change.
    Ready(Vec<Change>),
    /// The stack is already in this state.
    Nothing,
    /// CloudFormation rejects the change set for this reason.
    Refused(String),
}

/// What happens to one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Name of the resource in the template.
    pub resource: String,
    /// Type of the resource, such as `AWS::S3::Bucket`.
    pub kind: String,
    /// What happens to the resource.
    pub effect: Effect,
    /// The properties that change, if CloudFormation names them.
    pub properties: BTreeSet<String>,
}

/// What a change does to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// The resource is deleted, or it leaves the stack and stays in the account.
    Remove,
    /// A new resource is created, and this one is deleted.
    Replace,
    /// Only the execution of the change shows whether the resource is replaced.
    MayReplace,
    /// The resource is changed in place.
    Change,
    /// The resource is created.
    Add,
    /// The resource already exists, and becomes part of the stack.
    Import,
}

impl Stacks {
    /// Requests a change set. If a change set with this name exists already, it counts as this one: an earlier call
    /// created it.
    ///
    /// # Errors
    /// The errors of the call.
    pub async fn propose(&self, proposal: &Proposal) -> Result<()> {
        let kind = if proposal.creates { ChangeSetType::Create } else { ChangeSetType::Update };
        let call = self.client.create_change_set().stack_name(&proposal.stack).change_set_name(&proposal.change_set);
        let call = call.change_set_type(kind).template_url(&proposal.template_url);
        let call = call.capabilities(Capability::CapabilityIam).capabilities(Capability::CapabilityAutoExpand);
        // The table of a retired stack is imported, which the template names in this case.
        let call = call.import_existing_resources(proposal.takes_over);
        let call = call.set_parameters(Some(parameters_of(proposal))).set_tags(Some(tags_of(proposal)));
        // If a first deployment fails, nobody needs the resources that it created. A table that it took over is needed.
        let is_all_new = proposal.creates && !proposal.takes_over;
        let call = if is_all_new { call.on_stack_failure(OnStackFailure::Delete) } else { call };
        match call.send().await.map_err(failure("CreateChangeSet", &self.region)) {
            // An earlier call has made it, and its response was lost.
            Err(error) if error.code == "AlreadyExistsException" => Ok(()),
            made => made.map(drop),
        }
    }

    /// Returns the progress of the change set, and what it changes.
    ///
    /// # Errors
    /// Fails if a call fails.
    pub async fn change_set(&self, stack: &str, change_set: &str) -> Result<ChangeSet> {
        const OPERATION: &str = "DescribeChangeSet";
        let mut changes = Vec::new();
        let mut next = None;
        loop {
            let call = self.client.describe_change_set().stack_name(stack).change_set_name(change_set);
            let page = call.set_next_token(next).send().await.map_err(failure(OPERATION, &self.region))?;
            let status = page.status.ok_or_else(|| incomplete(OPERATION, &self.region, "status"))?;
            match status {
                ChangeSetStatus::CreateComplete => {}
                ChangeSetStatus::CreatePending | ChangeSetStatus::CreateInProgress => return Ok(ChangeSet::Pending),
                _ => return Ok(refused(page.status_reason.unwrap_or_else(|| status.as_str().to_owned()))),
            }
            let found = page.changes.unwrap_or_default().into_iter();
            changes.extend(found.filter_map(|change| change.resource_change).map(change_of));
            next = page.next_token;
            if next.is_none() {
                return Ok(ChangeSet::Ready(changes));
            }
        }
    }

    /// Returns how many change sets the stack has.
    ///
    /// # Errors
    /// Fails if a call fails.
    pub async fn change_sets(&self, stack: &str) -> Result<usize> {
        let pages = self.client.list_change_sets().stack_name(stack).into_paginator().items().send();
        let all = pages.collect::<std::result::Result<Vec<_>, _>>().await;
        Ok(all.map_err(failure("ListChangeSets", &self.region))?.len())
    }

    /// Begins to execute the change set. If the call is repeated after a lost answer, CloudFormation treats both calls
    /// as one.
    ///
    /// # Errors
    /// The errors of the call.
    pub async fn execute(&self, stack: &str, change_set: &str) -> Result<()> {
        let call = self.client.execute_change_set().stack_name(stack).change_set_name(change_set);
        // With the token, a call that is repeated after a lost response does nothing more.
        let call = call.client_request_token(change_set);
        call.send().await.map_err(failure("ExecuteChangeSet", &self.region)).map(drop)
    }

    /// Deletes a change set that must not be executed.
    ///
    /// # Errors
    /// The errors of the call.
    pub async fn discard(&self, stack: &str, change_set: &str) -> Result<()> {
        let call = self.client.delete_change_set().stack_name(stack).change_set_name(change_set);
        call.send().await.map_err(failure("DeleteChangeSet", &self.region)).map(drop)
    }
}

/// If there is nothing to do, CloudFormation reports a failure, and only the message tells why.
fn refused(reason: String) -> ChangeSet {
    // CloudFormation has no status for an empty change set. It reports a failure and says only in words that nothing
    // changes.
    let nothing = ["didn't contain changes", "No updates are to be performed"];
    if nothing.iter().any(|words| reason.contains(words)) { ChangeSet::Nothing } else { ChangeSet::Refused(reason) }
}

fn parameters_of(proposal: &Proposal) -> Vec<Parameter> {
    let one = |(key, value): (&String, &Value)| match value {
        Value::Given(value) => Parameter::builder().parameter_key(key).parameter_value(value).build(),
        Value::Previous => Parameter::builder().parameter_key(key).use_previous_value(true).build(),
    };
    proposal.parameters.iter().map(one).collect()
}

fn tags_of(proposal: &Proposal) -> Vec<Tag> {
    proposal.tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn change_of(change: ResourceChange) -> Change {
    let replacement = change.replacement;
    let effect = match change.action {
        Some(ChangeAction::Add) => Effect::Add,
        Some(ChangeAction::Remove) => Effect::Remove,
        Some(ChangeAction::Import) => Effect::Import,
        _ => match replacement {
            Some(Replacement::True) => Effect::Replace,
            Some(Replacement::Conditional) => Effect::MayReplace,
            _ => Effect::Change,
        },
    };
    let details = change.details.unwrap_or_default().into_iter();
    Change {
        resource: change.logical_resource_id.unwrap_or_default(),
        kind: change.resource_type.unwrap_or_default(),
        effect,
        properties: details.filter_map(|detail| detail.target?.name).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use goldsmith_cloud::aws::replay::{Canned, Replay};

    use super::*;

    fn answer(inner: &str) -> Canned {
        let result = format!("<DescribeChangeSetResult>{inner}</DescribeChangeSetResult>");
        Canned::ok(format!("<DescribeChangeSetResponse>{result}</DescribeChangeSetResponse>"))
    }

    fn change(action: &str, replacement: &str) -> String {
        let detail = "<Details><member><Target><Name>Name</Name></Target></member></Details>";
        format!(
            "<Changes><member><ResourceChange><Action>{action}</Action><LogicalResourceId>Table</LogicalResourceId>\
             <ResourceType>T</ResourceType>{replacement}{detail}</ResourceChange></member></Changes>"
        )
    }

    const MADE: &str = "<CreateChangeSetResponse><CreateChangeSetResult><Id>arn</Id></CreateChangeSetResult></CreateChangeSetResponse>";

    #[tokio::test]
    async fn pages_are_put_together_and_replacements_told_from_changes() {
        let replaced = change("Modify", "<Replacement>True</Replacement>");
        let added = change("Add", "");
        let replay = Replay::new([
            answer(&format!("<Status>CREATE_COMPLETE</Status>{replaced}<NextToken>2</NextToken>")),
            answer(&format!("<Status>CREATE_COMPLETE</Status>{added}")),
        ]);
        let ChangeSet::Ready(changes) = Stacks::new(&replay.config()).change_set("s", "c").await.unwrap() else {
            panic!("it is ready");
        };
        assert_eq!(changes.iter().map(|change| change.effect).collect::<Vec<_>>(), [Effect::Replace, Effect::Add]);
        assert_eq!(changes[0].properties.iter().collect::<Vec<_>>(), ["Name"]);
    }

    #[tokio::test]
    async fn a_change_set_that_fails_without_changes_is_not_a_failure() {
        let failed = |reason: &str| answer(&format!("<Status>FAILED</Status><StatusReason>{reason}</StatusReason>"));
        let answers = [
            failed("The submitted information didn't contain changes."),
            failed("Unresolved"),
            answer("<Status>CREATE_PENDING</Status>"),
        ];
        let stacks = Stacks::new(&Replay::new(answers).config());
        assert_eq!(stacks.change_set("s", "c").await.unwrap(), ChangeSet::Nothing);
        assert_eq!(stacks.change_set("s", "c").await.unwrap(), ChangeSet::Refused("Unresolved".to_owned()));
        assert_eq!(stacks.change_set("s", "c").await.unwrap(), ChangeSet::Pending);
    }

    #[tokio::test]
    async fn an_execution_that_is_sent_again_is_the_same_one() {
        let executed = "<ExecuteChangeSetResponse><ExecuteChangeSetResult/></ExecuteChangeSetResponse>";
        let replay = Replay::new([Canned::ok(executed), Canned::ok(executed)]);
        let stacks = Stacks::new(&replay.config());
        for change_set in ["goldsmith-1", "goldsmith-2"] {
            stacks.execute("s", change_set).await.unwrap();
        }
        let sent = replay.sent();
        assert!(sent[0].body.contains("ClientRequestToken=goldsmith-1"), "{}", sent[0].body);
        assert!(sent[1].body.contains("ClientRequestToken=goldsmith-2"), "{}", sent[1].body);
    }

    #[tokio::test]
    async fn a_first_deployment_that_fails_is_taken_back() {
        let proposal = |creates| Proposal {
            stack: "s".to_owned(),
            change_set: "c".to_owned(),
            creates,
            takes_over: false,
            template_url: "https://host/t".to_owned(),
            parameters: BTreeMap::from([
                ("A".to_owned(), Value::Given("1".to_owned())),
                ("B".to_owned(), Value::Previous),
            ]),
            tags: BTreeMap::new(),
        };
        let exists = "<ErrorResponse><Error><Code>AlreadyExistsException</Code></Error></ErrorResponse>".to_owned();
        let replay = Replay::new([Canned::ok(MADE), Canned::Answer(400, exists)]);
        let stacks = Stacks::new(&replay.config());
        stacks.propose(&proposal(true)).await.unwrap();
        stacks.propose(&proposal(false)).await.unwrap();
        let sent = replay.sent();
        assert!(sent[0].body.contains("OnStackFailure=DELETE") && sent[0].body.contains("ChangeSetType=CREATE"));
        assert!(!sent[1].body.contains("OnStackFailure") && sent[1].body.contains("UsePreviousValue=true"));
        assert!(sent[1].body.contains("ImportExistingResources=false"), "{}", sent[1].body);
    }

    #[tokio::test]
    async fn a_deployment_that_takes_a_table_over_is_never_deleted_whole() {
        let replay = Replay::new([Canned::ok(MADE)]);
        let proposal = Proposal {
            stack: "s".to_owned(),
            change_set: "c".to_owned(),
            creates: true,
            takes_over: true,
            template_url: "https://host/t".to_owned(),
            parameters: BTreeMap::new(),
            tags: BTreeMap::new(),
        };
        Stacks::new(&replay.config()).propose(&proposal).await.unwrap();
        let body = &replay.sent()[0].body;
        assert!(body.contains("ImportExistingResources=true") && !body.contains("OnStackFailure"), "{body}");
    }
}
