//! The stanzas of Debian's control files: `Key: value`, with further lines that begin with a space.

/// Calls `take` with each stanza of a text.
pub(super) fn each<'t>(text: &'t str, mut take: impl FnMut(Stanza<'t>)) {
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            if !lines.is_empty() {
                take(Stanza { lines: std::mem::take(&mut lines) });
            }
        } else {
            lines.push(line);
        }
    }
    if !lines.is_empty() {
        take(Stanza { lines });
    }
}

/// The fields of one package.
pub(super) struct Stanza<'t> {
    lines: Vec<&'t str>,
}

impl<'t> Stanza<'t> {
    /// Returns the first line of a field. Names of fields have no case.
    pub(super) fn field(&self, name: &str) -> Option<&'t str> {
        self.lines.iter().find_map(|line| value(line, name))
    }

    /// Returns the further lines of a field, without the space before them.
    pub(super) fn more(&self, name: &str) -> impl Iterator<Item = &'t str> + '_ {
        let begin =
            self.lines.iter().position(|line| value(line, name).is_some()).map_or(self.lines.len(), |at| at + 1);
        self.lines[begin..].iter().take_while(|line| line.starts_with([' ', '\t'])).map(|line| line.trim())
    }
}

fn value<'t>(line: &'t str, name: &str) -> Option<&'t str> {
    let (key, value) = line.split_once(':')?;
    key.eq_ignore_ascii_case(name).then(|| value.trim())
}
