//! `licenseConfigurationArns` of a Region

use goldsmith_document::MapReader;

use crate::account::is_account_id;
use crate::definitions::draft::Context;
use crate::definitions::fields;

const KEY: &str = "licenseConfigurationArns";
/// Most license configurations of an AMI (Image Builder API reference, `Distribution`).
const MOST: usize = 50;

/// Reads the license configurations of a Region. License Manager associates an AMI only with configurations of the AMI's
/// own Region.
pub(super) fn read(context: &mut Context<'_, '_>, map: &mut MapReader<'_>, region: Option<&str>) -> Vec<String> {
    let arns = fields::texts(&mut context.reader, map, KEY, is_arn, "the ARN of a license configuration");
    let Some(node) = map.optional(KEY) else { return arns };
    if arns.len() > MOST {
        let message = format!("{} license configurations: an AMI has at most {MOST}", arns.len());
        context.reader.error(node.span, "too-many", message);
    }
    for arn in &arns {
        let of = arn.split(':').nth(3).unwrap_or_default();
        if let Some(region) = region.filter(|region| *region != of) {
            let message = format!("`{arn}` is in {of}, but this AMI is in {region}: name a configuration of {region}");
            context.reader.error(node.span, "wrong-value", message);
        }
    }
    arns
}

/// Returns whether a text has the form of the ARN of a license configuration, such as
/// `arn:aws:license-manager:eu-west-1:111122223333:license-configuration:lic-` with 32 characters (Image Builder API
/// reference, `Distribution`).
fn is_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let ["arn", partition, "license-manager", region, account, "license-configuration", id] = parts.as_slice() else {
        return false;
    };
    let id = id.strip_prefix("lic-").unwrap_or_default();
    partition.starts_with("aws")
        && !region.is_empty()
        && is_account_id(account)
        && id.len() == 32
        && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}

#[cfg(test)]
mod tests {
    use crate::definitions::{Draft, SourceFile};

    const ONE: &str =
        "arn:aws:license-manager:eu-west-1:111122223333:license-configuration:lic-0123456789abcdef0123456789abcdef";
    const OTHER: &str =
        "arn:aws:license-manager:eu-west-1:444455556666:license-configuration:lic-fedcba9876543210fedcba9876543210";

    fn read(arns: &[&str]) -> Result<Vec<String>, String> {
        let region = format!("{{region: eu-west-1, licenseConfigurationArns: {arns:?}}}");
        let text = format!("{{kind: DistributionConfiguration, name: web, distributions: [{region}]}}\n");
        let files = [SourceFile { path: "f.yml".to_owned(), text }];
        let read = Draft::read(&files, &|_| Ok(String::new())).check_alone();
        let found = read.map_err(|found| found.iter().map(|one| one.message.clone()).collect::<String>())?;
        Ok(found.distributions[0].distributions[0].license_configuration_arns.clone())
    }

    #[test]
    fn configurations_of_the_region_are_read_also_those_of_other_accounts() {
        assert_eq!(read(&[ONE, OTHER]), Ok(vec![ONE.to_owned(), OTHER.to_owned()]));
        assert_eq!(read(&[]), Ok(vec![]));
    }

    #[test]
    fn mistakes_are_explained() {
        let away = ONE.replace("eu-west-1", "us-east-1");
        let elsewhere =
            format!("`{away}` is in us-east-1, but this AMI is in eu-west-1: name a configuration of eu-west-1");
        let short = &ONE[..ONE.len() - 1];
        for (wrong, message) in [
            (vec![short], format!("`{short}` is not the ARN of a license configuration")),
            (vec!["lic-0123456789abcdef0123456789abcdef"], {
                "`lic-0123456789abcdef0123456789abcdef` is not the ARN of a license configuration".to_owned()
            }),
            (vec![ONE, ONE], format!("`{ONE}` is in `licenseConfigurationArns` twice")),
            (vec![away.as_str()], elsewhere),
        ] {
            assert_eq!(read(&wrong), Err(message), "{wrong:?}");
        }
        let many: Vec<String> = (0..51).map(|n| format!("{}{n:032}", &ONE[..ONE.len() - 32])).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(read(&many), Err("51 license configurations: an AMI has at most 50".to_owned()));
    }
}
