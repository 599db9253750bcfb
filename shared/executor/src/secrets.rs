//! Values that must not be shown, and their removal from what is shown.

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

const MASK: &str = "****";

/// The secrets that a run has met so far; clones know the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(Rc<RefCell<Vec<String>>>);

impl Secrets {
    /// Secrets that are known already.
    pub(crate) fn new(known: &[String]) -> Self {
        Self(Rc::new(RefCell::new(known.to_vec())))
    }

    /// From now on no line of this value is shown, however short it is.
    pub(crate) fn add(&self, value: &str) {
        let mut known = self.0.borrow_mut();
        for line in value.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if !known.iter().any(|other| other == line) {
                known.push(line.to_owned());
            }
        }
        // The longest first: one secret may be a part of another.
        known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// The text without them.
    pub(crate) fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.0.borrow().iter().fold(Cow::Borrowed(text), |text, secret| match text.contains(secret.as_str()) {
            true => Cow::Owned(text.replace(secret.as_str(), MASK)),
            false => text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    #[test]
    fn every_line_of_a_secret_is_masked_wherever_it_stands() {
        let secrets = Secrets::default();
        assert_eq!(secrets.masked("nothing"), "nothing");
        secrets.add("hunter2");
        secrets.clone().add("line one\n  line\"two  \n\n");
        secrets.add("hunter2-long");
        assert_eq!(secrets.masked("x=hunter2-long, y=hunter2hunter2"), "x=****, y=********");
        assert_eq!(secrets.masked("[line one] line\"two"), "[****] ****");
    }
}
