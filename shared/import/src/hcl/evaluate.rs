//! Evaluates expressions and templates as Terraform and Packer do, as far as their values are known.

use std::rc::Rc;

use ::hcl::eval::{Context as Names, Evaluate};
use ::hcl::expr::{BinaryOp, Expression, ForExpr, FuncCall, Operation, Traversal, TraversalOperator, UnaryOp};
use ::hcl::template::{Directive, Element, IfDirective, Template};
use ::hcl::{Map, Value as Hcl};

use super::files::Files;
use super::functions::{self, Args};
use super::paths;
use super::text::short;
use crate::item::{Mark, sole_mark};

/// What the names in an expression stand for.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    files: Rc<Files>,
    known: Rc<Map<String, Hcl>>,
    /// Names of a loop, an instance or a template: the last one counts.
    local: Vec<(String, Hcl)>,
    /// Whether this is the context of a template: a template cannot be rendered within another one, or in itself.
    is_template: bool,
    /// Whether a part without a value makes the whole fail, as it must in `try`. Otherwise a mark stands for the part.
    is_strict: bool,
}

/// Why an expression has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It has none in Terraform either, so `try` takes the next one.
    Missing,
    /// It may have one in Terraform.
    Unknown,
}

impl Context {
    pub(super) fn new(files: Rc<Files>, known: Rc<Map<String, Hcl>>) -> Self {
        Self { files, known, local: Vec::new(), is_template: false, is_strict: false }
    }

    /// Returns the context of a template, which sees only the values that it is given.
    pub(super) fn of_template(&self, values: &Map<String, Hcl>) -> Self {
        let local = values.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { known: Rc::default(), local, is_template: true, ..self.clone() }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Gives a name a value.
    pub(crate) fn declare(&mut self, name: &str, value: Hcl) {
        self.local.push((name.to_owned(), value));
    }

    fn name(&self, name: &str) -> Result<Hcl, Failure> {
        let local = self.local.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value);
        local.or_else(|| self.known.get(name)).cloned().ok_or(Failure::Missing)
    }

    /// Returns the value of an expression, or why it has none.
    pub(super) fn evaluate(&self, expression: &Expression) -> Result<Hcl, Failure> {
        match expression {
            Expression::Array(items) => {
                Ok(Hcl::Array(items.iter().map(|item| self.part(item)).collect::<Result<_, _>>()?))
            }
            Expression::Object(object) => {
                let entries = object.iter().map(|(key, value)| Ok((self.key(key)?, self.part(value)?)));
                Ok(Hcl::Object(entries.collect::<Result<_, Failure>>()?))
            }
            Expression::TemplateExpr(text) => {
                let template = Template::from_expr(text).map_err(|_| Failure::Unknown)?;
                match template.elements() {
                    [Element::Interpolation(only)] => self.evaluate(&only.expr),
                    _ => self.template(&template).map(Hcl::from),
                }
            }
            Expression::Variable(name) => self.name(name.as_str()),
            Expression::Traversal(traversal) => self.traversal(traversal),
            Expression::FuncCall(call) => self.call(call),
            Expression::Parenthesis(inner) => self.evaluate(inner),
            Expression::Conditional(choice) => match self.truth(&choice.cond_expr)? {
                true => self.evaluate(&choice.true_expr),
                false => self.evaluate(&choice.false_expr),
            },
            Expression::Operation(operation) => self.operation(operation),
            Expression::ForExpr(each) => self.each(each),
            other => Ok(Hcl::from(other.clone())),
        }
    }

    /// Returns the value of an expression, or a mark if it has none.
    pub(crate) fn value(&self, expression: &Expression) -> Hcl {
        self.part(expression).unwrap_or_else(|_| self.unknown(expression))
    }

    /// Returns a mark for an expression that has no value. It names what has none, if that is one name.
    fn unknown(&self, expression: &Expression) -> Hcl {
        let text = expression.to_string();
        let name = text.parse().ok().and_then(|expression| paths::unknown_in(&expression, self));
        Hcl::from(Mark::Unknown.text(&name.unwrap_or_else(|| short(&text))))
    }

    /// Returns the value of a part of a whole, so that one unknown value hides no other.
    fn part(&self, expression: &Expression) -> Result<Hcl, Failure> {
        match self.evaluate(expression) {
            Err(_) if !self.is_strict => Ok(self.unknown(expression)),
            result => result,
        }
    }

