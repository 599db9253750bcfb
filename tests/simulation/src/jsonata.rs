//! As much of JSONata as the definition uses; an expression that it does not know is an error when the file is read.

use serde_json::Value;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `$states.input.item`
    Path(Vec<String>),
    /// A text, number, boolean or null.
    Constant(Value),
    /// `a = b`
    Equal(Box<Expr>, Box<Expr>),
    /// `a > b`
    Greater(Box<Expr>, Box<Expr>),
    /// `$count(a)`
    Count(Box<Expr>),
    /// `$exists(a)`
    Exists(Box<Expr>),
    /// `a ? b : c`
    If(Box<Expr>, Box<Expr>, Box<Expr>),
}

impl Expr {
    /// Reads the text between `{%` and `%}`.
    ///
    /// # Errors
    /// What is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        let expr = condition(&mut rest)?;
        if rest.is_empty() { Ok(expr) } else { Err(format!("`{rest}` in `{text}`")) }
    }

    /// The value where `states` is what `$states` stands for; none is JSONata's undefined.
    #[must_use]
    pub fn value(&self, states: &Value) -> Option<Value> {
        match self {
            Self::Path(parts) => {
                let mut found = states;
                for part in parts {
                    found = found.get(part)?;
                }
                Some(found.clone())
            }
            Self::Constant(value) => Some(value.clone()),
            // What is undefined equals nothing, itself included, and that is no error.
            Self::Equal(a, b) => Some((a.value(states).zip(b.value(states)).is_some_and(|(a, b)| a == b)).into()),
            Self::Greater(a, b) => Some((a.value(states)?.as_f64()? > b.value(states)?.as_f64()?).into()),
            Self::Count(of) => Some(match of.value(states) {
                None => 0.into(),
                Some(Value::Array(items)) => items.len().into(),
                Some(_) => 1.into(),
            }),
            Self::Exists(of) => Some(of.value(states).is_some().into()),
            Self::If(test, yes, no) => {
                if is_true(test.value(states).as_ref()) {
                    yes.value(states)
                } else {
                    no.value(states)
                }
            }
        }
    }
}

/// JSONata's cast to a boolean.
pub fn is_true(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::Array(items)) => items.iter().any(|item| is_true(Some(item))),
        Some(Value::Object(fields)) => !fields.is_empty(),
    }
}

fn condition(rest: &mut &str) -> Result<Expr, String> {
    let test = comparison(rest)?;
    if !take(rest, "?") {
        return Ok(test);
    }
    let yes = condition(rest)?;
    if !take(rest, ":") {
        return Err(format!("no `:` before `{rest}`"));
    }
    Ok(Expr::If(Box::new(test), Box::new(yes), Box::new(condition(rest)?)))
}

fn comparison(rest: &mut &str) -> Result<Expr, String> {
    let left = operand(rest)?;
    if take(rest, "=") {
        return Ok(Expr::Equal(Box::new(left), Box::new(operand(rest)?)));
    }
    if take(rest, ">") {
        return Ok(Expr::Greater(Box::new(left), Box::new(operand(rest)?)));
    }
    Ok(left)
}

fn operand(rest: &mut &str) -> Result<Expr, String> {
    if take(rest, "'") {
        let (text, after) = rest.split_once('\'').ok_or("a text without an end")?;
        *rest = after.trim_start();
        return Ok(Expr::Constant(text.into()));
    }
    if take(rest, "$states") {
        let mut parts = Vec::new();
        while take(rest, ".") {
            parts.push(word(rest)?);
        }
        *rest = rest.trim_start();
        return Ok(Expr::Path(parts));
    }
    for (name, make) in [("$count(", Expr::Count as fn(Box<Expr>) -> Expr), ("$exists(", Expr::Exists)] {
        if take(rest, name) {
            let of = condition(rest)?;
            return if take(rest, ")") { Ok(make(Box::new(of))) } else { Err(format!("no `)` before `{rest}`")) };
        }
    }
    let word = word(rest)?;
    *rest = rest.trim_start();
    match (word.as_str(), word.parse::<u32>()) {
        ("null", _) => Ok(Expr::Constant(Value::Null)),
        ("true" | "false", _) => Ok(Expr::Constant((word == "true").into())),
        (_, Ok(number)) => Ok(Expr::Constant(number.into())),
        _ => Err(format!("`{word}`")),
    }
}

fn word(rest: &mut &str) -> Result<String, String> {
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    if word.is_empty() { Err(format!("a name instead of `{after}`")) } else { Ok(word.to_owned()) }
}

fn take(rest: &mut &str, token: &str) -> bool {
    let Some(after) = rest.strip_prefix(token) else { return false };
    *rest = if token == "'" || token == "$states" { after } else { after.trim_start() };
    true
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Expr;

    fn value(text: &str, states: &Value) -> Option<Value> {
        Expr::parse(text).unwrap().value(states)
    }

    #[test]
    fn expressions_have_the_results_that_jsonata_gives() {
        let states = json!({"input": {"outcome": "build", "tests": ["a"], "error": {"Cause": "", "Error": "E"}}});
        assert_eq!(value("$states.input.outcome = 'build'", &states), Some(json!(true)));
        assert_eq!(value("$count($states.input.tests) > 0", &states), Some(json!(true)));
        assert_eq!(value("$count($states.input.none) > 0", &states), Some(json!(false)));
        assert_eq!(value("$exists($states.input.none) ? $states.input.none : null", &states), Some(Value::Null));
        let text = "$states.input.error.Cause ? $states.input.error.Cause : $states.input.error.Error";
        assert_eq!(value(text, &states), Some(json!("E")));
        assert_eq!(value("$states.input.none", &states), None);
        assert_eq!(value("$states.input.none = true", &states), Some(json!(false)));
        assert_eq!(value("$states.input.none = $states.input.none", &states), Some(json!(false)));
        assert_eq!(value("$states.input.attest = true", &json!({"input": {"attest": true}})), Some(json!(true)));
        assert_eq!(value("$states.input.attest = true", &json!({"input": {"attest": false}})), Some(json!(false)));
    }

    #[test]
    fn what_is_not_known_is_an_error() {
        for text in ["$sum($states.input.a)", "$states.input.a + 1", "$states.input.a[0]", "a", "'b"] {
            assert!(Expr::parse(text).is_err(), "{text}");
        }
    }
}
