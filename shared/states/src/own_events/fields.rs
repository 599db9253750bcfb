//! The fields of the events.

use crate::engine::stage::STAGES;

/// A field of an event, or of a map in it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// The form of its value.
    pub form: Form,
    /// Whether the field is present only if it applies. Every other field is always present.
    pub is_optional: bool,
    /// What it says, as a sentence for the documentation.
    pub about: &'static str,
}

/// The form of a field's value.
#[derive(Debug, Clone, Copy)]
pub enum Form {
    /// A text.
    Text,
    /// A time in the format of RFC 3339.
    Time,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Number,
    /// One of these texts.
    Word(&'static [&'static str]),
    /// A value of this form, or `null`.
    OrNull(&'static Form),
    /// A list of values of this form.
    List(&'static Form),
    /// A map from texts to texts.
    Pairs,
    /// A map with these fields.
    Map(&'static [Field]),
    /// A map with the fields of one of these lists.
    Either(&'static [&'static [Field]]),
}

const fn field(name: &'static str, form: Form, about: &'static str) -> Field {
    Field { name, form, is_optional: false, about }
}

const fn optional(name: &'static str, form: Form, about: &'static str) -> Field {
    Field { name, form, is_optional: true, about }
}

/// Returns the fields of an event about the end of a run with one of these statuses.
pub(super) fn end(statuses: &'static [&'static str]) -> Vec<Field> {
    let mut fields = vec![field("status", Form::Word(statuses), "How the run has ended.")];
    fields.extend(END);
    fields
}

/// The fields of every event about the end of a run, except its status.
const END: &[Field] = &[
    field("image", Form::Text, "The image or the number of the run, as `NAME/VERSION/BUILD`."),
    field(
        "build",
        Form::Text,
        "Id of the build, which is also the name of its execution. `goldsmith show` and `goldsmith logs` take it.",
    ),
    field("pipeline", Form::Text, "The pipeline."),
    field("cause", Form::Either(CAUSES), "Why the run has started. `kind` says which other field the map has."),
    field(
        "amis",
        Form::Pairs,
        "AMI id by Region: the AMIs of the published image, those that a failed distribution keeps for three days, or \
         those that a later distribution has made. Otherwise the map is empty.",
    ),
    field("copies", Form::List(&Form::Map(COPY)), "The AMIs that other accounts own."),
    field("exports", Form::List(&Form::Map(EXPORT)), "The disk images in S3."),
    field(
        "overridden",
        Form::Flag,
        "Whether the start has overridden something. Such an image stays in its home Region, and is not published.",
    ),
    field("tested", Form::OrNull(&Form::Text), "Id of the AMI that a verification has tested."),
    field(
        "distributed",
        Form::OrNull(&Form::Text),
        "The image that a later distribution has distributed, as `NAME/VERSION/BUILD`.",
    ),
    field(
        "approval",
        Form::OrNull(&Form::Text),
        "The channel whose promotion approves the image, if the image waits for its approval.",
    ),
    field("channel", Form::OrNull(&Form::Text), "The channel to which the build has assigned its image."),
    field(
        "interrupted",
        Form::OrNull(&Form::Text),
        "Why the build has started again on demand, if EC2 has taken back its spot instance, or has not started the instance \
         again after its checkpoint.",
    ),
    field(
        "failure",
        Form::OrNull(&Form::Map(FAILURE)),
        "Why the run has failed or was stopped, without the output of its steps.",
    ),
    field("triedAgainAt", Form::OrNull(&Form::Time), "When the cause of a failed build is tried again, if it is."),
    field("givenUp", Form::Flag, "Whether the cause is not tried again, because it was tried often enough."),
    field(
        "pipelineDisabled",
        Form::OrNull(&Form::Map(DISABLED)),
        "That the pipeline no longer starts by itself, if this failure was the last that its `autoDisablePolicy` allows.",
    ),
    field(
        "leftBehind",
        Form::List(&Form::Map(LEFT)),
        "What could not be removed or restored so far. The stack tries again.",
    ),
    optional(
        "shortened",
        Form::Flag,
        "`true` in the message of a topic whose lists were emptied, because the message would have been too large. No \
         event on the bus has this field.",
    ),
];

