//! Launch, LaunchAgain and LaunchTest: launch an instance and wait until SSM reports it online.
//!
//! Input: the plan's instance types, subnets and markets, and the source image or the AMI to test. Output: an
//! `Instance` effect. Error: `Capacity` if no candidate could be launched for hours or ever, `NotOnline` if the
//! instance ended early or its agent does not register, `Timeout`.

mod candidates;
pub(crate) mod devices;
mod room;

pub(crate) use room::is_rested;

use async_trait::async_trait;
use goldsmith_cloud::{CloudError, Hardware, Instance, InstanceState, Kind, Launch, Market, MetadataOptions};
use goldsmith_model::{Placement, Tenancy};
use goldsmith_store::{Effect, EffectKind};
use jiff::SignedDuration;

use self::candidates::{Candidate, candidates, first_of_all, first_on_demand, in_use};
use crate::engine::drive::{Progress, Scene, Turns, Waiting};
use crate::engine::effect::effect;
use crate::engine::pending::{Ends, Pending};
use crate::engine::undo;
use crate::error_names::ErrorName;
use crate::parts::builder;
use crate::parts::command::lines::last_lines;
use crate::parts::keys;
use crate::parts::token::token;
use crate::parts::user_data::user_data;
use crate::{Context, Error, Result, State, Wake};

/// Time from its launch in which an instance is usually online. Longer than that, a function does not wait for it.
const USUALLY_ONLINE: SignedDuration = SignedDuration::from_mins(2);
/// How long an instance may run before its agent registers. An agent registers some seconds after the network is up.
const SILENT: SignedDuration = SignedDuration::from_mins(10);
/// The same limit for bare metal, whose firmware alone takes up to a quarter of an hour.
const SILENT_METAL: SignedDuration = SignedDuration::from_mins(35);

/// EC2's code for an instance that ends at its launch, which a KMS key may have caused.
const NO_KEY: &str = "Client.InternalError";

/// The states of this function.
pub(crate) struct LaunchInstance;

#[async_trait]
impl Waiting for LaunchInstance {
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress> {
        let tried = scene.effects().await?;
        if let Some((made, id)) = tried.iter().rev().find_map(in_use) {
            return watch(scene, &tried, made, id).await;
        }
        if let Some(pausing) = room::pausing(scene, &tried) {
            return Ok(pausing);
        }
        let first = first_of_all(scene, &tried);
        // One that was throttled asks again at its turn.
        if scene.in_line.as_ref().is_some_and(|own| own.pause.behind)
            && let Some(behind) = room::behind(scene, &tried, first).await?
        {
            return Ok(behind);
        }
        // The answer was lost, or EC2 has throttled the call. RunInstances with the same token returns the instance of
        // the first call.
        if let Some(unknown) = tried.iter().find(|effect| effect.id.is_none() && effect.refused.is_none()) {
            return try_candidates(scene, &tried, unknown.n).await;
        }
        if tried.is_empty() && scene.scope.state == State::LaunchAgain {
            remove_interrupted(scene).await?;
        }
        let next = tried.last().map_or(first, |last| first.max(last.n + 1));
        // A launch that was interrupted between two candidates continues with the next one.
        if next > first && (next as usize) < candidates(scene).len() {
            return try_candidates(scene, &tried, next).await;
        }
        match room::behind(scene, &tried, first).await? {
            Some(behind) => Ok(behind),
            None => try_candidates(scene, &tried, first).await,
        }
    }

    async fn next(&self, context: &Context, turns: &Turns) -> Result<Option<Wake>> {
        room::next(context, turns).await
    }
}

