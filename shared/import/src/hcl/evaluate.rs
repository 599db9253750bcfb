//! Evaluates expressions and templates as Terraform and Packer do, as far as their values are known.

use std::cell::Cell;
use std::rc::Rc;

use ::hcl::eval::{Context as Names, Evaluate};
use ::hcl::expr::{
    BinaryOp, BinaryOperator, Expression, ForExpr, FuncCall, Operation, Traversal, TraversalOperator, UnaryOp,
};
use ::hcl::template::{Directive, Element, IfDirective, Template};
use ::hcl::{Map, Number, Value as Hcl};

use super::files::Files;
use super::functions::{self, Args};
use super::paths;
use super::text::short;
use crate::budget::{Budget, steps_of};
use crate::item::{Mark, sole_mark};

/// What the names in an expression stand for.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    files: Rc<Files>,
    known: Rc<Map<String, Hcl>>,
    /// Names of a loop, an instance or a template: the last one counts.
    local: Vec<(String, Rc<Hcl>)>,
    /// The bytes of the template that is being rendered.
    rendered: Rc<Cell<usize>>,
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
        Self { files, known, local: Vec::new(), rendered: Rc::default(), is_template: false, is_strict: false }
    }

    /// Returns the context of a template, which sees only the values that it is given.
    pub(super) fn of_template(&self, values: &Map<String, Hcl>) -> Self {
        let local = values.iter().map(|(name, value)| (name.clone(), Rc::new(value.clone()))).collect();
        Self { known: Rc::default(), local, is_template: true, ..self.clone() }
    }

    pub(super) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Gives a name a value.
    pub(crate) fn declare(&mut self, name: &str, value: Hcl) {
        self.local.push((name.to_owned(), Rc::new(value)));
    }

    fn name(&self, name: &str) -> Result<&Hcl, Failure> {
        let local = self.local.iter().rev().find(|(known, _)| known == name).map(|(_, value)| &**value);
        local.or_else(|| self.known.get(name)).ok_or(Failure::Missing)
    }

    fn budget(&self) -> &Budget {
        &self.files.project.budget
    }

    /// Takes steps of the import's work. Without any left, nothing is known.
    fn spend(&self, steps: usize) -> Result<(), Failure> {
        if self.budget().spend(steps) { Ok(()) } else { Err(Failure::Unknown) }
    }

    /// Refuses a text that is too long.
    fn limit(&self, bytes: usize) -> Result<(), Failure> {
        if self.budget().allows_text(bytes) { Ok(()) } else { Err(Failure::Unknown) }
    }

    /// Returns the value of an expression, or why it has none.
    pub(super) fn evaluate(&self, expression: &Expression) -> Result<Hcl, Failure> {
        self.spend(1)?;
        let value = self.evaluated(expression)?;
        self.spend(size(&value))?;
        Ok(value)
    }

    fn evaluated(&self, expression: &Expression) -> Result<Hcl, Failure> {
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
            Expression::Variable(name) => self.name(name.as_str()).cloned(),
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
        if !self.budget().spend_text(text.len()) {
            return Hcl::from(Mark::Unknown.text(&short(&text)));
        }
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
        let operation = match operation {
            Operation::Unary(one) => Operation::from(UnaryOp::new(one.operator, self.evaluate(&one.expr)?)),
            Operation::Binary(two) => match (self.evaluate(&two.lhs_expr)?, self.evaluate(&two.rhs_expr)?) {
                (Hcl::Number(left), Hcl::Number(right)) if is_sum(two.operator) => {
                    return calculated(&left, two.operator, &right).map(Hcl::Number).ok_or(Failure::Unknown);
                }
                (left, right) => Operation::from(BinaryOp::new(left, two.operator, right)),
            },
        };
        operation.evaluate(&Names::new()).map_err(|_| Failure::Unknown)
    }

    /// Returns what a path leads to. A path into a value that is not known is not known either.
    fn traversal(&self, traversal: &Traversal) -> Result<Hcl, Failure> {
        let (mut value, known) = self.beginning(traversal)?;
        for (at, operator) in traversal.operators.iter().enumerate().skip(known) {
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

    /// Returns the value that the names at the beginning of a path lead to, and how many these are. Only this value is
    /// copied, and not all that is next to it.
    fn beginning(&self, traversal: &Traversal) -> Result<(Hcl, usize), Failure> {
        let Expression::Variable(name) = &traversal.expr else { return Ok((self.evaluate(&traversal.expr)?, 0)) };
        let (mut value, mut names) = (self.name(name.as_str())?, 0);
        while let (Some(TraversalOperator::GetAttr(name)), Hcl::Object(map)) = (traversal.operators.get(names), value)
            && let Some(inner) = map.get(name.as_str())
        {
            (value, names) = (inner, names + 1);
        }
        self.spend(size(value))?;
        Ok((value.clone(), names))
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
            name => {
                self.limit(functions::longest(name, &args))?;
                let value = functions::call(name, args)?;
                self.limit(value.as_str().map_or(0, str::len))?;
                Ok(value)
            }
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
    fn turn(
        &self,
        names: (Option<&::hcl::Identifier>, &::hcl::Identifier),
        element: (Hcl, Hcl),
    ) -> Result<Self, Failure> {
        self.spend(1 + self.local.len() / 4)?;
        let mut turn = self.clone();
        if let Some(name) = names.0 {
            turn.declare(name.as_str(), element.0);
        }
        turn.declare(names.1.as_str(), element.1);
        Ok(turn)
    }

    fn each(&self, each: &ForExpr) -> Result<Hcl, Failure> {
        let (mut list, mut map) = (Vec::new(), Map::new());
        for element in self.elements(&each.collection_expr)? {
            let turn = self.turn((each.key_var.as_ref(), &each.value_var), element)?;
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
        let own = Self { rendered: Rc::default(), ..self.clone() };
        own.known_template(template)?.evaluate(&Names::new()).map_err(|_| Failure::Unknown)
    }

    /// Returns a template with values in place of its expressions.
    fn known_template(&self, template: &Template) -> Result<Template, Failure> {
        let mut known = Template::new();
        for element in template.elements() {
            match element {
                Element::Literal(text) => {
                    self.render(text.len())?;
                    known = known.add_element(element.clone());
                }
                Element::Interpolation(one) => {
                    let mut one = one.clone();
                    let text = functions::written(&self.part(&one.expr)?);
                    self.render(text.len())?;
                    one.expr = Expression::from(text);
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

    /// Counts a part of the template that is being rendered.
    fn render(&self, bytes: usize) -> Result<(), Failure> {
        self.rendered.set(self.rendered.get().saturating_add(bytes));
        self.limit(self.rendered.get())?;
        self.spend(steps_of(bytes))
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
                    let turn = self.turn((each.key_var.as_ref(), &each.value_var), element)?;
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

/// Returns how many steps a value counts as.
fn size(value: &Hcl) -> usize {
    match value {
        Hcl::String(text) => steps_of(text.len()),
        Hcl::Array(items) => 1 + items.iter().map(size).sum::<usize>(),
        Hcl::Object(map) => 1 + map.iter().map(|(key, value)| steps_of(key.len()) + size(value)).sum::<usize>(),
        _ => 1,
    }
}

fn is_sum(operator: BinaryOperator) -> bool {
    use BinaryOperator::{Div, Minus, Mod, Mul, Plus};
    matches!(operator, Plus | Minus | Mul | Div | Mod)
}

/// Returns the result of a calculation; `None` if it is no number, or has more digits than one here.
fn calculated(left: &Number, operator: BinaryOperator, right: &Number) -> Option<Number> {
    use BinaryOperator::{Div, Minus, Mod, Mul, Plus};
    let whole = |number: &Number| number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        let is_whole = operator != Div || left.checked_rem(right) == Some(0);
        let result = match operator {
            Plus => left.checked_add(right),
            Minus => left.checked_sub(right),
            Mul => left.checked_mul(right),
            Div => left.checked_div(right),
            Mod => left.checked_rem(right),
            _ => None,
        };
        if is_whole || right == 0 {
            let result = result?;
            return u64::try_from(result).map(Number::from).or_else(|_| i64::try_from(result).map(Number::from)).ok();
        }
    }
    let (left, right) = (left.as_f64()?, right.as_f64()?);
    Number::from_f64(match operator {
        Plus => left + right,
        Minus => left - right,
        Mul => left * right,
        Div => left / right,
        Mod => left % right,
        _ => return None,
    })
}
