//! Measures how long it takes to collect the contents of a machine or of a tree, to store and read them, to compare them
//! with another image's, and to write both bills of materials:
//! `cargo run --profile agent -p goldsmith-contents --example inside -- [TREE]`.

use std::path::Path;
use std::time::{Duration, Instant};

use goldsmith_contents::{Diff, Options, Subject, collect, cyclonedx, pack, spdx, unpack};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let tree = std::env::args().nth(1);
    let options = Options { is_live: tree.is_none(), limit: Duration::from_secs(60), ..Options::of_tree() };
    let root = tree.as_deref().unwrap_or("/");
    let contents = timed("collect", || collect(Path::new(root), &options));
    let stored = timed("store", || pack(&contents))?;
    println!("{} packages, {} files that no package owns", contents.packages.len(), contents.files.len());
    println!("{} bytes, notes: {:?}", stored.len(), contents.notes);

    // The other image lacks one package in ten, and has another version of one in ten.
    let mut other = contents.clone();
    let mut at = 0;
    other.packages.retain_mut(|package| {
        at += 1;
        if at % 10 == 1 {
            package.version.push_str("+new");
        }
        at % 10 != 0
    });
    let other = pack(&other)?;
    let diff = timed("read two and compare", || -> Result<_, goldsmith_contents::PackError> {
        Ok(Diff::of(&unpack(&stored)?, &unpack(&other)?))
    })?;
    println!("{} packages removed, {} changed", diff.packages.removed.len(), diff.packages.changed.len());
    let [name, version, tool_version] = ["inside", "1.0.0/1", "0"].map(str::to_owned);
    let subject = Subject { name, version, tool_version, time: "2026-01-01T00:00:00Z".to_owned() };
    timed("CycloneDX", || cyclonedx(&contents, &subject))?;
    timed("SPDX", || spdx(&contents, &subject))?;
    Ok(())
}

/// Calls a function, and prints how long it took.
fn timed<T>(what: &str, call: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = call();
    println!("{what}: {:.3} s", start.elapsed().as_secs_f64());
    result
}