    fn key(&self, key: &::hcl::ObjectKey) -> Result<String, Failure> {
        match key {
            ::hcl::ObjectKey::Identifier(name) => Ok(name.as_str().to_owned()),
            ::hcl::ObjectKey::Expression(expression) => self.part(expression).map(|key| functions::written(&key)),
            _ => Err(Failure::Unknown),
        }
    }

    fn truth(&self, expression: &Expression) -> Result<bool, Failure> {
        match self.evaluate(expression)? {
            Hcl::Bool(is_true) => Ok(is_true),
            Hcl::String(text) if text == "true" || text == "false" => Ok(text == "true"),
            _ => Err(Failure::Unknown),
        }
    }

    fn operation(&self, operation: &Operation) -> Result<Hcl, Failure> {
        let known = |expression: &Expression| self.evaluate(expression).map(Expression::from);
        let operation = match operation {
            Operation::Unary(one) => Operation::from(UnaryOp::new(one.operator, known(&one.expr)?)),
            Operation::Binary(two) => {
                Operation::from(BinaryOp::new(known(&two.lhs_expr)?, two.operator, known(&two.rhs_expr)?))
            }
        };
        operation.evaluate(&Names::new()).map_err(|_| Failure::Unknown)
    }

    /// Returns what a path leads to. A path into a value that is not known is not known either.
    fn traversal(&self, traversal: &Traversal) -> Result<Hcl, Failure> {
        let mut value = self.evaluate(&traversal.expr)?;
        for (at, operator) in traversal.operators.iter().enumerate() {
            if let Some((Mark::Unknown, label)) = value.as_str().and_then(sole_mark) {
                let rest = Traversal::new(Expression::Null, traversal.operators[at..].to_vec());
                let rest = Expression::from(rest).to_string();
                let path = rest.trim_start_matches("null");
                return Ok(Hcl::from(Mark::Unknown.text(&short(&format!("{label}{path}")))));
            }
            let step = match operator {
                TraversalOperator::Index(index) => TraversalOperator::Index(self.evaluate(index)?.into()),
                TraversalOperator::AttrSplat | TraversalOperator::FullSplat => {
                    return found(value, self.known_operators(&traversal.operators[at..])?);
                }
                other => other.clone(),
            };
            value = found(value, vec![step])?;
        }
        Ok(value)
    }

    fn known_operators(&self, operators: &[TraversalOperator]) -> Result<Vec<TraversalOperator>, Failure> {
        let known = |operator: &TraversalOperator| match operator {
            TraversalOperator::Index(index) => Ok(TraversalOperator::Index(self.evaluate(index)?.into())),
            other => Ok(other.clone()),
        };
        operators.iter().map(known).collect()
    }

    fn call(&self, call: &FuncCall) -> Result<Hcl, Failure> {
        let strict = Self { is_strict: true, ..self.clone() };
        match call.name.name.as_str() {
            "try" => {
                let values = call.args.iter().map(|argument| strict.evaluate(argument));
                let first = values.into_iter().find(|value| *value != Err(Failure::Missing));
                return first.unwrap_or(Err(Failure::Missing));
            }
            "can" => {
                return match call.args.first().map(|argument| strict.evaluate(argument)) {
                    Some(Err(Failure::Unknown)) => Err(Failure::Unknown),
                    value => Ok(Hcl::Bool(matches!(value, Some(Ok(_))))),
                };
            }
            _ => {}
        }
        let mut args = Vec::with_capacity(call.args.len());
        for (at, argument) in call.args.iter().enumerate() {
            match self.evaluate(argument)? {
                Hcl::Array(items) if call.expand_final && at + 1 == call.args.len() => args.extend(items),
                value => args.push(value),
            }
        }
        let args = Args(args);
        match call.name.name.as_str() {
            "file" => self.files.file(&args, self.is_strict),
            "filebase64" => self.files.base64(&args, self.is_strict),
            "templatefile" if self.is_template => Err(Failure::Missing),
            "templatefile" => self.files.template(&args, self),
            "fileset" => self.files.set(&args),
            name => functions::call(name, args),
        }
    }

