//! Launch and LaunchTest: launch an instance and wait until SSM reports it online.
//!
//! Input: the plan's instance types and subnets, and the source image, or the AMI to test. Output: an `Instance`
//! effect. Error: `Capacity` if no candidate could be launched, `NotOnline` if the instance ended early or its agent
//! does not register, `Timeout`.

pub(crate) mod devices;

use async_trait::async_trait;
use goldsmith_cloud::{CloudError, Instance, InstanceState, Kind, Launch, MetadataOptions, Ping};
use goldsmith_store::{Effect, EffectKind};
use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use crate::engine::drive::{Pending, Progress, Scene, Waiting};
use crate::engine::effect::effect;
use crate::error_names::ErrorName;
use crate::parts::command::lines::last_lines;
use crate::parts::keys;
use crate::parts::user_data::user_data;
use crate::{Error, Result, State};

/// How long an instance may run before its agent registers. An agent registers some seconds after the network is up.
const SILENT: SignedDuration = SignedDuration::from_mins(10);
/// The same for bare metal, whose firmware alone takes up to a quarter of an hour.
const SILENT_METAL: SignedDuration = SignedDuration::from_mins(35);

/// The states of this function.
pub(crate) struct LaunchInstance;

#[async_trait]
impl Waiting for LaunchInstance {
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress> {
        match scene.effects().await?.last() {
            Some(made @ Effect { id: Some(id), .. }) => watch(scene, made, id).await,
            Some(tried) if tried.refused.is_some() => try_candidates(scene, tried.n + 1).await,
            // The answer was lost. RunInstances with the same token returns the instance of the first call.
            Some(unknown) => try_candidates(scene, unknown.n).await,
            None => try_candidates(scene, 0).await,
        }
    }
}

/// Tries the candidates from `first` on. Each candidate has its own journal entry and its own token. A token is for one
/// type and one zone, so the launch of a second candidate with the token of the first would make a second instance.
async fn try_candidates(scene: &Scene<'_>, first: u32) -> Result<Progress> {
    let image = image(scene).await?;
    let candidates = candidates(scene);
    for (n, candidate) in (0u32..).zip(&candidates).skip(first as usize) {
        let launch = request(scene, &image, candidate)?;
        let kind = EffectKind::Instance { candidate: candidate.to_string(), volumes: vec![] };
        let intended = Effect::intended(&scene.scope, n, kind, scene.home(), &launch.token);
        let machines = &scene.context.cloud.machines;
        let made = effect(scene.context, &scene.record, intended, |_| async {
            let launched = machines.launch(scene.home(), &launch).await;
            Ok(launched.map_err(|error| of_profile(scene, error))?.id)
        });
        let made = made.await?;
        if let Some(id) = made.id {
            return Ok(waiting(scene, &id, format!("{id} ({candidate}) is starting")));
        }
    }
    let tried = scene.effects().await?;
    let refusals: Vec<String> = tried.iter().filter_map(refusal).collect();
    Err(Error::failed(ErrorName::Capacity, format!("no instance could be launched: {}", refusals.join("; "))))
}

/// Returns a candidate and AWS's code for why it was not launched.
fn refusal(effect: &Effect) -> Option<String> {
    let EffectKind::Instance { candidate, .. } = &effect.kind else { return None };
    Some(format!("{candidate}: {}", effect.refused.as_deref().unwrap_or_default()))
}

/// Looks at an instance that was launched.
async fn watch(scene: &Scene<'_>, made: &Effect, id: &str) -> Result<Progress> {
    // EC2 may not know a new id for some seconds. The state then waits, and does not fail.
    let Some(instance) = scene.context.cloud.machines.instance(scene.home(), id).await? else {
        return Ok(waiting(scene, id, format!("{id} is not visible yet")));
    };
    note_volumes(scene, made, &instance).await?;
    match instance.state {
        InstanceState::Pending => Ok(waiting(scene, id, format!("{id} is pending"))),
        InstanceState::Running if scene.context.cloud.commands.ping(scene.home(), id).await? == Ping::Online => {
            Ok(Progress::Done(format!("{id} is online")))
        }
        InstanceState::Running if is_silent(scene, &instance) => Err(silent(scene, &instance).await?),
        InstanceState::Running => Ok(waiting(scene, id, format!("{id} is running; its SSM agent is not online yet"))),
        _ => Err(ended(scene, &instance)),
    }
}

