//! What is wrong in a file, where, and what would help: one [`Diagnostic`] per mistake, all of them collected.

use std::fmt;

use serde::Serialize;

use crate::yaml::Span;

/// Longest source line that is shown whole, in characters; a longer one is cut to a window around the mistake.
const SHOWN: usize = 140;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used, but probably does not do what was meant.
    Warning,
}

/// One finding in a file. Lines and columns count from 1, columns and lengths in characters.
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
    /// A fixed word for programs, such as `unknown-key`.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// What would help, in one line.
    pub help: Option<String>,
    /// The line of the file, or of a long one the part around the offending text, to be shown with that underlined.
    #[serde(skip)]
    pub source_line: Option<String>,
    /// Number of offending characters on that line.
    #[serde(skip)]
    pub len: usize,
    /// Characters of `source_line` in front of the offending ones.
    #[serde(skip)]
    pub shown_before: usize,
}

impl fmt::Display for Diagnostic {
    /// `file:line:column: error: message`, the source line, its underline, and the help.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(out, "{}:{}:{}: {severity}: {}", self.file, self.line, self.column, self.message)?;
        if let Some(line) = &self.source_line {
            // A tab is kept in the padding, so that the underline stands below its text at any tab width.
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

/// The part of a long line around a column (from 0), and the column's place in it.
fn window(line: &str, column: usize) -> (String, usize) {
    if line.chars().nth(SHOWN).is_none() {
        return (line.trim_end().chars().map(printable).collect(), column);
    }
    let skipped = column.saturating_sub(SHOWN / 2);
    let start = match line.is_ascii() {
        true => skipped.min(line.len()),
        false => line.char_indices().nth(skipped).map_or(line.len(), |(at, _)| at),
    };
    (line[start..].chars().take(SHOWN).map(printable).collect(), column - skipped)
}

/// The character, or a space for one that would do something to a terminal.
fn printable(c: char) -> char {
    if c.is_control() && c != '\t' { ' ' } else { c }
}

/// `text` without what nobody reads: control characters become spaces, and a long text is cut.
pub(crate) fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut kept: String = line.chars().take(SHOWN).map(printable).collect();
    if kept.len() < text.trim_end().len() {
        kept.push('…');
    }
    kept
}

/// A file's name and text, from which diagnostics are made.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The file as the user named it.
    pub file: &'a str,
    /// Its whole text.
    pub text: &'a str,
}

impl Source<'_> {
    /// An error at `span`.
    pub fn error(&self, span: Span, code: &'static str, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Error, span, code, message.into())
    }

    /// A warning at `span`.
    pub fn warning(&self, span: Span, code: &'static str, message: impl Into<String>) -> Diagnostic {
        self.diagnostic(Severity::Warning, span, code, message.into())
    }

    fn diagnostic(&self, severity: Severity, span: Span, code: &'static str, message: String) -> Diagnostic {
        let line = self.text.lines().nth(span.line.saturating_sub(1));
        Diagnostic::new(self.file, line, (severity, span, code, message))
    }
}

impl Diagnostic {
    /// A finding on a line of a file.
    pub(crate) fn new(file: &str, line: Option<&str>, finding: (Severity, Span, &'static str, String)) -> Self {
        let (severity, span, code, message) = finding;
        let (source_line, shown_before) = line.map(|line| window(line, span.column.saturating_sub(1))).unzip();
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

/// All findings of one or more files, at most [`Diagnostics::MAX`] errors and as many warnings: nobody reads more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    #[serde(skip)]
    errors: usize,
}

impl Diagnostics {
    /// Most errors, and most warnings, that are kept.
    pub const MAX: usize = 500;

    /// No findings.
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

    /// Whether any finding is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether there is room for one more.
    pub(crate) fn takes(&self, severity: Severity) -> bool {
        let others = match severity {
            Severity::Error => self.errors,
            Severity::Warning => self.found.len() - self.errors,
        };
        others < Self::MAX
    }

    /// Whether there is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many findings there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// The findings in the order of their files' text once [`Self::sort`] was called.
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
