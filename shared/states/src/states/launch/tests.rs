//! Tests of Launch and LaunchTest.

use goldsmith_cloud::fake::{Fault, HOME, NEVER};
use goldsmith_cloud::{Hardware, Kind, Market};
use goldsmith_model::definitions::Definitions;
use goldsmith_model::{Placement, Tenancy};
use goldsmith_store::Scope;
use jiff::SignedDuration;

use crate::testing::{BUILD, Stack, Task, check_state, check_state_on, host, reach, reach_on};
use crate::{Clock as _, ErrorInfo, State};

#[tokio::test]
async fn launch_survives_every_fault() {
    check_state(Task::new(State::Launch), &["PutEvents", "RunInstances", "SendTaskSuccess"]).await;
}

#[tokio::test]
async fn launch_test_survives_every_fault() {
    check_state(Task::item(State::LaunchTest, "t3.small"), &["PutEvents", "RunInstances", "SendTaskSuccess"]).await;
}

/// Starts a launch for which there is no room, and returns the error with which it ends after its longest wait.
async fn without_room(stack: &Stack, task: &Task) -> ErrorInfo {
    let token = stack.start(task).await;
    assert_eq!(stack.answer(&token), None);
    for _ in 0..=36 {
        stack.tick_after(SignedDuration::from_mins(10)).await;
    }
    stack.answer(&token).unwrap().unwrap_err()
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
    let error = without_room(&stack, &Task::new(State::Launch)).await;
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
async fn a_refusal_of_a_key_pair_says_which_parameter_lists_it() {
    let stack = Stack::new().await;
    let mut small = stack.store().infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
    small.key_pair = Some("debug".to_owned());
    stack.store().apply(&Definitions { infrastructures: vec![small], ..Definitions::default() }).await.unwrap();
    stack.run(&Task::new(State::Plan)).await.unwrap();
    stack.cloud.fail_next("RunInstances", Fault::Refuse(Kind::Denied));
    let error = stack.run(&Task::new(State::Launch)).await.unwrap_err();
    let advice = "names the key pair debug, and the stack's parameter KeyPairArns must list its ARN";
    assert!(error.cause.contains(advice), "{}", error.cause);
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
    stack.cloud.next_instance_ends(1, "Client.VolumeLimitExceeded");
    let error = stack.run(&Task::new(State::Launch)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.NotOnline");
    assert!(error.cause.contains("Client.VolumeLimitExceeded"), "{}", error.cause);
}

#[tokio::test]
async fn an_instance_for_which_ec2_had_no_place_after_all_is_followed_by_the_next_candidate() {
    for reason in ["Server.InsufficientInstanceCapacity: no capacity", "Server.InternalError: Internal error on launch"]
    {
        let stack = reach(&Task::new(State::Launch)).await;
        stack.cloud.next_instance_ends(1, reason);
        stack.run(&Task::new(State::Launch)).await.unwrap();
        let detail = stack.store().state(BUILD, &State::Launch.into()).await.unwrap().unwrap().detail;
        assert!(detail.contains("t3.small") && detail.contains(&format!("did not come back ({reason})")), "{detail}");
        let effects = stack.store().effects(BUILD, &State::Launch.into()).await.unwrap();
        assert_eq!(effects.iter().map(|effect| effect.lost.is_some()).collect::<Vec<_>>(), [true, false]);
    }
    // The only candidate has no next one.
    let stack = reach(&Task::item(State::LaunchTest, "t3.small")).await;
    stack.cloud.next_instance_ends(1, "Server.InternalError");
    let error = stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap_err();
    assert!(error.cause.contains("Server.InternalError"), "{}", error.cause);
}

#[tokio::test]
async fn a_launch_whose_last_instance_has_no_place_waits_for_the_room_of_the_others() {
    let (stack, task) = (reach(&Task::new(State::Launch)).await, Task::new(State::Launch));
    stack.cloud.no_capacity("t3.small", None);
    stack.cloud.next_instance_ends(1, "Server.InsufficientInstanceCapacity: no capacity");
    let token = stack.start(&task).await;
    stack.tick_after(SignedDuration::from_mins(2)).await;
    assert_eq!(stack.answer(&token), None);
    let lines = stack.store().first_for_room().await.unwrap();
    assert_eq!(lines.len(), 1, "{lines:?}");
    stack.cloud.restore_capacity();
    for _ in 0..12 {
        stack.tick_after(SignedDuration::from_mins(1)).await;
    }
    stack.answer(&token).unwrap().unwrap();
    // The instance in use has a lower number than the one that was lost.
    let effects = stack.store().effects(BUILD, &State::Launch.into()).await.unwrap();
    assert_eq!(effects.iter().map(|effect| effect.lost.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[tokio::test]
async fn tests_run_on_the_instance_in_use_and_not_on_a_later_one_that_was_lost() {
    let mut stack = Stack::new().await;
    stack.subnets = vec!["subnet-a".to_owned(), "subnet-b".to_owned()];
    let task = Task::item(State::LaunchTest, "t3.small");
    let stack = reach_on(stack, &task).await;
    stack.cloud.no_capacity("t3.small", Some("subnet-a"));
    stack.cloud.next_instance_ends(1, "Server.InsufficientInstanceCapacity: no capacity");
    let token = stack.start(&task).await;
    stack.tick_after(SignedDuration::from_mins(2)).await;
    assert_eq!(stack.answer(&token), None);
    stack.cloud.restore_capacity();
    for _ in 0..12 {
        stack.tick_after(SignedDuration::from_mins(1)).await;
    }
    stack.answer(&token).unwrap().unwrap();
    let effects = stack.store().effects(BUILD, &task.scope()).await.unwrap();
    assert_eq!(effects.iter().map(|effect| effect.lost.is_some()).collect::<Vec<_>>(), [false, true]);
    stack.run(&Task::item(State::ExecuteTest, "t3.small")).await.unwrap();
}

#[tokio::test]
async fn a_launch_whose_first_instance_has_no_place_survives_every_fault() {
    let new = async || {
        let stack = Stack::new().await;
        stack.cloud.next_instance_ends(1, "Server.InsufficientInstanceCapacity: no capacity");
        stack
    };
    let effects = ["PutEvents", "RunInstances", "RunInstances", "SendTaskSuccess"];
    check_state_on(new, Task::new(State::Launch), &effects).await;
}

#[tokio::test]
async fn an_instance_that_a_key_may_have_ended_is_reported_with_the_key() {
    let unusable = "Client.InvalidKMSKey.InvalidState: The KMS key provided is in an incorrect state";
    for reason in ["Client.InternalError: Client error on launch", unusable] {
        let stack = reach(&Task::new(State::Launch)).await;
        stack.cloud.next_instance_ends(1, reason);
        let error = stack.run(&Task::new(State::Launch)).await.unwrap_err();
        assert!(error.cause.contains("the KMS key of the image or the account's default KMS key"), "{}", error.cause);
    }
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

/// A stack whose pipeline tests on spot instances. Its image is made, and its test instance is not launched yet.
async fn with_spot_tests() -> Stack {
    let stack = Stack::new().await;
    let mut pipeline = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    pipeline.image_tests_configuration.spot = true;
    stack.put_pipeline(pipeline).await;
    for state in [State::Plan, State::Launch, State::Build, State::Snapshot] {
        stack.run(&Task::new(state)).await.unwrap();
    }
    stack
}

/// Returns the markets of all launches.
fn markets(stack: &Stack) -> Vec<Market> {
    stack.cloud.requests().launches.iter().map(|(_, launch)| launch.market).collect()
}

/// Returns what LaunchTest has reported to Step Functions.
async fn detail(stack: &Stack) -> String {
    let scope = Scope { state: State::LaunchTest, item: Some("t3.small".to_owned()) };
    stack.store().state(&stack.record().await.build, &scope).await.unwrap().unwrap().detail
}

#[tokio::test]
async fn only_a_test_instance_is_a_spot_instance() {
    let stack = with_spot_tests().await;
    stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap();
    assert_eq!(markets(&stack), [Market::OnDemand, Market::Spot]);
    assert!(detail(&stack).await.ends_with(" is online"), "{}", detail(&stack).await);
}

#[tokio::test]
async fn a_test_is_launched_on_demand_if_there_is_no_spot_instance_and_the_reason_is_told() {
    let stack = with_spot_tests().await;
    stack.cloud.no_spot_capacity();
    stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap();
    assert_eq!(markets(&stack), [Market::OnDemand, Market::OnDemand]);
    let detail = detail(&stack).await;
    assert!(detail.ends_with("; tried before: t3.small (spot): MaxSpotInstanceCountExceeded"), "{detail}");
}

#[tokio::test]
async fn without_any_capacity_the_error_names_both_markets() {
    let stack = with_spot_tests().await;
    stack.cloud.no_capacity("t3.small", None);
    let error = without_room(&stack, &Task::item(State::LaunchTest, "t3.small")).await;
    assert_eq!(error.error, "Goldsmith.Capacity");
    let reasons = "t3.small (spot): InsufficientInstanceCapacity; t3.small: InsufficientInstanceCapacity";
    assert!(error.cause.contains(reasons), "{}", error.cause);
}

#[tokio::test]
async fn a_spot_instance_that_is_taken_back_before_it_is_online_is_replaced_on_demand() {
    let stack = with_spot_tests().await;
    stack.cloud.next_instance_ends(1, "Server.SpotInstanceTermination: Spot instance termination");
    stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap();
    assert_eq!(markets(&stack), [Market::OnDemand, Market::Spot, Market::OnDemand]);
    let told = detail(&stack).await;
    assert!(told.contains("; tried before: t3.small (spot): i-") && told.ends_with(" was interrupted"), "{told}");
    // The test runs on the second instance, and its end leaves neither.
    stack.run(&Task::item(State::ExecuteTest, "t3.small")).await.unwrap();
    stack.run(&Task::item(State::EndTest, "t3.small")).await.unwrap();
    assert_eq!(stack.inventory().regions[HOME].instances.len(), 0);
}

#[tokio::test]
async fn a_spot_instance_whose_key_cannot_be_used_is_replaced_on_demand_and_the_grant_is_named() {
    let stack = with_spot_tests().await;
    stack.cloud.next_instance_ends(1, "Client.InternalError: Client error on launch");
    stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap();
    assert_eq!(markets(&stack), [Market::OnDemand, Market::Spot, Market::OnDemand]);
    let told = detail(&stack).await;
    let reason = "ended (Client.InternalError: Client error on launch); a possible cause is that AWSServiceRoleForEC2Spot \
                  has no grant for the KMS key of a volume";
    assert!(told.contains("; tried before: t3.small (spot): i-") && told.ends_with(reason), "{told}");
}

#[tokio::test]
async fn a_key_that_cannot_be_used_on_demand_either_fails_the_launch() {
    let stack = with_spot_tests().await;
    for _ in 0..2 {
        stack.cloud.next_instance_ends(1, "Client.InternalError: Client error on launch");
    }
    let error = stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap_err();
    assert_eq!((error.error.as_str(), markets(&stack).len()), ("Goldsmith.NotOnline", 3));
    assert!(error.cause.contains("check that the key exists and is enabled"), "{}", error.cause);
}

#[tokio::test]
async fn an_instance_on_demand_that_ends_like_a_spot_instance_is_not_launched_again() {
    let stack = reach(&Task::item(State::LaunchTest, "t3.small")).await;
    let launched = markets(&stack).len();
    stack.cloud.next_instance_ends(1, "Server.SpotInstanceTermination: Spot instance termination");
    let error = stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap_err();
    assert_eq!((error.error.as_str(), markets(&stack).len()), ("Goldsmith.NotOnline", launched + 1));
}

#[tokio::test]
async fn a_test_whose_spot_instance_is_taken_back_fails_with_what_to_do() {
    let stack = with_spot_tests().await;
    stack.cloud.pace(|pace| pace.until_command = NEVER);
    stack.cloud.next_instance_ends(20, "Server.SpotInstanceTermination: Spot instance termination");
    stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap();
    assert_eq!(markets(&stack), [Market::OnDemand, Market::Spot]);
    let error = stack.run(&Task::item(State::ExecuteTest, "t3.small")).await.unwrap_err();
    assert!(error.cause.contains("EC2 has reclaimed this spot instance: start the build again"), "{}", error.cause);
}

#[tokio::test]
async fn a_placement_is_for_all_instances_and_a_key_for_the_build_instance() {
    let stack = Stack::new().await;
    let mut small = stack.store().infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
    let availability_zone = Some("eu-west-1b".to_owned());
    small.placement = Placement { availability_zone, tenancy: Tenancy::Dedicated, ..Placement::default() };
    small.key_pair = Some("debug".to_owned());
    stack.store().apply(&Definitions { infrastructures: vec![small], ..Definitions::default() }).await.unwrap();
    for state in [State::Plan, State::Launch, State::Build, State::Snapshot] {
        stack.run(&Task::new(state)).await.unwrap();
    }
    stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap();
    let launches = stack.cloud.requests().launches;
    let places: Vec<_> = launches.iter().map(|(_, one)| (one.zone.as_deref(), &one.hardware)).collect();
    assert_eq!(places, [(Some("eu-west-1b"), &Hardware::Dedicated); 2]);
    let keys: Vec<_> = launches.iter().map(|(_, one)| one.key_pair.as_deref()).collect();
    assert_eq!(keys, [Some("debug"), None]);
}

#[tokio::test]
async fn all_instances_run_on_the_host_of_the_placement() {
    let stack = Stack::new().await;
    let mut small = stack.store().infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
    let id = "h-00000000000000001".to_owned();
    small.instance_types.truncate(1);
    small.placement = Placement { tenancy: Tenancy::Host, host_id: Some(id.clone()), ..Placement::default() };
    stack.cloud.set_up(|account| account.hosts.push(host(&id)));
    stack.store().apply(&Definitions { infrastructures: vec![small], ..Definitions::default() }).await.unwrap();
    for state in [State::Plan, State::Launch, State::Build, State::Snapshot] {
        stack.run(&Task::new(state)).await.unwrap();
    }
    stack.run(&Task::item(State::LaunchTest, "t3.small")).await.unwrap();
    let launches = stack.cloud.requests().launches;
    let hosts: Vec<_> = launches.iter().map(|(_, one)| one.hardware.clone()).collect();
    assert_eq!(hosts, vec![Hardware::Host { id: Some(id), group: None }; 2]);
}
