//! The cases.

mod audits;
mod canary;
mod channels;
mod checkpoints;
mod contents;
mod definitions;
mod dependencies;
mod distribute;
mod doctor;
mod documents;
mod downloads;
mod exports;
mod failures;
mod firmware;
mod given_up;
mod good;
mod hosts;
mod image_life;
mod instances;
mod kills;
mod lifecycle;
mod notifications;
mod organisation;
mod page;
mod plan;
mod problems;
mod provenance;
mod publish;
mod refusals;
mod role;
mod rules;
mod sources;
mod starts;
mod stops;
mod strangers;
mod targets;
mod uninvited;
mod verify;
mod vulnerabilities;

use goldsmith_store::FailureCause;

use crate::definitions::Pipeline;
use crate::stack::Stack;

/// A case: asserts, or panics.
pub(crate) type Case = fn(&Stack);

/// Every case, by name. Those that wait for minutes come first, so that the others run on the other stacks in the meantime.
pub(crate) fn all() -> Vec<(&'static str, Case)> {
    [
        stops::CASES,
        kills::CASES,
        page::CASES,
        doctor::CASES,
        notifications::CASES,
        good::CASES,
        documents::CASES,
        downloads::CASES,
        audits::CASES,
        contents::CASES,
        checkpoints::CASES,
        failures::CASES,
        dependencies::CASES,
        refusals::CASES,
        plan::CASES,
        problems::CASES,
        publish::CASES,
        exports::CASES,
        firmware::CASES,
        hosts::CASES,
        sources::CASES,
        role::CASES,
        given_up::CASES,
        rules::CASES,
        starts::CASES,
        strangers::CASES,
        uninvited::CASES,
        verify::CASES,
        vulnerabilities::CASES,
        provenance::CASES,
        distribute::CASES,
        lifecycle::CASES,
        organisation::CASES,
        targets::CASES,
        definitions::CASES,
        image_life::CASES,
        instances::CASES,
        channels::CASES,
        canary::CASES,
    ]
    .concat()
}

/// Why a pipeline failed that leaves nothing.
fn fail(stack: &Stack, pipeline: &Pipeline) -> FailureCause {
    let built = stack.build(pipeline.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (1, Some("failed")), "{built:?}");
    let left = stack.left_of(built.build());
    assert_eq!(left.counts(), (0, 0, 0), "{left:?}");
    stack.image(built.image()).failure.unwrap()
}
