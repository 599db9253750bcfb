//! Mistakes in a file: what is wrong, where, and what helps. Each mistake becomes one [`Diagnostic`], and all of them
//! are collected.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::secret::{SECRET, is_of_secret, secret_in};
use crate::span::Span;

/// Longest source line that is shown whole, in characters. A longer line is cut to a window around the mistake.
const SHOWN: usize = 140;

/// Bytes before the shown part of a long line in which the key of a secret is looked for. A longer value is no
/// password, and a file of 4 MiB may be one line with hundreds of mistakes.
const LONGEST_SECRET: usize = 4096;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but it probably does not do what its author intends.
    Warning,
}

/// One finding in a file. Lines and columns count from 1. Columns and lengths count characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file as the user named it.
    pub file: String,
    /// Line of the first offending character.
    pub line: usize,
    /// Column of the first offending character.
    pub column: usize,
    /// Error or warning.
    pub severity: Severity,
    /// A fixed code for programs, such as `unknown-key`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// What helps, in one line.
    pub help: Option<String>,
    /// The line of the file, shown with the offending text underlined. A long line is reduced to the part around that
    /// text. A line that shows a secret is left out.
    #[serde(skip)]
    pub source_line: Option<String>,
    /// Number of offending characters on that line.
    #[serde(skip)]
    pub len: usize,
    /// Number of characters of `source_line` before the offending ones.
    #[serde(skip)]
    pub shown_before: usize,
}

impl fmt::Display for Diagnostic {
    /// Writes `file:line:column: error: message`, the source line, the underline, and the help.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(out, "{}:{}:{}: {severity}: {}", self.file, self.line, self.column, self.message)?;
        if let Some(line) = &self.source_line {
            // A tab is kept in the padding, so that the underline is below its text at every tab width.
            let before = line.chars().take(self.shown_before);
            let padding: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            let room = line.chars().count().saturating_sub(self.shown_before).max(1);
            write!(out, "\n  {line}\n  {padding}{}", "^".repeat(self.len.clamp(1, room)))?;
        }
        match &self.help {
            Some(help) => write!(out, "\nhelp: {help}"),
            None => Ok(()),
        }
    }
}

/// Returns the part of a long line around a column (counted from 0), and the position of the column in that part, or
/// `None` if the line shows a secret.
fn window(line: &str, column: usize) -> Option<(String, usize)> {
    // A document may be one line of megabytes, so its characters are not counted to the end.
    if line.chars().nth(SHOWN).is_none() {
        let shown = || (line.trim_end().chars().map(printable).collect(), column);
        return secret_in(line).is_none().then(shown);
    }
    let skipped = column.saturating_sub(SHOWN / 2);
    let start = if line.is_ascii() {
        skipped.min(line.len())
    } else {
        line.char_indices().nth(skipped).map_or(line.len(), |(at, _)| at)
    };
    let length = line[start..].char_indices().nth(SHOWN).map_or(line.len() - start, |(at, _)| at);
    // The key may be before the part that shows its value.
    let before = line.floor_char_boundary(start.saturating_sub(LONGEST_SECRET));
    let shown = || (line[start..start + length].chars().map(printable).collect(), column - skipped);
    secret_in(&line[before..start + length]).is_none().then(shown)
}

/// Returns the character, or a space if the character would control a terminal.
fn printable(c: char) -> char {
    if c.is_control() && c != '\t' { ' ' } else { c }
}

/// Returns the first line of `text` for a message. Control characters become spaces, and a long line is cut.
pub(crate) fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut kept: String = line.chars().take(SHOWN).map(printable).collect();
    if kept.len() < text.trim_end().len() {
        kept.push('…');
    }
    kept
}

/// The name and text of a file, from which diagnostics are made.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file as the user named it.
    pub file: &'a str,
    /// Its whole text.
    pub text: &'a str,
}

impl Source<'_> {
    /// Returns an error at `span`.
    pub fn error(&self, span: Span, code: &'static str, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Error, span, code, message.into())
    }

    /// Returns a warning at `span`.
    pub fn warning(&self, span: Span, code: &'static str, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Warning, span, code, message.into())
    }

    fn diagnostic(&self, severity: Severity, span: Span, code: &'static str, message: String) -> Diagnostic {
        let line = self.text.lines().nth(span.line.saturating_sub(1));
        let line = line.filter(|_| !is_of_secret(self.text, span.line));
        Diagnostic::new(self.file, line, (severity, span, code, message))
    }
}

impl Diagnostic {
    /// Returns a finding on a line of a file.
    pub(crate) fn new(file: &str, line: Option<&str>, finding: (Severity, Span, &'static str, String)) -> Self {
        let (severity, span, code, message) = finding;
        let (source_line, shown_before) = line.and_then(|line| window(line, span.column.saturating_sub(1))).unzip();
        Self {
            file: file.to_owned(),
            line: span.line,
            column: span.column,
            severity,
            code,
            message,
            help: None,
            source_line,
            len: span.len,
            shown_before: shown_before.unwrap_or_default(),
        }
    }
}

/// All findings of one or more files: at most [`Diagnostics::MAX`] errors and as many warnings, because people do not
/// read more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    #[serde(skip)]
    errors: usize,
}

impl Diagnostics {
    /// The largest number of errors, and of warnings, that is kept.
    pub const MAX: usize = 500;

    /// Returns a collection without findings.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.takes(diagnostic.severity) {
            self.errors += usize::from(diagnostic.severity == Severity::Error);
            self.found.push(diagnostic);
        }
    }

    /// Adds all findings of another collection.
    pub fn extend(&mut self, other: Diagnostics) {
        other.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Removes the source lines of findings about secrets, also if another finding shows the same line: the key of such
    /// a secret is on another line.
    pub fn hide_secrets(&mut self) {
        let is_secret = |found: &&Diagnostic| found.code == SECRET;
        let secrets: BTreeSet<(String, usize)> =
            self.found.iter().filter(is_secret).map(|found| (found.file.clone(), found.line)).collect();
        for found in &mut self.found {
            if secrets.contains(&(found.file.clone(), found.line)) {
                found.source_line = None;
            }
        }
    }

    /// Returns whether a finding is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Returns the number of errors.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Returns whether there is room for one more finding of this severity.
    pub(crate) fn takes(&self, severity: Severity) -> bool {
        // Errors and warnings have separate limits, so that many warnings do not hide an error.
        let others = match severity {
            Severity::Error => self.errors,
            Severity::Warning => self.found.len() - self.errors,
        };
        others < Self::MAX
    }

    /// Returns whether there are no findings.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Returns the number of findings.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Returns the findings. After a call of [`Self::sort`], they are in the order of the text of their files.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.found.iter()
    }

    /// Orders the findings by line and column within their files; files keep the order in which they first appear.
    pub fn sort(&mut self) {
        let mut files: Vec<String> = Vec::new();
        for diagnostic in &self.found {
            if !files.contains(&diagnostic.file) {
                files.push(diagnostic.file.clone());
            }
        }
        self.found.sort_by_key(|d| (files.iter().position(|file| *file == d.file), d.line, d.column));
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.found.into_iter()
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        let mut all = Self::new();
        all.push(diagnostic);
        all
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.found.iter().enumerate() {
            write!(out, "{}{diagnostic}", if index == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
