//! Patterns with wildcards, in the two forms that Goldsmith meets: names of files, and the filters of EC2.

use std::str::Chars;

/// One element of a pattern.
enum Element {
    /// Any text, also none.
    Text,
    /// Any one character.
    Character,
    /// This character.
    Only(char),
}

/// Returns whether a name matches a pattern in which `*` stands for any text. All other characters stand for
/// themselves.
#[must_use]
pub fn name_matches(pattern: &str, name: &str) -> bool {
    let next =
        |rest: &mut Chars<'_>| rest.next().map(|one| if one == '*' { Element::Text } else { Element::Only(one) });
    matches(pattern, name, next)
}

/// Returns whether a value matches a filter's pattern: `*` is any text and `?` is any one character. After a backslash,
/// `*`, `?` and the backslash stand for themselves (EC2 user guide, "Filtering considerations").
#[must_use]
pub fn filter_matches(pattern: &str, value: &str) -> bool {
    matches(pattern, value, |rest| match rest.next()? {
        '*' => Some(Element::Text),
        '?' => Some(Element::Character),
        '\\' => match rest.clone().next() {
            Some(escaped @ ('*' | '?' | '\\')) => {
                rest.next();
                Some(Element::Only(escaped))
            }
            _ => Some(Element::Only('\\')),
        },
        other => Some(Element::Only(other)),
    })
}

/// Matches a text with a pattern whose elements `next` reads.
fn matches(pattern: &str, text: &str, next: impl Fn(&mut Chars<'_>) -> Option<Element>) -> bool {
    let (mut rest, mut text) = (pattern.chars(), text.chars());
    // The pattern after the last `*`, and the text at which it is tried.
    let mut retry: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let mut ahead = text.clone();
        match (next(&mut rest), ahead.next()) {
            (Some(Element::Text), _) => retry = Some((rest.clone(), text.clone())),
            (Some(Element::Character), Some(_)) => text = ahead,
            (Some(Element::Only(wanted)), Some(found)) if wanted == found => text = ahead,
            (None, None) => return true,
            // What follows the last `*` is longer than the text that is left, and a later try has even less.
            (Some(_), None) => return false,
            // Only the last `*` takes one character more: it can take all that an earlier one could. So the time is at
            // most the product of both lengths, where trying all `*` would take a power of the text's length.
            (_, Some(_)) => {
                let Some((after, from)) = &mut retry else { return false };
                from.next();
                (rest, text) = (after.clone(), from.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{filter_matches, name_matches};

    #[test]
    fn a_star_is_any_text() {
        for matches in [name_matches, filter_matches] {
            assert!(matches("ssh_host_*_key", "ssh_host_rsa_key"));
            assert!(!matches("ssh_host_*_key", "ssh_host_rsa_key.pub"));
            assert!(matches(".*_history", ".bash_history") && matches("*", "x") && matches("*", ""));
            assert!(!matches(".*_history", "bash_history") && !matches("a*bb", "ab"));
            assert!(matches("*.*.c", "a.b.c") && matches("a*b*c", "aXbXc") && !matches("a*b*b*c", "abc"));
            assert!(matches("*aab", "aaaab") && matches("äö*", "äöü") && !matches("", "a") && matches("", ""));
        }
    }

    #[test]
    fn many_stars_cost_little() {
        let (pattern, text) = (format!("{}b", "a*".repeat(400)), "a".repeat(1000));
        assert!(!name_matches(&pattern, &text) && name_matches(&pattern, &format!("{text}b")));
    }

    #[test]
    fn a_question_mark_is_one_character_of_a_filter_only() {
        assert!(filter_matches("*12*0?", "debian-12-01") && filter_matches("?", "ü"));
        assert!(!filter_matches("a?", "a") && !filter_matches("debian", "debian-12"));
        assert!(name_matches("what?", "what?") && !name_matches("what?", "whats"));
    }

    #[test]
    fn a_wildcard_after_a_backslash_is_a_character_of_a_filter() {
        assert!(filter_matches(r"*value\*", "other value*") && !filter_matches(r"*value\*", "other values"));
        assert!(filter_matches(r"what\?", "what?") && !filter_matches(r"what\?", "whats"));
        assert!(filter_matches(r"C:\\?", r"C:\x") && filter_matches(r"C:\x", r"C:\x"));
        assert!(filter_matches(r"end\", r"end\"));
    }
}
