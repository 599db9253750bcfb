//! `loop` of a step.

use crate::{Spanned, Template};

/// How often a step runs, and with which values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loop {
    /// A name by which references may call it, besides `loop`.
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
        /// The text, which is put together once, before the first iteration.
        list: Template,
        /// What stands between two pieces.
        delimiter: char,
    },
}

/// Numbers from `start` to `end`, both included. Parsing refuses those that never end, so `step` leads from one to the
/// other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first number.
    pub start: i64,
    /// The number that is not passed.
    pub end: i64,
    /// From one number to the next; not 0.
    pub step: i64,
}

impl Range {
    /// Whether the numbers come to an end.
    pub fn ends(self) -> bool {
        match self.start.cmp(&self.end) {
            std::cmp::Ordering::Less => self.step > 0,
            std::cmp::Ordering::Equal => self.step != 0,
            std::cmp::Ordering::Greater => self.step < 0,
        }
    }

    /// The numbers in order.
    pub fn values(self) -> impl Iterator<Item = i64> {
        let Range { start, end, step } = self;
        let inside = move |number: &i64| if step > 0 { *number <= end } else { *number >= end };
        std::iter::successors(Some(start), move |number| number.checked_add(step))
            .take_while(move |number| step != 0 && inside(number))
    }
}

/// Delimiters of the language.
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
