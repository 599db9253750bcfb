//! Why a text is not a schedule expression.

/// Why a text is not a [`super::ScheduleExpression`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The text has neither of the two forms.
    #[error("`{text}` is not a schedule: use cron(minute hour day month weekday year) or rate(value unit)")]
    Form {
        /// The text.
        text: String,
    },
    /// `at(…)` fires once.
    #[error("`at(…)` fires only once: use cron(minute hour day month weekday year) or rate(value unit)")]
    Once,
    /// The expression does not have six fields.
    #[error("cron needs six fields, minute hour day month weekday year, not {found}")]
    FieldCount {
        /// Number of its fields.
        found: usize,
    },
    /// Both day fields are `?`, or neither is.
    #[error(
        "exactly one of day and weekday must be `?`, not {}",
        if *.both { "both" } else { "neither of them" }
    )]
    TwoDays {
        /// Whether both are `?`.
        both: bool,
    },
    /// A part of a field is not a value that the field can have.
    #[error("`{part}` is not {field}: {wanted}")]
    Part {
        /// The part.
        part: String,
        /// The field, with its article.
        field: &'static str,
        /// The values that the field allows.
        wanted: &'static str,
    },
    /// A range ends before it begins.
    #[error("the range `{part}` of the {field} ends before it begins")]
    Backwards {
        /// The range.
        part: String,
        /// Which field.
        field: &'static str,
    },
    /// The step is `0` or is not a number.
    #[error("the step of `{part}` in the {field} must be a whole number from 1")]
    Step {
        /// The part.
        part: String,
        /// Which field.
        field: &'static str,
    },
    /// `L`, `W` or `#` is combined with other values.
    #[error("`{part}` must be the only value of the {field}")]
    Alone {
        /// The part.
        part: String,
        /// Which field.
        field: &'static str,
    },
    /// The day never exists, such as 31 February.
    #[error("it never fires: no such day exists")]
    Never,
    /// The text is not a value and a unit.
    #[error("`{text}` is not a rate: use a whole number and minutes, hours or days, such as rate(12 hours)")]
    Rate {
        /// The text between the parentheses.
        text: String,
    },
    /// AWS does not have this unit.
    #[error("`{unit}` is not a unit of a rate: use minutes, hours or days")]
    Unit {
        /// The unit.
        unit: String,
    },
    /// The value is zero, negative, too large or not a number.
    #[error("the value of a rate must be a whole number from 1 to {}, not `{value}`", super::Rate::MAX)]
    Value {
        /// The value.
        value: String,
    },
    /// The unit has the wrong number, as in `1 days` or `2 day`.
    #[error("`{value} {unit}` is not a rate: write {value} {right}")]
    Plural {
        /// The value.
        value: u32,
        /// The unit as written in the text.
        unit: String,
        /// The unit in the correct number.
        right: String,
    },
}
