//! Patterns of file names, as `fileset` takes them.

/// Returns whether a path fits a pattern with `*`, `**`, `?` and `{a,b}`.
pub(super) fn fits(pattern: &str, path: &str) -> bool {
    choices(pattern).iter().any(|pattern| fits_one(pattern.as_bytes(), path.as_bytes()))
}

/// Returns a pattern once for each choice in its first braces, and so on.
fn choices(pattern: &str) -> Vec<String> {
    let Some((before, rest)) = pattern.split_once('{') else { return vec![pattern.to_owned()] };
    let Some((inner, after)) = rest.split_once('}') else { return vec![pattern.to_owned()] };
    inner.split(',').flat_map(|choice| choices(&format!("{before}{choice}{after}"))).collect()
}

fn fits_one(pattern: &[u8], path: &[u8]) -> bool {
    match (pattern, path) {
        ([b'*', b'*', b'/', rest @ ..], _) => {
            let folders = path.iter().enumerate().filter(|(_, letter)| **letter == b'/').map(|(at, _)| at + 1);
            std::iter::once(0).chain(folders).any(|start| fits_one(rest, &path[start..]))
        }
        ([b'*', b'*'], _) => true,
        ([b'*', rest @ ..], _) => {
            let end = path.iter().position(|letter| *letter == b'/').unwrap_or(path.len());
            (0..=end).any(|start| fits_one(rest, &path[start..]))
        }
        ([b'?', rest @ ..], [letter, path @ ..]) if *letter != b'/' => fits_one(rest, path),
        ([wanted, rest @ ..], [letter, path @ ..]) if wanted == letter => fits_one(rest, path),
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
        ] {
            assert_eq!(fits(pattern, path), is_found, "{pattern} {path}");
        }
    }
}
