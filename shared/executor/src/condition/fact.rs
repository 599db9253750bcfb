//! Explains why an expression is false, with the values that were compared. If one part decided, only that part is
//! explained.

use goldsmith_document::{Expression, Relation, Template};

use super::{ConditionError, holds};
use crate::resolve::Resolver;

/// Returns the result of an expression in words. `is` is the result.
pub(crate) fn fact(expression: &Expression, is: bool, resolver: &Resolver<'_>) -> Result<String, ConditionError> {
    let text = |template: &Template| resolver.text(template).map(|text| format!("`{text}`"));
    let verb = if is { "is" } else { "is not" };
    let there = if is { "there is" } else { "there is no" };
    Ok(match expression {
        Expression::And(parts) => parts_of(parts, is, is, resolver)?,
        Expression::Or(parts) => parts_of(parts, is, !is, resolver)?,
        Expression::Not(inner) => fact(inner, !is, resolver)?,
        Expression::StringIsEmpty(value) => format!("{} {verb} empty", text(value)?),
        Expression::StringIsWhitespace(value) => format!("{} {verb} white space", text(value)?),
        Expression::String { relation, baseline, value } | Expression::Number { relation, baseline, value } => {
            format!("{} {verb} {} {}", text(value)?, words(*relation), text(baseline)?)
        }
        Expression::PatternMatches { pattern, value } => {
            let verb = if is { "matches" } else { "does not match" };
            format!("{} {verb} {}", text(value)?, text(pattern)?)
        }
        Expression::BinaryExists(name) => format!("{there} program {}", text(name)?),
        Expression::FileExists(file) => format!("{there} file {}", text(file)?),
        Expression::FolderExists(folder) => format!("{there} folder {}", text(folder)?),
        Expression::FileDigest { digest, path, .. } => {
            format!("the digest of {} {verb} {}", text(path)?, text(digest)?)
        }
    })
}

/// Returns all parts if they decided together, or the first part that decided.
fn parts_of(parts: &[Expression], is: bool, together: bool, resolver: &Resolver<'_>) -> Result<String, ConditionError> {
    let mut told = Vec::new();
    for part in parts {
        if together {
            told.push(fact(part, is, resolver)?);
        } else if holds(part, resolver)? == is {
            return fact(part, is, resolver);
        }
    }
    Ok(told.join(", and "))
}

fn words(relation: Relation) -> &'static str {
    match relation {
        Relation::Equals => "equal to",
        Relation::LessThan => "less than",
        Relation::LessThanEquals => "at most",
        Relation::GreaterThan => "greater than",
        Relation::GreaterThanEquals => "at least",
    }
}
