//! The keys of image pipelines.

use super::{DESCRIPTION, Form, Key, Limits, NAME};
use crate::{AutoDisablePolicy, ImagePipeline, Retention};

/// The limits of `priority`.
pub(in crate::definitions) const PRIORITY: Limits = Limits::new(0, ImagePipeline::MAX_PRIORITY);
/// The limits of `timeoutMinutes`.
pub(in crate::definitions) const MINUTES: Limits = Limits::new(1, ImagePipeline::MAX_MINUTES);
/// The limits of a retention's `keep`.
pub(in crate::definitions) const KEEP: Limits = Limits::new(1, Retention::MAX_KEEP);
/// The limits of `failureCount`.
pub(in crate::definitions) const FAILURES: Limits = Limits::new(1, AutoDisablePolicy::MAX);

pub(super) const PIPELINE: &[Key] = &[
    NAME,
    DESCRIPTION,
    Key::required("imageRecipe", Form::Text, "The recipe: `NAME` for its highest version, or `NAME/1.x.x`."),
    Key::required("infrastructureConfiguration", Form::Text, "Name of the infrastructure configuration."),
    Key::optional(
        "distributionConfiguration",
        Form::Text,
        "the image stays in the home Region",
        "Name of the distribution configuration.",
    ),
    Key::optional(
        "status",
        Form::Word(&["ENABLED", "DISABLED"]),
        "`ENABLED`",
        "Whether the pipeline starts automatically. A manual start is always possible.",
    ),
    Key::optional("schedule", Form::Map(SCHEDULE), "", "The schedule on which the pipeline starts automatically."),
    Key::optional(
        "rebuildOn",
        Form::Words(&["source-update", "dependency"]),
        "",
        "Changes that start the pipeline: a new release of the source image, or a new image of the pipeline on which \
         it builds.",
    ),
    Key::optional(
        "autoDisablePolicy",
        Form::Map(AUTO_DISABLE),
        "failures never disable it",
        "Number of failures in a row after which the pipeline no longer starts automatically, until a person runs \
         `goldsmith enable`. In Image Builder, this key is in `schedule`, which is accepted too.",
    ),
    Key::optional(
        "freeze",
        Form::Maps(FREEZE),
        "",
        "Days on which the pipeline does not start automatically, at most 50 windows. Everything that would have \
         started the pipeline on these days starts it once after the window. A manual build starts with a warning.",
    ),
    Key::optional(
        "allowOverrides",
        Form::Flag,
        "`false`",
        "Whether a start may name another source image or other parameters. Such an image is never published.",
    ),
    Key::optional(
        "priority",
        Form::Number(PRIORITY),
        "`0`",
        "While the account has no room for all launches, those of pipelines with a higher priority come first. From 0 to 100.",
    ),
    Key::optional(
        "cacheDownloads",
        Form::Flag,
        "`false`",
        "Whether the stack's bucket keeps what `WebDownload` fetches with a SHA-256, so that later builds do not fetch it \
         again.",
    ),
    Key::optional(
        "timeoutMinutes",
        Form::Number(MINUTES),
        "`2875`",
        "Time limit of the phases `build` and `validate` together, from 1 to 2,875 minutes.",
    ),
    Key::optional(
        "enhancedImageMetadataEnabled",
        Form::Flag,
        "",
        "Accepted for compatibility with Image Builder. It does not change the image.",
    ),
    Key::optional("imageTestsConfiguration", Form::Map(TESTS), "", "Whether and how images are tested."),
    Key::optional(
        "audit",
        Form::Word(&["fail", "warn", "off"]),
        "`warn`",
        "What happens if the audit finds something that every instance of an image would share. Only `fail` launches \
         an instance for the audit if there is no test.",
    ),
    Key::optional(
        "vulnerabilityPolicy",
        Form::Map(VULNERABILITIES),
        "nothing is compared",
        "Which vulnerabilities an image may have, by the advisories in the stack's bucket. An image that has others is neither \
         shared nor published. Without a test, an instance is launched for this alone.",
    ),
    Key::optional(
        "signingKey",
        Form::Text,
        "nothing is signed",
        "KMS key that signs the provenance of each image, by its ARN, its id or an alias such as `alias/golden-images`. It is a \
         key for signing with `ECC_NIST_P256` in the home Region, and has the tag `goldsmith:stack` with the name of the stack.",
    ),
    Key::optional(
        "channel",
        Form::Text,
        "no channel",
        "The channel that points to each new image when it is published, such as `candidate`.",
    ),
    Key::optional(
        "retention",
        Form::Map(RETENTION),
        "every image stays",
        "Which of its images go: those that are not among the newest ones and are old enough. The stack disables and later \
         deletes them, or only `goldsmith retention` deletes them, if `automatic` is `false`.",
    ),
];

/// The words of a threshold.
const THRESHOLD: Form = Form::Word(&["low", "medium", "high", "critical", "never"]);

