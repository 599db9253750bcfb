//! Measures how long the check of a large document takes:
//! `cargo run --release -p goldsmith-document --example large -- [STEPS]`.

use std::fmt::Write as _;
use std::time::Instant;

use goldsmith_document::Document;

fn main() {
    let steps = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let text = document(steps);
    let started = Instant::now();
    let outcome = match Document::parse("large.yml", &text) {
        Ok(document) => format!("valid, {} warnings", document.warnings.len()),
        Err(found) => format!("invalid: {found}"),
    };
    println!("{steps} steps, {} bytes: {:?}, {outcome}", text.len(), started.elapsed());
}

/// Returns a document in which each step refers to the step before it.
fn document(steps: usize) -> String {
    let mut text = "schemaVersion: 1.0\nparameters:\n  - greeting: {type: string, default: hello}\nphases:\n  - name: build\n    steps:\n"
        .to_owned();
    for step in 0..steps {
        let before = step.saturating_sub(1);
        let chain = if step == 0 { String::new() } else { format!("{{{{ build.Step{before}.outputs.stdout }}}}") };
        let _ = writeln!(
            text,
            "      - name: Step{step}\n        action: ExecuteBash\n        inputs:\n          commands:\n            - |\n              set -e\n              \
             echo {{{{ greeting }}}} {chain}"
        );
    }
    text
}
