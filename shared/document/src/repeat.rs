//! The `loop` of a step.

use crate::{Spanned, Template};

/// The values with which a step runs repeatedly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// A name that references may use for the loop in addition to `loop`.
    pub name: Option<Spanned<String>>,
    /// The values.
    pub over: Over,
}

/// The values of a loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// Numbers.
    Range(Range),
    /// Texts.
    List(Vec<Template>),
    /// The pieces of one text.
    Delimited {
        /// The text. It is put together once, before the first iteration.
        list: Template,
        /// The character between two pieces.
        delimiter: char,
    },
}

/// The numbers from `start` to `end`, both included. Parsing rejects ranges that never end, so `step` leads from
/// `start` to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first number.
    pub start: i64,
    /// The limit, which no number passes.
    pub end: i64,
    /// The difference between two consecutive numbers; not 0.
    pub step: i64,
}

impl Range {
    /// Returns whether the numbers end.
    pub fn ends(self) -> bool {
        match self.start.cmp(&self.end) {
            std::cmp::Ordering::Less => self.step > 0,
            std::cmp::Ordering::Equal => self.step != 0,
            std::cmp::Ordering::Greater => self.step < 0,
        }
    }

    /// Returns the numbers in order.
    pub fn values(self) -> impl Iterator<Item = i64> {
        let Range { start, end, step } = self;
        let inside = move |number: &i64| if step > 0 { *number <= end } else { *number >= end };
        std::iter::successors(Some(start), move |number| number.checked_add(step))
            .take_while(move |number| step != 0 && inside(number))
    }
}

/// The delimiters of the language.
pub(crate) const DELIMITERS: [char; 9] = ['.', ',', ';', ':', '\n', '\t', ' ', '-', '_'];

#[cfg(test)]
mod tests {
    use super::Range;

    #[test]
    fn ranges_include_their_end_and_stop_at_the_edge_of_numbers() {
        let values = |start, end, step| Range { start, end, step }.values().collect::<Vec<_>>();
        assert_eq!(values(1, 10, 4), [1, 5, 9]);
        assert_eq!(values(3, 1, -1), [3, 2, 1]);
        assert_eq!(values(i64::MAX - 1, i64::MAX, 5), [i64::MAX - 1]);
        assert_eq!(values(7, 7, -3), [7]);
    }
}
