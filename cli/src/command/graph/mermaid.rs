//! Draws the graph as a flowchart for Mermaid.

use std::collections::BTreeSet;

use goldsmith_model::Status;

use super::Stage;
use super::tree::{is_root, source, target};

/// Returns the lines of the flowchart. A solid arrow means that the first pipeline starts the second one, and a dotted
/// arrow means that it does not.
pub(super) fn lines(stages: &[Stage]) -> Vec<String> {
    let sources: BTreeSet<String> = stages.iter().filter(|stage| is_root(stage, stages)).map(source).collect();
    let sources: Vec<String> = sources.into_iter().collect();
    let mut lines = vec!["flowchart LR".to_owned()];
    lines.extend(sources.iter().enumerate().map(|(n, source)| format!("    s{n}[/\"{}\"/]", quoted(source))));
    lines.extend(stages.iter().enumerate().map(|(n, stage)| format!("    p{n}[\"{}\"]", label(stage))));
    let (mut targets, mut edges) = (Vec::new(), Vec::new());
    for (n, stage) in stages.iter().enumerate() {
        let arrow = if stage.is_rebuilt { "-->" } else { "-.->" };
        for (from, _) in stages.iter().enumerate().filter(|(_, one)| starts_from(stage, one)) {
            edges.push(format!("    p{from} {arrow} p{n}"));
        }
        if is_root(stage, stages) {
            let from = sources.iter().position(|one| *one == source(stage));
            edges.extend(from.map(|from| format!("    s{from} {arrow} p{n}")));
        }
        // A Region without a parameter has nothing by which others would find the image.
        for to in stage.regions.iter().filter(|to| !to.parameters.is_empty()) {
            edges.push(format!("    p{n} --> t{}", targets.len()));
            targets.push(format!("    t{}[(\"{}\")]", targets.len(), quoted(&target(to))));
        }
    }
    lines.into_iter().chain(targets).chain(edges).collect()
}

fn starts_from(stage: &Stage, other: &Stage) -> bool {
    stage.starts_from.iter().any(|from| from.pipeline == other.pipeline)
}

fn label(stage: &Stage) -> String {
    let name = quoted(stage.pipeline.as_str());
    match (stage.status, &stage.schedule) {
        (Status::Disabled, _) => format!("{name}<br/>disabled"),
        (Status::Enabled, Some(schedule)) => format!("{name}<br/>{}", quoted(schedule)),
        (Status::Enabled, None) => name,
    }
}

/// Returns text that Mermaid shows unchanged within quotation marks.
fn quoted(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}
