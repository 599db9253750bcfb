//! The state machine, read from the very file that is deployed. A field or a type of state that this does not know is an
//! error when it is read, so that the definition cannot grow past it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::jsonata::Expr;

/// A value with expressions in it.
#[derive(Debug, Clone)]
pub enum Template {
    /// As it stands.
    Constant(Value),
    /// Computed.
    Expr(Expr),
    /// Field by field.
    Object(Vec<(String, Template)>),
    /// Item by item.
    Array(Vec<Template>),
}

impl Template {
    fn read(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => match text.strip_prefix("{%").and_then(|text| text.strip_suffix("%}")) {
                Some(expr) => Self::Expr(Expr::parse(expr)?),
                None => Self::Constant(value.clone()),
            },
            Value::Object(fields) => {
                let read = |(name, value): (&String, &Value)| Ok((name.clone(), Self::read(value)?));
                Self::Object(fields.iter().map(read).collect::<Result<_, String>>()?)
            }
            Value::Array(items) => Self::Array(items.iter().map(Self::read).collect::<Result<_, _>>()?),
            other => Self::Constant(other.clone()),
        })
    }

    /// The value where `states` is what `$states` stands for; none where an expression comes to nothing, which Step
    /// Functions takes for an error.
    #[must_use]
    pub fn value(&self, states: &Value) -> Option<Value> {
        Some(match self {
            Self::Constant(value) => value.clone(),
            Self::Expr(expr) => expr.value(states)?,
            Self::Object(fields) => {
                let value = |(name, field): &(String, Self)| Some((name.clone(), field.value(states)?));
                Value::Object(fields.iter().map(value).collect::<Option<Map<_, _>>>()?)
            }
            Self::Array(items) => Value::Array(items.iter().map(|item| item.value(states)).collect::<Option<_>>()?),
        })
    }
}

/// A state.
#[derive(Debug)]
pub struct State {
    /// What it does.
    pub does: Does,
    /// What it hands on; none: its result or its input.
    pub output: Option<Template>,
    /// Where it goes on; none: it is the last.
    pub next: Option<String>,
    /// When its work is done again.
    pub retry: Vec<Retry>,
    /// Where an error leads.
    pub catch: Vec<Catch>,
}

/// What a state does.
#[derive(Debug)]
pub enum Does {
    /// Calls a function.
    Task {
        /// The function's handler.
        handler: String,
        /// What it is called with.
        payload: Template,
        /// Whether the state ends by its token only.
        waits: bool,
        /// How long it may take, in seconds.
        timeout: Option<i64>,
    },
    /// Goes on where a condition holds, or else where it says.
    Choice(Vec<(Expr, String)>, String),
    /// Runs a machine for each item.
    Map {
        /// The items.
        items: Expr,
        /// What each gets.
        selector: Template,
        /// How many at once.
        at_once: usize,
        /// What runs.
        machine: Machine,
    },
    /// Hands on.
    Pass,
    /// Ends well.
    Succeed,
    /// Ends with an error.
    Fail {
        /// Its name.
        error: Template,
        /// Its cause.
        cause: Template,
    },
}

/// When a state's work is done again.
#[derive(Debug)]
pub struct Retry {
    /// After these errors.
    pub errors: Vec<String>,
    /// How often.
    pub attempts: u32,
    /// Seconds before the first.
    pub interval: f64,
    /// By how much the pause grows.
    pub rate: f64,
    /// Its limit.
    pub most: f64,
}

/// Where an error leads.
#[derive(Debug)]
pub struct Catch {
    /// These errors.
    pub errors: Vec<String>,
    /// What is handed on.
    pub output: Template,
    /// Where.
    pub next: String,
}

/// States.
#[derive(Debug)]
pub struct Machine {
    /// The first.
    pub start: String,
    /// All, by name.
    pub states: BTreeMap<String, State>,
}

impl Machine {
    /// Reads a definition.
    ///
    /// # Errors
    /// What is not understood.
    pub fn read(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let known = ["Comment", "QueryLanguage", "StartAt", "TimeoutSeconds", "States"];
        if value.get("QueryLanguage").and_then(Value::as_str) != Some("JSONata") {
            return Err("its language is not JSONata".to_owned());
        }
        Self::of(&value, &known)
    }

    fn of(value: &Value, known: &[&str]) -> Result<Self, String> {
        let fields = Fields::of(value, known)?;
        let states = fields.get("States")?.as_object().ok_or("`States` is no object")?;
        let read = |(name, state): (&String, &Value)| {
            State::read(state).map(|state| (name.clone(), state)).map_err(|error| format!("{name}: {error}"))
        };
        Ok(Self { start: fields.text("StartAt")?, states: states.iter().map(read).collect::<Result<_, _>>()? })
    }
}

/// The fields of an object, all of which are known.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn of(value: &'a Value, known: &[&str]) -> Result<Self, String> {
        let fields = value.as_object().ok_or("no object")?;
        match fields.keys().find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(format!("the field `{unknown}` is not known")),
            None => Ok(Self(fields)),
        }
    }

    fn get(&self, name: &str) -> Result<&'a Value, String> {
        self.0.get(name).ok_or_else(|| format!("no field `{name}`"))
    }

    fn text(&self, name: &str) -> Result<String, String> {
        self.get(name)?.as_str().map(str::to_owned).ok_or_else(|| format!("`{name}` is no text"))
    }

    fn number(&self, name: &str) -> Result<f64, String> {
        self.get(name)?.as_f64().ok_or_else(|| format!("`{name}` is no number"))
    }

    fn template(&self, name: &str) -> Result<Template, String> {
        Template::read(self.get(name)?)
    }

    fn expr(&self, name: &str) -> Result<Expr, String> {
        match self.template(name)? {
            Template::Expr(expr) => Ok(expr),
            _ => Err(format!("`{name}` is no expression")),
        }
    }

    fn list(&self, name: &str) -> Result<&'a [Value], String> {
        match self.0.get(name) {
            None => Ok(&[]),
            Some(value) => value.as_array().map(Vec::as_slice).ok_or_else(|| format!("`{name}` is no list")),
        }
    }

    fn names(&self, name: &str) -> Result<Vec<String>, String> {
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| format!("`{name}` has no text"));
        self.list(name)?.iter().map(text).collect()
    }
}

