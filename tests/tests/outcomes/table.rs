//! The count, as a table: in how many executions a state had each of its outcomes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use goldsmith_tests::outcomes::Outcome;
use goldsmith_tests::record::Executions;

/// One line for each state, and one that sums up.
pub(crate) fn of(required: &BTreeSet<Outcome>, made: &Executions, builds: &Executions) -> String {
    let (of_made, of_builds) = (count(made), count(builds));
    let shown = required.iter().filter(|outcome| of_made.contains_key(outcome) || of_builds.contains_key(outcome));
    let mut table = format!(
        "{} executions made for this and {} of the end-to-end suite show {} of {} outcomes.\n\
         Of each, the number of executions made + builds:\n",
        made.len(),
        builds.len(),
        shown.count(),
        required.len()
    );
    let mut state = "";
    for outcome in required {
        if outcome.0 != state {
            state = &outcome.0;
            let _ = write!(table, "\n{state}:");
        } else {
            table.push(',');
        }
        let of = |counts: &BTreeMap<&Outcome, usize>| counts.get(outcome).copied().unwrap_or_default();
        let _ = write!(table, " {} {}+{}", outcome.1, of(&of_made), of(&of_builds));
    }
    table
}

fn count(executions: &Executions) -> BTreeMap<&Outcome, usize> {
    let mut counts = BTreeMap::new();
    for outcome in executions.values().flatten() {
        *counts.entry(outcome).or_default() += 1;
    }
    counts
}
