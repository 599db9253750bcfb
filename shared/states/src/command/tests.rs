//! Odd ends of commands.

use goldsmith_cloud::fake::{HOME, NEVER, Outcome};
use goldsmith_store::FailureCause;
use jiff::SignedDuration;

use crate::testing::{Task, reach};
use crate::{Clock as _, State};

const RESULT: &str = r#"{"status":"success"}"#;

/// Runs Build with these ends of its commands, in order; the cause of its failure and the number of commands.
async fn build(outcomes: Vec<Outcome>) -> (Result<(), FailureCause>, usize) {
    let stack = reach(&Task::new(State::Build)).await;
    outcomes.into_iter().for_each(|outcome| stack.cloud.next_command(outcome));
    let ended = stack.run(&Task::new(State::Build)).await;
    let ended = ended.map(drop).map_err(|error| serde_json::from_str(&error.cause).unwrap());
    (ended, stack.cloud.requests().commands.len())
}

#[tokio::test]
async fn the_result_is_found_among_other_lines_of_standard_error() {
    let noise = "ERROR: ld.so: object '/opt/none.so' from /etc/ld.so.preload cannot be preloaded";
    for stderr in
        [format!("{noise}\n{RESULT}\n"), format!("{RESULT}\n{noise}"), format!("{noise}\n{RESULT}\n{noise}\n")]
    {
        assert_eq!(build(vec![Outcome::success(&stderr)]).await, (Ok(()), 1), "{stderr}");
    }
    let result = r#"{"status":"failed","failureContext":{"document":"web","phase":"build","step":"Install"}}"#;
    let (failed, _) = build(vec![Outcome::failed(1, &format!("{noise}\n{result}"))]).await;
    assert_eq!(failed.unwrap_err().step.as_deref(), Some("Install"));
    let (lost, _) = build(vec![Outcome::success(noise)]).await;
    let lost = lost.unwrap_err();
    assert_eq!(lost.message, "the command ended as Success and its agent left no result");
    assert_eq!(lost.last_lines, [noise]);
}

#[tokio::test]
async fn the_clean_up_succeeds_by_its_exit_code() {
    let stack = reach(&Task::new(State::Snapshot)).await;
    stack.cloud.next_command(Outcome::success(""));
    stack.run(&Task::new(State::Snapshot)).await.unwrap();
}

#[tokio::test]
async fn an_order_whose_machine_went_down_is_sent_again_so_that_the_agent_goes_on() {
    assert_eq!(build(vec![Outcome::lost(), Outcome::success(RESULT)]).await, (Ok(()), 2));
    let (failed, commands) = build(vec![Outcome::lost(), Outcome::lost(), Outcome::lost()]).await;
    let failed = failed.unwrap_err();
    assert_eq!((failed.error.as_str(), commands), ("Goldsmith.CommandFailed", 3));
    assert!(
        failed.message.ends_with(
            " or its SSM agent went down while the command ran, and nobody had asked for it (its SSM agent says: document process failed \
             unexpectedly: no worker); a reboot belongs into a Reboot step, or a step ends with exit code 194"
        ),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_killed_agent_is_no_time_out() {
    let (failed, _) = build(vec![Outcome::killed()]).await;
    let failed = failed.unwrap_err();
    assert_eq!(failed.error, "Goldsmith.CommandFailed");
    assert!(failed.message.contains("was killed (SIGKILL)"), "{failed:?}");
    let (late, _) = build(vec![Outcome::timed_out()]).await;
    assert_eq!(late.unwrap_err().error, "Goldsmith.Timeout");
}

#[tokio::test]
async fn an_agent_that_is_lost_ends_the_state_after_a_quarter_of_an_hour() {
    let stack = reach(&Task::new(State::Build)).await;
    stack.cloud.pace(|pace| pace.until_command = NEVER);
    let since = stack.clock.now();
    stack.cloud.lose_agents(HOME, since);
    let failed = stack.run(&Task::new(State::Build)).await.unwrap_err();
    assert_eq!(failed.error, "Goldsmith.CommandFailed");
    assert!(failed.cause.contains("the connection to i-"), "{}", failed.cause);
    let waited = stack.clock.now().duration_since(since);
    assert!(waited >= SignedDuration::from_mins(15) && waited < SignedDuration::from_mins(17), "{waited}");
}
