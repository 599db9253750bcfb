//! Builds on Dedicated Hosts.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::ProvideErrorMetadata as _;
use aws_sdk_ec2::types::{InstanceType, Placement, Tenancy};
use goldsmith_cloud::Parameters as _;
use goldsmith_cloud::aws::SsmParameters;
use goldsmith_model::{State, Tenancy as Wanted};
use goldsmith_store::Scope;
use serde_json::Value;

use super::Case;
use super::plan::plan;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("instances_run_on_the_dedicated_host_of_the_infrastructure", on_host),
    ("a_dedicated_host_that_does_not_fit_is_found_before_a_build", found_before),
];

const TYPES: &str = "instanceTypes: [t3.small]\n";

/// Allocates a host for a family in the second zone.
fn allocate(stack: &Stack, ec2: &Client, family: &str) -> String {
    let make = ec2.allocate_hosts().instance_family(family).availability_zone("eu-west-1b").quantity(1);
    stack.block_on(make.send()).unwrap().host_ids.unwrap().swap_remove(0)
}

/// The source image of the suite's pipelines.
fn source(stack: &Stack) -> String {
    let parameters = SsmParameters::new(stack.sdk());
    stack.block_on(parameters.get("eu-west-1", "/goldsmith/examples/source")).unwrap().unwrap().value
}

fn release(stack: &Stack, ec2: &Client, id: &str) {
    let released = stack.block_on(ec2.release_hosts().host_ids(id).send()).unwrap();
    assert_eq!(released.successful(), [id], "{released:?}");
}

fn on_host(stack: &Stack) {
    let ec2 = Client::new(stack.sdk());
    let host = allocate(stack, &ec2, "t3");
    let steps = [("build", "Fine", "true"), ("test", "FineToo", "true")];
    let text = Pipeline { regions: &["eu-west-1"], ..Pipeline::new("hosted", &steps) }.text();
    let placement = format!("{TYPES}placement: {{tenancy: host, hostId: {host}}}\n");
    let built = stack.build(folder(&text.replace(TYPES, &placement)).path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let record = stack.block_on(stack.store().build(built.build())).unwrap().unwrap();
    let planned = &record.plan.launch.placement;
    assert_eq!((planned.tenancy, planned.host_id.as_ref()), (Wanted::Host, Some(&host)));
    let of_test = Scope { state: State::LaunchTest, item: Some("t3.small".to_owned()) };
    for scope in [Scope::from(State::Launch), of_test] {
        let effects = stack.block_on(stack.store().effects(built.build(), &scope)).unwrap();
        let id = effects.last().and_then(|effect| effect.id.clone()).unwrap();
        let found = stack.block_on(ec2.describe_instances().instance_ids(id).send()).unwrap();
        let placement = found.reservations()[0].instances()[0].placement().unwrap().clone();
        let is = (placement.tenancy(), placement.host_id(), placement.availability_zone());
        assert_eq!(is, (Some(&Tenancy::Host), Some(host.as_str()), Some("eu-west-1b")), "{scope}");
    }
    assert_eq!(stack.left_of(built.build()).counts(), (0, 1, 1));
    let found = stack.block_on(ec2.describe_hosts().host_ids(&host).send()).unwrap();
    assert_eq!(found.hosts()[0].instances(), [], "no instance is left on the host");
    release(stack, &ec2, &host);
}

/// The names of what a plan finds for this placement and type.
fn findings(stack: &Stack, instance_type: &str, placement: &str, more: &'static str) -> Vec<String> {
    let steps = [("build", "Fine", "true"), ("test", "FineToo", "true")];
    let text = Pipeline { regions: &["eu-west-1"], more, ..Pipeline::new("homeless", &steps) }.text();
    let wanted = format!("instanceTypes: [{instance_type}]\nplacement: {{tenancy: host{placement}}}\n");
    let files = folder(&text.replace(TYPES, &wanted));
    let (_, plan) = plan(stack, &files.path().display().to_string(), &[]);
    let found = plan["findings"].as_array().unwrap().iter();
    found.map(|one: &Value| one["name"].as_str().unwrap().to_owned()).collect()
}

/// What is found before a build, and the call that AWS would reject without it.
fn found_before(stack: &Stack) {
    let ec2 = Client::new(stack.sdk());
    let host = allocate(stack, &ec2, "m5");
    let on = |id: &str| format!(", hostId: {id}");
    let none = "h-0123456789abcdef0";
    let launch = |id: &str, zone: &str| {
        let placement = Placement::builder().tenancy(Tenancy::Host).host_id(id).availability_zone(zone).build();
        let image = source(stack);
        let launch = ec2.run_instances().image_id(image).instance_type(InstanceType::M524xlarge).placement(placement);
        launch.min_count(1).max_count(1)
    };
    let code = |id: &str, zone: &str| {
        let refused = stack.block_on(launch(id, zone).send()).unwrap_err();
        refused.code().map(str::to_owned)
    };

    assert_eq!(findings(stack, "m5.large", &on(none), ""), ["host-missing"]);
    assert_eq!(code(none, "eu-west-1b").as_deref(), Some("InvalidHostID.NotFound"));
    assert_eq!(findings(stack, "t3.small", &on(&host), ""), ["host-unfit"], "it takes m5");
    let elsewhere = format!("{}, availabilityZone: eu-west-1a", on(&host));
    assert_eq!(findings(stack, "m5.large", &elsewhere, ""), ["host-unfit"], "it is in another zone");
    assert_eq!(code(&host, "eu-west-1a").as_deref(), Some("InvalidParameterCombination"));
    assert_eq!(findings(stack, "m5.large", "", ""), ["host-unfit"], "no host accepts instances without its id");
    let spot = "imageTestsConfiguration: {spot: true}\n";
    assert_eq!(findings(stack, "m5.large", &on(&host), spot), ["host-unfit"], "spot instances run on no host");
    let group = ", hostResourceGroupArn: \"arn:aws:resource-groups:us-east-1:000000000000:group/hosts\"";
    assert_eq!(findings(stack, "m5.large", group, ""), ["host-unfit"], "the group is in another Region");
    assert_eq!(findings(stack, "m5.large", &on(&host), ""), [""; 0]);

    let filling = stack
        .block_on(launch(&host, "eu-west-1b").send())
        .unwrap()
        .instances
        .unwrap()
        .swap_remove(0)
        .instance_id
        .unwrap();
    assert_eq!(findings(stack, "m5.large", &on(&host), ""), ["host-full"]);
    assert_eq!(code(&host, "eu-west-1b").as_deref(), Some("InsufficientCapacityOnHost"));
    stack.block_on(ec2.terminate_instances().instance_ids(&filling).send()).unwrap();
    stack.wait_for("the end of the instance", || {
        let released = stack.block_on(ec2.release_hosts().host_ids(&host).send()).ok()?;
        (released.successful() == [host.as_str()]).then_some(())
    });
    assert_eq!(findings(stack, "m5.large", &on(&host), ""), ["host-unfit"], "it is released");
    assert_eq!(code(&host, "eu-west-1b").as_deref(), Some("InvalidHostState"));
}
