//! Evaluates an expression of `if` or `Assert` on this machine.
//!
//! Texts are compared without regard to case. A digest operator is false if the file has another digest or does not
//! exist; a file that cannot be read is an error. A baseline that is not a number is an error. A value that is not a
//! number makes the operator false.

mod fact;

use std::cmp::Ordering;
use std::io;
use std::path::PathBuf;

use goldsmith_document::{Expression, Pattern, Relation, Template, is_number};

pub(crate) use fact::fact;

use crate::checksum::of_file;
use crate::programs::find_program;
use crate::resolve::{ResolveError, Resolver};

/// Why an expression cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConditionError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("`{text}` is not a number to compare with")]
    Number { text: String },
    #[error("`{pattern}` is not a regular expression: {problem}")]
    Pattern { pattern: String, problem: String },
    #[error("{} cannot be read", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Evaluates an expression from left to right, and stops when the rest does not matter.
pub(crate) fn holds(expression: &Expression, resolver: &Resolver<'_>) -> Result<bool, ConditionError> {
    let text = |template: &Template| resolver.text(template);
    let path = |template: &Template| Ok::<_, ResolveError>(resolver.place.working_directory.join(text(template)?));
    Ok(match expression {
        Expression::And(parts) => all(parts, resolver, true)?,
        Expression::Or(parts) => all(parts, resolver, false)?,
        Expression::Not(inner) => !holds(inner, resolver)?,
        Expression::StringIsEmpty(value) => text(value)?.is_empty(),
        Expression::StringIsWhitespace(value) => {
            let value = text(value)?;
            !value.is_empty() && value.chars().all(char::is_whitespace)
        }
        Expression::String { relation, baseline, value } => {
            relation.holds(text(value)?.to_lowercase().cmp(&text(baseline)?.to_lowercase()))
        }
        Expression::Number { relation, baseline, value } => number(*relation, &text(baseline)?, &text(value)?)?,
        Expression::PatternMatches { pattern, value } => {
            let pattern = text(pattern)?;
            match Pattern::new(&pattern) {
                Ok(compiled) => compiled.is_match(&text(value)?),
                Err(problem) => return Err(ConditionError::Pattern { pattern, problem }),
            }
        }
        Expression::BinaryExists(name) => find_program(&text(name)?).is_some(),
        Expression::FileExists(file) => path(file)?.is_file(),
        Expression::FolderExists(folder) => path(folder)?.is_dir(),
        Expression::FileDigest { algorithm, digest, path: file } => {
            let path = path(file)?;
            match of_file(*algorithm, &path) {
                Ok(actual) => actual.eq_ignore_ascii_case(text(digest)?.trim()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                Err(source) => return Err(ConditionError::File { path, source }),
            }
        }
    })
}

/// Returns whether all parts are true (`and`) or one part is true (`or`).
fn all(parts: &[Expression], resolver: &Resolver<'_>, and: bool) -> Result<bool, ConditionError> {
    for part in parts {
        if holds(part, resolver)? != and {
            return Ok(!and);
        }
    }
    Ok(and)
}

fn number(relation: Relation, baseline: &str, value: &str) -> Result<bool, ConditionError> {
    if !is_number(baseline) {
        return Err(ConditionError::Number { text: baseline.to_owned() });
    }
    Ok(is_number(value) && relation.holds(compare(value, baseline)))
}

/// Compares two numbers of the language digit by digit, so that no number is too large or has too many decimals.
fn compare(a: &str, b: &str) -> Ordering {
    let ((a_negative, a_whole, a_rest), (b_negative, b_whole, b_rest)) = (parts(a), parts(b));
    // Without leading zeros, the longer whole part is the larger one. Fractions compare as texts, because the place of
    // each digit is the same in both.
    let magnitude = a_whole.len().cmp(&b_whole.len()).then(a_whole.cmp(b_whole)).then(a_rest.cmp(b_rest));
    match (a_negative, b_negative) {
        (false, false) => magnitude,
        (true, true) => magnitude.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
    }
}

/// Returns whether a number is below zero, its whole part, and its fraction. Zeros without meaning are removed.
fn parts(text: &str) -> (bool, &str, &str) {
    let unsigned = text.trim_start_matches(['-', '+']);
    let (whole, rest) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let (whole, rest) = (whole.trim_start_matches('0'), rest.trim_end_matches('0'));
    // `-0` equals `0`.
    let is_zero = whole.is_empty() && rest.is_empty();
    (text.starts_with('-') && !is_zero, whole, rest)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering::{Equal, Greater, Less};

    use super::compare;

    #[test]
    fn numbers_are_compared_exactly() {
        for (a, b, expected) in [
            ("1", "2", Less),
            ("10", "9", Greater),
            ("1.20", "+1.2", Equal),
            ("-0", "0.0", Equal),
            ("-2", "-1", Less),
            ("-1", "0.5", Less),
            ("1.09", "1.1", Less),
            ("007", "7", Equal),
            ("123456789012345678901", "123456789012345678902", Less),
        ] {
            assert_eq!(compare(a, b), expected, "{a} {b}");
            assert_eq!(compare(b, a), expected.reverse(), "{b} {a}");
        }
    }
}
