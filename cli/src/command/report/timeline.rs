//! The states and steps of a build on a common axis.

use goldsmith_store::StateStatus;
use jiff::Timestamp;

use super::facts::Facts;
use super::page::{Badge, thousandths};
use super::spent::Part;
use super::steps::StepRun;
use crate::render::{duration, word};
use crate::watch::label;

/// A longer list of steps is folded.
const OPEN: usize = 25;
/// The shortest bar that is visible, in thousandths of the axis.
const SHORTEST: f64 = 4.0;

/// The states of a build with their steps.
pub(super) struct Timeline {
    pub(super) states: Vec<Lane>,
    /// The times at the quarters of the axis.
    pub(super) ticks: Vec<String>,
}

/// A state, or a step of one.
pub(super) struct Lane {
    pub(super) name: String,
    /// The action of a step.
    pub(super) action: Option<String>,
    pub(super) badge: Badge,
    /// When it began, counted from the beginning of the build.
    pub(super) after: String,
    pub(super) took: String,
    pub(super) detail: String,
    /// Where the bar begins and how long it is, in thousandths of the axis.
    pub(super) at: String,
    pub(super) width: String,
    pub(super) class: &'static str,
    pub(super) steps: Vec<Lane>,
    /// Whether the steps are shown at first.
    pub(super) is_open: bool,
}

/// Returns the timeline of a build, the states in the order in which they began. Its axis also has the work of Finish.
pub(super) fn timeline(facts: &Facts) -> Timeline {
    let whole = facts.last_end().duration_since(facts.began()).as_secs_f64();
    let ticks = (0..=4_u8).map(|quarter| duration(whole * f64::from(quarter) / 4.0)).collect();
    Timeline { states: states(facts), ticks }
}

fn states(facts: &Facts) -> Vec<Lane> {
    let of = |state: &goldsmith_store::StateRecord| {
        let name = label(state);
        let steps: Vec<Lane> =
            facts.steps.iter().filter(|step| step.label == name).map(|step| of_step(facts, step)).collect();
        let class = if state.status == StateStatus::Failed { "p-failed" } else { part(facts, &name, state.state) };
        let began = state.started_at.parse().unwrap_or(facts.began());
        let lane = lane(facts, began, facts.end_of(&name));
        let is_open = steps.len() <= OPEN;
        let badge = Badge::of_word(&facts.shown.status_of(state));
        Lane { name, badge, detail: facts.shown.short_detail(state), class, steps, is_open, ..lane }
    };
    facts.shown.states.iter().map(of).collect()
}

/// Returns the color of a state that did not fail.
fn part(facts: &Facts, name: &str, state: goldsmith_model::State) -> &'static str {
    match Part::of(state) {
        Part::Between if facts.steps.iter().all(|step| step.label != name) => Part::Steps.class(),
        part => part.class(),
    }
}

fn of_step(facts: &Facts, step: &StepRun) -> Lane {
    let status = match step.ended {
        Some(_) => step.status.map(word).unwrap_or_default(),
        None if facts.is_running() => "running".to_owned(),
        None => "no end in the log".to_owned(),
    };
    let detail = step.exit_code.filter(|code| *code != 0).map(|code| format!("exit code {code}")).unwrap_or_default();
    let badge = Badge::of_word(&status);
    let class = if badge.class == "bad" { "p-failed" } else { Part::Steps.class() };
    let lane = lane(facts, step.began, step.ended.unwrap_or_else(|| facts.end_of(&step.label)));
    Lane { name: step.name.clone(), action: step.action.clone(), badge, detail, class, ..lane }
}

/// Returns the place of a bar. A time outside of the build, as an instance with a wrong clock has, is moved to its edge.
fn lane(facts: &Facts, from: Timestamp, to: Timestamp) -> Lane {
    let (began, ended) = (facts.began(), facts.last_end());
    let whole = ended.duration_since(began).as_secs_f64().max(f64::MIN_POSITIVE);
    let inside = |time: Timestamp| time.clamp(began, ended).duration_since(began).as_secs_f64();
    let length = to.duration_since(from).as_secs_f64();
    let width = (inside(to) - inside(from)).max(0.0) / whole * 1000.0;
    let width = width.clamp(SHORTEST, 1000.0);
    let at = (inside(from) / whole * 1000.0).min(1000.0 - width);
    Lane {
        name: String::new(),
        action: None,
        badge: Badge::of_word(""),
        after: duration(inside(from)),
        took: duration(length),
        detail: String::new(),
        at: thousandths(at),
        width: thousandths(width),
        class: "",
        steps: Vec::new(),
        is_open: true,
    }
}
