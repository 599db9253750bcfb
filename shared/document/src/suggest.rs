//! Finds what a misspelled word probably means.

/// Longest word for which there is a suggestion, in characters.
const LONGEST: usize = 64;

/// The largest number of candidates that are compared.
const MOST: usize = 1_000;

/// Returns the candidate that `word` probably means, if there is one: at most a third of the letters differ.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word: Vec<char> = word.to_lowercase().chars().take(LONGEST + 1).collect();
    if word.len() > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .take(MOST)
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
            let most = letters.len().max(3) / 3;
            let near = letters.len().abs_diff(word.len()) <= most;
            let distance = near.then(|| distance(&word, &letters, most)).flatten()?;
            Some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns how many letters must be inserted, removed, replaced or swapped with the next letter to turn one word into
/// the other. `None` if there are more than `most`.
fn distance(from: &[char], to: &[char], most: usize) -> Option<usize> {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, &a) in from.iter().enumerate() {
        let mut row = Vec::with_capacity(to.len() + 1);
        row.push(i + 1);
        for (j, &b) in to.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a == to[j - 1] && from[i - 1] == b {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        // The smallest distance of a row never decreases, except after a swap, which uses the row before the last.
        if row.iter().chain(&last).all(|distance| *distance > most) {
            return None;
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn finds_the_nearest_and_leaves_strangers_alone() {
        let keys = ["action", "name", "inputs", "onFailure"];
        assert_eq!(did_you_mean("acton", keys), Some("action"));
        assert_eq!(did_you_mean("onfailure", keys), Some("onFailure"));
        assert_eq!(did_you_mean("naem", keys), Some("name"));
        assert_eq!(did_you_mean("retries", keys), None);
    }
}
