//! The steps of a deployment. Each step is safe to repeat: uploads are named by their digests, and the deployment waits
//! for a change that is already running.

mod examples;
mod package;
pub(crate) mod progress;
pub(crate) mod release;
mod upload;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use goldsmith_cloud::aws::{SdkConfig, SsmParameters, home_region};
use goldsmith_cloud_account::{CHANGE_SETS, Change, ChangeSet, Effect, Proposal, Stack, Stacks, Value};
use goldsmith_document::did_you_mean;
use tokio::time::sleep;

use crate::exit::{Exit, Stop, invalid};
use crate::ours;
use crate::patience::Patience;
use progress::{Pace, Progress};
use release::{Release, table_of};
use upload::Upload;

/// How often the program asks for a change set: CloudFormation takes seconds, or some minutes if there are many
/// resources.
const LOOKS: u32 = 600;

/// What the caller sets, in addition to what the stack has.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// Values of the template's parameters.
    pub(crate) parameters: BTreeMap<String, String>,
    /// All tags of the stack, or `None` to keep its current tags.
    pub(crate) tags: Option<BTreeMap<String, String>>,
    /// Name of a table that a retired stack has left.
    pub(crate) table: Option<String>,
}

/// A deployment of one stack.
pub(crate) struct Deployment<'a> {
    config: &'a SdkConfig,
    stacks: Stacks,
    stack: &'a str,
    ways: Ways,
    pace: Pace,
    say: &'a dyn Fn(&str),
}

/// A change that is ready to be made.
pub(crate) struct Prepared {
    /// What changes.
    pub(crate) changes: Vec<Change>,
    change_set: String,
    creates: bool,
    id: String,
    upload: Upload,
}

/// The names of this stack in commands that a person will run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ways {
    /// The call of this program.
    pub(crate) again: String,
    /// The call of the AWS CLI.
    pub(crate) aws: String,
}

impl<'a> Deployment<'a> {
    /// Returns a deployment of the stack with this name.
    pub(crate) fn new(config: &'a SdkConfig, stack: &'a str, ways: Ways, say: &'a dyn Fn(&str)) -> Self {
        Self { config, stacks: Stacks::new(config), stack, ways, pace: Pace::of(config), say }
    }

    /// Waits until the stack no longer changes, and returns it.
    pub(crate) async fn settled(&self) -> Result<Option<Stack>> {
        let found = self.stacks.find(self.stack).await?;
        let Some(stack) = found.as_ref().filter(|stack| stack.is_busy()) else { return Ok(found) };
        (self.say)(&format!("The stack is {}: waiting until this operation has ended.", stack.status));
        let mut progress = Progress::new(&self.stacks, &stack.id, self.pace, self.say);
        progress.skip_what_had_ended().await?;
        progress.follow(&BTreeSet::new()).await?;
        Ok(self.stacks.find(self.stack).await?)
    }

    /// Returns the stack that a deployment may change, once no other operation changes it.
    async fn to_be_changed(&self, wishes: &Wishes) -> Result<Option<Stack>> {
        let Some(before) = self.stacks.find(self.stack).await? else { return Ok(None) };
        ours::refuse_a_strangers(&self.stacks, self.stack, &before, "nothing was changed").await?;
        let stack = self.settled().await?;
        if stack.is_none() && !before.is_proposed() {
            let kept = ours::kept(&self.stacks, &before).await;
            refuse_to_forget(self.stack, kept.table.as_deref(), wishes.table.as_deref())?;
        }
        Ok(stack)
    }

