//! The `if` of a step and the expression of `Assert`.

use std::sync::LazyLock;

use super::Parse;
use crate::condition::{MAX_EXPRESSION_DEPTH, Pattern, Relation, is_number};
use crate::diagnostic::shown;
use crate::yaml::{Node, Value};
use crate::{Algorithm, Condition, Expression, MapReader, Template, Verdict, suggestion};

/// The operators whose names are not built from parts. [`OPERATORS`] adds the others.
const OTHER_OPERATORS: [(&str, Operator); 9] = [
    ("and", Operator::And),
    ("or", Operator::Or),
    ("not", Operator::Not),
    ("stringIsEmpty", Operator::StringIsEmpty),
    ("stringIsWhitespace", Operator::StringIsWhitespace),
    ("patternMatches", Operator::PatternMatches),
    ("binaryExists", Operator::BinaryExists),
    ("fileExists", Operator::FileExists),
    ("folderExists", Operator::FolderExists),
];

#[derive(Debug, Clone, Copy)]
enum Operator {
    And,
    Or,
    Not,
    StringIsEmpty,
    StringIsWhitespace,
    PatternMatches,
    BinaryExists,
    FileExists,
    FolderExists,
    String(Relation),
    Number(Relation),
    FileDigest(Algorithm),
}

/// All operators with their names.
static OPERATORS: LazyLock<Vec<(String, Operator)>> = LazyLock::new(|| {
    let others = OTHER_OPERATORS.map(|(name, operator)| (name.to_owned(), operator));
    let strings = Relation::ALL.map(|(name, relation)| (format!("string{name}"), Operator::String(relation)));
    let numbers = Relation::ALL.map(|(name, relation)| (format!("number{name}"), Operator::Number(relation)));
    let digests = Algorithm::ALL.map(|known| (format!("file{}Equals", known.name()), Operator::FileDigest(known)));
    others.into_iter().chain(strings).chain(numbers).chain(digests).collect()
});

