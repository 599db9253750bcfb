//! Where progress is shown: on a terminal, whose lines are rewritten, or anywhere else as plain lines.

use std::io::{self, IsTerminal, Write};

use jiff::Timestamp;
use terminal_size::{Width, terminal_size_of};

use super::board::Board;
use super::{Happening, plain};
use crate::output::harmless;
use crate::paint::{self, painted};

/// Width of a terminal that does not report its width.
const WIDTH: u16 = 80;

/// The display on standard error.
pub(crate) enum Display {
    /// A terminal: its last `drawn` lines are rewritten at every check.
    Live { board: Board, drawn: usize, colors: bool },
    /// Anything else.
    Plain,
}

impl Display {
    /// Returns the display that fits standard error.
    pub(crate) fn new() -> Self {
        let stderr = io::stderr();
        if stderr.is_terminal() {
            Self::Live { board: Board::default(), drawn: 0, colors: paint::wanted(&stderr) }
        } else {
            Self::Plain
        }
    }

    /// Shows what happened, and how long everything else has been running.
    pub(crate) fn show(&mut self, happenings: &[Happening], now: Timestamp) {
        let text = match self {
            Self::Plain => {
                happenings.iter().filter_map(plain::line).map(|line| harmless(&line).into_owned() + "\n").collect()
            }
            Self::Live { board, drawn, colors } => {
                let stay: Vec<String> = happenings.iter().filter_map(|happening| board.take(happening)).collect();
                let running = board.running(now);
                let text = redraw(*drawn, &stay, &running, width(), *colors);
                *drawn = running.len();
                text
            }
        };
        write(&text);
    }

    /// Removes the lines that are only temporary.
    pub(crate) fn end(&mut self) {
        if let Self::Live { drawn, .. } = self {
            write(&redraw(*drawn, &[], &[], usize::from(WIDTH), false));
            *drawn = 0;
        }
    }
}

/// Returns the width of the terminal on standard error, in characters.
pub(crate) fn width() -> usize {
    terminal_size_of(io::stderr()).map_or(WIDTH, |(Width(width), _)| width).into()
}

fn write(text: &str) {
    let mut out = io::stderr().lock();
    // If nothing can be shown, watching continues all the same.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Returns the text that moves the cursor up over the last lines, erases them, and writes the new ones. A line that
/// would wrap is cut, because a wrapped line would take two lines and only one is counted. Colors come last, because they
/// take no room on the terminal.
pub(crate) fn redraw(drawn: usize, stay: &[String], running: &[String], width: usize, colors: bool) -> String {
    let mut text = if drawn == 0 { String::new() } else { format!("\r\u{1b}[{drawn}A\u{1b}[J") };
    let cut = |line: &str| line.chars().take(width.saturating_sub(1)).collect();
    let lines = stay.iter().map(|line| harmless(line).into_owned());
    for line in lines.chain(running.iter().map(|line| cut(&harmless(line)))) {
        text.push_str(&if colors { painted(&line) } else { line });
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::redraw;

    #[test]
    fn a_step_cannot_move_the_cursor() {
        assert_eq!(redraw(0, &["\u{1b}[1A\rgood".to_owned()], &[], 80, false), "\\u{1b}[1A\\u{d}good\n");
        assert_eq!(redraw(0, &[], &["\u{9b}2J".to_owned()], 80, false), "\\u{9b}2J\n");
    }

    #[test]
    fn lines_that_stay_are_whole_and_the_others_never_wrap() {
        let (stay, running) = (["a long line".to_owned()], ["another line".to_owned()]);
        assert_eq!(redraw(0, &[], &running, 80, false), "another line\n");
        assert_eq!(redraw(2, &stay, &running, 8, false), "\r\u{1b}[2A\u{1b}[Ja long line\nanother\n");
        let signs = ["● Build".to_owned()];
        assert_eq!(redraw(0, &[], &signs, 6, true), "\u{1b}[36m●\u{1b}[0m Bui\n");
        assert_eq!(redraw(1, &[], &[], 8, false), "\r\u{1b}[1A\u{1b}[J");
    }
}