    /// Asks CloudFormation what would change. Uploads only the files that this needs. Returns `None` if nothing would
    /// change.
    pub(crate) async fn prepare(&self, release: &Release, wishes: &Wishes) -> Result<Option<Prepared>> {
        let stack = self.to_be_changed(wishes).await?.filter(|stack| !stack.is_proposed());
        if let Some(stack) = &stack {
            refuse_what_is_stuck(self.stack, &self.ways, stack)?;
        }
        let deployed = match &stack {
            Some(_) => self.stacks.template(self.stack).await?,
            None => String::new(),
        };
        let table = table(stack.is_some(), table_of(&deployed), wishes.table.as_deref())?;
        let upload = Upload::of(self.config, release, table).await?;
        (self.say)(&format!("Uploading the template to the bucket {}.", upload.bucket()));
        let template_url = upload.template().await?;
        let known = self.stacks.parameters_of(&template_url).await?;
        let mut wished = wishes.parameters.clone();
        let has_no_say =
            stack.is_none() && known.contains(examples::PARAMETER) && !wished.contains_key(examples::PARAMETER);
        if has_no_say
            && examples::belong_to_another(&SsmParameters::new(self.config), &home_region(self.config)).await?
        {
            (self.say)(examples::NOTE);
            wished.insert(examples::PARAMETER.to_owned(), examples::NO.to_owned());
        }
        let proposal = Proposal {
            stack: self.stack.to_owned(),
            change_set: format!("{CHANGE_SETS}{}", UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos()),
            creates: stack.is_none(),
            takes_over: stack.is_none() && table.is_some(),
            template_url,
            parameters: parameters(stack.as_ref(), &known, &wished)?,
            tags: tags(stack.as_ref(), wishes.tags.as_ref()),
        };
        self.stacks.propose(&proposal).await?;
        let (change_set, creates) = (proposal.change_set.clone(), proposal.creates);
        // By its id, this very stack can be discarded even if another one gets its name in the meantime.
        let id = self.stacks.find(self.stack).await?.map(|stack| stack.id);
        let id = id.ok_or_else(|| anyhow!("the stack {} is gone", self.stack))?;
        let found = self.changes(&change_set).await?;
        let prepared = Prepared { changes: Vec::new(), change_set, creates, id, upload };
        match found {
            // If the table does not exist, CloudFormation would create an empty one under this name.
            ChangeSet::Ready(changes)
                if proposal.takes_over && !changes.iter().any(|one| one.effect == Effect::Import) =>
            {
                self.forget(&prepared).await?;
                let name = table.unwrap_or_default();
                Err(invalid(format!(
                    "there is no table {name} that a new stack could take over: `goldsmith retire` names the table"
                )))
            }
            ChangeSet::Ready(changes) => Ok(Some(Prepared { changes, ..prepared })),
            ChangeSet::Refused(reason) => {
                self.forget(&prepared).await?;
                let message = format!("CloudFormation rejects the change of the stack {}: {reason}", self.stack);
                Err(Stop { exit: Exit::Aws, message }.into())
            }
            ChangeSet::Nothing | ChangeSet::Pending => self.forget(&prepared).await.map(|()| None),
        }
    }

    async fn changes(&self, change_set: &str) -> Result<ChangeSet> {
        let mut patience = Patience::default();
        for _ in 0..LOOKS {
            let look = self.stacks.change_set(self.stack, change_set).await.map_err(Into::into);
            match patience.take(look)? {
                Some(ChangeSet::Pending) | None => sleep(self.pace.pause).await,
                Some(found) => return Ok(found),
            }
        }
        let message = format!("CloudFormation has not computed yet what would change in the stack {}", self.stack);
        Err(Stop { exit: Exit::Aws, message }.into())
    }

    /// Discards the change, and leaves the stack as it is.
    pub(crate) async fn forget(&self, prepared: &Prepared) -> Result<()> {
        self.stacks.discard(&prepared.id, &prepared.change_set).await?;
        // The name of a stack that was only proposed would stay. Another caller may also have proposed the stack, or
        // made it in the meantime.
        let stack = self.stacks.find(&prepared.id).await?.filter(|stack| prepared.creates && stack.is_proposed());
        if stack.is_some() && self.stacks.change_sets(&prepared.id).await? == 0 {
            self.stacks.delete(&prepared.id).await?;
        }
        Ok(())
    }

    /// Discards the change after an error. That error is reported, and not an error of the discarding itself.
    pub(crate) async fn forget_after(&self, prepared: &Prepared) {
        if let Err(error) = self.forget(prepared).await {
            (self.say)(&format!("The change set {} stays: {error}", prepared.change_set));
        }
    }

