//! How the instances of builds are bought, and where they are.

use aws_sdk_ec2::types::{Instance, InstanceLifecycleType, Tenancy};
use goldsmith_model::State;
use goldsmith_store::{BuildStatus, EffectKind, ImageStatus, Scope};
use serde_json::{Value, json};

use super::{Case, fail};
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("tests_run_on_a_spot_instance_and_on_demand_if_there_is_none", spot),
    ("a_test_whose_spot_instance_is_taken_back_fails_and_leaves_nothing", interrupted),
    ("a_build_runs_on_a_spot_instance_and_leaves_no_request", built_on_spot),
    ("a_build_whose_spot_instance_is_taken_back_starts_again_on_demand", built_again),
    ("instances_are_where_the_infrastructure_places_them", placed),
    ("a_build_has_the_first_instance_type_and_subnet_with_capacity", with_capacity),
    ("a_build_waits_for_room_in_the_quota_until_another_instance_ends", without_room),
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

/// Writes a pipeline whose build instance is a spot instance.
fn on_spot(pipeline: &Pipeline) -> tempfile::TempDir {
    let types = "instanceTypes: [t3.small]\n";
    folder(&pipeline.text().replace(types, &format!("{types}spot: true\n")))
}

fn built_on_spot(stack: &Stack) {
    let script = format!("{LIFE_CYCLE}spot");
    let pipeline = Pipeline {
        regions: &["eu-west-1"],
        ..Pipeline::new("built-spot", &[("build", "IsSpot", script.as_str()), ("test", "Fine", "true")])
    };
    let built = stack.build(on_spot(&pipeline).path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    assert_eq!(stack.image(built.image()).status, ImageStatus::Available);
    let launched = launched(stack, built.build(), &State::Launch.into());
    let [(candidate, Some(instance))] = &launched[..] else { panic!("{launched:?}") };
    assert_eq!(candidate, "t3.small (spot)");
    assert_eq!(instance.instance_lifecycle(), Some(&InstanceLifecycleType::Spot));
    // The request was persistent, and was cancelled before its instance ended.
    let ec2 = aws_sdk_ec2::Client::new(stack.sdk());
    let id = instance.spot_instance_request_id().unwrap();
    let described = stack.block_on(ec2.describe_spot_instance_requests().spot_instance_request_ids(id).send()).unwrap();
    let request = &described.spot_instance_requests()[0];
    assert_eq!(request.state().map(|state| state.as_str()), Some("cancelled"));
    assert!(request.valid_until().is_some() && request.tags().iter().any(|tag| tag.key() == Some("goldsmith:build")));
    assert_eq!(stack.left_of(built.build()).counts(), (0, 1, 1));
    assert!(stack.inventory().spot_requests.is_empty(), "{:?}", stack.inventory().spot_requests);
}

fn built_again(stack: &Stack) {
    // The first command is that of the build.
    stack.arm(&json!([{"when": {"action": "SendCommand", "nth": 1}, "do": "interrupt"}]));
    // What the first instance has written is not there on the second one.
    let script = "test ! -e /etc/first || exit 7\ntouch /etc/first\nsleep 5";
    let pipeline = Pipeline {
        regions: &["eu-west-1"],
        ..Pipeline::new("taken-back-build", &[("build", "Long", script), ("test", "Fine", "true")])
    };
    let built = stack.build(on_spot(&pipeline).path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    assert_eq!(stack.image(built.image()).status, ImageStatus::Available);
    let effects = stack.block_on(stack.store().effects(built.build(), &State::Launch.into())).unwrap();
    let lost = effects.last().and_then(|effect| effect.lost.as_deref());
    assert!(lost.is_some_and(|why| why.contains("Server.SpotInstanceShutdown")), "{effects:?}");
    let again = launched(stack, built.build(), &State::LaunchAgain.into());
    let [(candidate, Some(instance))] = &again[..] else { panic!("{again:?}") };
    assert_eq!((candidate.as_str(), instance.instance_lifecycle()), ("t3.small", None));
    let state = |state: State| stack.block_on(stack.store().state(built.build(), &state.into())).unwrap().unwrap();
    let cause = state(State::Build).cause.unwrap();
    assert_eq!(cause.error, "Goldsmith.Interrupted");
    assert!(cause.message.contains("the build starts again on demand"), "{cause:?}");
    assert!(state(State::LaunchAgain).detail.ends_with("was interrupted"), "{}", state(State::LaunchAgain).detail);
    assert_eq!(state(State::BuildAgain).detail, "1 step ran");
    let shown = stack.goldsmith(&["show", built.image(), "--local"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("EC2 has reclaimed this spot instance"), "{shown}");
    assert_eq!(stack.left_of(built.build()).counts(), (0, 1, 1));
    assert!(stack.inventory().spot_requests.is_empty(), "{:?}", stack.inventory().spot_requests);
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

/// One type has no capacity in either subnet, and the next type none in the first one.
fn with_capacity(stack: &Stack) {
    let ec2 = aws_sdk_ec2::Client::new(stack.sdk());
    let subnets = stack.block_on(ec2.describe_subnets().send()).unwrap().subnets.unwrap();
    let [one, two, ..] = &subnets[..] else { panic!("{subnets:?}") };
    let [one, two] = [one, two].map(|subnet| subnet.subnet_id().unwrap());
    let lacks = |size: &str, subnet: &str| {
        let launch = json!({"action": "RunInstances", "instanceType": size, "subnet": subnet, "probability": 1});
        json!({"when": launch, "do": "capacity"})
    };
    stack.arm(&json!([lacks("t3a.small", one), lacks("t3a.small", two), lacks("t3.small", one)]));
    let more = "imageTestsConfiguration: {instanceTypes: [t3.medium]}\n";
    let steps = [("build", "Fine", "true"), ("test", "FineToo", "true")];
    let text = Pipeline { regions: &["eu-west-1"], more, ..Pipeline::new("with-capacity", &steps) }.text();
    let types = format!("instanceTypes: [t3a.small, t3.small]\nsubnetIds: [{one}, {two}]\n");
    let built = stack.build(folder(&text.replace("instanceTypes: [t3.small]\n", &types)).path());
    stack.disarm();
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let tried = launched(stack, built.build(), &State::Launch.into());
    let [(_, None), (_, None), (_, None), (candidate, Some(instance))] = &tried[..] else { panic!("{tried:?}") };
    assert_eq!(*candidate, format!("t3.small in {two}"));
    assert_eq!(instance.instance_type().map(|size| size.as_str()), Some("t3.small"));
    let state = stack.block_on(stack.store().state(built.build(), &State::Launch.into())).unwrap().unwrap();
    let reason = format!("t3a.small in {one}: InsufficientInstanceCapacity");
    assert!(state.detail.contains(&reason), "{}", state.detail);
    let shown = stack.goldsmith(&["show", built.image(), "--local"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains(&reason), "{shown:?}");
    assert_eq!(stack.left_of(built.build()).counts(), (0, 1, 1));
}

/// The quota of vCPUs is used up, until an instance of somebody else ends. Two builds wait in one line.
fn without_room(stack: &Stack) {
    let full =
        json!([{"when": {"action": "RunInstances", "probability": 1}, "do": "fail", "code": "VcpuLimitExceeded"}]);
    stack.arm(&full);
    let (first, second) = (Pipeline::quick("without-room", ""), Pipeline::quick("without-room-too", ""));
    let (folder, other) = (first.write(), second.write());
    let launch_of = |pipeline: &str| {
        let open = stack.block_on(stack.store().open_builds(jiff::Timestamp::MAX)).unwrap();
        let ours = open.into_iter().find(|record| record.pipeline.as_str() == pipeline)?.build;
        let launch = stack.block_on(stack.store().state(&ours, &State::Launch.into())).unwrap()?;
        Some((ours, launch.detail))
    };
    let (built, (build, behind)) = stack.build_meanwhile(folder.path(), || {
        let (build, detail) = stack.wait_for("a launch that waits", || {
            launch_of("without-room").filter(|(_, detail)| detail.contains("there has been no room since"))
        });
        assert!(detail.contains("t3.small") && detail.contains("VcpuLimitExceeded"), "{detail}");
        let path = other.path().display().to_string();
        let started = stack.goldsmith(&["build", &path, "--local", "--detach"]);
        assert!(started.status.success(), "{started:?}");
        let (behind, _) = stack.wait_for("a launch behind it", || {
            launch_of("without-room-too").filter(|(_, detail)| detail.contains("have waited for room for longer"))
        });
        let shown = stack.goldsmith(&["pipelines", "--local", "--output", "json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        let place = |name: &str| {
            let listed = shown.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
            (listed["waitsForRoom"]["position"].clone(), listed["waitsForRoom"]["of"].clone())
        };
        assert_eq!(place("without-room"), (json!(1), json!(2)));
        assert_eq!(place("without-room-too"), (json!(2), json!(2)));
        stack.disarm();
        // The first pause takes a minute or more, and nobody waits for it.
        let ended = json!({"instance-id": "i-0123456789abcdef0", "state": "terminated"});
        stack.signal(&json!({
            "version": "0", "id": "1", "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
            "account": "000000000000", "time": "2026-11-24T03:00:00Z", "region": "eu-west-1", "resources": [],
            "detail": ended,
        }));
        (build, behind)
    });
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    // The tick lets the other one ask, if the end of the first one's instance has not done so before.
    stack.wait_for("the end of the second build", || {
        let record = stack.block_on(stack.store().build(&behind)).unwrap()?;
        (record.status == BuildStatus::Closed).then_some(())
    });
    for build in [&build, &behind] {
        let [(candidate, Some(_))] = &launched(stack, build, &State::Launch.into())[..] else { panic!("{build}") };
        assert_eq!(candidate, "t3.small");
        assert_eq!(stack.left_of(build).counts(), (0, 1, 1));
    }
}
