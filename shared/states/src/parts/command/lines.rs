//! Keeps the last lines of a machine's output, and the facts about the machine, for a failure.

/// How many lines are kept, and how many characters of each line. Even escaped, all of them fit into the 32,768
/// characters of a task's cause.
const LAST_LINES: usize = 20;
const LINE_LENGTH: usize = 200;
/// The same limits for the facts. The agent keeps to them, but any program of the instance may pretend to be the agent.
const FACTS: usize = 12;
const FACT_LENGTH: usize = 300;

/// Returns the last lines that are not empty.
pub(crate) fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    last.iter().map(|line| line.chars().take(LINE_LENGTH).collect()).collect()
}

/// Returns the first facts, each as one line without characters that could act on a terminal.
pub(crate) fn evidence(facts: &[String]) -> Vec<String> {
    let cut = |fact: &String| fact.chars().map(plain).take(FACT_LENGTH).collect::<String>().trim().to_owned();
    facts.iter().map(cut).filter(|fact| !fact.is_empty()).take(FACTS).collect()
}

/// Replaces a control character, or a character that changes the direction of a text, by a space.
fn plain(letter: char) -> char {
    let acts = letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if acts { ' ' } else { letter }
}

#[cfg(test)]
mod tests {
    use super::evidence;

    #[test]
    fn facts_are_few_short_and_harmless() {
        let facts = |facts: &[&str]| evidence(&facts.iter().map(|fact| (*fact).to_owned()).collect::<Vec<_>>());
        assert_eq!(facts(&["/ is full.", "", "\u{1b}", "a\nb\u{202e}c\u{9b}"]), ["/ is full.", "a b c"]);
        let long = facts(&["ü".repeat(1_000).as_str(); 40]);
        assert_eq!((long.len(), long[0].chars().count()), (12, 300));
        assert!(facts(&[]).is_empty());
    }
}