const VULNERABILITIES: &[Key] = &[
    Key::optional("severity", THRESHOLD, "`high`", "The lowest severity that counts."),
    Key::optional(
        "parentSeverity",
        THRESHOLD,
        "that of `severity`",
        "The lowest severity that counts for packages that the image has from its parent in the same version. The parent is \
         the source image, if that is an image of this stack.",
    ),
    Key::optional("fixAvailable", Form::Flag, "`true`", "Whether a vulnerability counts only if there is a fix."),
    Key::optional(
        "onlyNew",
        Form::Flag,
        "`false`",
        "Whether a vulnerability counts only if the parent does not have it in the same package.",
    ),
    Key::optional(
        "unrated",
        Form::Word(&["negligible", "low", "medium", "high", "critical"]),
        "`medium`",
        "The severity of a vulnerability that nobody has rated.",
    ),
    Key::optional(
        "allowUncovered",
        Form::Flag,
        "`false`",
        "Whether an image may pass if there are no advisories for its operating system.",
    ),
    Key::optional("waivers", Form::Maps(WAIVERS), "", "Vulnerabilities that are accepted for a time, at most 200."),
];

const WAIVERS: &[Key] = &[
    Key::required(
        "id",
        Form::Text,
        "The vulnerability by any of its ids, such as its CVE, or an advisory with everything that it covers.",
    ),
    Key::optional(
        "package",
        Form::Text,
        "all packages",
        "The package, or the source package, to which the waiver is limited.",
    ),
    Key::required("until", Form::Text, "The last day on which the waiver holds, in UTC, such as `2026-12-31`."),
    Key::required("reason", Form::Text, "Why the vulnerability is accepted."),
];

const RETENTION: &[Key] = &[
    Key::required("keep", Form::Number(KEEP), "The number of the newest images that stay, from 1 to 1,000."),
    Key::optional(
        "olderThan",
        Form::Text,
        "the number alone counts",
        "How long ago the build of an image must have begun before the image is beyond the retention, as a number of days \
         or weeks from `P1D` to `P3650D`, such as `P90D` or `P12W`.",
    ),
    Key::optional(
        "notLaunchedFor",
        Form::Text,
        "launches do not count",
        "For how long no instance must have been launched from the image, from `P2D` to `P3650D`. EC2 reports a launch 24 \
         hours later.",
    ),
    Key::optional(
        "automatic",
        Form::Flag,
        "`true`",
        "Whether the stack does this once a day. With `false`, only `goldsmith retention` does it.",
    ),
    Key::optional(
        "disabledFor",
        Form::Text,
        "`P7D`",
        "How long the stack disables an image before it deletes it, from `P1D` to `P3650D`. In this time, `goldsmith \
         enable` brings the image back.",
    ),
];

const SCHEDULE: &[Key] = &[
    Key::required(
        "scheduleExpression",
        Form::Text,
        "`cron(minute hour day month weekday year)` or `rate(…)`, as in EventBridge.",
    ),
    Key::optional("timezone", Form::Text, "`UTC`", "Name of a time zone, such as `Europe/Berlin`."),
    Key::optional(
        "pipelineExecutionStartCondition",
        Form::Word(&["EXPRESSION_MATCH_ONLY", "EXPRESSION_MATCH_AND_DEPENDENCY_UPDATES_AVAILABLE"]),
        "`EXPRESSION_MATCH_ONLY`",
        "Whether a scheduled start builds if no component and no source image has changed. In Image Builder, the \
         default is the other value.",
    ),
    Key::optional(
        "autoDisablePolicy",
        Form::Map(AUTO_DISABLE),
        "failures never disable it",
        "The same as `autoDisablePolicy` of the pipeline.",
    ),
];

const AUTO_DISABLE: &[Key] = &[Key::required(
    "failureCount",
    Form::Number(FAILURES),
    "Number of automatic builds that must fail in a row, from 1 to 10.",
)];

const FREEZE: &[Key] = &[
    Key::required("from", Form::Text, "The first day, such as `2026-12-20`."),
    Key::required(
        "until",
        Form::Text,
        "The day after the last day of the freeze: the pipeline starts again when this day begins.",
    ),
    Key::optional("timezone", Form::Text, "`UTC`", "Time zone in which the days begin, such as `Europe/Berlin`."),
];

const TESTS: &[Key] = &[
    Key::optional(
        "imageTestsEnabled",
        Form::Flag,
        "`true`",
        "Whether the phase `test` runs on a fresh instance of each new image.",
    ),
    Key::optional(
        "timeoutMinutes",
        Form::Number(MINUTES),
        "`720`",
        "Time limit of the commands of a test, from 1 to 2,875 minutes.",
    ),
    Key::optional(
        "instanceTypes",
        Form::Texts,
        "the type of the build",
        "Instance types with one test instance each, at most 50.",
    ),
    Key::optional(
        "spot",
        Form::Flag,
        "`false`",
        "Whether each test instance is first requested as a spot instance. If EC2 has none, the instance is launched on \
         demand. If EC2 takes it back during the test, the test fails. `spot` of the infrastructure configuration is \
         for the build instance.",
    ),
];
