//! The calls that an endpoint serves.

use strum::VariantNames;

use crate::{ebs, ec2, ssm};

/// Returns the names of the calls that an endpoint serves, by family. Other clients' test suites and the manual follow
/// this list.
pub fn calls() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut families: Vec<_> = ec2::families().collect();
    families.push(("snapshots by blocks", ebs::route::Route::VARIANTS.to_vec()));
    families.push(("Systems Manager", ssm::names().collect()));
    families
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::calls;

    const MANUAL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/local-ec2.md");

    #[test]
    fn each_call_is_served_once() {
        let names: Vec<_> = calls().into_iter().flat_map(|(_, names)| names).collect();
        let different: BTreeSet<_> = names.iter().collect();
        assert_eq!(names.len(), different.len(), "{names:?}");
    }

    #[test]
    fn the_manual_lists_the_calls() {
        let manual = std::fs::read_to_string(MANUAL).unwrap();
        let (start, row_of) = (manual.find("| family |").unwrap(), |(family, names): &(&str, Vec<&str>)| {
            format!("| {family} | {} |\n", names.join(", "))
        });
        let table = format!("| family | calls |\n| --- | --- |\n{}", calls().iter().map(row_of).collect::<String>());
        let end = start + manual[start..].find("\n\n").unwrap() + 1;
        if std::env::var("GOLDSMITH_WRITE_EXPECTED").is_ok_and(|value| value == "1") {
            let written = format!("{}{table}{}", &manual[..start], &manual[end..]);
            return std::fs::write(MANUAL, written).unwrap();
        }
        assert_eq!(manual[start..end], table, "write the table with GOLDSMITH_WRITE_EXPECTED=1");
    }
}
