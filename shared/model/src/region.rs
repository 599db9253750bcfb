//! Names of AWS Regions.
//!
//! AWS adds Regions faster than a tool can release new versions. The check therefore covers only how their names are
//! formed (area, direction, number), and the known Regions serve as suggestions.

use goldsmith_document::did_you_mean;

const AREAS: &[&str] = &[
    "af", "ap", "ca", "cn", "eu", "eu-isoe", "eusc-de", "il", "me", "mx", "sa", "us", "us-gov", "us-iso", "us-isob",
    "us-isof",
];

const DIRECTIONS: &[&str] =
    &["central", "east", "north", "northeast", "northwest", "south", "southeast", "southwest", "west"];

const KNOWN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

/// The text cannot be the name of a Region.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not the name of an AWS Region")]
pub struct RegionError {
    /// The text.
    pub name: String,
    /// A Region with a similar name.
    pub near: Option<&'static str>,
}

/// Checks that a text can be the name of an AWS Region, such as `eu-west-1`.
///
/// # Errors
/// The text is not made of an area, a direction and a number.
pub fn check_region(name: &str) -> Result<(), RegionError> {
    let mut parts = name.rsplitn(3, '-');
    let (number, direction, area) = (parts.next(), parts.next(), parts.next());
    let good = number.is_some_and(|n| matches!(n.as_bytes(), [b'1'..=b'9']))
        && direction.is_some_and(|d| DIRECTIONS.contains(&d))
        && area.is_some_and(|a| AREAS.contains(&a));
    if good {
        return Ok(());
    }
    Err(RegionError { name: name.to_owned(), near: did_you_mean(name, KNOWN.iter().copied()) })
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, check_region};

    #[test]
    fn known_and_future_regions_pass() {
        for name in KNOWN.iter().chain(&["eu-west-7", "us-isob-east-1", "eusc-de-east-1"]) {
            assert_eq!(check_region(name), Ok(()));
        }
    }

    #[test]
    fn others_are_refused_with_a_suggestion() {
        for (name, near) in [
            ("eu-wset-1", Some("eu-west-1")),
            ("eu-west1", Some("eu-west-1")),
            ("eu-west-1a", Some("eu-west-1")),
            ("EU-WEST-1", Some("eu-west-1")),
            ("frankfurt", None),
            ("", None),
        ] {
            let error = check_region(name).unwrap_err();
            assert_eq!(error.near, near, "{name}");
            assert_eq!(error.to_string(), format!("`{name}` is not the name of an AWS Region"));
        }
    }
}
