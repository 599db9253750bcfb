//! Colors on a terminal. The words alone say everything, so nothing depends on a color.

use std::io::IsTerminal;

pub(crate) const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const CYAN: &str = "\u{1b}[36m";
pub(crate) const PLAIN: &str = "\u{1b}[0m";

/// What a line begins with, after its indentation, and its color.
const BEGINNINGS: [(&str, &str); 5] =
    [("✓ ", GREEN), ("✗ ", RED), ("● ", CYAN), ("REFUSAL ", RED), ("WARNING ", YELLOW)];

/// Returns whether the output may have colors: it is a terminal, and `NO_COLOR` is not set (<https://no-color.org>).
pub(crate) fn wanted(output: &impl IsTerminal) -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    output.is_terminal() && !is_dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Returns a harmless line with its first sign or word in color. The rest of the line, which may come from a build, stays
/// as it is.
pub(crate) fn painted(line: &str) -> String {
    let text = line.trim_start();
    let indentation = &line[..line.len() - text.len()];
    match BEGINNINGS.iter().find(|(beginning, _)| text.starts_with(beginning)) {
        Some((beginning, color)) => {
            let (word, rest) = text.split_at(beginning.trim_end().len());
            format!("{indentation}{color}{word}{PLAIN}{rest}")
        }
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::painted;

    #[test]
    fn only_the_beginning_of_a_line_is_painted() {
        for (line, expected) in [
            ("✓ Plan  0.0s", "\u{1b}[32m✓\u{1b}[0m Plan  0.0s"),
            ("    ✗ web › build", "    \u{1b}[31m✗\u{1b}[0m web › build"),
            ("REFUSAL  key-missing", "\u{1b}[31mREFUSAL\u{1b}[0m  key-missing"),
            ("a build said ✓ by itself", "a build said ✓ by itself"),
            ("✓", "✓"),
            ("", ""),
        ] {
            assert_eq!(painted(line), expected);
        }
    }
}
