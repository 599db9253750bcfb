//! Checks KMS keys: the key of encryption by default, and the keys that definitions name.

use std::collections::BTreeMap;

use goldsmith_cloud::aws::{Kms, SdkConfig, home_region};
use goldsmith_cloud::{Key, Keys as _, is_aws_key};
use goldsmith_cloud_ec2::Ec2;
use goldsmith_cloud_ec2::account::Storage;

use super::definitions::Definitions;
use super::finding::{Finding, whole};
use crate::args::Globals;

const DEFAULT: &str = "default-key";
const SHARING: &str = "sharing";
const NAMED: &str = "keys";

/// Keys by Region and id, with the definition that names each of them.
type Wanted = BTreeMap<(String, String), String>;

pub(super) async fn examine(globals: &Globals, config: &SdkConfig, definitions: &Definitions) -> Vec<Finding> {
    let (ec2, kms, home) = (Ec2::new(config), Kms::new(config), home_region(config));
    let enabled = match ec2.regions(&home).await {
        Ok(enabled) => enabled,
        Err(error) => return vec![Finding::unseen(DEFAULT, "ec2:DescribeRegions", &error)],
    };
    let mut findings = Vec::new();
    let mut defaults = BTreeMap::new();
    // The home Region comes first, then each Region that images go to.
    let regions: std::collections::BTreeSet<&str> = definitions.regions().into_iter().chain([home.as_str()]).collect();
    for region in regions.into_iter().filter(|region| enabled.iter().any(|one| one == region)) {
        let storage = match ec2.storage(region).await {
            Ok(storage) => storage,
            Err(error) => {
                findings.push(Finding::unseen(
                    DEFAULT,
                    "ec2:GetEbsEncryptionByDefault, ec2:GetEbsDefaultKmsKeyId",
                    &error,
                ));
                continue;
            }
        };
        // A key that nothing uses does not matter.
        let is_used = storage.encrypted_by_default && !is_aws_key(&storage.default_key);
        let key = if is_used { kms.key(region, &storage.default_key).await } else { Ok(None) };
        match key {
            Ok(key) => defaults.insert(region.to_owned(), (storage, key)),
            Err(error) => {
                findings.push(Finding::unseen(DEFAULT, "kms:DescribeKey", &error));
                None
            }
        };
    }
    findings.extend(judge_defaults(globals, &defaults));
    findings.extend(judge_sharing(globals, definitions, &defaults));
    let mut known = BTreeMap::new();
    for (region, name) in wanted(definitions, &home).into_keys() {
        if !enabled.contains(&region) {
            continue; // the finding about the Region itself says that
        }
        match kms.key(&region, &name).await {
            Ok(key) => drop(known.insert((region, name), key)),
            Err(error) => findings.push(Finding::unseen(NAMED, "kms:DescribeKey", &error)),
        }
    }
    findings.extend(judge_named(globals, &wanted(definitions, &home), &known));
    whole(findings, "the parts marked unseen above")
}

fn wanted(definitions: &Definitions, home: &str) -> Wanted {
    let of_places = definitions.places().filter_map(|(name, place)| {
        let key = place.ami_distribution_configuration.kms_key_id.clone()?;
        Some(((place.region.clone(), key), format!("the distribution {name}")))
    });
    let of_recipes = definitions.recipes.iter().flat_map(|recipe| {
        let keys = recipe.block_device_mappings.iter().filter_map(|mapping| mapping.ebs.kms_key_id.clone());
        keys.map(|key| ((home.to_owned(), key), format!("the recipe {}", recipe.name)))
    });
    of_places.chain(of_recipes).collect()
}

fn judge_defaults(globals: &Globals, defaults: &BTreeMap<String, (Storage, Option<Key>)>) -> Vec<Finding> {
    let bad: Vec<Finding> = defaults
        .iter()
        .filter(|(_, (storage, _))| storage.encrypted_by_default && !is_aws_key(&storage.default_key))
        .filter_map(|(region, (storage, key))| {
            let state = match key {
                Some(key) if key.enabled => return None,
                Some(key) => format!("is {}", key.state),
                None => "does not exist".to_owned(),
            };
            let message = format!(
                "In {region} every volume is encrypted with {}, which {state}: no instance starts.",
                storage.default_key
            );
            let aws = globals.aws_in(Some(region));
            let remedy = format!(
                "`{aws} kms enable-key --key-id {}`, or `{aws} ec2 reset-ebs-default-kms-key-id`.",
                storage.default_key
            );
            Some(Finding::problem(DEFAULT, message, remedy))
        })
        .collect();
    if !bad.is_empty() || defaults.is_empty() {
        return bad;
    }
    let always: Vec<&str> = defaults
        .iter()
        .filter(|(_, (storage, _))| storage.encrypted_by_default)
        .map(|(region, _)| region.as_str())
        .collect();
    let message = match always.as_slice() {
        [] => "Volumes are encrypted only if a definition says so.".to_owned(),
        regions => format!("Every volume is encrypted, with a key that works, in {}.", regions.join(", ")),
    };
    vec![Finding::good(DEFAULT, message)]
}

