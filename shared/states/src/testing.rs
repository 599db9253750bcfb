//! A whole stack in memory for the tests of the states: an AWS that behaves like the real one, the table, the clock,
//! and the behavior of Step Functions.
//!
//! [`check_state`] is the generic test of every state. It runs a state alone, and runs it twice. Then it goes through
//! the effects of the state (calls to AWS and writes to the table), and runs the state once for each way in which each
//! effect can fail. As in Lambda, every invocation gets a new context.

mod check;
mod checked_events;
mod faulty_table;
mod published;
mod stack;
mod step_functions;
mod world;

pub(crate) use check::{
    before_copy, built, check_state, check_state_in, check_state_of, check_state_on, good, kept_for_a_while, outcomes,
    reach, reach_in, reach_on, reach_on_in, whole_build, whole_build_with_checkpoint, whole_distribution,
    whole_verification,
};
pub(crate) use checked_events::{check_event, mistakes};
pub(crate) use faulty_table::{TABLE_READ, TABLE_WRITE};
pub(crate) use published::{image_record, sort_key};
pub(crate) use stack::{AWAY, BUILD, FAR, FIFO_TOPIC, FakeClock, Stack, TARGET, TOPIC, export, host, license};
pub(crate) use step_functions::Task;
pub(crate) use world::{Step, World};
