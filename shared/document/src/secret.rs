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

/// What may stand between a key, its colon and its value.
const QUOTES: [char; 3] = ['"', '\'', ' '];

/// The code of a finding about a value that looks like a secret.
pub const SECRET: &str = "secret";

/// The help for an author who has written a secret in a document.
pub const INSTEAD_OF_SECRET: &str =
    "keep it in the Parameter Store as a SecureString and write `{{ aws:ssm:/path/name }}` where it is used";

/// Returns whether the value of a parameter or constant with this name looks like a secret.
#[must_use]
pub fn looks_like_secret(name: &str, value: &str) -> bool {
    let text = value.trim();
    let is_named = names_secret(name)
        && !["/", "arn:", "http", "{{"].iter().any(|start| text.starts_with(start))
        && !matches!(text, "" | "true" | "false" | "none" | "null");
    is_named || VALUES.iter().any(|start| text.starts_with(start) && text.len() > start.len() + 8)
}

/// Returns the value for a message about it, or `****` if the value of a parameter with this name looks like a secret.
#[must_use]
pub fn hidden_if_secret<'v>(name: &str, value: &'v str) -> &'v str {
    if looks_like_secret(name, value) { "****" } else { value }
}

/// Returns the rest of a line from the first value that looks like a secret, or `None` if the line shows no secret. The
/// line is any text, such as one line of a file with mistakes or one argument of a command.
#[must_use]
pub fn secret_in(line: &str) -> Option<&str> {
    let known = |start: &&str| line.find(*start).filter(|at| line[*at..].trim_end().len() > start.len() + 8);
    VALUES.iter().find_map(known).map(|at| &line[at..]).or_else(|| value_of_secret_key(line))
}

/// Returns the rest of a line after the first key that looks secret: `KEY: VALUE`, `KEY=VALUE`, or the `value` that
/// follows such a `name`.
fn value_of_secret_key(line: &str) -> Option<&str> {
    let is_of_key = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let (mut rest, mut last_key, mut named) = (line, "", None);
    while let Some(start) = rest.find(is_of_key) {
        let end = rest[start..].find(|c| !is_of_key(c)).map_or(rest.len(), |length| start + length);
        let key = &rest[start..end];
        rest = &rest[end..];
        let Some(value) = rest.trim_start_matches(QUOTES).strip_prefix([':', '=']) else {
            named = if last_key == "name" { Some(key) } else { named };
            continue;
        };
        last_key = key;
        let value = value.trim_start_matches(QUOTES);
        let first = value.split([',', '}', ']', '"', '\'', ' ']).next().unwrap_or_default();
        let name = if key == "value" { named.unwrap_or(key) } else { key };
        if looks_like_secret(name, first) {
            return Some(value);
        }
    }
    None
}

/// Returns whether a name says that its value is a secret.
fn names_secret(name: &str) -> bool {
    let plain: String = name.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    NAMES.iter().any(|word| plain.contains(word)) && !ABOUT.iter().any(|word| plain.contains(word))
}

#[cfg(test)]
mod tests {
    use super::secret_in;

    #[test]
    fn a_line_shows_a_secret_by_its_key_or_by_how_the_value_begins() {
        for (line, shown) in [
            ("- dbPassword: hunter22", Some("hunter22")),
            ("dbPassword=hunter22", Some("hunter22")),
            ("{name: data, prameters: {dbPassword: 'hunter22'}}", Some("hunter22'}}")),
            (r#"{"name": "api_key", "value": "hunter22"}"#, Some(r#"hunter22"}"#)),
            ("- deploy: {value: ghp_0123456789}", Some("ghp_0123456789}")),
            ("  dbPassword: [hunter22", Some("[hunter22")),
            ("- dbPassword:", None),
            ("dbPassword: \"{{ aws:ssm:/db/password }}\"", None),
            ("requirePassword: true, secretName: web", None),
            ("tokenPath=/run/token value=1", None),
            ("- {name: ResetPassword, action: ExecuteBash}", None),
            ("owner: ghp_", None),
        ] {
            assert_eq!(secret_in(line), shown, "{line}");
        }
    }
}