/// Tries the candidates, beginning with `first`. `tried` is the journal of the state so far. If EC2 refuses all of
/// them, the launch waits for room. Each candidate has its own journal entry and its own token. A token is for one type
/// and one zone: with the first candidate's token, the launch of a second candidate would make a second instance.
async fn try_candidates(scene: &Scene<'_>, tried: &[Effect], first: u32) -> Result<Progress> {
    let image = image(scene).await?;
    let candidates = candidates(scene);
    let never_fits = room::never_fits(tried);
    for (n, candidate) in (0u32..).zip(&candidates).skip(first as usize) {
        if never_fits.contains(&n) {
            continue;
        }
        let launch = request(scene, &image, candidate)?;
        let has_request = matches!(candidate.market, Market::StoppableSpot { .. });
        let kind = EffectKind::instance(candidate.to_string(), has_request);
        let intended = Effect::intended(&scene.scope, n, kind, scene.home(), &launch.token);
        let machines = &scene.context.cloud.machines;
        let made = effect(scene.context, &scene.record, intended, |_| async {
            let launched = machines.launch(scene.home(), &launch).await;
            Ok(launched.map_err(|error| advised(scene, error))?)
        });
        let made = match made.await {
            Err(Error::Cloud(error)) if error.kind == Kind::Throttled && error.operation == "RunInstances" => {
                let tried = scene.effects().await?;
                return Ok(room::throttled(scene, &tried, first_of_all(scene, &tried)));
            }
            made => made?,
        };
        if let Some(id) = made.id {
            return Ok(waiting(scene, &id, format!("{id} ({candidate}) is starting"), Ends::WithEvent));
        }
    }
    let tried = scene.effects().await?;
    room::wait(scene, &tried, first_of_all(scene, &tried))
}

fn is_spot(scene: &Scene<'_>, made: &Effect) -> bool {
    candidates(scene).get(made.n as usize).is_some_and(|candidate| candidate.market.is_spot())
}

/// Removes the instances of Launch that EC2 has taken back, or has not started again, before another instance is
/// launched: nothing of them is used again. Safe to repeat.
async fn remove_interrupted(scene: &Scene<'_>) -> Result<()> {
    while let Some((launched, id)) = builder::launched_by(scene, State::Launch).await? {
        let found = scene.context.cloud.machines.instance(scene.home(), &id).await?;
        let reason = found.map(|found| found.state_reason).unwrap_or_default();
        undo::end_instance(scene.context, &launched, &id).await?;
        complete(scene, &Effect { lost: Some(reason), ..launched }).await?;
    }
    Ok(())
}

/// Ends an instance that the build does not use any more, and records why.
async fn give_up(scene: &Scene<'_>, launched: &Effect, id: &str, reason: String) -> Result<()> {
    // EC2 has only stopped an instance of a persistent request, and would start it again.
    if builder::has_request(launched) {
        undo::end_instance(scene.context, launched, id).await?;
    }
    complete(scene, &Effect { lost: Some(reason), ..launched.clone() }).await
}

/// Replaces an effect in the journal.
///
/// # Errors
/// Fails if a call to the table fails, and with [`Error::Closed`] if the build was closed in the meantime.
async fn complete(scene: &Scene<'_>, effect: &Effect) -> Result<()> {
    if scene.context.store.complete(&scene.record, effect).await? { Ok(()) } else { Err(Error::Closed) }
}

/// Launches on demand after a spot instance that has ended before its agent was online. Another spot instance of these
/// types would probably end in the same way. The journal keeps the reason, because EC2 forgets an instance soon after
/// its end.
async fn on_demand_instead(scene: &Scene<'_>, made: &Effect, ended: &Instance) -> Result<Progress> {
    give_up(scene, made, &ended.id, ended.state_reason.clone()).await?;
    try_candidates(scene, &scene.effects().await?, first_on_demand(scene)).await
}