    /// Returns keys and values of what a loop goes through.
    fn elements(&self, collection: &Expression) -> Result<Vec<(Hcl, Hcl)>, Failure> {
        match self.evaluate(collection)? {
            Hcl::Array(items) => Ok(items.into_iter().enumerate().map(|(at, item)| (Hcl::from(at), item)).collect()),
            Hcl::Object(map) => Ok(map.into_iter().map(|(key, value)| (Hcl::from(key), value)).collect()),
            Hcl::Null => Err(Failure::Missing),
            _ => Err(Failure::Unknown),
        }
    }

    /// Returns the context of one turn of a loop.
    fn turn(&self, names: (Option<&::hcl::Identifier>, &::hcl::Identifier), element: (Hcl, Hcl)) -> Self {
        let mut turn = self.clone();
        if let Some(name) = names.0 {
            turn.declare(name.as_str(), element.0);
        }
        turn.declare(names.1.as_str(), element.1);
        turn
    }

    fn each(&self, each: &ForExpr) -> Result<Hcl, Failure> {
        let (mut list, mut map) = (Vec::new(), Map::new());
        for element in self.elements(&each.collection_expr)? {
            let turn = self.turn((each.key_var.as_ref(), &each.value_var), element);
            if let Some(condition) = &each.cond_expr
                && !turn.truth(condition)?
            {
                continue;
            }
            let value = turn.part(&each.value_expr)?;
            let Some(key) = &each.key_expr else {
                list.push(value);
                continue;
            };
            let key = functions::written(&turn.evaluate(key)?);
            if !each.grouping {
                map.insert(key, value);
            } else if let Hcl::Array(group) = map.entry(key).or_insert_with(|| Hcl::Array(Vec::new())) {
                group.push(value);
            }
        }
        Ok(if each.key_expr.is_some() { Hcl::Object(map) } else { Hcl::Array(list) })
    }

    /// Returns the text of a template.
    pub(super) fn template(&self, template: &Template) -> Result<String, Failure> {
        self.known_template(template)?.evaluate(&Names::new()).map_err(|_| Failure::Unknown)
    }

    /// Returns a template with values in place of its expressions.
    fn known_template(&self, template: &Template) -> Result<Template, Failure> {
        let mut known = Template::new();
        for element in template.elements() {
            match element {
                Element::Literal(_) => known = known.add_element(element.clone()),
                Element::Interpolation(one) => {
                    let mut one = one.clone();
                    one.expr = Expression::from(functions::written(&self.part(&one.expr)?));
                    known = known.add_interpolation(one);
                }
                Element::Directive(directive) => {
                    for one in self.known_directive(directive)? {
                        known = known.add_directive(Directive::If(one));
                    }
                }
            }
        }
        Ok(known)
    }

    /// Returns a directive as branches that are decided: a loop is one branch for each turn.
    fn known_directive(&self, directive: &Directive) -> Result<Vec<IfDirective>, Failure> {
        match directive {
            Directive::If(choice) => {
                let is_true = self.truth(&choice.cond_expr)?;
                let mut known = choice.clone();
                known.cond_expr = Expression::Bool(is_true);
                match &choice.false_template {
                    _ if is_true => known.true_template = self.known_template(&choice.true_template)?,
                    Some(template) => known.false_template = Some(self.known_template(template)?),
                    None => {}
                }
                Ok(vec![known])
            }
            Directive::For(each) => {
                let branch = |is_true: bool, template: Template| {
                    let mut branch = IfDirective::new(Expression::Bool(is_true), template);
                    (branch.if_strip, branch.endif_strip) = (each.for_strip, each.endfor_strip);
                    branch
                };
                let turns = self.elements(&each.collection_expr)?.into_iter().map(|element| {
                    let turn = self.turn((each.key_var.as_ref(), &each.value_var), element);
                    Ok(branch(true, turn.known_template(&each.template)?))
                });
                let turns = turns.collect::<Result<Vec<_>, Failure>>()?;
                Ok(if turns.is_empty() { vec![branch(false, Template::new())] } else { turns })
            }
        }
    }
}

/// Returns what operators find in a value.
fn found(value: Hcl, operators: Vec<TraversalOperator>) -> Result<Hcl, Failure> {
    let traversal = Traversal::new(Expression::from(value), operators);
    traversal.evaluate(&Names::new()).map_err(|_| Failure::Missing)
}