    /// Uploads the functions and the state machine, makes the change, and waits until it ends.
    pub(crate) async fn execute(&self, prepared: &Prepared) -> Result<()> {
        (self.say)(&format!(
            "Uploading the functions and the state machine to the bucket {}.",
            prepared.upload.bucket()
        ));
        if let Err(error) = prepared.upload.rest().await {
            self.forget_after(prepared).await;
            return Err(error);
        }
        let mut progress = Progress::new(&self.stacks, &prepared.id, self.pace, self.say);
        progress.skip_what_was().await?;
        self.stacks.execute(self.stack, &prepared.change_set).await?;
        let expected = prepared.changes.iter().map(|change| change.resource.clone()).collect();
        let ended = progress.follow(&expected).await?;
        let wanted = ["CREATE_COMPLETE", "UPDATE_COMPLETE"];
        if wanted.contains(&ended.status.as_str()) {
            return Ok(());
        }
        let kept = if prepared.creates { "and what it had made is removed" } else { "and it is as it was before" };
        let kept =
            if ended.status.ends_with("_FAILED") { "and must be checked in CloudFormation's console" } else { kept };
        let failures =
            if ended.failures.is_empty() { String::new() } else { format!(":\n  {}", ended.failures.join("\n  ")) };
        let message = format!("the stack {} is {}, {kept}{failures}", self.stack, ended.status);
        Err(Stop { exit: Exit::Aws, message }.into())
    }
}

/// Rejects a deployment if the stack was deleted during the wait and has left its table: a new stack would begin with
/// an empty table.
fn refuse_to_forget(name: &str, left: Option<&str>, wished: Option<&str>) -> Result<()> {
    let Some(left) = left.filter(|left| wished != Some(left)) else { return Ok(()) };
    Err(invalid(format!(
        "the stack {name} was deleted in the meantime, and its table {left} stays: deploy again with --table {left}, and the new \
         stack continues with its pipelines, images and numbers; without --table, it starts empty"
    )))
}

/// Rejects the stack if its status allows no change, and names a solution for each such status.
fn refuse_what_is_stuck(name: &str, ways: &Ways, stack: &Stack) -> Result<()> {
    let Ways { again, aws } = ways;
    let way = match stack.status.as_str() {
        "UPDATE_ROLLBACK_FAILED" => {
            format!("`{aws} cloudformation continue-update-rollback --stack-name {name}` restores its previous state")
        }
        "DELETE_FAILED" => format!("`{again} retire` continues its removal"),
        "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" => {
            format!(
                "nothing in it works: delete it with `{aws} cloudformation delete-stack --stack-name {name}`, and deploy again"
            )
        }
        _ => return Ok(()),
    };
    let why = stack.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    Err(Stop { exit: Exit::Aws, message: format!("the stack {name} is {}{why}: {way}", stack.status) }.into())
}

/// Returns the name that the template gives the table.
fn table<'t>(exists: bool, deployed: Option<&'t str>, wished: Option<&'t str>) -> Result<Option<&'t str>> {
    match wished {
        Some(wished) if exists && deployed != Some(wished) => {
            Err(invalid("--table is for a new stack: this stack has a table, and keeps it"))
        }
        Some(wished) => Ok(Some(wished)),
        None => Ok(deployed),
    }
}

