//! Recognizes values of parameters that are probably secrets.

/// Words in the name of a parameter whose value is probably a secret.
const NAMES: [&str; 8] = ["password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey", "credential"];

/// Words in such a name that show that the value is about a secret but is not the secret itself.
const ABOUT: [&str; 14] = [
    "path",
    "file",
    "arn",
    "name",
    "url",
    "uri",
    "endpoint",
    "length",
    "days",
    "age",
    "policy",
    "parameter",
    "region",
    "enabled",
];

/// Beginnings of values that are secrets whatever the name is.
const VALUES: [&str; 7] = ["AKIA", "ASIA", "-----BEGIN ", "ghp_", "github_pat_", "glpat-", "xoxb-"];

/// Returns whether a line contains the beginning of a secret of a known kind, and more than that.
pub(crate) fn shows_secret(line: &str) -> bool {
    VALUES.iter().any(|start| line.split_once(start).is_some_and(|(_, rest)| rest.trim_end().len() > 8))
}

/// The code of a finding about a value that looks like a secret.
pub const SECRET: &str = "secret";

/// The help for an author who has written a secret in a document.
pub const INSTEAD_OF_SECRET: &str =
    "keep it in the Parameter Store as a SecureString and write `{{ aws:ssm:/path/name }}` where it is used";

/// Returns whether the value of a parameter or constant with this name looks like a secret.
#[must_use]
pub fn looks_like_secret(name: &str, value: &str) -> bool {
    let text = value.trim();
    let plain: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    let is_named = NAMES.iter().any(|word| plain.contains(word))
        && !ABOUT.iter().any(|word| plain.contains(word))
        && !["/", "arn:", "http", "{{"].iter().any(|start| text.starts_with(start))
        && !matches!(text, "" | "true" | "false" | "none" | "null");
    is_named || VALUES.iter().any(|start| text.starts_with(start) && text.len() > start.len() + 8)
}
