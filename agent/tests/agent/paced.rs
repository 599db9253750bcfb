//! Steps that say more than the reader of the agent's output takes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::machine::{Machine, wait_for};

#[test]
fn a_slow_reader_holds_no_step_up_and_loses_no_event() {
    let machine = Machine::with_steps(
        "      - {name: Prints, action: ExecuteBash, inputs: {commands: ['head -c 20000000 /dev/zero | tr \\\\0 x | fold -w 1000', touch printed]}}\n      \
         - {name: After, action: ExecuteBash, inputs: {commands: [echo after, touch done]}}\n",
    );
    let mut agent = machine.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Nobody reads yet, and the steps go on.
    wait_for(&machine.path("done"));
    assert!(machine.path("printed").exists());
    let lines: Vec<String> = BufReader::new(agent.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(agent.wait().unwrap().success());
    let events = lines.iter().filter(|line| line.contains("goldsmith {")).count();
    let printed = lines.iter().filter(|line| line.starts_with("xxx")).count();
    let note =
        lines.iter().position(|line| line.starts_with('[') && line.contains(" lines are left out here: ")).unwrap();
    let left_out: usize = lines[note][1..].split(' ').next().unwrap().parse().unwrap();
    assert_eq!((events, printed + left_out), (6, 20_000), "{} lines", lines.len());
    assert!((1..20_000).contains(&printed) && lines[..note].iter().any(|line| line.starts_with("xxx")));
    let console = fs::read_to_string(machine.log_folder().join("console.log")).unwrap();
    assert_eq!(console.lines().filter(|line| line.contains("xxx")).count(), 20_000);
}
