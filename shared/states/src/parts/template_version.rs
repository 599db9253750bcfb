//! Makes versions of launch templates that name the image of a build.

use std::time::Duration;

use goldsmith_cloud::NewTemplateVersion;
use goldsmith_model::PublishedTemplate;
use goldsmith_store::{BuildRecord, Effect, EffectKind};

use jiff::SignedDuration;

use crate::engine::effect::effect;
use crate::error_names::ErrorName;
use crate::parts::token::token;
use crate::{Context, Error, Result, Start};

/// How long EC2 may take to know a new version. The function itself times out after two minutes.
const SETTLES: SignedDuration = SignedDuration::from_mins(1);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// Adds a version that names the AMI to a launch template, as the `n`th effect of the state. Makes it the default
/// version if the distribution says so.
pub(crate) async fn add(
    context: &Context,
    record: &BuildRecord,
    start: &Start,
    n: u32,
    (region, ami): (&str, &str),
    planned: &PublishedTemplate,
) -> Result<()> {
    let templates = &context.cloud.templates;
    let Some(template) = templates.launch_template(region, &planned.template).await? else {
        let message = format!("there is no launch template {} in {region}", planned.template);
        return Err(Error::failed(ErrorName::AwsRefused, message));
    };
    // A second attempt may find its own version as the default one. The journal has the one from before the build, and
    // EC2 accepts the token again only for the same request.
    let scope = start.scope();
    let written = context.store.effects(&record.build, &scope).await?.into_iter().find(|effect| effect.n == n);
    let source = match written.map(|effect| effect.kind) {
        Some(EffectKind::TemplateVersion { source, .. }) => source,
        _ => template.default_version,
    };
    let version = NewTemplateVersion {
        token: token(&[&record.execution, &scope.to_string(), &n.to_string()]),
        template: template.id,
        source: source.clone(),
        image: ami.to_owned(),
        description: description(record),
    };
    let (image, description) = (version.image.clone(), version.description.clone());
    let kind = EffectKind::TemplateVersion { image, source, description };
    let intended = Effect::intended(&scope, n, kind, region, &version.template);
    effect(context, record, intended, |_| async {
        let number = templates.create_version(region, &version).await?;
        if planned.set_default_version {
            make_default(context, region, &version.template, &number).await?;
        }
        Ok(number)
    })
    .await?;
    Ok(())
}

/// Returns the description of a version. Each run has a different one, so that each run finds its own versions again.
fn description(record: &BuildRecord) -> String {
    match &record.plan.distributes {
        None => format!("Goldsmith: {}", record.image),
        Some(distributed) => format!("Goldsmith: {}, distributed by {}", distributed.image, record.image),
    }
}

