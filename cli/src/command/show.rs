//! `goldsmith show IMAGE|PIPELINE|DEFINITION`

mod definition;
mod pipeline;
mod since;

use anyhow::Result;
use goldsmith_model::Name;
use goldsmith_store::{
    AuditRecord, BuildRecord, CauseRecord, CauseStatus, ImageRecord, ImageStatus, LeftBehind, Leftover, OwnedCopy,
    Revocation, StateRecord, ancestors,
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::approval;
use crate::args::Globals;
use crate::audited;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::kept::KeptInstance;
use crate::output::{self, Show};
use crate::render::{self, columns, duration, labelled, seconds_between, word};
use crate::{failure, target};
use since::Since;

/// Show an image or its build, a pipeline with its last builds, or another definition.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An image as NAME/VERSION/BUILD, such as web-server/1.2.0/7, or NAME/latest, a pipeline, the id of a build, or a
    /// definition as `goldsmith definitions` lists it, such as component/nginx/1.0.0.
    #[arg(value_name = "IMAGE|PIPELINE|DEFINITION")]
    what: String,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    if let Some(wanted) = target::definition(&args.what)? {
        output::show(globals, &definition::show(&connection.store, &wanted).await?)?;
        return Ok(Exit::Success);
    }
    // A name without slashes is that of a pipeline, if there is one. Text that is not a name may still be a build's id.
    let name = args.what.parse::<Name>().ok();
    if let Some(name) = name
        && let Some(pipeline) = connection.store.pipeline(&name).await?
    {
        output::show(globals, &pipeline::show(&connection, pipeline, Timestamp::now()).await?)?;
        return Ok(Exit::Success);
    }
    output::show(globals, &image(&connection, &args.what).await?)?;
    Ok(Exit::Success)
}

/// An image with its build.
struct Shown {
    image: ImageRecord,
    states: Vec<StateRecord>,
    /// The ancestors of the image, the parent first.
    built_on: Vec<ImageRecord>,
    /// The channels that point to the image.
    channels: Vec<Name>,
    /// The instance that the build keeps for inspection.
    kept: Option<KeptInstance>,
    /// The owner of the AMI from which the build started.
    source_owner: Option<String>,
    /// Whether the build's cause will be retried.
    tried_again: Option<String>,
    /// The resources that could not be removed.
    left_behind: Vec<LeftBehind>,
    /// Resources that only carry the build's tags.
    leftovers: Vec<Leftover>,
    /// What has changed since the last good build, if this one failed.
    since: Option<Since>,
}

async fn image(connection: &Connection, what: &str) -> Result<Shown> {
    let image = target::image_or_latest(&connection.store, what).await?;
    let mut states = connection.store.states(&image.build).await?;
    states.sort_by(|a, b| a.started_at.cmp(&b.started_at));
    // A reader with the nonce could write event lines that other readers believe.
    states.iter_mut().filter_map(|state| state.log.as_mut()).for_each(|log| log.nonce = None);
    let build = connection.store.build(&image.build).await?;
    let kept = match &build {
        Some(build) => KeptInstance::of(&connection.store, build, Timestamp::now()).await?,
        None => None,
    };
    let source_owner = build.as_ref().and_then(source_owner);
    let all = connection.store.all_images().await?;
    let since = since::last_good(connection, &image, build.as_ref(), &all).await?;
    let left_behind = build.map(|build| build.after.left).unwrap_or_default();
    // A run that only tests an AMI builds nothing on it.
    let built_on = ancestors(&image, &all).into_iter().filter(|_| !image.is_verification).cloned().collect();
    let channels = connection.store.channels(&image.pipeline).await?.into_iter();
    let channels = channels.filter(|one| one.to.as_ref() == Some(&image.image)).map(|one| one.channel).collect();
    let mut leftovers = connection.store.leftovers().await?;
    leftovers.retain(|one| one.build.as_ref() == Some(&image.build));
    // Only a failed cause is kept for another try.
    let cause = match image.failure {
        Some(_) => connection.store.cause(&image.pipeline, &image.cause).await?,
        None => None,
    };
    let tried_again = cause.as_ref().and_then(tried_again);
    Ok(Shown { image, states, built_on, channels, kept, source_owner, tried_again, left_behind, leftovers, since })
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { image, states, built_on, channels, kept, source_owner, tried_again, left_behind, leftovers, since } =
            self;
        let built_on: Vec<_> =
            built_on.iter().map(|one| json!({"image": one.image, "status": render::life(one)})).collect();
        let mut shown = json!({"image": image, "states": states, "builtOn": built_on, "channels": channels,
                               "leftBehind": left_behind, "leftovers": leftovers,
                               "triedAgain": tried_again, "sourceOwner": source_owner});
        // Most images have none of these, so the keys are missing instead of null.
        if let Some(kept) = kept {
            shown["kept"] = json!(kept);
        }
        if let Some(audit) = audited::of(states) {
            shown["audit"] = json!(audit);
        }
        if let Some(since) = since {
            shown["sinceLastGood"] = json!(since);
        }
        shown.serialize(serializer)
    }
}

