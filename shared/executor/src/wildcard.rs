//! Patterns with `*`.

/// Returns whether a name matches a pattern in which `*` stands for any text.
pub(crate) fn matches(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| ends(name, rest)),
    }
}

/// Returns whether some end of the name matches. Each piece is matched at its first occurrence, so that many stars cost
/// little.
fn ends(mut name: &str, pattern: &str) -> bool {
    let mut pieces: Vec<&str> = pattern.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match name.find(piece) {
            Some(at) => name = &name[at + piece.len()..],
            None => return false,
        }
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_any_text() {
        assert!(matches("ssh_host_rsa_key", "ssh_host_*_key"));
        assert!(!matches("ssh_host_rsa_key.pub", "ssh_host_*_key"));
        assert!(matches(".bash_history", ".*_history") && matches("x", "*") && matches("", "*"));
        assert!(!matches("bash_history", ".*_history") && !matches("ab", "a*bb"));
        assert!(matches("a.b.c", "*.*.c") && matches("aXbXc", "a*b*c") && !matches("abc", "a*b*b*c"));
        assert!(!matches(&"a".repeat(1000), &"a*".repeat(400).replace("a*a*", "a*b*")));
    }
}