/// Judges shared images. An image whose snapshots are encrypted with AWS's own key cannot be shared (EBS user guide,
/// "Share the KMS key used to encrypt a shared Amazon EBS snapshot").
fn judge_sharing(
    globals: &Globals,
    definitions: &Definitions,
    defaults: &BTreeMap<String, (Storage, Option<Key>)>,
) -> Option<Finding> {
    let shared =
        |place: &&goldsmith_model::Distribution| !place.ami_distribution_configuration.launch_permission.is_empty();
    let shared: Vec<_> = definitions.places().filter(|(_, place)| shared(place)).collect();
    if shared.is_empty() {
        return None;
    }
    let uses_aws_key = |region: &str| {
        let found = defaults.get(region);
        found.is_some_and(|(storage, _)| storage.encrypted_by_default && is_aws_key(&storage.default_key))
    };
    // A key that the distribution names takes precedence over the default.
    let bad: Vec<String> = shared
        .iter()
        .filter(|(_, place)| place.ami_distribution_configuration.kms_key_id.is_none() && uses_aws_key(&place.region))
        .map(|(name, place)| format!("{name} in {}", place.region))
        .collect();
    if bad.is_empty() {
        return Some(Finding::good(SHARING, "By default, shared images are not encrypted with AWS's own key."));
    }
    let message = format!(
        "Images are to be shared by {}, but every volume there is encrypted with aws/ebs, which no other account can use.",
        bad.join(", ")
    );
    let remedy = format!(
        "Name a key of your own in the distribution's `kmsKeyId`, or make it the default: `{} ec2 \
         modify-ebs-default-kms-key-id --kms-key-id KEY`.",
        globals.aws_in(Some("REGION"))
    );
    Some(Finding::problem(SHARING, message, remedy))
}

fn judge_named(globals: &Globals, wanted: &Wanted, known: &BTreeMap<(String, String), Option<Key>>) -> Option<Finding> {
    if known.is_empty() {
        return None;
    }
    let bad: Vec<String> = known
        .iter()
        .filter_map(|(of, key)| {
            let state = match key {
                Some(key) if key.enabled => return None,
                Some(key) => format!("is {}", key.state),
                None => "does not exist there".to_owned(),
            };
            let (region, name) = of;
            let who = wanted.get(of).map(String::as_str).unwrap_or_default();
            Some(format!("{name} in {region}, named by {who}, {state}"))
        })
        .collect();
    if bad.is_empty() {
        return Some(Finding::good(NAMED, "Every key that definitions name is enabled."));
    }
    let aws = globals.aws_in(Some("REGION"));
    let remedy = format!("Name an enabled key of that Region: `{aws} kms list-aliases` lists the keys.");
    Some(Finding::problem(NAMED, format!("Keys that definitions name cannot be used: {}.", bad.join("; ")), remedy))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::super::testing::{globals, going_to};
    use super::*;

    fn storage(always: bool, key: &str) -> Storage {
        Storage { encrypted_by_default: always, default_key: key.to_owned() }
    }

    fn key(enabled: bool) -> Key {
        let state = if enabled { "Enabled" } else { "Disabled" };
        Key {
            arn: String::new(),
            enabled,
            managed_by_aws: false,
            symmetric: true,
            signs_p256: false,
            state: state.to_owned(),
        }
    }

    fn home(storage: Storage, key: Option<Key>) -> BTreeMap<String, (Storage, Option<Key>)> {
        [("eu-west-1".to_owned(), (storage, key))].into()
    }

    #[test]
    fn a_default_key_counts_only_where_it_is_used() {
        let verdicts = [
            (storage(true, "alias/mine"), Some(key(true)), Verdict::Good),
            (storage(true, "alias/mine"), Some(key(false)), Verdict::Problem),
            (storage(true, "alias/mine"), None, Verdict::Problem),
            (storage(true, "alias/aws/ebs"), None, Verdict::Good),
            (storage(false, "alias/mine"), None, Verdict::Good),
        ];
        for (storage, key, verdict) in verdicts {
            let found = judge_defaults(&globals(""), &home(storage.clone(), key));
            assert_eq!(found[0].verdict, verdict, "{storage:?}");
        }
    }

    #[test]
    fn what_awss_own_key_encrypts_cannot_be_shared() {
        let place = |key: Option<&str>| {
            let ami = json!({"launchPermission": {"userIds": ["111122223333"]}, "kmsKeyId": key});
            going_to(&json!([{"region": "eu-west-1", "amiDistributionConfiguration": ami}]))
        };
        let judge = |key, storage| judge_sharing(&globals(""), &place(key), &home(storage, None)).unwrap().verdict;
        assert_eq!(judge(None, storage(true, "alias/aws/ebs")), Verdict::Problem);
        assert_eq!(judge(Some("alias/mine"), storage(true, "alias/aws/ebs")), Verdict::Good);
        assert_eq!(judge(None, storage(false, "alias/aws/ebs")), Verdict::Good);
        let private = going_to(&json!([{"region": "eu-west-1"}]));
        assert_eq!(judge_sharing(&globals(""), &private, &home(storage(true, "alias/aws/ebs"), None)), None);
    }

    #[test]
    fn keys_of_definitions_are_of_their_region() {
        let ami = json!({"kmsKeyId": "alias/images"});
        let definitions = going_to(&json!([{"region": "us-east-1", "amiDistributionConfiguration": ami}]));
        let wanted = wanted(&definitions, "eu-west-1");
        let of = ("us-east-1".to_owned(), "alias/images".to_owned());
        let judge = |key| judge_named(&globals(""), &wanted, &[(of.clone(), key)].into()).unwrap();
        assert_eq!(judge(Some(key(true))).verdict, Verdict::Good);
        let missing = judge(None).message;
        assert!(
            missing.ends_with("alias/images in us-east-1, named by the distribution web, does not exist there."),
            "{missing}"
        );
        assert!(judge(Some(key(false))).message.contains("is Disabled"));
        assert_eq!(judge_named(&globals(""), &wanted, &BTreeMap::new()), None);
    }
}
