//! The names that expressions use, and the values that are known of them.

use std::rc::Rc;

use ::hcl::edit::expr::{Expression, Traversal, TraversalOperator};
use ::hcl::edit::structure::Body;
use ::hcl::edit::visit::{Visit, visit_expr, visit_traversal};
use ::hcl::{Map, Value as Hcl};

use super::evaluate::Context;
use crate::item::{Mark, first_unknown, holds, sole_mark};

/// Most elements that a list gets because one of them is used.
const MAX_INDEX: usize = 64;

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Name(String),
    Index(usize),
}

/// The values that are known, as one tree.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Known(Rc<Map<String, Hcl>>);

impl Known {
    pub(crate) fn values(&self) -> Rc<Map<String, Hcl>> {
        Rc::clone(&self.0)
    }

    pub(crate) fn get(&self, path: &[&str]) -> Option<&Hcl> {
        let (root, rest) = path.split_first()?;
        rest.iter().try_fold(self.0.get(*root)?, |value, word| value.as_object()?.get(*word))
    }

    /// Sets a value, whatever was there.
    pub(crate) fn set(&mut self, path: &[&str], value: Hcl) {
        let Some((last, before)) = path.split_last() else { return };
        let mut map = Rc::make_mut(&mut self.0);
        for word in before {
            let next = map.entry((*word).to_owned()).or_insert_with(|| Hcl::Object(Map::new()));
            if !matches!(next, Hcl::Object(_)) {
                *next = Hcl::Object(Map::new());
            }
            let Hcl::Object(inner) = next else { return };
            map = inner;
        }
        map.insert((*last).to_owned(), value);
    }

    /// Puts a mark where a path has no value yet.
    pub(crate) fn fill(&mut self, path: &[Step]) {
        let [Step::Name(root), rest @ ..] = path else { return };
        // Locals are evaluated, and a single word is a variable of a loop.
        if rest.is_empty() || root == "local" {
            return;
        }
        let entry = Rc::make_mut(&mut self.0).entry(root.clone()).or_insert_with(|| Hcl::Object(Map::new()));
        fill(entry, rest, root);
    }
}

fn fill(value: &mut Hcl, path: &[Step], label: &str) {
    let Some((step, rest)) = path.split_first() else { return };
    let is_mark = matches!(value, Hcl::String(text) if holds(text, Mark::Unknown));
    match (step, &mut *value) {
        (Step::Name(name), Hcl::Object(map)) => {
            let label = format!("{label}.{name}");
            fill(map.entry(name.clone()).or_insert_with(|| Hcl::from(Mark::Unknown.text(&label))), rest, &label);
        }
        (Step::Index(index), Hcl::Array(items)) => {
            let label = format!("{label}[{index}]");
            if let Some(item) = items.get_mut(*index) {
                fill(item, rest, &label);
            }
        }
        (Step::Name(_), _) if is_mark => {
            *value = Hcl::Object(Map::new());
            fill(value, path, label);
        }
        (Step::Index(index), _) if is_mark && *index < MAX_INDEX => {
            *value =
                Hcl::Array((0..=*index).map(|n| Hcl::from(Mark::Unknown.text(&format!("{label}[{n}]")))).collect());
            fill(value, path, label);
        }
        _ => {}
    }
}

/// Returns every path that the expressions of a body use.
pub(super) fn used(body: &Body) -> Vec<Vec<Step>> {
    let mut paths = Paths(Vec::new());
    paths.visit_body(body);
    paths.0
}

/// Returns the first name of an expression whose value is not known.
pub(super) fn unknown_in(expression: &Expression, context: &Context) -> Option<String> {
    let mut paths = Paths(Vec::new());
    paths.visit_expr(expression);
    paths.0.into_iter().find_map(|path| {
        let text = path.iter().fold(String::new(), |text, step| match step {
            Step::Name(name) if text.is_empty() => name.clone(),
            Step::Name(name) => format!("{text}.{name}"),
            Step::Index(index) => format!("{text}[{index}]"),
        });
        let value = context.evaluate(&text.parse().ok()?).ok()?;
        let value = value.as_str().filter(|value| holds(value, Mark::Unknown))?;
        // A name that stands for another one is less useful than that one.
        match sole_mark(value) {
            Some(_) => first_unknown(value).map(str::to_owned),
            None => Some(text),
        }
    })
}

struct Paths(Vec<Vec<Step>>);

impl Visit for Paths {
    fn visit_expr(&mut self, expression: &Expression) {
        if let Expression::Variable(name) = expression {
            self.0.push(vec![Step::Name(name.as_str().to_owned())]);
        }
        visit_expr(self, expression);
    }

    fn visit_traversal(&mut self, traversal: &Traversal) {
        if let Expression::Variable(root) = &traversal.expr {
            let mut path = vec![Step::Name(root.as_str().to_owned())];
            for operator in &traversal.operators {
                path.push(match operator.value() {
                    TraversalOperator::GetAttr(name) => Step::Name(name.as_str().to_owned()),
                    TraversalOperator::Index(Expression::Number(number)) => {
                        let index = number.value().as_u64().and_then(|index| usize::try_from(index).ok());
                        let Some(index) = index else { break };
                        Step::Index(index)
                    }
                    TraversalOperator::Index(Expression::String(key)) => Step::Name(key.value().clone()),
                    _ => break,
                });
            }
            self.0.push(path);
        }
        visit_traversal(self, traversal);
    }
}