impl Parse<'_> {
    /// Reads a step's `if`.
    pub(super) fn condition(&mut self, node: &Node) -> Option<Condition> {
        let mut map = self.reader.map(node, "`if`")?;
        let then = self.verdict(&mut map, "then", Verdict::Execute);
        let otherwise = self.verdict(&mut map, "else", Verdict::Skip);
        let expression = self.expression(map, 1)?;
        Some(Condition { expression, then, otherwise })
    }

    fn verdict(&mut self, map: &mut MapReader<'_>, key: &'static str, default: Verdict) -> Verdict {
        let given = map.optional(key);
        given.and_then(|node| self.reader.choice(node, &format!("`{key}`"), &Verdict::ALL)).unwrap_or(default)
    }

    /// Reads the one operator of a map. The depth counts from 1.
    pub(crate) fn expression(&mut self, mut map: MapReader<'_>, depth: usize) -> Option<Expression> {
        let known = &*OPERATORS;
        let found: Vec<(&Node, Operator)> = map
            .entries()
            .iter()
            .filter_map(|(key, _)| Some((key, known.iter().find(|(name, _)| Some(name.as_str()) == key.text())?.1)))
            .collect();
        let (key, operator) = match found[..] {
            [only] => only,
            [] => return self.no_operator(map, known),
            [_, (second, _), ..] => {
                let help = "put several conditions in a list under `and` or `or`";
                let message = "a condition must have exactly one operator";
                self.reader.error_with_help(second.span, "several-operators", message, Some(help.to_owned()));
                return None;
            }
        };
        let name = key.text().unwrap_or_default();
        // The depth is checked before the operand is read, so that a very deep document cannot overflow the stack.
        if depth > MAX_EXPRESSION_DEPTH {
            let message =
                format!("conditions can be nested {MAX_EXPRESSION_DEPTH} levels deep, but this is level {depth}");
            self.reader.error(key.span, "too-deep", message);
            return None;
        }
        let operand = map.entries().iter().find(|(other, _)| other.text() == Some(name)).map(|(_, value)| value)?;
        map.know(name);
        let expression = self.operation(operator, name, operand, &mut map, depth);
        map.finish(&mut self.reader);
        expression
    }

    fn no_operator(&mut self, map: MapReader<'_>, known: &[(String, Operator)]) -> Option<Expression> {
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        let near = map.entries().iter().find_map(|(key, _)| Some((key, suggestion(key.text()?, &names)?)));
        let first = map.entries().iter().map(|(key, _)| key).find(|key| !map.is_known(key));
        match (near, first) {
            (Some((key, help)), _) => {
                let message = format!("unknown operator `{}`", shown(key.text().unwrap_or_default()));
                self.reader.error_with_help(key.span, "unknown-operator", message, Some(help));
            }
            (None, Some(key)) => {
                let message = format!("unknown operator `{}`", shown(key.text().unwrap_or_default()));
                let help = Some(format!("the operators are {}", names.join(", ")));
                self.reader.error_with_help(key.span, "unknown-operator", message, help);
            }
            (None, None) => self.reader.error(map.span(), "missing-key", "this condition has no operator"),
        }
        None
    }

    fn operation(
        &mut self,
        operator: Operator,
        name: &str,
        operand: &Node,
        map: &mut MapReader<'_>,
        depth: usize,
    ) -> Option<Expression> {
        let what = format!("`{name}`");
        Some(match operator {
            Operator::And => Expression::And(self.expressions(operand, &what, depth)?),
            Operator::Or => Expression::Or(self.expressions(operand, &what, depth)?),
            Operator::Not => Expression::Not(Box::new(self.negated(operand, depth)?)),
            Operator::StringIsEmpty => Expression::StringIsEmpty(self.operand(operand, &what)?),
            Operator::StringIsWhitespace => Expression::StringIsWhitespace(self.operand(operand, &what)?),
            Operator::BinaryExists => Expression::BinaryExists(self.operand(operand, &what)?),
            Operator::FileExists => Expression::FileExists(self.operand(operand, &what)?),
            Operator::FolderExists => Expression::FolderExists(self.operand(operand, &what)?),
            Operator::PatternMatches => {
                let (pattern, value) = self.operands(operand, &what, map, "value")?;
                self.check_pattern(&pattern);
                Expression::PatternMatches { pattern, value }
            }
            Operator::String(relation) => {
                let (baseline, value) = self.operands(operand, &what, map, "value")?;
                Expression::String { relation, baseline, value }
            }
            Operator::Number(relation) => {
                let (baseline, value) = self.operands(operand, &what, map, "value")?;
                self.check_number(&baseline, &what);
                Expression::Number { relation, baseline, value }
            }
            Operator::FileDigest(algorithm) => {
                let (digest, path) = self.operands(operand, &what, map, "path")?;
                self.check_digest(&digest, algorithm, &what);
                Expression::FileDigest { algorithm, digest, path }
            }
        })
    }

    fn operands(
        &mut self,
        first: &Node,
        what: &str,
        map: &mut MapReader<'_>,
        second: &'static str,
    ) -> Option<(Template, Template)> {
        // Both operands are read before one of them counts as missing, so that the mistakes of both are reported.
        let first = self.operand(first, what);
        let second = map.required(&mut self.reader, second).and_then(|n| self.operand(n, &format!("`{second}`")));
        first.zip(second)
    }

    /// Reads an operand. It may be an empty text, even if no value is written.
    fn operand(&mut self, node: &Node, what: &str) -> Option<Template> {
        self.template(node, what)
    }

    fn expressions(&mut self, node: &Node, what: &str, depth: usize) -> Option<Vec<Expression>> {
        let items = self.reader.list(node, what)?;
        if items.is_empty() {
            self.reader.error(node.span, "empty", format!("{what} must not be empty"));
        }
        // All conditions are read before the first bad one counts, so that all mistakes are reported at once.
        let all: Vec<Option<Expression>> = items.iter().map(|item| self.inner(item, depth)).collect();
        all.into_iter().collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())
    }

    fn negated(&mut self, node: &Node, depth: usize) -> Option<Expression> {
        match &node.value {
            Value::List(items) => match &items[..] {
                [only] => self.inner(only, depth),
                _ => {
                    self.reader.error(node.span, "wrong-shape", "`not` takes one condition");
                    None
                }
            },
            _ => self.inner(node, depth),
        }
    }

    fn inner(&mut self, node: &Node, depth: usize) -> Option<Expression> {
        let map = self.reader.map(node, "a condition")?;
        self.expression(map, depth + 1)
    }

    fn check_pattern(&mut self, pattern: &Template) {
        let Some(literal) = pattern.literal() else { return };
        if let Err(reason) = Pattern::new(&literal) {
            // The error may have several lines that show the pattern. The last one says what is wrong.
            let reason = reason.lines().last().unwrap_or_default().to_owned();
            self.reader.error(pattern.span, "bad-pattern", format!("this is not a regular expression: {reason}"));
        }
    }

    fn check_number(&mut self, baseline: &Template, what: &str) {
        if baseline.literal().is_some_and(|literal| !is_number(&literal)) {
            let message = format!("{what} must be a number, not `{}`", shown(&baseline.raw));
            self.reader.error(baseline.span, "wrong-value", message);
        }
    }
}
