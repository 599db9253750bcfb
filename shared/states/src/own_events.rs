//! The events that Goldsmith puts on the default bus, each described once. The JSON Schema and the tables of
//! `docs/events.md` follow from these descriptions. In tests, every event that a stack puts on the bus is checked
//! against the schema.

mod fields;
mod schema;

pub use fields::{Field, Form};
pub use schema::schema;

/// Detail type of the event about the stage that a run has reached.
pub(crate) const PROGRESS: &str = "Goldsmith Run Progress";
/// Detail type of the event about the end of a build.
pub(crate) const IMAGE: &str = "Goldsmith Image State Change";
/// Detail type of the event about the end of a verification.
pub(crate) const VERIFICATION: &str = "Goldsmith Verification State Change";
/// Detail type of the event about the end of a later distribution.
pub(crate) const DISTRIBUTION: &str = "Goldsmith Distribution State Change";
/// Detail type of the event about an image that the retention of its pipeline has disabled or deleted.
pub(crate) const RETENTION: &str = "Goldsmith Image Retention";
/// Detail type of the event about a resource that only carries the stack's tags.
pub(crate) const LEFTOVER: &str = "Goldsmith Leftover Found";

/// A kind of event.
#[derive(Debug)]
pub struct OwnEvent {
    /// Its `detail-type`.
    pub detail_type: &'static str,
    /// When the stack puts the event on the bus, as a sentence.
    pub when: &'static str,
    /// What its `resources` contain, in their order, as a sentence.
    pub resources: &'static str,
    /// Least and largest number of `resources`.
    pub count: [u8; 2],
    /// The fields of its `detail`.
    pub detail: Vec<Field>,
}

/// Returns every kind of event.
#[must_use]
pub fn own_events() -> [OwnEvent; 6] {
    let of_run = "The image as `NAME/VERSION/BUILD`, and the pipeline.";
    let ends = |detail_type, when, resources, statuses: &'static [&'static str]| OwnEvent {
        detail_type,
        when,
        resources,
        count: [2, 2],
        detail: fields::end(statuses),
    };
    let of_number = "The number of the run as `NAME/VERSION/BUILD`, and the pipeline.";
    [
        OwnEvent {
            detail_type: PROGRESS,
            when: "A run has reached a stage.",
            resources: "The image or the number of the run as `NAME/VERSION/BUILD`, and the pipeline.",
            count: [2, 2],
            detail: fields::PROGRESS.to_vec(),
        },
        ends(IMAGE, "A build has ended.", of_run, &["AVAILABLE", "FAILED", "CANCELLED"]),
        ends(VERIFICATION, "A verification has ended.", of_number, &["VERIFIED", "FAILED", "CANCELLED"]),
        ends(DISTRIBUTION, "A later distribution has ended.", of_number, &["DISTRIBUTED", "FAILED", "CANCELLED"]),
        OwnEvent {
            detail_type: RETENTION,
            when: "The retention of a pipeline has disabled or deleted an image.",
            resources: of_run,
            count: [2, 2],
            detail: fields::RETENTION.to_vec(),
        },
        OwnEvent {
            detail_type: LEFTOVER,
            when: "The sweep has found a resource that carries the stack's tags, although nothing ties it to a build.",
            resources: "The id of the resource, and the image that its tag `goldsmith:image` names, if it has this tag.",
            count: [1, 2],
            detail: fields::LEFTOVER.to_vec(),
        },
    ]
}

#[cfg(test)]
mod tests;