/// Looks at an instance that was launched. `tried` is the journal of the state.
async fn watch(scene: &Scene<'_>, tried: &[Effect], made: &Effect, id: &str) -> Result<Progress> {
    // Since the last look, at most the agent has come: the end of an instance is an event, and the tick asks EC2 again.
    if let Some(before) = scene.before.as_ref().filter(|before| before.ends == Ends::Soon) {
        return match scene.context.cloud.commands.ping(scene.home(), id).await?.is_online() {
            true => online(scene, id).await,
            false => Ok(Progress::Waiting(before.clone())),
        };
    }
    // EC2 may not know a new id for some seconds. The state then waits, and does not fail.
    let Some(instance) = scene.context.cloud.machines.instance(scene.home(), id).await? else {
        return Ok(waiting(scene, id, format!("{id} is not visible yet"), Ends::WithEvent));
    };
    note_volumes(scene, made, &instance).await?;
    match instance.state {
        InstanceState::Pending => Ok(waiting(scene, id, format!("{id} is pending"), Ends::WithEvent)),
        InstanceState::Running if scene.context.cloud.commands.ping(scene.home(), id).await?.is_online() => {
            online(scene, id).await
        }
        InstanceState::Running if is_silent(scene, &instance) => Err(silent(scene, &instance).await?),
        InstanceState::Running => {
            let detail = format!("{id} is running; its SSM agent is not online yet");
            Ok(waiting(scene, id, detail, until_online(scene, &instance)))
        }
        _ if is_spot(scene, made) && may_work_on_demand(&instance) => on_demand_instead(scene, made, &instance).await,
        _ if has_no_place(&instance) && room::has_others(scene, tried, made) => {
            give_up(scene, made, id, instance.state_reason.clone()).await?;
            try_candidates(scene, &scene.effects().await?, made.n + 1).await
        }
        _ => Err(ended(scene, &instance)),
    }
}

async fn online(scene: &Scene<'_>, id: &str) -> Result<Progress> {
    Ok(Progress::Done(format!("{id} is online{}", before(scene).await?)))
}

/// Returns in words for people what was launched or tried before the instance that is online now.
async fn before(scene: &Scene<'_>) -> Result<String> {
    let mut effects = Vec::new();
    if scene.scope.state == State::LaunchAgain {
        effects = scene.context.store.effects(&scene.record.build, &State::Launch.into()).await?;
    }
    effects.extend(scene.effects().await?);
    Ok(candidates::before(&effects))
}

/// Records the volumes with which the instance was launched. If a volume outlives the instance, only the journal shows
/// to which build the volume belongs. All volumes are attached by the time the instance is running.
async fn note_volumes(scene: &Scene<'_>, made: &Effect, instance: &Instance) -> Result<()> {
    let EffectKind::Instance { volumes, .. } = &made.kind else { return Ok(()) };
    if instance.state != InstanceState::Running || !volumes.is_empty() || instance.volumes.is_empty() {
        return Ok(());
    }
    let mut noted = made.clone();
    // The answer to the launch has named the request already, unless an earlier version has launched the instance.
    noted.kind.note_spot_request(instance.spot_request.clone());
    noted.kind.note_volumes(instance.volumes.clone());
    complete(scene, &noted).await
}

/// Returns the image to launch. A build launches its source image or a checkpoint, and a test the build's own AMI or
/// the verified one.
async fn image(scene: &Scene<'_>) -> Result<String> {
    let plan = &scene.record.plan;
    match (&scene.scope.item, &plan.verifies) {
        (Some(_), Some(verified)) => Ok(verified.ami.clone()),
        (Some(_), None) => scene.made_by(State::Snapshot, None, EffectKind::is_image).await,
        (None, _) => Ok(plan.launched_image().to_owned()),
    }
}

fn request(scene: &Scene<'_>, image: &str, candidate: &Candidate) -> Result<Launch> {
    let planned = &scene.record.plan.launch;
    let config = &scene.context.config;
    let security_groups = match planned.security_groups.as_slice() {
        [] => vec![config.security_group.clone()],
        some => some.to_vec(),
    };
    let mut tags = scene.context.tags(&scene.record);
    tags.entry("Name".to_owned()).or_insert_with(|| format!("goldsmith {} {}", scene.record.image, scene.scope));
    Ok(Launch {
        token: token(&[&scene.record.execution, &scene.scope.to_string(), &candidate.to_string()]),
        image: image.to_owned(),
        instance_type: candidate.instance_type.clone(),
        subnet: candidate.subnet.clone(),
        zone: planned.placement.availability_zone.clone(),
        hardware: hardware(&planned.placement),
        market: candidate.market,
        key_pair: key_pair(scene),
        security_groups,
        instance_profile: Some(instance_profile(scene).to_owned()),
        metadata: MetadataOptions { tokens_required: true, hop_limit: planned.metadata_hop_limit },
        tags,
        block_devices: devices::of_launch(planned, scene.scope.item.is_some()),
        user_data: Some(user_data(&config.ssm_agent)?),
    })
}