/// Returns when an image was revoked, by whom and why.
fn revocation(revoked: &Revocation) -> String {
    format!("{} by {}: {}", revoked.at, render::who(&revoked.by), revoked.reason)
}

/// Returns an ancestor of the image, and whether the ancestor was revoked.
fn ancestor(image: &ImageRecord) -> String {
    match &image.revoked {
        Some(revoked) => format!("{}, which was revoked: {}", image.image, revoked.reason),
        None => image.image.to_string(),
    }
}

/// Returns the owner of the AMI from which the build started.
fn source_owner(build: &BuildRecord) -> Option<String> {
    let owner = build.plan.source_owner.as_ref()?;
    Some(match &build.plan.source_owner_alias {
        Some(alias) => format!("{owner} ({alias})"),
        None => owner.clone(),
    })
}

/// Returns whether a failed cause will be retried, if the start was automatic.
fn tried_again(kept: &CauseRecord) -> Option<String> {
    match (kept.status, &kept.not_before) {
        (CauseStatus::Pending, Some(time)) if kept.failures > 0 => Some(format!("it will be retried at {time}")),
        (CauseStatus::Served, _) if kept.given_up => {
            Some(format!("it will not be retried: {} builds for this cause have failed", kept.failures))
        }
        _ => None,
    }
}

impl Show for Shown {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let audit = audited::of(&self.states);
        let mut lines = labelled(self.rows(globals, audit));
        // The only fact about a cancellation would be an error that is none.
        if !self.is_cancelled() {
            lines.extend(self.image.failure.iter().flat_map(failure::facts));
        }
        if let Some(since) = &self.since {
            lines.push(String::new());
            lines.extend(since.lines());
        }
        if let Some(audit) = audit.map(audited::lines).filter(|lines| !lines.is_empty()) {
            lines.push(String::new());
            lines.extend(audit);
        }
        if !self.states.is_empty() {
            lines.push(String::new());
            lines.extend(columns(&self.states.iter().map(|one| self.state(one)).collect::<Vec<_>>()));
        }
        lines
    }
}

