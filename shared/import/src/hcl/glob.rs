//! Patterns of file names, as `fileset` takes them.

use goldsmith_glob::filter_matches;

/// Returns whether a path fits a pattern with `*`, `**`, `?` and `{a,b}`.
pub(super) fn fits(pattern: &str, path: &str) -> bool {
    let path: Vec<&str> = path.split('/').collect();
    choices(pattern).iter().any(|pattern| parts_fit(&pattern.split('/').collect::<Vec<_>>(), &path))
}

/// Returns a pattern once for each choice in its first braces, and so on.
fn choices(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.to_owned()] };
    let Some((inner, after)) = rest.split_once('}') else { return vec![pattern.to_owned()] };
    inner.split(',').flat_map(|choice| choices(&format!("{before}{choice}{after}"))).collect()
}

/// Returns whether the parts of a path fit those of a pattern, in which `**` stands for any number of folders.
fn parts_fit(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        (["**"], _) => true,
        (["**", rest @ ..], _) => (0..path.len()).any(|start| parts_fit(rest, &path[start..])),
        ([part, rest @ ..], [name, names @ ..]) => filter_matches(part, name) && parts_fit(rest, names),
        ([], []) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_pattern_fits_what_terraform_finds_with_it() {
        for (pattern, path, is_found) in [
            ("*.yml", "web.yml", true),
            ("*.yml", "a/web.yml", false),
            ("**/*.yml", "web.yml", true),
            ("**/*.yml", "a/b/web.yml", true),
            ("**", "a/b/web.yml", true),
            ("web.{yml,yaml}", "web.yaml", true),
            ("web.{yml,yaml}", "web.json", false),
            ("we?.yml", "web.yml", true),
            ("*", "", true),
            ("a/**/b.yml", "a/b.yml", true),
            ("a/**/b.yml", "a/x/y/b.yml", true),
            ("a/**/b.yml", "c/x/b.yml", false),
        ] {
            assert_eq!(fits(pattern, path), is_found, "{pattern} {path}");
        }
    }

    #[test]
    fn a_pattern_with_many_stars_has_an_end() {
        assert!(!fits(&format!("{}b", "*a".repeat(60)), &"a".repeat(240)));
    }
}
