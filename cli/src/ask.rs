//! Consent to what cannot be taken back.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::Result;

use crate::exit::invalid;

/// Whether the person at the terminal agrees; `yes` agrees beforehand. `nothing` says what was not done where there is
/// nobody to ask.
pub(crate) fn consents(question: &str, nothing: &str, yes: bool) -> Result<bool> {
    if yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Err(invalid(format!("{nothing}: there is no terminal to ask on, and --yes was not given")));
    }
    write!(io::stderr().lock(), "{question} [y/N] ")?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::is_yes;

    #[test]
    fn only_a_clear_yes_is_one() {
        for (answer, yes) in
            [("y\n", true), ("Yes\n", true), ("\n", false), ("", false), ("no\n", false), ("yep\n", false)]
        {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