/// Records the volumes that the instance was launched with. If they outlive it, nothing but the journal shows to which
/// build they belong. All of them are attached by the time the instance runs.
async fn note_volumes(scene: &Scene<'_>, made: &Effect, instance: &Instance) -> Result<()> {
    let EffectKind::Instance { candidate, volumes } = &made.kind else { return Ok(()) };
    if instance.state != InstanceState::Running || !volumes.is_empty() || instance.volumes.is_empty() {
        return Ok(());
    }
    let kind = EffectKind::Instance { candidate: candidate.clone(), volumes: instance.volumes.clone() };
    let noted = Effect { kind, ..made.clone() };
    match scene.context.store.complete(&scene.record, &noted).await? {
        true => Ok(()),
        false => Err(Error::Closed),
    }
}

/// An instance type and a subnet that a launch may use.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    instance_type: String,
    subnet: Option<String>,
}

impl std::fmt::Display for Candidate {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.subnet {
            Some(subnet) => write!(out, "{} in {subnet}", self.instance_type),
            None => out.write_str(&self.instance_type),
        }
    }
}

/// Returns types × subnets, in order. A test instance has only one type, which is its item.
fn candidates(scene: &Scene<'_>) -> Vec<Candidate> {
    let launch = &scene.record.plan.launch;
    let types = match &scene.scope.item {
        Some(item) => std::slice::from_ref(item),
        None => launch.instance_types.as_slice(),
    };
    let subnets: Vec<Option<String>> = match launch.subnets.as_slice() {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    types
        .iter()
        .flat_map(|instance_type| {
            subnets.iter().map(|subnet| Candidate { instance_type: instance_type.clone(), subnet: subnet.clone() })
        })
        .collect()
}

/// Returns the image to launch: the source image for a build; for a test, the build's own AMI or the verified one.
async fn image(scene: &Scene<'_>) -> Result<String> {
    let plan = &scene.record.plan;
    match (&scene.scope.item, &plan.verifies) {
        (Some(_), Some(verified)) => Ok(verified.ami.clone()),
        (Some(_), None) => scene.made_by(State::Snapshot, None, EffectKind::is_image).await,
        (None, _) => Ok(plan.source_image.clone()),
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
        security_groups,
        instance_profile: Some(instance_profile(scene).to_owned()),
        metadata: MetadataOptions { tokens_required: true, hop_limit: planned.metadata_hop_limit },
        tags,
        block_devices: devices::of_launch(planned, scene.scope.item.is_some()),
        user_data: Some(user_data(&config.ssm_agent)?),
    })
}

/// Returns the infrastructure's instance profile, or the stack's own. A test instance runs what was built, and needs
/// fewer permissions.
fn instance_profile<'s>(scene: &'s Scene<'_>) -> &'s str {
    let config = &scene.context.config;
    let own = if scene.scope.item.is_some() { &config.test_instance_profile } else { &config.instance_profile };
    scene.record.plan.launch.instance_profile.as_deref().unwrap_or(own)
}

/// Adds a possible cause to the error of a denied launch: the infrastructure configuration names the profile, but a
/// parameter of the stack grants the permission to pass its role.
fn of_profile(scene: &Scene<'_>, mut error: CloudError) -> CloudError {
    if let (Kind::Denied, Some(profile)) = (error.kind, &scene.record.plan.launch.instance_profile) {
        error.message = format!(
            "{}; the infrastructure configuration names the instance profile {profile}, and the stack's parameter \
             InstanceRoleArns must list the ARN of its role",
            error.message
        );
    }
    error
}