fn hardware(placement: &Placement) -> Hardware {
    match placement.tenancy {
        Tenancy::Default => Hardware::Shared,
        Tenancy::Dedicated => Hardware::Dedicated,
        Tenancy::Host => {
            Hardware::Host { id: placement.host_id.clone(), group: placement.host_resource_group_arn.clone() }
        }
    }
}

/// Returns the instance profile of the infrastructure configuration, or the stack's own profile. A test instance runs
/// the finished image, and needs fewer permissions.
fn instance_profile<'s>(scene: &'s Scene<'_>) -> &'s str {
    let config = &scene.context.config;
    let own = if scene.scope.item.is_some() { &config.test_instance_profile } else { &config.instance_profile };
    scene.record.plan.launch.instance_profile.as_deref().unwrap_or(own)
}

/// Adds possible causes to the error of a denied launch. The infrastructure configuration names a profile or a key
/// pair, but parameters of the stack grant the permissions to pass the profile's role and to use the key pair.
fn advised(scene: &Scene<'_>, mut error: CloudError) -> CloudError {
    let planned = &scene.record.plan.launch;
    if error.kind != Kind::Denied {
        return error;
    }
    if let Some(profile) = &planned.instance_profile {
        error.message += &format!(
            "; the infrastructure configuration names the instance profile {profile}, and the stack's parameter \
             InstanceRoleArns must list the ARN of its role"
        );
    }
    if let Some(key_pair) = key_pair(scene) {
        error.message += &format!(
            "; the infrastructure configuration names the key pair {key_pair}, and the stack's parameter KeyPairArns must \
             list its ARN"
        );
    }
    error
}

/// Returns the key pair of a build instance. People log in to an instance that is kept. A test must see what everyone
/// sees who launches the image, without a key pair.
fn key_pair(scene: &Scene<'_>) -> Option<String> {
    scene.record.plan.launch.key_pair.clone().filter(|_| scene.scope.item.is_none())
}

fn waiting(scene: &Scene<'_>, id: &str, detail: String, ends: Ends) -> Progress {
    Progress::Waiting(Pending::at_home(scene, id, detail, ends))
}

/// Returns whether an instance is bare metal: `m5.metal`, `c7g.metal`, `u-6tb1.metal`, `i4i.metal-24xl`.
pub(crate) fn is_metal(instance: &Instance) -> bool {
    instance.instance_type.split(['.', '-']).any(|part| part == "metal")
}

/// Returns whether the instance has had the time to boot, and its agent the time to register. Bare metal takes longer
/// to start.
pub(super) fn is_silent(scene: &Scene<'_>, instance: &Instance) -> bool {
    let patience = if is_metal(instance) { SILENT_METAL } else { SILENT };
    instance.launched.is_some_and(|launched| scene.context.clock.now() >= launched + patience)
}

/// Returns how the wait for the agent of a running instance ends. Systems Manager's event about a registration comes on
/// a best-effort basis. An agent that has not come long after the launch may never come, and must not hold a function.
pub(super) fn until_online(scene: &Scene<'_>, instance: &Instance) -> Ends {
    let has_just_started =
        instance.launched.is_some_and(|launched| scene.context.clock.now() < launched + USUALLY_ONLINE);
    if has_just_started && !is_metal(instance) { Ends::Soon } else { Ends::Later }
}