/// Makes a new version the default one. EC2 may not know the version yet.
async fn make_default(context: &Context, region: &str, template: &str, number: &str) -> Result<()> {
    let until = context.clock.now() + SETTLES;
    loop {
        match context.cloud.templates.set_default_version(region, template, number).await {
            Err(error) if error.may_settle() && context.clock.now() < until => context.clock.sleep(PAUSE).await,
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::Fault;
    use goldsmith_cloud::{ExecutionStatus, Kind, LaunchTemplates as _, NewTemplateVersion};
    use jiff::SignedDuration;
    use serde_json::json;

    use crate::State;
    use crate::events::reap;
    use crate::testing::{AWAY, Stack, Task, check_state_on, good, reach_on};

    /// The effects of Publish if two launch templates get a version.
    const EFFECTS: [&str; 7] = [
        "CreateLaunchTemplateVersion",
        "ModifyLaunchTemplate",
        "CreateLaunchTemplateVersion",
        "PutParameter",
        "CreateTags",
        "CreateTags",
        "CreateTags",
    ];

    async fn stack() -> Stack {
        let stack = Stack::new().await;
        stack.publish_to_templates().await;
        stack
    }

    /// Returns the default version and the number of versions of each template.
    fn versions(stack: &Stack) -> [(u64, usize); 2] {
        ["lt-1", "lt-2"].map(|id| {
            let (default, images) = stack.cloud.template_versions(AWAY, id).unwrap();
            (default, images.len())
        })
    }

    #[tokio::test]
    async fn publish_survives_every_fault_with_launch_templates() {
        check_state_on(stack, good(State::Publish), &EFFECTS).await;
    }

    #[tokio::test]
    async fn a_template_gets_a_version_of_the_image_which_becomes_the_default_if_wanted() {
        let stack = reach_on(stack().await, &good(State::Publish)).await;
        stack.run(&good(State::Publish)).await.unwrap();
        let ami = stack.image().await.amis[AWAY].clone();
        for (id, default) in [("lt-1", 2), ("lt-2", 1)] {
            let (is, images) = stack.cloud.template_versions(AWAY, id).unwrap();
            assert_eq!((is, images[&1].as_str(), images[&2].as_str()), (default, "ami-old", ami.as_str()), "{id}");
        }
    }

    #[tokio::test]
    async fn a_failed_build_leaves_the_templates_as_they_were() {
        let faults = [Fault::Refuse(Kind::Denied), Fault::LoseAnswer, Fault::KillBefore, Fault::KillAfter];
        for (at, fault) in (1..=4).flat_map(|at| faults.map(|fault| (at, fault))) {
            let stack = reach_on(stack().await, &good(State::Publish)).await;
            stack.cloud.fail_next(EFFECTS[at - 1], fault);
            stack.cloud.fail_always("PutParameter", "eu-west-1", Fault::Refuse(Kind::Denied));
            let error = stack.run(&good(State::Publish)).await.unwrap_err();
            stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
            assert_eq!(versions(&stack), [(1, 1), (1, 1)], "{fault:?} at {at}");
        }
    }

    #[tokio::test]
    async fn a_stop_at_any_moment_leaves_the_templates_as_they_were() {
        for (at, fault) in (0..4).flat_map(|at| [(at, Fault::KillBefore), (at, Fault::KillAfter)]) {
            let stack = stopped(EFFECTS[at], fault).await;
            reap(&stack, 1).await;
            reap(&stack, 1).await;
            assert_eq!(versions(&stack), [(1, 1), (1, 1)], "{fault:?} at {at}");
            assert!(stack.inventory().is_empty(), "{fault:?} at {at}: {:?}", stack.inventory());
        }
    }

    #[tokio::test]
    async fn an_image_stays_as_long_as_a_template_may_name_it() {
        let stack = stopped("CreateLaunchTemplateVersion", Fault::KillAfter).await;
        stack.cloud.fail_always("DeleteLaunchTemplateVersions", AWAY, Fault::Refuse(Kind::Denied));
        for _ in 0..5 {
            reap(&stack, 1).await;
            let (_, images) = stack.cloud.template_versions(AWAY, "lt-1").unwrap();
            assert!(stack.inventory().region(AWAY).images.contains_key(&images[&2]));
        }
        let left = stack.record().await.after.left;
        assert!(left.iter().any(|left| left.reason == "the launch template lt-1 may still name it"), "{left:?}");
        stack.cloud.heal();
        for hours in [1, 7, 25, 25] {
            reap(&stack, hours).await;
        }
        assert_eq!(versions(&stack), [(1, 1), (1, 1)]);
        assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
    }

    /// A build whose process ends at this effect of Publish, and whose execution is then stopped.
    async fn stopped(effect: &'static str, fault: Fault) -> Stack {
        let stack = reach_on(stack().await, &good(State::Publish)).await;
        stack.start_execution().await;
        stack.cloud.fail_next(effect, fault);
        stack.run_until_killed(&[good(State::Publish)]).await;
        stack.end_execution(ExecutionStatus::Aborted).await;
        stack
    }

    /// Lets some hours pass, and then runs the reaper.
    async fn reap(stack: &Stack, hours: i64) {
        stack.clock.advance(SignedDuration::from_hours(hours));
        reap::handle(&stack.context(), json!({"sweep": true})).await.unwrap();
    }

    #[tokio::test]
    async fn what_somebody_else_has_made_of_the_template_stays() {
        let stack = reach_on(stack().await, &good(State::Publish)).await;
        stack.cloud.fail_always("PutParameter", "eu-west-1", Fault::Refuse(Kind::Denied));
        let error = stack.run(&good(State::Publish)).await.unwrap_err();
        let theirs = NewTemplateVersion {
            token: "theirs".to_owned(),
            template: "lt-1".to_owned(),
            source: "1".to_owned(),
            image: "ami-theirs".to_owned(),
            description: String::new(),
        };
        let number = stack.cloud.create_version(AWAY, &theirs).await.unwrap();
        stack.cloud.set_default_version(AWAY, "lt-1", &number).await.unwrap();
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        let (default, images) = stack.cloud.template_versions(AWAY, "lt-1").unwrap();
        assert_eq!((default, images.into_values().collect::<Vec<_>>()), (3, vec!["ami-old".to_owned(), theirs.image]));
    }

    #[tokio::test]
    async fn a_template_that_is_gone_fails_the_build() {
        let stack = reach_on(stack().await, &good(State::Publish)).await;
        stack.cloud.remove_launch_template(AWAY, "lt-1");
        let error = stack.run(&good(State::Publish)).await.unwrap_err();
        assert!(error.cause.contains("there is no launch template lt-1 in us-east-1"), "{}", error.cause);
    }
}
