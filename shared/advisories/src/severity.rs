//! How serious a vulnerability is: by the word of a distribution, or by a CVSS vector.

use std::str::FromStr;

use goldsmith_model::Severity;
use serde::{Deserialize, Serialize};

/// Where a rating comes from. A later one outweighs the earlier ones: who made the package knows best how the
/// vulnerability concerns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Authority {
    /// The word of a database that is not the distribution's, as GitHub's.
    Database,
    /// A CVSS 2 vector.
    Cvss2,
    /// A CVSS 3.0 or 3.1 vector.
    Cvss3,
    /// A CVSS 4.0 vector.
    Cvss4,
    /// The rating of the distribution that made the package.
    Distribution,
}

/// A level, and who gave it.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rating {
    /// The level.
    pub severity: Severity,
    /// Who gave it.
    pub by: Authority,
    /// The score of a CVSS vector, from 0 to 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

impl Rating {
    /// The rating in a word of `by`, or `None` if the word is no rating.
    #[must_use]
    pub fn word(word: &str, by: Authority) -> Option<Rating> {
        Severity::from_word(word).map(|severity| Rating { severity, by, score: None })
    }

    /// The rating in a CVSS vector of version 2, 3 or 4.
    ///
    /// # Errors
    ///
    /// The text is not a vector. The error is a sentence for people.
    pub fn vector(vector: &str) -> Result<Rating, String> {
        let cvss = cvss::Cvss::from_str(vector).map_err(|e| format!("{vector} is not a CVSS vector: {e}"))?;
        let by = match cvss {
            cvss::Cvss::CvssV20(_) => Authority::Cvss2,
            cvss::Cvss::CvssV40(_) => Authority::Cvss4,
            _ => Authority::Cvss3,
        };
        let score = cvss.score();
        Ok(Rating { severity: from_score(score), by, score: Some(score) })
    }

    /// The weightier of two ratings: that of the higher authority, and of the same authority the more serious one.
    #[must_use]
    pub fn weightier(self, other: Rating) -> Rating {
        if (other.by, other.severity, other.score.unwrap_or(0.0)) > (self.by, self.severity, self.score.unwrap_or(0.0))
        {
            other
        } else {
            self
        }
    }
}

/// The level of a CVSS score: the qualitative scale of CVSS 3 and 4. CVSS 2 has none, and gets the same.
fn from_score(score: f64) -> Severity {
    match score {
        s if s >= 9.0 => Severity::Critical,
        s if s >= 7.0 => Severity::High,
        s if s >= 4.0 => Severity::Medium,
        s if s > 0.0 => Severity::Low,
        _ => Severity::Negligible,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_of_each_version_has_the_score_of_its_specification() {
        // The examples of FIRST: CVE-2014-0160 in versions 2 and 3.1, and a 4.0 vector with its published score.
        let cases = [
            ("AV:N/AC:L/Au:N/C:P/I:N/A:N", Authority::Cvss2, 5.0, Severity::Medium),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", Authority::Cvss3, 7.5, Severity::High),
            ("CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Authority::Cvss3, 9.8, Severity::Critical),
            (
                "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
                Authority::Cvss4,
                9.3,
                Severity::Critical,
            ),
            ("CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", Authority::Cvss3, 0.0, Severity::Negligible),
        ];
        for (vector, by, score, severity) in cases {
            let rating = Rating::vector(vector).unwrap();
            assert_eq!((rating.by, rating.score, rating.severity), (by, Some(score), severity), "{vector}");
        }
        assert!(Rating::vector("CVSS:3.1/AV:X").unwrap_err().starts_with("CVSS:3.1/AV:X is not a CVSS vector"));
    }

    #[test]
    fn the_word_of_the_distribution_outweighs_a_score() {
        let score = Rating::vector("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H").unwrap();
        let word = Rating::word("unimportant", Authority::Distribution).unwrap();
        assert_eq!(score.weightier(word).severity, Severity::Negligible);
        assert_eq!(word.weightier(score).severity, Severity::Negligible);
        let high = Rating::word("HIGH", Authority::Database).unwrap();
        assert_eq!(high.weightier(score).severity, Severity::Critical);
    }

    #[test]
    fn words_that_are_no_rating_give_none() {
        for word in ["not yet assigned", "untriaged", "end-of-life", "", "None"] {
            assert_eq!(Severity::from_word(word), None, "{word}");
        }
        assert_eq!(Severity::from_word("low**"), Some(Severity::Low));
        assert_eq!(Severity::from_word("Important"), Some(Severity::High));
    }
}