/// Returns the error for an instance whose agent does not register. It says what to check, and quotes the console.
async fn silent(scene: &Scene<'_>, instance: &Instance) -> Result<Error> {
    let profile = instance_profile(scene);
    let message = format!(
        "{} is running, but no SSM agent on it has registered with Systems Manager. Check that the image has an SSM agent, \
         or a cloud-init that could install one: the console says what was tried. Check that the subnet can reach the \
         endpoints ssm, ssmmessages and ec2messages of {}. Check that the role of the instance profile {profile} may \
         register with Systems Manager",
        instance.id,
        scene.home(),
    );
    let mut cause = Error::failed(ErrorName::NotOnline, message).cause(&scene.scope);
    cause.region = Some(scene.home().to_owned());
    cause.resource = Some(instance.id.clone());
    // Only people need the console output: if the role lacks the permission, that must not hide the rest.
    let console = scene.context.cloud.machines.console(scene.home(), &instance.id).await;
    cause.last_lines = match console {
        Ok(console) => last_lines(&console),
        Err(error) if error.is_transient() => return Err(error.into()),
        Err(error) => vec![format!("its console cannot be read: {error}")],
    };
    Ok(Error::because(ErrorName::NotOnline, cause))
}

/// Returns the error for an instance that ended before it was online.
fn ended(scene: &Scene<'_>, instance: &Instance) -> Error {
    let mut message = gone(instance);
    if has_failed_on_launch(instance) {
        let named: Vec<&str> =
            scene.record.plan.launch.block_devices.iter().filter_map(|one| one.ebs.kms_key_id.as_deref()).collect();
        let unnamed = "the KMS key of the image or the account's default KMS key for EBS";
        message = keys::advise(&message, &named, unnamed);
    }
    let mut cause = Error::failed(ErrorName::NotOnline, message).cause(&scene.scope);
    cause.region = Some(scene.home().to_owned());
    cause.resource = Some(instance.id.clone());
    Error::because(ErrorName::NotOnline, cause)
}

/// Returns whether the same launch on demand may go well: EC2 has taken the spot instance back, or could not use a key
/// that it needs a grant for only if the instance is a spot instance (EC2 user guide, "Grant access to customer managed
/// keys for use with encrypted AMIs and EBS snapshots").
fn may_work_on_demand(instance: &Instance) -> bool {
    builder::was_taken_back(instance) || has_failed_on_launch(instance)
}

/// Returns whether EC2 has ended the instance at its launch because it had no capacity, or by a fault of its own: another
/// type or subnet may be launched (EC2 API reference, StateReason).
fn has_no_place(instance: &Instance) -> bool {
    let codes = ["Server.InsufficientInstanceCapacity", "Server.InternalError"];
    codes.iter().any(|code| instance.state_reason.contains(code))
}

/// Returns whether EC2 could not use a KMS key, as far as its codes say. EC2's user guide names the key among the
/// causes of the first one ("Troubleshoot instance launch issues"). The second one is that of a key that is disabled or
/// waits for its deletion.
fn has_failed_on_launch(instance: &Instance) -> bool {
    [NO_KEY, "Client.InvalidKMSKey."].iter().any(|code| instance.state_reason.contains(code))
}

/// Describes in words for people how an instance ended.
pub(crate) fn gone(instance: &Instance) -> String {
    let is_stopped = matches!(instance.state, InstanceState::Stopping | InstanceState::Stopped);
    let state = if is_stopped { "was stopped" } else { "was terminated" };
    match instance.state_reason.as_str() {
        "" => format!("{} {state} from outside", instance.id),
        reason if builder::was_taken_back(instance) => {
            // EC2 stops a build instance, and terminates a test instance.
            let whose = if is_stopped {
                "the infrastructure configuration"
            } else {
                "the pipeline's `imageTestsConfiguration`"
            };
            format!(
                "{} {state}: {reason}. EC2 has reclaimed this spot instance: start the build again, or remove `spot` from \
                 {whose}",
                instance.id
            )
        }
        reason => format!("{} {state}: {reason}", instance.id),
    }
}

#[cfg(test)]
mod spot_builds;
#[cfg(test)]
mod tests;
