//! Publish: decides whether enough Regions have the image, and then publishes it: first in the launch templates and the
//! SSM parameters, and last in the record.
//!
//! Input: the outcomes of Distribute's Map. Output: none. Error: `CopyFailed` with the cause of the first failed
//! Region. Once the record is written, the image stays, no matter how the execution ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use goldsmith_cloud::{Parameter, Tags};
use goldsmith_model::SsmParameter;
use goldsmith_store::{
    BuildRecord, Distributed, Effect, EffectKind, ExportedObject, ImageRecord, ImageStatus, Keep, OwnedCopy,
    PreviousParameter, ProvenanceRecord, Scope, stamp,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::engine::effect::effect;
use crate::engine::mark::protect;
use crate::engine::once::once;
use crate::error_names::ErrorName;
use crate::parts::contents;
use crate::parts::passed;
use crate::parts::sharing::share;
use crate::parts::short::whole;
use crate::parts::{status, template_version};
use crate::{Context, Error, Outcome, Result, Start, State};

/// How long a parameter may take to hold its value, and an AMI to be visible. Usually it takes a moment. The function
/// itself has two minutes.
const APPEARS: SignedDuration = SignedDuration::from_mins(1);
/// Pause between two of these looks.
const LOOK: Duration = Duration::from_millis(300);

/// Runs one invocation.
///
/// # Errors
/// Fails with `CopyFailed`, or if a call to the table or to AWS fails.
pub(crate) async fn handle(context: &Context, start: &Start) -> Result<Value> {
    let record = context.planned(&start.build).await?;
    passed::require_distributed(context, &record, start.results.as_deref().unwrap_or_default()).await?;
    let work = async { Ok((publish(context, &record, start).await?, json!({}))) };
    once(context, start, work).await
}

async fn publish(context: &Context, record: &BuildRecord, start: &Start) -> Result<String> {
    let good = good_regions(context, record, start.results.as_deref().unwrap_or_default()).await?;
    let made = amis(context, record, &good).await?;
    let existing = record.plan.distributes.iter().flat_map(|one| one.amis.clone());
    let known = existing.filter(|(region, _)| good.contains(region)).chain(made.clone()).collect();
    // Templates and parameters come before the record. If one of them cannot be written, the build fails and Finish
    // restores the others. After the record, the image would stay although not all of them name it.
    let named =
        if record.plan.overridden { Named::default() } else { name_image(context, record, start, &known).await? };
    let snapshots = snapshots(context, &made).await?;
    let copies = copies(context, record, &good).await?;
    let exports = exports(context, record, &good).await?;
    let distributes = record.plan.distributes.as_ref().map(|distributed| distributed.image.clone());
    let image = ImageRecord {
        image: record.image.clone(),
        build: record.build.clone(),
        pipeline: record.pipeline.clone(),
        cause: record.cause.clone(),
        status: if distributes.is_some() { ImageStatus::Distributed } else { ImageStatus::Available },
        source_image: record.plan.source_image.clone(),
        input_digest: record.plan.input_digest.clone(),
        overridden: record.plan.overridden,
        amis: made,
        copies,
        exports,
        snapshots,
        created_at: record.created_at.clone(),
        ended_at: Some(stamp(context.clock.now())),
        failure: None,
        life: None,
        surplus: None,
        told: None,
        is_verification: false,
        distributes,
        distributed_by: Vec::new(),
        revoked: None,
        contents: if record.plan.distributes.is_some() { None } else { contents::recorded(context, record).await? },
        provenance: provenance(context, record).await?,
        approval: record.plan.approval.clone(),
        approved: None,
    };
    open_existing(context, record, &good).await?;
    put(context, record, &image, good).await?;
    mark(context, record, &image).await?;
    let plural = |is_one: bool| if is_one { "" } else { "s" };
    let regions = known.len();
    let (templates, parameters) = (named.templates, named.parameters);
    let templates = match templates {
        0 => String::new(),
        _ => format!(", {templates} launch template{}", plural(templates == 1)),
    };
    Ok(format!(
        "{regions} Region{}{templates}, {parameters} parameter{}",
        plural(regions == 1),
        plural(parameters == 1)
    ))
}

/// Returns what was signed about the image.
async fn provenance(context: &Context, record: &BuildRecord) -> Result<Option<ProvenanceRecord>> {
    let attested = context.store.state(&record.build, &Scope::from(State::Attest)).await?;
    Ok(attested.and_then(|state| state.provenance))
}

/// Opens the AMIs that were published before the run to those whom the configuration has gained. A permission is not
/// undone, so this comes when nothing else can fail.
async fn open_existing(context: &Context, record: &BuildRecord, good: &BTreeSet<String>) -> Result<()> {
    for planned in record.plan.regions.iter().filter(|planned| good.contains(&planned.region)) {
        let Some(ami) = record.plan.existing_ami(&planned.region) else { continue };
        let until = context.clock.now() + APPEARS;
        loop {
            match share(context, planned, ami).await {
                Ok(true) => break,
                // A moment without the AMI or its snapshots must not undo all copies.
                Ok(false) if context.clock.now() < until => {}
                Err(error) if error.may_settle() && context.clock.now() < until => {}
                Ok(false) => {
                    let message = format!("the snapshots of {ami} in {} are not visible", planned.region);
                    return Err(Error::failed(ErrorName::AwsRefused, message));
                }
                Err(error) => return Err(error),
            }
            context.clock.sleep(LOOK).await;
        }
    }
    Ok(())
}

/// Writes the record: from here on, what the run has made stays.
async fn put(context: &Context, record: &BuildRecord, image: &ImageRecord, good: BTreeSet<String>) -> Result<()> {
    let Some(distributed) = &image.distributes else {
        return if context.store.publish_build(record, image).await? { Ok(()) } else { Err(Error::Closed) };
    };
    let good: Vec<String> = good.into_iter().collect();
    match context.store.publish_distribution(record, image, &good).await? {
        Distributed::Published => Ok(()),
        Distributed::Closed => Err(Error::Closed),
        Distributed::Unavailable => {
            let message = format!("{distributed} was disabled or deleted while it was distributed");
            Err(Error::failed(ErrorName::CopyFailed, message))
        }
    }
}

/// Marks the AMIs as published, or as waiting for their approval, and protects them. If AWS rejects that, the image stays
/// published, and `finish` tries again.
async fn mark(context: &Context, record: &BuildRecord, image: &ImageRecord) -> Result<()> {
    if record.plan.overridden {
        return Ok(());
    }
    let tags = status::of_kept(record, &Keep::Published, false);
    for (region, ami) in &image.amis {
        let snapshots = image.snapshots.get(region).into_iter().flatten();
        let ids: Vec<String> = std::iter::once(ami).chain(snapshots).cloned().collect();
        match context.cloud.images.tag(region, &ids, &tags).await {
            Err(error) if !error.is_transient() => tracing::warn!(%error, region, ami, "not marked as published yet"),
            other => other?,
        }
        // The protection comes after the record: what a failed build has made must be removed.
        match protect(context, record, region, ami).await {
            Err(error) if !error.is_transient() => tracing::warn!(%error, region, ami, "not protected yet"),
            other => other?,
        }
    }
    for copy in &image.copies {
        match mark_copy(context, copy, &tags).await {
            Err(error) if !error.is_transient() => {
                tracing::warn!(%error, account = copy.account, ami = copy.ami, "not marked as published yet");
            }
            other => other?,
        }
    }
    Ok(())
}

/// Tags an AMI that another account owns, and its snapshots.
async fn mark_copy(context: &Context, copy: &OwnedCopy, tags: &Tags) -> goldsmith_cloud::Result<()> {
    let there = context.cloud.target_accounts.enter(&copy.account).await?;
    // An AMI that its account has deregistered since then needs no mark.
    let Some(image) = there.images.image(&copy.region, &copy.ami).await? else { return Ok(()) };
    let ids: Vec<String> = std::iter::once(image.id).chain(image.snapshots).collect();
    there.images.tag(&copy.region, &ids, tags).await
}

/// Returns the Regions that have the image, if there are enough of them.
async fn good_regions(context: &Context, record: &BuildRecord, results: &[Outcome]) -> Result<BTreeSet<String>> {
    let good: BTreeSet<String> =
        results.iter().filter(|result| result.succeeded()).map(|result| result.item.clone()).collect();
    let enough =
        if record.plan.some_regions_suffice { !good.is_empty() } else { good.len() == record.plan.regions.len() };
    if enough {
        return Ok(good);
    }
    let mut cause = match results.iter().find(|result| !result.succeeded()) {
        Some(failed) => whole(context, &record.build, failed, State::DistributeRegion, None).await?,
        None => Error::failed(ErrorName::CopyFailed, "the image was not distributed to every Region")
            .cause(&Scope::from(State::Publish)),
    };
    ErrorName::CopyFailed.as_str().clone_into(&mut cause.error);
    Err(Error::because(ErrorName::CopyFailed, cause))
}

/// Returns the AMI id in each Region that succeeded, from the journal.
pub(crate) async fn amis(
    context: &Context,
    record: &BuildRecord,
    good: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>> {
    let effects = context.store.all_effects(&record.build).await?;
    let images = effects.into_iter().filter(|effect| effect.kind.is_image());
    Ok(images
        .filter(|effect| good.contains(&effect.region))
        .filter_map(|effect| Some((effect.region, effect.id?)))
        .collect())
}

/// Returns the AMIs of other accounts in each Region that succeeded, from the journal.
async fn copies(context: &Context, record: &BuildRecord, good: &BTreeSet<String>) -> Result<Vec<OwnedCopy>> {
    let effects = context.store.all_effects(&record.build).await?;
    let copy = |effect: Effect| {
        let account = effect.kind.target_account()?.to_owned();
        Some(OwnedCopy { account, region: effect.region, ami: effect.id? })
    };
    Ok(effects.into_iter().filter(|effect| good.contains(&effect.region)).filter_map(copy).collect())
}

/// Returns the objects to which the AMIs of the Regions that succeeded were exported, from the journal. A Region succeeds
/// only once its export is complete.
async fn exports(context: &Context, record: &BuildRecord, good: &BTreeSet<String>) -> Result<Vec<ExportedObject>> {
    let effects = context.store.all_effects(&record.build).await?;
    let exported = effects.iter().filter(|effect| good.contains(&effect.region)).filter_map(Effect::exported);
    Ok(exported.collect())
}

async fn snapshots(context: &Context, amis: &BTreeMap<String, String>) -> Result<BTreeMap<String, Vec<String>>> {
    let mut snapshots = BTreeMap::new();
    for (region, id) in amis {
        if let Some(image) = context.cloud.images.image(region, id).await? {
            snapshots.insert(region.clone(), image.snapshots);
        }
    }
    Ok(snapshots)
}

/// How many launch templates and parameters name the image.
#[derive(Default)]
struct Named {
    templates: u32,
    parameters: u32,
}

/// Makes the launch templates and the parameters of every Region that succeeded name the Region's AMI.
async fn name_image(
    context: &Context,
    record: &BuildRecord,
    start: &Start,
    amis: &BTreeMap<String, String>,
) -> Result<Named> {
    let mut named = Named::default();
    let good = || {
        let regions = record.plan.regions.iter();
        regions.filter_map(|planned| Some((planned, planned.region.as_str(), amis.get(&planned.region)?)))
    };
    // Launches by the default version begin to use the image at once. Parameters come last, because sources that other
    // pipelines build from are parameters, too.
    for (planned, region, ami) in good() {
        for template in &planned.launch_templates {
            template_version::add(context, record, start, named.templates, (region, ami), template).await?;
            named.templates += 1;
        }
    }
    for (planned, region, ami) in good() {
        let channel = record.plan.channel.as_ref();
        for parameter in planned.parameters.iter().filter(|one| one.is_written_for(channel)) {
            let n = named.templates + named.parameters;
            put_parameter(context, record, start, n, (region, ami), parameter).await?;
            named.parameters += 1;
        }
    }
    Ok(named)
}

/// Writes one parameter. The previous value goes into the journal first, so that it can be restored.
async fn put_parameter(
    context: &Context,
    record: &BuildRecord,
    start: &Start,
    n: u32,
    (region, ami): (&str, &str),
    parameter: &SsmParameter,
) -> Result<()> {
    let parameters = &context.cloud.parameters;
    // On a second attempt this may read our own value. That does no harm: `effect` continues from the entry that the
    // first attempt has written, with the value from before the build.
    let previous = parameters.get(region, &parameter.parameter_name).await?;
    let previous = previous.map(|old| PreviousParameter { value: old.value, data_type: old.data_type });
    let kind = EffectKind::Parameter { value: ami.to_owned(), previous };
    let intended = Effect::intended(&start.scope(), n, kind, region, &parameter.parameter_name);
    let value = Parameter { value: ami.to_owned(), data_type: parameter.data_type.as_str().to_owned() };
    effect(context, record, intended, |_| async {
        parameters.put(region, &parameter.parameter_name, &value).await?;
        wait_for_value(context, region, &parameter.parameter_name, ami).await?;
        Ok(ami.to_owned())
    })
    .await?;
    Ok(())
}

/// Waits until a parameter returns the value that was written. Systems Manager checks a value of the type
/// `aws:ec2:image` only after it has answered the call. If it does not find the AMI, it drops the value silently
/// (Systems Manager API reference, PutParameter).
async fn wait_for_value(context: &Context, region: &str, name: &str, ami: &str) -> Result<()> {
    let until = context.clock.now() + APPEARS;
    loop {
        let found = context.cloud.parameters.get(region, name).await?;
        if found.is_some_and(|found| found.value == ami) {
            return Ok(());
        }
        if context.clock.now() >= until {
            let message = format!(
                "Systems Manager accepted {ami} for the parameter {name} in {region}, but the parameter does not have \
                 that value a minute later: Systems Manager writes an `aws:ec2:image` only if it finds the AMI"
            );
            return Err(Error::failed(ErrorName::AwsRefused, message));
        }
        context.clock.sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Parameter;
    use goldsmith_cloud::fake::{HOME, NEVER};

    use crate::State;
    use crate::engine::undo::undo;
    use crate::testing::{Stack, Task, check_state, good, reach, whole_build};

    const NAME: &str = "/images/web";

    /// A stack right before Publish, whose parameter has had this many versions. The version `labelled` has a label.
    async fn with_label(versions: u64, labelled: u64) -> Stack {
        let stack = reach(&good(State::Publish)).await;
        let before = Parameter { value: "ami-before".to_owned(), data_type: "aws:ec2:image".to_owned() };
        stack.cloud.label_parameter(HOME, NAME, &before, versions, labelled);
        stack
    }

    /// Returns the value of the parameter.
    fn named(stack: &Stack) -> String {
        stack.inventory().region(HOME).parameters[NAME].clone()
    }

    #[tokio::test]
    async fn a_label_on_the_oldest_version_fails_the_build_at_once_and_says_what_helps() {
        for (versions, labelled) in [(100, 1), (250, 151)] {
            let stack = with_label(versions, labelled).await;
            let error = stack.run(&good(State::Publish)).await.unwrap_err();
            assert_eq!(error.error, "Goldsmith.AwsRefused");
            let oldest = format!("Version {labelled}, the oldest version");
            let helps = "`aws --region eu-west-1 ssm unlabel-parameter-version --name /images/web --parameter-version";
            for words in ["ParameterMaxVersionLimitExceeded", &oldest, "/images/web was not changed", helps] {
                assert!(error.cause.contains(words), "{words}: {}", error.cause);
            }
            let puts =
                || stack.cloud.effects().iter().filter(|effect| effect.detail.starts_with("/images/web = ")).count();
            assert_eq!(puts(), 1);
            stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
            assert_eq!((puts(), named(&stack).as_str()), (1, "ami-before"), "there is nothing to restore");
        }
    }

    #[tokio::test]
    async fn any_other_label_is_not_in_the_way() {
        for (versions, labelled) in [(99, 1), (100, 2), (250, 250)] {
            let stack = with_label(versions, labelled).await;
            stack.run(&good(State::Publish)).await.unwrap();
            assert!(named(&stack) != "ami-before", "{versions} versions, a label on {labelled}");
        }
    }

    #[tokio::test]
    async fn without_its_label_the_parameter_takes_the_image() {
        let stack = with_label(100, 1).await;
        stack.run(&good(State::Publish)).await.unwrap_err();
        stack.cloud.unlabel_parameter(HOME, NAME);
        stack.run(&good(State::Publish)).await.unwrap();
        assert!(named(&stack) != "ami-before");
    }

    #[tokio::test]
    async fn a_label_may_also_be_in_the_way_of_the_value_from_before_the_build() {
        let stack = with_label(99, 1).await;
        stack.run(&good(State::Publish)).await.unwrap();
        let effects = stack.store().effects(&stack.record().await.build, &State::Publish.into()).await.unwrap();
        let put = effects.into_iter().find(|effect| effect.kind.is_parameter()).unwrap();
        let error = undo(&stack.context(), &put).await.unwrap_err();
        assert!(!error.is_transient() && error.to_string().contains("unlabel-parameter-version"), "{error}");
        stack.cloud.unlabel_parameter(HOME, NAME);
        undo(&stack.context(), &put).await.unwrap();
        assert_eq!(named(&stack), "ami-before");
    }

    #[tokio::test]
    async fn publish_survives_every_fault() {
        // The last one is the copy that another account owns.
        let effects = ["PutParameter", "CreateTags", "CreateTags", "CreateTags"];
        check_state(good(State::Publish), &effects).await;
    }

    #[tokio::test]
    async fn the_parameters_of_the_pipelines_own_channel_are_written_with_the_image() {
        let stack = reach(&good(State::Plan)).await;
        let web = "web".parse().unwrap();
        let mut pipeline = stack.store().pipeline(&web).await.unwrap().unwrap();
        pipeline.channel = Some("stable".parse().unwrap());
        stack.put_pipeline(pipeline).await;
        for before in whole_build().iter().take_while(|before| before.state != State::Finish) {
            stack.run(before).await.unwrap();
        }
        stack.cloud.settle_parameters();
        let ami = &stack.image().await.amis[HOME];
        let parameters = stack.inventory().region(HOME).parameters.clone();
        assert_eq!(parameters.values().collect::<Vec<_>>(), [ami, ami], "{parameters:?}");
        let channel = stack.store().channels(&web).await.unwrap().remove(0);
        assert_eq!((channel.channel.as_str(), channel.to), ("stable", Some(stack.image().await.image)));
    }

    #[tokio::test]
    async fn a_parameter_that_takes_its_value_later_is_waited_for() {
        let stack = reach(&good(State::Publish)).await;
        stack.cloud.pace(|pace| pace.until_parameter = 5);
        stack.run(&good(State::Publish)).await.unwrap();
        assert_eq!(stack.inventory().region(HOME).parameters.len(), 1);
    }

    #[tokio::test]
    async fn a_parameter_that_never_takes_its_value_fails_the_build() {
        let stack = reach(&good(State::Publish)).await;
        stack.cloud.pace(|pace| pace.until_parameter = NEVER);
        let error = stack.run(&good(State::Publish)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.AwsRefused");
        assert!(error.cause.contains("the parameter does not have that value a minute later"), "{}", error.cause);
        assert!(stack.inventory().region(HOME).parameters.is_empty());
    }
}