/// Returns a client token of 64 characters, which is EC2's limit.
pub(crate) fn token(parts: &[&str]) -> String {
    hex::encode(Sha256::digest(parts.join("\n")))
}

fn waiting(scene: &Scene<'_>, id: &str, detail: String) -> Progress {
    Progress::Waiting(Pending { resource: id.to_owned(), region: scene.home().to_owned(), detail })
}

/// Returns whether an instance is bare metal: `m5.metal`, `c7g.metal`, `u-6tb1.metal`, `i4i.metal-24xl`.
pub(crate) fn is_metal(instance: &Instance) -> bool {
    instance.instance_type.split(['.', '-']).any(|part| part == "metal")
}

/// Returns whether the instance has had the time to boot, and its agent the time to register. Bare metal takes longer
/// to start.
fn is_silent(scene: &Scene<'_>, instance: &Instance) -> bool {
    let patience = if is_metal(instance) { SILENT_METAL } else { SILENT };
    instance.launched.is_some_and(|launched| scene.context.clock.now() >= launched + patience)
}

/// Returns the error for an instance whose agent does not register: what to check, and what its console says.
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
    // Among the causes of this code, EC2's user guide names the KMS key ("Troubleshoot instance launch issues").
    if instance.state_reason.contains("Client.InternalError") {
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

/// Describes how an instance ended, in words for people.
pub(crate) fn gone(instance: &Instance) -> String {
    let state = match instance.state {
        InstanceState::Stopping | InstanceState::Stopped => "was stopped",
        _ => "was terminated",
    };
    match instance.state_reason.as_str() {
        "" => format!("{} {state} from outside", instance.id),
        reason => format!("{} {state}: {reason}", instance.id),
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::fake::{Fault, NEVER};

    use crate::testing::{Stack, Task, check_state, reach};
    use crate::{Clock as _, State};

    #[tokio::test]
    async fn launch_survives_every_fault() {
        check_state(Task::new(State::Launch), &["RunInstances", "SendTaskSuccess"]).await;
    }

    #[tokio::test]
    async fn launch_test_survives_every_fault() {
        check_state(Task::item(State::LaunchTest, "t3.small"), &["RunInstances", "SendTaskSuccess"]).await;
    }

    #[tokio::test]
    async fn the_next_type_is_tried_if_there_is_no_capacity() {
        let stack = reach(&Task::new(State::Launch)).await;
        stack.cloud.no_capacity("t3.small", None);
        stack.run(&Task::new(State::Launch)).await.unwrap();
        let launches = stack.cloud.requests().launches;
        let types: Vec<&str> = launches.iter().map(|(_, launch)| launch.instance_type.as_str()).collect();
        assert_eq!(types.last(), Some(&"t3a.small"));
        stack.cloud.no_capacity("t3a.small", None);
        let stack = reach(&Task::new(State::Launch)).await;
        stack.cloud.no_capacity("t3.small", None);
        stack.cloud.no_capacity("t3a.small", None);
        let error = stack.run(&Task::new(State::Launch)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.Capacity");
        assert!(error.cause.contains("t3.small: InsufficientInstanceCapacity; t3a.small"), "{}", error.cause);
        assert!(stack.inventory().is_empty());
    }

    #[tokio::test]
    async fn a_test_instance_has_its_own_profile_unless_one_is_configured() {
        for (named, of_build, of_test) in
            [(None, "goldsmith-build", "goldsmith-test"), (Some("team-build"), "team-build", "team-build")]
        {
            let stack = Stack::new().await;
            stack.name_instance_profile(named).await;
            for state in [State::Plan, State::Launch, State::Build, State::Snapshot] {
                stack.run(&Task::new(state)).await.unwrap();
            }
            stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap();
            let launches = stack.cloud.requests().launches;
            let profiles: Vec<_> = launches.iter().map(|(_, launch)| launch.instance_profile.as_deref()).collect();
            assert_eq!(profiles, [Some(of_build), Some(of_test)]);
        }
    }

    #[tokio::test]
    async fn a_refusal_of_a_named_profile_says_which_parameter_lists_its_role() {
        for (named, says) in [(None, false), (Some("team-build"), true)] {
            let stack = Stack::new().await;
            stack.name_instance_profile(named).await;
            stack.run(&Task::new(State::Plan)).await.unwrap();
            stack.cloud.fail_next("RunInstances", Fault::Refuse(Kind::Denied));
            let error = stack.run(&Task::new(State::Launch)).await.unwrap_err();
            assert_eq!(error.error, "Goldsmith.AwsRefused");
            let advice = "names the instance profile team-build, and the stack's parameter InstanceRoleArns must list the \
                          ARN of its role";
            assert_eq!(error.cause.contains(advice), says, "{}", error.cause);
        }
    }

    #[tokio::test]
    async fn if_no_subnet_is_named_the_stacks_subnets_are_tried_in_order() {
        let mut stack = Stack::new().await;
        stack.subnets = vec!["subnet-a".to_owned(), "subnet-b".to_owned()];
        stack.run(&Task::new(State::Plan)).await.unwrap();
        // The plan stays, whatever becomes of the stack meanwhile.
        stack.subnets.clear();
        stack.cloud.no_capacity("t3.small", Some("subnet-a"));
        stack.run(&Task::new(State::Launch)).await.unwrap();
        let launches = stack.cloud.requests().launches;
        let launched: Vec<_> = launches.iter().map(|(_, launch)| launch.subnet.as_deref().unwrap()).collect();
        assert_eq!(launched, ["subnet-b"], "the first has no capacity");
    }

    #[tokio::test]
    async fn build_and_test_instances_install_the_ssm_agent_if_it_is_missing() {
        let stack = reach(&Task::item(State::LaunchTest, "t3.small")).await;
        stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap();
        let launches = stack.cloud.requests().launches;
        let brings = |data: &str| data.starts_with("#!/bin/sh\n") && data.contains("/latest/debian_$machine/");
        assert!(launches.len() >= 2, "{}", launches.len());
        assert!(launches.iter().all(|(_, launch)| launch.user_data.as_deref().is_some_and(brings)));
    }

    #[tokio::test]
    async fn an_instance_that_ends_early_is_reported() {
        let stack = reach(&Task::new(State::Launch)).await;
        stack.cloud.next_instance_ends(1, "Server.InternalError");
        let error = stack.run(&Task::new(State::Launch)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.NotOnline");
        assert!(error.cause.contains("Server.InternalError"), "{}", error.cause);
    }

    #[tokio::test]
    async fn a_wait_that_nothing_ends_fails_by_its_deadline() {
        let stack = reach(&Task::new(State::Launch)).await;
        stack.cloud.pace(|pace| pace.until_online = NEVER);
        let error = stack.run(&Task::new(State::Launch)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.Timeout");
        assert!(error.cause.contains("its SSM agent is not online yet"), "{}", error.cause);
    }

    #[tokio::test]
    async fn an_agent_that_stays_silent_ends_the_launch_with_what_to_check() {
        for (console, said) in [("first\n\nno network\n", r#"["first","no network"]"#), ("", "no lines")] {
            let stack = reach(&Task::new(State::Launch)).await;
            stack.cloud.pace(|pace| pace.until_online = NEVER);
            let began = stack.clock.now();
            stack.cloud.consoles_say(console, began);
            let error = stack.run(&Task::new(State::Launch)).await.unwrap_err();
            assert_eq!(error.error, "Goldsmith.NotOnline");
            for words in ["has an SSM agent", "ssm, ssmmessages and ec2messages of eu-west-1", "the instance profile"] {
                assert!(error.cause.contains(words), "{}", error.cause);
            }
            assert_eq!(error.cause.contains(said), !console.is_empty(), "{}", error.cause);
            let waited = stack.clock.now().duration_since(began).as_mins();
            assert!((10..12).contains(&waited), "{waited} minutes");
        }
    }
}