impl Shown {
    /// Returns the labels and values of the first table.
    fn rows(&self, globals: &Globals, audit: Option<&AuditRecord>) -> Vec<(&'static str, String)> {
        let image = &self.image;
        // The AMI that a verification tests is not an image of the pipeline.
        let (what, from) = match image {
            _ if image.is_verification => ("run", "tested"),
            _ if image.distributes.is_some() => ("run", "copied"),
            _ => ("image", "source"),
        };
        let mut rows = vec![
            (what, image.image.to_string()),
            ("status", render::life(image)),
            ("pipeline", image.pipeline.to_string()),
            ("cause", render::cause(&image.cause)),
            (from, image.source_image.clone()),
            ("build", image.build.clone()),
            ("began", image.created_at.clone()),
        ];
        rows.extend(image.distributes.iter().map(|image| ("distributed", image.to_string())));
        rows.extend(image.distributed_by.iter().map(|run| ("distributed", format!("by run {}", run.build))));
        rows.extend(image.ended_at.iter().map(|ended| ("ended", ended.clone())));
        rows.extend(
            image.surplus.iter().map(|one| ("retention", format!("has disabled it at {}: {}", one.at, one.why))),
        );
        rows.extend(image.revoked.iter().map(|revoked| ("revoked", revocation(revoked))));
        rows.extend(approval::told(globals, image).map(|told| ("approval", told)));
        rows.extend(self.channels.iter().map(|channel| ("channel", channel.to_string())));
        rows.extend(self.built_on.iter().map(|one| ("built on", ancestor(one))));
        rows.extend(image.overridden.then(|| ("overridden", "yes: it is never published".to_owned())));
        rows.extend(image.amis.iter().map(|(region, id)| ("ami", format!("{region}  {id}"))));
        let copy = |copy: &OwnedCopy| ("copy", format!("{}  {}  of account {}", copy.region, copy.ami, copy.account));
        rows.extend(image.copies.iter().map(copy));
        rows.extend(audit.map(|audit| ("audit", audited::headline(audit))));
        let of = if image.is_verification { "owner" } else { "source of" };
        rows.extend(self.source_owner.iter().map(|owner| (of, owner.clone())));
        rows.extend(self.kept.iter().flat_map(|kept| kept.facts(globals)));
        rows.extend(self.tried_again.iter().map(|again| ("again", again.clone())));
        rows.extend(image.failure.iter().map(|cause| {
            if self.is_cancelled() { ("cancelled", cause.message.clone()) } else { ("failed", cause.to_string()) }
        }));
        let left = |left: &LeftBehind| ("left", format!("{} in {}: {}", left.what, left.region, left.reason));
        rows.extend(self.left_behind.iter().map(left));
        rows.extend(self.leftovers.iter().map(|one| ("not ours", stranger(one))));
        rows
    }

    fn is_cancelled(&self) -> bool {
        self.image.status == ImageStatus::Cancelled
    }

    fn state(&self, state: &StateRecord) -> Vec<String> {
        let took = state.ended_at.as_ref().and_then(|ended| seconds_between(&state.started_at, ended));
        let name = match &state.item {
            Some(item) => format!("{} {item}", state.state),
            None => state.state.to_string(),
        };
        // Finish ends the states that were running when the build was cancelled: as failed, with the build's message.
        let message = self.image.failure.as_ref().map(|cause| &cause.message);
        let is_interrupted = self.is_cancelled() && message == Some(&state.detail);
        let status = if is_interrupted { word(self.image.status) } else { word(state.status) };
        vec![name, status, took.map(duration).unwrap_or_default(), state.detail.clone()]
    }
}

/// Returns a line about a resource that carries the build's tags, but that is not known to belong to the build.
fn stranger(one: &Leftover) -> String {
    let Leftover { kind, id, region, since, .. } = one;
    format!("{kind} {id} in {region} has this build's tags, but no record shows that the build made it; found {since}")
}

#[cfg(test)]
mod tests {
    use goldsmith_model::definitions::{Draft, SourceFile};
    use goldsmith_store::{LeftBehind, Leftover};
    use serde_json::json;

    use super::{Shown, image, target};
    use crate::kept::KeptInstance;
    use crate::output::Show;
    use crate::testing::{Stack, globals};