const COMMON: [&str; 5] = ["Comment", "Type", "Output", "Next", "End"];

impl State {
    fn read(value: &Value) -> Result<Self, String> {
        let kind = value.get("Type").and_then(Value::as_str).ok_or("no type")?;
        let own: &[&str] = match kind {
            "Task" => &["Resource", "TimeoutSeconds", "Arguments", "Retry", "Catch"],
            "Choice" => &["Choices", "Default"],
            "Map" => &["Items", "ItemSelector", "MaxConcurrency", "ItemProcessor", "Catch"],
            "Fail" => &["Error", "Cause"],
            "Pass" | "Succeed" => &[],
            other => return Err(format!("the type {other} is not known")),
        };
        let fields = Fields::of(value, &[&COMMON, own].concat())?;
        let does = match kind {
            "Task" => task(&fields)?,
            "Choice" => {
                let choices = fields.list("Choices")?.iter().map(|choice| {
                    let fields = Fields::of(choice, &["Condition", "Next"])?;
                    Ok((fields.expr("Condition")?, fields.text("Next")?))
                });
                Does::Choice(choices.collect::<Result<_, String>>()?, fields.text("Default")?)
            }
            "Map" => map(&fields)?,
            "Fail" => Does::Fail { error: fields.template("Error")?, cause: fields.template("Cause")? },
            "Pass" => Does::Pass,
            _ => Does::Succeed,
        };
        let is_last = fields.0.get("End") == Some(&Value::Bool(true));
        let next = if fields.0.contains_key("Next") { Some(fields.text("Next")?) } else { None };
        let goes_on = matches!(does, Does::Task { .. } | Does::Map { .. } | Does::Pass);
        if goes_on && is_last == next.is_some() {
            return Err("it has neither or both of `Next` and `End`".to_owned());
        }
        let output = if fields.0.contains_key("Output") { Some(fields.template("Output")?) } else { None };
        let retry = fields.list("Retry")?.iter().map(Retry::read).collect::<Result<_, _>>()?;
        let catch = fields.list("Catch")?.iter().map(Catch::read).collect::<Result<_, _>>()?;
        Ok(Self { does, output, next, retry, catch })
    }
}

fn task(fields: &Fields<'_>) -> Result<Does, String> {
    let waits = match fields.text("Resource")?.as_str() {
        "arn:${Partition}:states:::lambda:invoke" => false,
        "arn:${Partition}:states:::lambda:invoke.waitForTaskToken" => true,
        other => return Err(format!("the resource {other} is not known")),
    };
    let arguments = Fields::of(fields.get("Arguments")?, &["FunctionName", "Payload"])?;
    let function = arguments.text("FunctionName")?;
    let name = function.strip_prefix("${").and_then(|name| name.strip_suffix("FunctionArn}"));
    let name = name.ok_or_else(|| format!("the function {function} is not known"))?;
    let mut handler = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !handler.is_empty() {
            handler.push('-');
        }
        handler.push(letter.to_ascii_lowercase());
    }
    let timeout = fields.0.get("TimeoutSeconds").and_then(Value::as_i64);
    Ok(Does::Task { handler, payload: arguments.template("Payload")?, waits, timeout })
}

fn map(fields: &Fields<'_>) -> Result<Does, String> {
    let machine = Machine::of(fields.get("ItemProcessor")?, &["ProcessorConfig", "StartAt", "States"])?;
    let at_once = fields.get("MaxConcurrency")?.as_u64().ok_or("`MaxConcurrency` is no number")?;
    Ok(Does::Map {
        items: fields.expr("Items")?,
        selector: fields.template("ItemSelector")?,
        at_once: usize::try_from(at_once).unwrap_or(1),
        machine,
    })
}

impl Retry {
    fn read(value: &Value) -> Result<Self, String> {
        let known =
            ["ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds", "JitterStrategy"];
        let fields = Fields::of(value, &known)?;
        let attempts = fields.get("MaxAttempts")?.as_u64().and_then(|attempts| u32::try_from(attempts).ok());
        if fields.text("JitterStrategy")? != "FULL" {
            return Err("another jitter than FULL".to_owned());
        }
        Ok(Self {
            errors: fields.names("ErrorEquals")?,
            attempts: attempts.ok_or("`MaxAttempts` is no number")?,
            interval: fields.number("IntervalSeconds")?,
            rate: fields.number("BackoffRate")?,
            most: fields.number("MaxDelaySeconds")?,
        })
    }
}

impl Catch {
    fn read(value: &Value) -> Result<Self, String> {
        let fields = Fields::of(value, &["ErrorEquals", "Output", "Next"])?;
        Ok(Self {
            errors: fields.names("ErrorEquals")?,
            output: fields.template("Output")?,
            next: fields.text("Next")?,
        })
    }
}

/// Whether a list of errors names this one.
#[must_use]
pub fn names(errors: &[String], error: &str) -> bool {
    errors.iter().any(|name| name == error || name == "States.ALL")
}