/// The forms of a cause.
const CAUSES: &[&[Field]] = &[
    &[
        field("kind", Form::Word(&["manual"]), "Somebody has started the run."),
        field("id", Form::Text, "Id of the request."),
    ],
    &[
        field("kind", Form::Word(&["schedule"]), "The scheduled time has come."),
        field("scheduledTime", Form::Time, "The scheduled time."),
    ],
    &[
        field("kind", Form::Word(&["source-update"]), "The source of the pipeline has a new AMI."),
        field("source", Form::Text, "The source that the pipeline watches, such as `ssm:NAME`."),
        field("imageId", Form::Text, "The new AMI."),
    ],
    &[
        field("kind", Form::Word(&["dependency"]), "Another pipeline has published an image."),
        field("image", Form::Text, "The new image, as `NAME/VERSION/BUILD`."),
    ],
];

const COPY: &[Field] = &[
    field("account", Form::Text, "Id of the account that owns the AMI."),
    field("region", Form::Text, "Its Region."),
    field("ami", Form::Text, "Id of the AMI."),
];

const EXPORT: &[Field] = &[
    field("region", Form::Text, "Region of the AMI and of the bucket."),
    field("format", Form::Word(&["VMDK", "RAW", "VHD"]), "Format of the disk image."),
    field("location", Form::Text, "The object, such as `s3://BUCKET/KEY`."),
];

const FAILURE: &[Field] = &[
    field(
        "state",
        Form::Text,
        "The state that has failed, or `Execution` if the execution was stopped, timed out or failed by itself.",
    ),
    optional("item", Form::Text, "The Region or the test instance type, if the state runs once for each of them."),
    field("error", Form::Text, "The name of the error, such as `Goldsmith.CommandFailed`."),
    field("message", Form::Text, "The cause, for people."),
    optional("document", Form::Text, "The component document whose step has failed."),
    optional("phase", Form::Text, "Its phase."),
    optional("step", Form::Text, "Its step."),
    optional("action", Form::Text, "The action module of the step."),
    optional("exitCode", Form::Number, "The exit code of the step."),
    optional("region", Form::Text, "Region of the resource that the failure is about."),
    optional("resource", Form::Text, "Id of this resource."),
    optional("code", Form::Text, "AWS's error code."),
];

const DISABLED: &[Field] = &[
    field("at", Form::Time, "When the pipeline was disabled."),
    field("failures", Form::Number, "After how many failures in a row."),
];

const LEFT: &[Field] = &[
    field("what", Form::Text, "Id or name of the resource, or only its kind if it could not even be searched for."),
    field("region", Form::Text, "Its Region."),
    field("reason", Form::Text, "What AWS has answered."),
];

/// The fields of the event about the stage of a run.
pub(super) const PROGRESS: &[Field] = &[
    field("status", Form::Word(STAGES), "The stage that begins."),
    field("image", Form::Text, "The image that is built, or the number of the run, as `NAME/VERSION/BUILD`."),
    field("build", Form::Text, "Id of the build."),
    field("pipeline", Form::Text, "The pipeline."),
    field("cause", Form::Either(CAUSES), "Why the run has started."),
    field("overridden", Form::Flag, "Whether the start has overridden something."),
    field("tested", Form::OrNull(&Form::Text), "Id of the AMI that a verification tests."),
    field("distributed", Form::OrNull(&Form::Text), "The image that a later distribution distributes."),
];

/// The fields of the event about the retention of an image.
pub(super) const RETENTION: &[Field] = &[
    field("image", Form::Text, "The image, as `NAME/VERSION/BUILD`."),
    field("pipeline", Form::Text, "Its pipeline."),
    field("life", Form::Word(&["DISABLED", "DELETED"]), "What was done with the image."),
    field("amis", Form::Pairs, "AMI id by Region."),
    field("disabledAt", Form::Time, "When the image was disabled."),
    field(
        "deletedAfter",
        Form::OrNull(&Form::Time),
        "After which time the image is deleted, if nothing refers to it then. `null` if it is deleted.",
    ),
    field("reason", Form::Text, "Why the image is beyond the retention."),
    field("message", Form::Text, "All of this in a sentence."),
];

/// The fields of the event about a leftover.
pub(super) const LEFTOVER: &[Field] = &[
    field("kind", Form::Word(&["instance", "volume", "image", "snapshot"]), "Kind of the resource."),
    field("id", Form::Text, "Its id."),
    field("region", Form::Text, "Its Region."),
    field("build", Form::OrNull(&Form::Text), "The value of its tag `goldsmith:build`."),
    field("image", Form::OrNull(&Form::Text), "The value of its tag `goldsmith:image`."),
    field("since", Form::Time, "When the sweep has found the resource for the first time."),
    field("message", Form::Text, "All of this in a sentence, with what helps."),
];
