//! The last lines of what a machine said, as a failure keeps them.

/// Lines, and characters of a line, that are kept: together they fit, escaped, into the 32,768 characters of a task's
/// cause.
const LAST_LINES: usize = 20;
const LINE_LENGTH: usize = 200;

/// The last lines that say something.
pub(crate) fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    last.iter().map(|line| line.chars().take(LINE_LENGTH).collect()).collect()
}
