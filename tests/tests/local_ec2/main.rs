//! The local EC2 and Systems Manager as the AWS SDK for Rust sees it: types, waiters, paginators, retries and typed errors
//! of the SDK against the real `goldsmith local ec2`, whose instances really run commands.
//!
//! One endpoint serves all cases, one after the other. Each has accounts of its own, so that lists hold what the case made.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what helps a test may fail the test")]

mod around;
mod blocks;
mod caller;
mod codes;
mod commands;
mod faults;
mod hasty;
mod images;
mod lag;
mod life;
mod local;
mod pages;
mod switches;
mod tokens;
mod typed;

use std::process::ExitCode;

use goldsmith_tests::suite::{Case, run};

use crate::local::Local;

/// The cases by the paths of their functions.
macro_rules! cases {
    ($($module:ident :: $case:ident),* $(,)?) => {
        vec![$((
            concat!(stringify!($module), "::", stringify!($case)),
            (|local: &Local| local.block_on($module::$case(local))) as fn(&Local),
        )),*]
    };
}

fn main() -> ExitCode {
    let cases: Vec<Case<Local>> = cases![
        life::an_instance_lives_its_whole_life,
        life::a_reboot_in_the_middle_of_a_command_fails_it_without_output,
        lag::waiters_stand_what_describes_do_not_show_yet,
        images::an_image_keeps_what_its_instance_wrote_and_nothing_else_does,
        images::a_copy_in_another_region_stands_alone,
        images::a_shared_image_is_launched_by_its_new_users_only,
        images::a_deregistered_image_leaves_what_others_need,
        blocks::a_gibibyte_is_the_same_over_copies_and_a_flipped_bit_is_named,
        switches::an_image_is_switched_off_and_on,
        switches::a_snapshot_is_shared,
        around::a_launch_follows_the_version_of_its_template,
        around::a_key_is_on_the_instance,
        around::networks_and_tags_are_described,
        commands::a_command_tells_how_it_ended,
        commands::a_script_that_asks_for_a_reboot_runs_again,
        commands::a_command_ends_when_its_time_is_over_or_it_is_cancelled,
        pages::every_item_of_ec2_comes_once,
        pages::every_item_of_systems_manager_comes_once,
        tokens::the_same_token_makes_nothing_new,
        tokens::a_token_belongs_to_one_request,
        tokens::a_dry_run_does_nothing,
        faults::the_sdk_tries_again_when_throttled_or_failed,
        faults::a_lost_connection_makes_one_instance,
        faults::capacity_lacks_for_one_type,
        faults::an_image_fails_for_its_reason,
        faults::a_command_is_not_delivered,
        typed::errors_are_read_as_their_types,
        codes::every_code_has_a_case,
    ];
    run("local EC2", cases, || vec![Local::up()], |locals| locals.iter().for_each(Local::down))
}