    #[tokio::test]
    async fn a_failed_image_is_shown_with_its_cause_and_states() {
        let stack = Stack::new();
        let failure = json!({"state": "Build", "error": "Goldsmith.CommandFailed", "message": "step Install failed",
                             "step": "Install", "exitCode": 1});
        stack
            .closed_build(json!({"status": "FAILED", "failure": failure, "endedAt": "2026-01-01T00:01:00.000Z"}))
            .await;
        stack.state("Build", "FAILED", "step Install failed").await;
        let shown = image(&stack.connection, "web/1.0.0/1").await.unwrap();
        let expected = "\
image     web/1.0.0/1
status    FAILED
pipeline  web
cause     manual
source    ami-0
build     b
began     2026-01-01T00:00:00.000Z
ended     2026-01-01T00:01:00.000Z
failed    Build: step Install failed
left      i-1 in us-east-1: TerminateInstances in us-east-1 failed: UnauthorizedOperation: no
not ours  image ami-9 in us-east-1 has this build's tags, but no record shows that the build made it; found 2026-01-02T00:00:00.000Z
  step       Install
  exit code  1
  error      Goldsmith.CommandFailed

Build  FAILED  2.0s  step Install failed";
        let reason = "TerminateInstances in us-east-1 failed: UnauthorizedOperation: no".to_owned();
        let left_behind = vec![LeftBehind { what: "i-1".to_owned(), region: "us-east-1".to_owned(), reason }];
        let stranger = json!({"kind": "image", "id": "ami-9", "region": "us-east-1", "build": "b",
                              "since": "2026-01-02T00:00:00.000Z"});
        let leftovers: Vec<Leftover> = vec![serde_json::from_value(stranger).unwrap()];
        let shown = Shown { left_behind, leftovers, ..shown };
        assert_eq!(shown.lines(&globals("")).join("\n"), expected);
        let until = "2026-01-01T04:00:00.000Z".to_owned();
        let kept = Some(KeptInstance { id: "i-1".to_owned(), region: "eu-west-1".to_owned(), until });
        let table = "kept      i-1 in eu-west-1 until 2026-01-01T04:00:00.000Z\n\
                     get in    aws --region eu-west-1 ssm start-session --target i-1\nfailed  ";
        let shown = Shown { kept, ..shown };
        assert_eq!(shown.lines(&globals("")).join("\n"), expected.replace("failed  ", table));
    }

