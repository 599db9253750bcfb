//! How the instances of builds are bought, and where they are.

use aws_sdk_ec2::types::{Instance, InstanceLifecycleType, Tenancy};
use goldsmith_model::State;
use goldsmith_store::{EffectKind, ImageStatus, Scope};
use serde_json::json;

use super::{Case, fail};
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("tests_run_on_a_spot_instance_and_on_demand_if_there_is_none", spot),
    ("a_test_whose_spot_instance_is_taken_back_fails_and_leaves_nothing", interrupted),
    ("instances_are_where_the_infrastructure_places_them", placed),
];

/// Tests on a type of their own, by which faults tell its launches from those of the build.
const ON_SPOT: &str = "imageTestsConfiguration: {instanceTypes: [t3a.small], spot: true}\n";

/// Says whether the instance that runs it is a spot instance.
const LIFE_CYCLE: &str = r#"ask() {
  host=${AWS_EC2_METADATA_SERVICE_ENDPOINT#http://}
  exec 3<> "/dev/tcp/${host%:*}/${host#*:}"
  printf '%s HTTP/1.0\r\n%s\r\n\r\n' "$1" "$2" >&3
  cat <&3
}
token=$(ask 'PUT /latest/api/token' 'x-aws-ec2-metadata-token-ttl-seconds: 60' | tail -n 1)
ask 'GET /latest/meta-data/instance-life-cycle' "x-aws-ec2-metadata-token: $token" | tail -n 1 | grep -x "#;

/// Returns the instances that a state of the build has launched, in their order, with what the journal says of each.
fn launched(stack: &Stack, build: &str, scope: &Scope) -> Vec<(String, Option<Instance>)> {
    let effects = stack.block_on(stack.store().effects(build, scope)).unwrap();
    let ec2 = aws_sdk_ec2::Client::new(stack.sdk());
    let look = |id: &str| {
        let described = stack.block_on(ec2.describe_instances().instance_ids(id).send()).unwrap();
        described.reservations()[0].instances()[0].clone()
    };
    let tried = effects.iter().filter_map(|effect| match &effect.kind {
        EffectKind::Instance { candidate, .. } => Some((candidate.clone(), effect.id.as_deref().map(look))),
        _ => None,
    });
    tried.collect()
}

fn of_test() -> Scope {
    Scope { state: State::LaunchTest, item: Some("t3a.small".to_owned()) }
}

fn spot(stack: &Stack) {
    for (name, says, has_capacity) in [("bought-spot", "spot", true), ("bought-dear", "on-demand", false)] {
        let (of_build, of_test_step) = (format!("{LIFE_CYCLE}on-demand"), format!("{LIFE_CYCLE}{says}"));
        let steps = [("build", "IsOnDemand", of_build.as_str()), ("test", "IsAsBought", of_test_step.as_str())];
        let pipeline = Pipeline { regions: &["eu-west-1"], more: ON_SPOT, ..Pipeline::new(name, &steps) };
        if !has_capacity {
            let launch = json!({"action": "RunInstances", "instanceType": "t3a.small", "nth": 1});
            stack.arm(&json!([{"when": launch, "do": "fail", "code": "MaxSpotInstanceCountExceeded"}]));
        }
        let built = stack.build(pipeline.write().path());
        assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
        assert_eq!(stack.image(built.image()).status, ImageStatus::Available);
        let tried = launched(stack, built.build(), &of_test());
        let bought: Vec<_> = tried.iter().map(|(candidate, one)| (candidate.as_str(), one.is_some())).collect();
        if has_capacity {
            assert_eq!(bought, [("t3a.small (spot)", true)]);
            let instance = tried[0].1.as_ref().unwrap();
            assert_eq!(instance.instance_lifecycle(), Some(&InstanceLifecycleType::Spot));
        } else {
            assert_eq!(bought, [("t3a.small (spot)", false), ("t3a.small", true)]);
            assert_eq!(tried[1].1.as_ref().unwrap().instance_lifecycle(), None);
            let reason = "tried before: t3a.small (spot): MaxSpotInstanceCountExceeded";
            let state = stack.block_on(stack.store().state(built.build(), &of_test())).unwrap().unwrap();
            assert!(state.detail.ends_with(reason), "{}", state.detail);
        }
        assert_eq!(stack.left_of(built.build()).counts(), (0, 1, 1));
    }
}

fn interrupted(stack: &Stack) {
    // The commands of the build and of the clean-up come first.
    stack.arm(&json!([{"when": {"action": "SendCommand", "nth": 3}, "do": "interrupt"}]));
    let steps = [("build", "Fine", "true"), ("test", "Long", "sleep 600")];
    let failure = fail(stack, &Pipeline { more: ON_SPOT, ..Pipeline::new("taken-back", &steps) });
    assert_eq!(failure.error, "Goldsmith.TestFailed");
    let advice = "EC2 has reclaimed this spot instance: start the build again, or remove `spot`";
    assert!(failure.message.contains("Server.SpotInstanceTermination"), "{failure:?}");
    assert!(failure.message.contains(advice), "{failure:?}");
}

fn placed(stack: &Stack) {
    let steps = [("build", "Fine", "true"), ("test", "FineToo", "true")];
    let text = Pipeline { regions: &["eu-west-1"], ..Pipeline::new("placed-apart", &steps) }.text();
    let types = "instanceTypes: [t3.small]\n";
    let placement = "placement: {availabilityZone: eu-west-1b, tenancy: dedicated}\n";
    let built = stack.build(folder(&text.replace(types, &format!("{types}{placement}"))).path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let of_test = Scope { state: State::LaunchTest, item: Some("t3.small".to_owned()) };
    for scope in [Scope::from(State::Launch), of_test] {
        let [(_, Some(instance))] = &launched(stack, built.build(), &scope)[..] else { panic!("{scope}") };
        let placement = instance.placement().unwrap();
        let is = (placement.availability_zone(), placement.tenancy());
        assert_eq!(is, (Some("eu-west-1b"), Some(&Tenancy::Dedicated)), "{scope}");
    }
    assert_eq!(stack.left_of(built.build()).counts(), (0, 1, 1));
}
