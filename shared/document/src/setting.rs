//! Inputs that are more than free text: flags, numbers, modes, and words from a short list.

use crate::{Shape, Template};

/// A value of the language that is read from a text.
pub trait Literal: Sized {
    /// The description of a valid text, as it follows "must be" in a message.
    const EXPECTED: &'static str;
    /// What an input with such a value may hold, as an editor can check it.
    const SHAPE: Shape = Shape::Text;

    /// Returns the value if the text is valid.
    fn read(text: &str) -> Option<Self>;
}

/// An input of a certain type that may hold references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The text as written, or the text of the default.
    pub text: Template,
    /// The value. `None` if the text has references: put the text together when the step runs, and read it with
    /// [`Literal::read`].
    pub value: Option<T>,
}

impl Literal for bool {
    const EXPECTED: &'static str = "`true` or `false`";
    const SHAPE: Shape = Shape::Flag;

    fn read(text: &str) -> Option<Self> {
        match text {
            "true" | "True" | "TRUE" => Some(true),
            "false" | "False" | "FALSE" => Some(false),
            _ => None,
        }
    }
}

impl Literal for u64 {
    const EXPECTED: &'static str = "a whole number that is at least 0";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|_| !has_leading_zero(text))
    }
}

/// Returns whether a number is written with a leading zero. YAML 1.1 reads such a number as octal, YAML 1.2 as decimal.
pub(crate) fn has_leading_zero(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']);
    digits.len() > 1 && digits.starts_with('0')
}
