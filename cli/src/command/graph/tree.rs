//! Draws the graph as text: each pipeline stands below the one that its image starts from.

use std::collections::BTreeSet;

use goldsmith_model::{Name, Status};

use super::{Stage, Target};

/// Returns the lines: one tree for each source that is not an image of a pipeline.
pub(super) fn lines(stages: &[Stage]) -> Vec<String> {
    let mut tree = Tree { stages, shown: BTreeSet::new(), lines: Vec::new() };
    let roots = stages.iter().filter(|stage| is_root(stage, stages));
    let sources: BTreeSet<String> = roots.clone().map(source).collect();
    for root in sources {
        tree.lines.push(root.clone());
        tree.branch("", &roots.clone().filter(|stage| source(stage) == root).collect::<Vec<_>>());
    }
    tree.lines
}

/// Returns whether none of these pipelines makes the image from which this one starts.
pub(super) fn is_root(stage: &Stage, stages: &[Stage]) -> bool {
    !stage.starts_from.iter().any(|from| stages.iter().any(|other| other.pipeline == from.pipeline))
}

/// Returns the source of a pipeline as text.
pub(super) fn source(stage: &Stage) -> String {
    stage.source.as_ref().map_or_else(|| "a missing recipe".to_owned(), ToString::to_string)
}

/// Returns a target as text: its Region, and the parameters that name the image there.
pub(super) fn target(target: &Target) -> String {
    match target.parameters.is_empty() {
        true => target.region.clone(),
        false => format!("{}: {}", target.region, target.parameters.join(", ")),
    }
}

struct Tree<'s> {
    stages: &'s [Stage],
    /// Pipelines whose line is already written.
    shown: BTreeSet<&'s Name>,
    lines: Vec<String>,
}

impl<'s> Tree<'s> {
    /// Adds the lines of these pipelines, and of the pipelines that build on them.
    fn branch(&mut self, indent: &str, stages: &[&'s Stage]) {
        for (number, stage) in stages.iter().enumerate() {
            let (fork, below) =
                if number + 1 == stages.len() { ("└── ", "    ") } else { ("├── ", "│   ") };
            // A pipeline that builds on several others has a line below each of them, and its own branch only once.
            if !self.shown.insert(&stage.pipeline) {
                self.lines.push(format!("{indent}{fork}{}  (see above)", stage.pipeline));
                continue;
            }
            self.lines.push(format!("{indent}{fork}{}", line(stage)));
            let from_it = |one: &&Stage| one.starts_from.iter().any(|from| from.pipeline == stage.pipeline);
            let children: Vec<&Stage> = self.stages.iter().filter(from_it).collect();
            self.branch(&format!("{indent}{below}"), &children);
        }
    }
}

fn line(stage: &Stage) -> String {
    let targets: Vec<String> = stage.regions.iter().map(target).collect();
    let to = if targets.is_empty() { "home Region".to_owned() } else { targets.join(", ") };
    format!("{}  ({})  → {to}", stage.pipeline, starts(stage))
}

/// Returns what starts a pipeline, in addition to a person.
fn starts(stage: &Stage) -> String {
    if stage.status == Status::Disabled {
        return "disabled".to_owned();
    }
    let rebuilt = stage.is_rebuilt.then(|| "rebuilt".to_owned());
    let starts: Vec<String> = rebuilt.into_iter().chain(stage.schedule.clone()).collect();
    if starts.is_empty() { "by hand".to_owned() } else { starts.join(", ") }
}