    #[tokio::test]
    async fn a_verification_is_shown_as_a_run_that_has_tested_an_ami() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "VERIFIED", "isVerification": true})).await;
        let text = image(&stack.connection, "web/1.0.0/1").await.unwrap().lines(&globals("")).join("\n");
        assert!(text.starts_with("run       web/1.0.0/1\nstatus    VERIFIED\n"), "{text}");
        assert!(text.contains("\ntested    ami-0\n") && !text.contains("source"), "{text}");
    }

    #[tokio::test]
    async fn a_cancelled_build_does_not_read_like_a_failure() {
        let stack = Stack::new();
        let stopped = "the execution was stopped";
        let failure = json!({"state": "Execution", "error": "Execution.ABORTED", "message": stopped});
        stack.closed_build(json!({"status": "CANCELLED", "failure": failure})).await;
        stack.state("Launch", "SUCCEEDED", "i-1").await;
        stack.state("Build", "FAILED", stopped).await;
        let text = image(&stack.connection, "web/1.0.0/1").await.unwrap().lines(&globals("")).join("\n");
        let ending = "\
began      2026-01-01T00:00:00.000Z
cancelled  the execution was stopped

Build   CANCELLED  2.0s  the execution was stopped
Launch  SUCCEEDED  2.0s  i-1";
        assert!(text.ends_with(ending) && !text.to_lowercase().contains("fail"), "{text}");
    }

    #[tokio::test]
    async fn what_the_audit_of_an_image_has_found_is_shown() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "AVAILABLE"})).await;
        let finding = json!({"path": "/etc/bind/rndc.key", "kind": "package-secret", "what": "control key of BIND",
                             "package": "bind9", "remedy": "remove it"});
        let record = json!({"state": "ExecuteTest", "item": "t3.small", "status": "SUCCEEDED", "startedAt": "", "audit":
                            {"findings": [finding], "files": 9}});
        stack.put("BUILD#b", "STATE#ExecuteTest#t3.small", record).await;
        let shown = image(&stack.connection, "web/1.0.0/1").await.unwrap().lines(&globals("")).join("\n");
        assert!(
            shown.contains("audit     1 thing that every instance would share; 9 files were examined\n"),
            "{shown}"
        );
        let table = "package-secret  /etc/bind/rndc.key  bind9    control key of BIND\n  remove it\n";
        assert!(shown.contains(table), "{shown}");
    }

    #[test]
    fn show_says_whether_a_failed_build_is_retried() {
        let kept = |more: serde_json::Value| -> goldsmith_store::CauseRecord {
            let mut record = json!({"id": "a", "pipeline": "web", "status": "pending", "attempt": 2, "arrivedAt": "",
                                    "cause": {"kind": "schedule", "scheduledTime": "2026-11-24T03:00:00Z"}});
            record.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            serde_json::from_value(record).unwrap()
        };
        for (more, expected) in [
            (json!({}), None),
            (json!({"notBefore": "2026-11-24T04:00:00.000Z"}), None),
            (
                json!({"failures": 1, "notBefore": "2026-11-24T04:00:00.000Z"}),
                Some("it will be retried at 2026-11-24T04:00:00.000Z"),
            ),
            (json!({"failures": 1, "status": "served"}), None),
            (
                json!({"failures": 4, "status": "served", "givenUp": true}),
                Some("it will not be retried: 4 builds for this cause have failed"),
            ),
        ] {
            assert_eq!(super::tried_again(&kept(more)).as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn an_image_is_found_by_its_build_and_a_missing_one_is_reported() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "AVAILABLE"})).await;
        let store = &stack.connection.store;
        assert_eq!(target::image_or_latest(store, "b").await.unwrap().image.to_string(), "web/1.0.0/1");
        let unknown = "there is no build `web`: name an image as NAME/VERSION/BUILD, or a build by its id";
        let copies = json!([{"account": "222233334444", "region": "eu-west-1", "ami": "ami-9"}]);
        stack.closed_build(json!({"status": "AVAILABLE", "copies": copies})).await;
        let shown = image(&stack.connection, "b").await.unwrap().lines(&globals("")).join("\n");
        assert!(shown.contains("copy      eu-west-1  ami-9  of account 222233334444"), "{shown}");
        for (text, message) in [
            ("web", unknown),
            ("web/1.0.0/2", "there is no image web/1.0.0/2"),
            ("web/1.0/2", "`1.0` is not a version: expected three numbers, such as 1.4.2"),
        ] {
            assert_eq!(target::image_or_latest(store, text).await.unwrap_err().to_string(), message);
        }
    }

    #[tokio::test]
    async fn a_name_of_a_pipeline_is_no_build_and_a_similar_one_is_suggested() {
        let stack = Stack::new();
        let store = &stack.connection.store;
        let text = "kind: ImagePipeline\nname: gateway\nimageRecipe: web/1.x.x\ninfrastructureConfiguration: small\n";
        let files = [SourceFile { path: "all.yml".to_owned(), text: text.to_owned() }];
        let definitions = Draft::read(&files, &|_| Ok(String::new())).check_alone().unwrap();
        store.apply(&definitions).await.unwrap();
        let wanted = "name an image as NAME/VERSION/BUILD, or a build by its id";
        for (text, message) in [
            ("gateway", format!("`gateway` is a pipeline: {wanted}")),
            ("gatewy", format!("there is no build `gatewy`: {wanted}; did you mean the pipeline `gateway`?")),
        ] {
            assert_eq!(target::image_or_latest(store, text).await.unwrap_err().to_string(), message);
        }
    }
}
