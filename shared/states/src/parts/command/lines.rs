//! Keeps the last lines of a machine's output for a failure.

/// How many lines are kept, and how many characters of each line. Even escaped, all of them fit into the 32,768
/// characters of a task's cause.
const LAST_LINES: usize = 20;
const LINE_LENGTH: usize = 200;

/// Returns the last lines that are not empty.
pub(crate) fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    last.iter().map(|line| line.chars().take(LINE_LENGTH).collect()).collect()
}