/// Returns the parameters: the stack's values stay if the template still has the parameter, and given values replace
/// them.
fn parameters(
    stack: Option<&Stack>,
    known: &BTreeSet<String>,
    given: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>> {
    if let Some(unknown) = given.keys().find(|key| !known.contains(*key)) {
        let meant =
            did_you_mean(unknown, known.iter().map(String::as_str)).map(|name| format!(", did you mean `{name}`?"));
        let all = || format!("; it has {}", known.iter().cloned().collect::<Vec<_>>().join(", "));
        let help = meant.unwrap_or_else(all);
        return Err(invalid(format!("the template has no parameter `{unknown}`{help}")));
    }
    let has = stack.into_iter().flat_map(|stack| stack.parameters.keys()).filter(|key| known.contains(*key));
    let mut all: BTreeMap<String, Value> = has.map(|key| (key.clone(), Value::Previous)).collect();
    all.extend(given.iter().map(|(key, value)| (key.clone(), Value::Given(value.clone()))));
    Ok(all)
}

/// Returns the tags without AWS's own tags, which a user cannot set.
fn tags(stack: Option<&Stack>, given: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let has = || stack.map(|stack| stack.tags.clone()).unwrap_or_default();
    let mut tags = given.cloned().unwrap_or_else(has);
    tags.retain(|key, _| !key.starts_with("aws:"));
    tags
}

impl Pace {
    /// The local AWS answers immediately, but AWS throttles calls that come too often.
    pub(crate) fn of(config: &SdkConfig) -> Self {
        let local = config.endpoint_url().is_some();
        Pace { pause: Duration::from_millis(if local { 100 } else { 2000 }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(status: &str) -> Stack {
        Stack {
            id: "arn".to_owned(),
            status: status.to_owned(),
            reason: Some("why".to_owned()),
            parameters: BTreeMap::from([("VpcId".to_owned(), "vpc-1".to_owned()), ("Old".to_owned(), "1".to_owned())]),
            outputs: BTreeMap::new(),
            tags: BTreeMap::from([("team".to_owned(), "a".to_owned()), ("aws:x".to_owned(), "b".to_owned())]),
            is_protected: false,
        }
    }

    #[test]
    fn a_stack_keeps_its_values_unless_others_are_given() {
        let known = BTreeSet::from(["VpcId".to_owned(), "Examples".to_owned()]);
        let given = BTreeMap::from([("Examples".to_owned(), "no".to_owned())]);
        let found = parameters(Some(&stack("UPDATE_COMPLETE")), &known, &given).unwrap();
        let expected = [("Examples".to_owned(), Value::Given("no".to_owned())), ("VpcId".to_owned(), Value::Previous)];
        assert_eq!(found, BTreeMap::from(expected));
        let wrong = BTreeMap::from([("VpcID".to_owned(), "vpc-2".to_owned())]);
        let error = parameters(None, &known, &wrong).unwrap_err().to_string();
        assert_eq!(error, "the template has no parameter `VpcID`, did you mean `VpcId`?");
    }

    #[test]
    fn a_stack_keeps_its_tags_and_aws_its_own() {
        let own = tags(Some(&stack("UPDATE_COMPLETE")), None);
        assert_eq!(own.keys().collect::<Vec<_>>(), ["team"]);
        let given = BTreeMap::from([("cost".to_owned(), "b".to_owned())]);
        assert_eq!(tags(Some(&stack("UPDATE_COMPLETE")), Some(&given)), given);
    }

    #[test]
    fn a_table_is_taken_once_and_kept() {
        assert_eq!(table(false, None, Some("a")).unwrap(), Some("a"));
        assert_eq!(table(true, Some("a"), None).unwrap(), Some("a"));
        assert_eq!(table(true, Some("a"), Some("a")).unwrap(), Some("a"));
        assert_eq!(table(true, None, None).unwrap(), None);
        for deployed in [None, Some("b")] {
            assert!(table(true, deployed, Some("a")).is_err());
        }
    }

    #[test]
    fn a_table_that_was_left_in_the_meantime_is_named_and_not_forgotten() {
        let error = refuse_to_forget("s", Some("s-Table-1"), None).unwrap_err().to_string();
        assert!(error.contains("deploy again with --table s-Table-1"), "{error}");
        assert!(refuse_to_forget("s", Some("s-Table-1"), Some("s-Table-2")).is_err());
        refuse_to_forget("s", Some("s-Table-1"), Some("s-Table-1")).unwrap();
        refuse_to_forget("s", None, None).unwrap();
    }

    fn ways() -> Ways {
        Ways { again: "goldsmith --stack s".to_owned(), aws: "aws --region r".to_owned() }
    }

    #[test]
    fn a_stack_that_takes_no_change_names_the_way_out() {
        for status in ["UPDATE_ROLLBACK_FAILED", "ROLLBACK_COMPLETE", "DELETE_FAILED"] {
            let error = refuse_what_is_stuck("s", &ways(), &stack(status)).unwrap_err().to_string();
            let way = if status == "DELETE_FAILED" {
                "`goldsmith --stack s retire`"
            } else {
                "`aws --region r cloudformation"
            };
            assert!(error.starts_with(&format!("the stack s is {status} (why): ")) && error.contains(way), "{error}");
        }
        for status in ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE"] {
            refuse_what_is_stuck("s", &ways(), &stack(status)).unwrap();
        }
    }
}
