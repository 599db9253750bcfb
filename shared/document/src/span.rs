//! Places in files.

/// A place in a file. The line and the column count from 1, and the column counts characters. `len` is the length on
/// that line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Span {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The length in characters. If the text has several lines, it is the length of the first line.
    pub len: usize,
}

impl Span {
    /// The first character of a file, for findings that have no better place.
    pub const START: Span = Span { line: 1, column: 1, len: 1 };
}
