//! Finds what a misspelled word probably means.

/// Longest word for which there is a suggestion, in characters.
const LONGEST: usize = 64;

/// The largest number of candidates that are compared.
const MOST: usize = 1_000;

/// Returns the candidate that `word` probably means, if there is one: at most a third of its letters must be inserted,
/// removed, replaced or swapped with the next letter.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let length = word.chars().count();
    if length > LONGEST {
        return None;
    }
    let word = word.to_lowercase();
    let near = |candidate: &'c str| {
        let letters = candidate.chars().count();
        let most = letters.max(3) / 3;
        // Most candidates differ by their length alone, which costs nothing to see.
        let distance =
            (letters.abs_diff(length) <= most).then(|| strsim::osa_distance(&word, &candidate.to_lowercase()))?;
        (distance <= most).then_some((distance, candidate))
    };
    let near = candidates.into_iter().take(MOST).filter_map(near);
    near.min_by_key(|(distance, _)| *distance).map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn suggests_the_nearest_name_and_nothing_for_unrelated_ones() {
        let keys = ["action", "name", "inputs", "onFailure"];
        assert_eq!(did_you_mean("acton", keys), Some("action"));
        assert_eq!(did_you_mean("onfailure", keys), Some("onFailure"));
        assert_eq!(did_you_mean("naem", keys), Some("name"));
        assert_eq!(did_you_mean("retries", keys), None);
    }
}
