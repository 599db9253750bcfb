//! The `if` of a step and the inputs of `Assert`: expressions over texts, numbers and files.

use crate::{Algorithm, Template};

/// Deepest nesting of an expression.
pub const MAX_EXPRESSION_DEPTH: usize = 4;

/// Whether a step runs. A condition is evaluated once per step, before the loop of the step, and not again for a
/// further attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The expression that is evaluated.
    pub expression: Expression,
    /// The verdict if the expression is true. Default `Execute`.
    pub then: Verdict,
    /// The verdict if the expression is false. Default `Skip`.
    pub otherwise: Verdict,
}

/// What a condition does with its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The step runs.
    Execute,
    /// The step does not run and counts as a success.
    Skip,
    /// The step does not run and counts as failed; its `onFailure` applies.
    Abort,
}

impl Verdict {
    pub(crate) const ALL: [(&'static str, Verdict); 3] =
        [("Execute", Verdict::Execute), ("Skip", Verdict::Skip), ("Abort", Verdict::Abort)];
}

/// Something that is true or false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// True if all expressions are true. The evaluation ends at the first false one. There is at least one expression.
    And(Vec<Expression>),
    /// True if one expression is true. The evaluation ends at the first true one. There is at least one expression.
    Or(Vec<Expression>),
    /// True if the inner expression is false.
    Not(Box<Expression>),
    /// True if the text has no characters.
    StringIsEmpty(Template),
    /// True if the text has characters and all of them are white space.
    StringIsWhitespace(Template),
    /// True if `value` has this relation to `baseline`. Both are compared as text, and case is ignored.
    String {
        /// The relation.
        relation: Relation,
        /// The value of the operator's own key.
        baseline: Template,
        /// The value of the key `value`.
        value: Template,
    },
    /// True if `value` has this relation to `baseline`. Both are compared as numbers; false if `value` is not a number.
    Number {
        /// The relation.
        relation: Relation,
        /// The value of the operator's own key. If it has no references, it is a number (see [`is_number`]).
        baseline: Template,
        /// The value of the key `value`.
        value: Template,
    },
    /// True if a regular expression matches somewhere in `value`.
    PatternMatches {
        /// The regular expression. If it has no references, [`Pattern::new`] accepts it.
        pattern: Template,
        /// The value of the key `value`.
        value: Template,
    },
    /// True if a program with this name exists.
    BinaryExists(Template),
    /// True if this file exists.
    FileExists(Template),
    /// True if this folder exists.
    FolderExists(Template),
    /// True if the file at `path` has this digest.
    FileDigest {
        /// The algorithm of the digest.
        algorithm: Algorithm,
        /// The digest in hex, in upper or lower case.
        digest: Template,
        /// The file.
        path: Template,
    },
}

/// The relation of a value to its baseline: `numberLessThan: 2, value: 1` is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Equal.
    Equals,
    /// Smaller.
    LessThan,
    /// Smaller or equal.
    LessThanEquals,
    /// Greater.
    GreaterThan,
    /// Greater or equal.
    GreaterThanEquals,
}

impl Relation {
    pub(crate) const ALL: [(&'static str, Relation); 5] = [
        ("Equals", Relation::Equals),
        ("LessThan", Relation::LessThan),
        ("LessThanEquals", Relation::LessThanEquals),
        ("GreaterThan", Relation::GreaterThan),
        ("GreaterThanEquals", Relation::GreaterThanEquals),
    ];

    /// Returns whether the relation holds for this order of the value and its baseline.
    pub fn holds(self, value_to_baseline: std::cmp::Ordering) -> bool {
        match self {
            Relation::Equals => value_to_baseline.is_eq(),
            Relation::LessThan => value_to_baseline.is_lt(),
            Relation::LessThanEquals => value_to_baseline.is_le(),
            Relation::GreaterThan => value_to_baseline.is_gt(),
            Relation::GreaterThanEquals => value_to_baseline.is_ge(),
        }
    }
}

/// Returns whether a text is a number of the language: an optional sign, digits, and a point only between digits.
pub fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    }
}

/// A regular expression of `patternMatches`. It ignores case and matches anywhere in the text unless it is anchored.
#[derive(Debug, Clone)]
pub struct Pattern(regex_lite::Regex);

impl Pattern {
    /// Longest expression, in bytes. Longer expressions take too long to compile.
    const MAX_LENGTH: usize = 4_096;

    /// Reads an expression in the syntax of Go's `regexp`, without the classes of Unicode properties.
    ///
    /// # Errors
    /// Returns, in one line, why the text is not a regular expression.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > Self::MAX_LENGTH {
            return Err(format!("it has {} bytes, but at most {} are allowed", text.len(), Self::MAX_LENGTH));
        }
        let built = regex_lite::RegexBuilder::new(text).case_insensitive(true).build();
        built.map(Self).map_err(|error| error.to_string())
    }

    /// Returns whether the expression matches somewhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}
