//! The fixed script that each instance gets as user data. It installs the SSM agent if the image has none.
//!
//! Image Builder does the same: with the `AdditionalInstanceConfiguration` of its API, user data installs the agent,
//! and the clean-up removes it. Only the URL of the packages and the keys that sign them vary. Both are checked
//! against a pattern first.

use crate::error_names::ErrorName;
use crate::{Error, Result, SsmAgent};

/// The script. If the script cannot do something, it says so in one sentence, which EC2 keeps with the console output.
const TEMPLATE: &str = include_str!("user_data.sh");
/// The keys of AWS, one per line, between comments.
const AWS_KEYS: &str = include_str!("user_data.keys");
/// EC2's limit, in bytes before encoding.
const LIMIT: usize = 16 * 1024;

/// Returns the script for packages from this source.
pub(crate) fn user_data(agent: &SsmAgent) -> Result<String> {
    let base = agent.base_url.trim_end_matches('/');
    let keys: Vec<&str> = match agent.key.as_str() {
        "" => AWS_KEYS.lines().filter(|line| !line.starts_with('#')).collect(),
        key => vec![key],
    };
    if !crate::parts::script::is_plain_url(base) || !keys.iter().all(|key| is_base64(key)) {
        let message = "the stack's parameters SsmAgentUrl and SsmAgentKey must be a URL and a public key in Base64";
        return Err(Error::failed(ErrorName::AwsRefused, message));
    }
    let script = TEMPLATE.replace("@BASE@", base).replace("@KEYS@", &keys.join(" "));
    if script.len() > LIMIT {
        let message =
            format!("the stack's parameter SsmAgentKey is too long: user data may have at most {LIMIT} bytes");
        return Err(Error::failed(ErrorName::AwsRefused, message));
    }
    Ok(script)
}

/// Returns whether a text contains only Base64 characters.
fn is_base64(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::{LIMIT, user_data};
    use crate::SsmAgent;

    fn agent(base_url: &str, key: &str) -> SsmAgent {
        SsmAgent { base_url: base_url.to_owned(), key: key.to_owned() }
    }

    #[test]
    fn the_script_fits_and_carries_awss_keys_by_default() {
        let base = "https://s3.eu-west-1.amazonaws.com/amazon-ssm-eu-west-1/latest";
        let script = user_data(&agent(base, "")).unwrap();
        assert!(script.starts_with("#!/bin/sh\n") && script.len() <= LIMIT, "{}", script.len());
        assert!(script.contains(&format!("url=\"{base}/debian_$machine/amazon-ssm-agent.deb\"")));
        assert!(!script.contains('@'));
        let keys = script.lines().find_map(|line| line.strip_prefix("for key in mQ")).unwrap();
        assert_eq!(keys.trim_end_matches("; do").split(' ').count(), 2);
        assert!(user_data(&agent(base, "bXkga2V5")).unwrap().contains("for key in bXkga2V5; do"));
    }

    #[test]
    fn only_a_plain_url_and_a_plain_key_get_into_the_script() {
        for base in ["https://x/\"; id; \"", "https://x/$(id)", "https://x/`id`", "ftp://x", ""] {
            assert!(user_data(&agent(base, "")).is_err(), "{base}");
        }
        for key in ["bXk; id", "$(id)", "bXk\nid", "-----BEGIN"] {
            assert!(user_data(&agent("https://x", key)).is_err(), "{key}");
        }
        assert!(user_data(&agent("https://x", &"A".repeat(LIMIT))).is_err());
    }
}
