//! The output for people and programs: results go to standard output, as text or as JSON, and everything else to
//! standard error. A closed pipe is an error like any other, not a crash.
//!
//! Much of the output comes from other sources: output of builds, names, and messages of AWS. None of it may control a
//! terminal.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::args::{Format, Globals};
use crate::exit::invalid;
use crate::paint;

/// Whether anything was printed on standard output.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// The result of a command. Programs read it as JSON.
pub(crate) trait Show: Serialize {
    /// Returns the result as text for people, in lines.
    fn lines(&self, globals: &Globals) -> Vec<String>;

    /// Returns the text that people read on standard error after the result, such as that a list is empty or why there
    /// is no result.
    fn remarks(&self, _globals: &Globals) -> Vec<String> {
        Vec::new()
    }
}

/// Prints the result of a command in the format that the user wants.
pub(crate) fn show(globals: &Globals, result: &impl Show) -> io::Result<()> {
    if globals.output == Format::Json {
        return json(result);
    }
    result.lines(globals).iter().try_for_each(|text| line(text))?;
    result.remarks(globals).iter().for_each(|text| say(text));
    Ok(())
}

/// Rejects `--output json` for a command whose result is only text.
pub(crate) fn require_text(globals: &Globals, result: &str) -> anyhow::Result<()> {
    if globals.output == Format::Json {
        return Err(invalid(format!("{result} is no JSON: leave out --output json")));
    }
    Ok(())
}

/// Prints a line of the result.
pub(crate) fn line(text: &str) -> io::Result<()> {
    let text = harmless(text);
    if paint::wanted(&io::stdout()) { print(&paint::painted(&text)) } else { print(&text) }
}

/// Prints the result as one JSON value.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    json_text(&text)
}

/// Prints a document that is JSON already, in its own order of keys.
pub(crate) fn json_text(text: &str) -> io::Result<()> {
    print(&harmless_json(text))
}

fn print(text: &str) -> io::Result<()> {
    PRINTED.store(true, Ordering::Relaxed);
    writeln!(io::stdout().lock(), "{text}")
}

/// Returns whether a part of the result was printed, or could not be printed.
pub(crate) fn has_printed() -> bool {
    PRINTED.load(Ordering::Relaxed)
}

/// Prints a message about progress on standard error.
pub(crate) fn say(text: &str) {
    // If nothing can be printed, the program continues all the same.
    let _ = writeln!(io::stderr().lock(), "{}", harmless(text));
}

/// Prints a message after it was made safe and colored.
pub(crate) fn say_painted(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Returns the text with every character that would control a terminal written as an escape, such as `\u{1b}`.
/// Otherwise, a build could rewrite the screen or the clipboard of a person who reads its output, or show a failure as
/// a success.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    // A line may end as on Windows.
    let text = text.strip_suffix('\r').unwrap_or(text);
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(made_visible(text, acts, |c| c.escape_unicode().to_string()))
}

/// Returns JSON in which every character that would control a terminal is escaped. JSON itself requires this only for
/// characters below U+0020.
fn harmless_json(text: &str) -> String {
    made_visible(text, acts, |c| format!("\\u{:04x}", u32::from(c)))
}

/// Returns whether a character controls a terminal instead of being shown: control characters, and those that change
/// the direction of text.
fn acts(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn made_visible(text: &str, acts: impl Fn(char) -> bool, spelled: impl Fn(char) -> String) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            shown += &spelled(c);
        } else {
            shown.push(c);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_acts_on_a_terminal() {
        for (text, shown) in [
            ("plain, with a tab\tand äöü\nand a line", "plain, with a tab\tand äöü\nand a line"),
            ("\u{1b}]52;c;Zm9v\u{7}", "\\u{1b}]52;c;Zm9v\\u{7}"),
            ("failed\rdone  ", "failed\\u{d}done  "),
            ("done\r", "done"),
            ("\u{9b}2J", "\\u{9b}2J"),
            ("\u{1b}[31mred for ever", "\\u{1b}[31mred for ever"),
            ("a\u{202e}b", "a\\u{202e}b"),
        ] {
            assert_eq!(harmless(text), shown);
        }
    }

    #[test]
    fn json_stays_what_it_was() {
        let value = "a\u{9b}b\u{202e}c\u{1b}";
        let text = serde_json::to_string(value).unwrap();
        let shown = harmless_json(&text);
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), value);
    }
}
