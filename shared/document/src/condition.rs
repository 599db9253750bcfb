//! `if` of a step and the inputs of `Assert`: expressions over texts, numbers and files.

use crate::{Algorithm, Template};

/// Deepest nesting of an expression.
pub const MAX_EXPRESSION_DEPTH: usize = 4;

/// Whether a step runs. It is evaluated once per step, before its loop and not again for another attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// What is asked.
    pub expression: Expression,
    /// What follows if it is true. Default `Execute`.
    pub then: Verdict,
    /// What follows if it is false. Default `Skip`.
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
    /// True if all are; the first false one ends it. At least one.
    And(Vec<Expression>),
    /// True if one is; the first true one ends it. At least one.
    Or(Vec<Expression>),
    /// True if the inner one is false.
    Not(Box<Expression>),
    /// The text has no characters.
    StringIsEmpty(Template),
    /// The text has characters, all of them white space.
    StringIsWhitespace(Template),
    /// `value` stands in this relation to `baseline`, as text whose case is ignored.
    String {
        /// The relation.
        relation: Relation,
        /// What the operator's own key holds.
        baseline: Template,
        /// What `value` holds.
        value: Template,
    },
    /// `value` stands in this relation to `baseline`, as numbers; false if `value` is none.
    Number {
        /// The relation.
        relation: Relation,
        /// What the operator's own key holds; if it has no references, a number (see [`is_number`]).
        baseline: Template,
        /// What `value` holds.
        value: Template,
    },
    /// A regular expression matches somewhere in `value`.
    PatternMatches {
        /// The expression; if it has no references, [`Pattern::new`] reads it.
        pattern: Template,
        /// What `value` holds.
        value: Template,
    },
    /// There is a program of that name.
    BinaryExists(Template),
    /// There is such a file.
    FileExists(Template),
    /// There is such a folder.
    FolderExists(Template),
    /// The file at `path` has this digest.
    FileDigest {
        /// How it is made.
        algorithm: Algorithm,
        /// The digest in hex, in any case.
        digest: Template,
        /// The file.
        path: Template,
    },
}

/// How a value stands to its baseline: `numberLessThan: 2, value: 1` is true.
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

    /// Whether the relation holds if the value compares to its baseline like this.
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

/// Whether a text is a number of the language: an optional sign, digits, and a point only between digits.
pub fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(unsigned),
    }
}

/// A regular expression of `patternMatches`. It ignores case, and matches anywhere unless it is anchored.
#[derive(Debug, Clone)]
pub struct Pattern(regex_lite::Regex);

impl Pattern {
    /// Longest expression, in bytes: longer ones take too long to compile.
    const MAX_LENGTH: usize = 4_096;

    /// Reads an expression in the syntax that Go's `regexp` has, without classes of Unicode properties.
    ///
    /// # Errors
    /// Why it is not one, in one line.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > Self::MAX_LENGTH {
            return Err(format!("it has {} bytes, but at most {} are allowed", text.len(), Self::MAX_LENGTH));
        }
        let built = regex_lite::RegexBuilder::new(text).case_insensitive(true).build();
        built.map(Self).map_err(|error| error.to_string())
    }

    /// Whether it matches somewhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}
