//! Converts the parser's positions, which count characters, to bytes.

/// Finds the byte of a character. Requests roughly in the order of the text cost about one pass over the text in total.
pub(super) struct Offsets<'t> {
    text: &'t str,
    characters: usize,
    bytes: usize,
}

impl<'t> Offsets<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, characters: 0, bytes: 0 }
    }

    /// Returns the byte where a character begins, counted from 0. For a character beyond the text, it returns the end
    /// of the text.
    pub(super) fn of(&mut self, character: usize) -> usize {
        let bytes = match character.checked_sub(self.characters) {
            Some(forward) => {
                let mut ahead = self.text[self.bytes..].char_indices().map(|(at, _)| self.bytes + at);
                ahead.nth(forward).unwrap_or(self.text.len())
            }
            None => {
                let mut behind = self.text[..self.bytes].char_indices().rev().map(|(at, _)| at);
                behind.nth(self.characters - character - 1).unwrap_or(0)
            }
        };
        if bytes < self.text.len() {
            (self.characters, self.bytes) = (character, bytes);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::Offsets;

    #[test]
    fn characters_are_found_in_any_order() {
        let mut offsets = Offsets::new("aäöb");
        assert_eq!([0, 2, 1, 3, 9, 1, 4].map(|character| offsets.of(character)), [0, 3, 1, 5, 6, 1, 6]);
    }
}
