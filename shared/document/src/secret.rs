//! Recognizes values of parameters that are probably secrets.

/// Words in the name of a parameter whose value is probably a secret.
const NAMES: [&str; 8] = ["password", "passwd", "passphrase", "secret", "token", "apikey", "privatekey", "credential"];

/// Words of such a name that show that the value is about a secret but is not the secret itself.
const ABOUT: [&str; 31] = [
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
    "ttl",
    "timeout",
    "seconds",
    "minutes",
    "hours",
    "expiry",
    "expiration",
    "expires",
    "lifetime",
    "interval",
    "count",
    "limit",
    "size",
    "min",
    "max",
    "type",
    "rotation",
];

/// Beginnings of values that are secrets whatever the name is, if some more characters follow.
const VALUES: [&str; 4] = ["ghp_", "github_pat_", "glpat-", "xoxb-"];

/// Beginnings of AWS access key ids, which have 20 capital letters and digits.
const ACCESS_KEYS: [&str; 2] = ["AKIA", "ASIA"];

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
    is_secret_by_name(name, value) || known_secret(value.trim()).is_some()
}

/// Returns whether the name says that the value is a secret, and the value is not one that only refers to a secret or
/// switches something.
fn is_secret_by_name(name: &str, value: &str) -> bool {
    let text = value.trim();
    names_secret(name)
        && !["/", "arn:", "http", "{{"].iter().any(|start| text.starts_with(start))
        && !matches!(text, "" | "true" | "false" | "none" | "null")
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
    let of_key = value_of_secret_key(line).map(|value| line.len() - value.len());
    [known_secret(line), of_key].into_iter().flatten().min().map(|at| &line[at..])
}

/// Returns where the first value begins that is a secret whatever its name is.
fn known_secret(text: &str) -> Option<usize> {
    let known = |start: &&str| text.find(*start).filter(|at| text[*at..].trim_end().len() > start.len() + 8);
    let others = [private_key(text), key_or_token(text), password_of_url(text)];
    VALUES.iter().filter_map(known).chain(others.into_iter().flatten()).min()
}

/// Returns where a private key in PEM begins. A certificate or a public key is no secret.
fn private_key(text: &str) -> Option<usize> {
    text.find("-----BEGIN ").filter(|at| text[*at..].contains("PRIVATE KEY"))
}

/// Returns where an AWS access key id or a JSON Web Token begins.
fn key_or_token(text: &str) -> Option<usize> {
    let mut words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    let is_key = |word: &str| {
        word.len() == 20
            && ACCESS_KEYS.iter().any(|start| word.starts_with(start))
            && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    // Header and claims are JSON objects in base64url, and an object begins with `{"`.
    let is_token = |word: &str| {
        let parts: Vec<&str> = word.split('.').collect();
        matches!(parts[..], [header, claims, _, ..] if header.starts_with("eyJ") && claims.starts_with("eyJ"))
    };
    words.find(|word| is_key(word) || is_token(word)).and_then(|word| text.find(word))
}

/// Returns where the password of a URL begins: `SCHEME://USER:PASSWORD@HOST`.
fn password_of_url(text: &str) -> Option<usize> {
    text.match_indices("://").find_map(|(at, separator)| {
        let start = at + separator.len();
        let rest = &text[start..];
        let authority = &rest[..rest.find(['/', '?', '#', '"', '\'', ' ', ',']).unwrap_or(rest.len())];
        let (user, password) = authority.rsplit_once('@')?.0.split_once(':')?;
        // A reference to a parameter or variable is not the password itself.
        let is_plain = !password.is_empty() && !["{{", "$"].iter().any(|start| password.starts_with(start));
        is_plain.then_some(start + user.len() + 1)
    })
}

/// Returns whether a line (counted from 1) belongs to a parameter whose name says that its value is a secret. Such a
/// line may show the value under a key that is misspelled.
#[must_use]
pub fn is_of_secret(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let Some((own, before)) = lines.split_last() else { return false };
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let (mut indent, mut is_named) = (indentation(own), false);
    for line in before.iter().rev().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')) {
        if indentation(line) >= indent {
            continue;
        }
        indent = indentation(line);
        let (key, value) = line.trim_start_matches(['-', ' ']).split_once(':').unwrap_or_default();
        let unquoted = |text: &str| text.trim_matches(QUOTES).to_owned();
        if names_secret(&unquoted(key)) || is_named && unquoted(key) == "parameters" {
            return true;
        }
        // In a recipe, a parameter has its name in `name`, and its value next to it.
        is_named = unquoted(key) == "name" && names_secret(&unquoted(value));
    }
    false
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
        if is_secret_by_name(name, first) {
            return Some(value);
        }
    }
    None
}

/// Returns whether a name says that its value is a secret.
fn names_secret(name: &str) -> bool {
    let plain = |text: &str| -> String { text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect() };
    let is_about = |word: &String| {
        // Names without capital letters and separators are one word, such as `tokenttl`.
        let rest = NAMES.iter().find_map(|name| word.strip_prefix(name)).unwrap_or(word);
        ABOUT.contains(&rest)
    };
    NAMES.iter().any(|word| plain(name).contains(word)) && !words(name).iter().any(is_about)
}

/// Returns the words of a name in lower case. A capital letter after a small one begins a word, as a separator does.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && was_small) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
        was_small = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::{is_of_secret, looks_like_secret, secret_in};

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP";

    #[test]
    fn a_value_is_a_secret_by_its_name_or_by_its_form() {
        for (name, value) in [
            ("dbPassword", "hunter22"),
            ("DB_PASSWORD", "12345678"),
            ("storagePassword", "hunter22"),
            ("imagePullSecret", "hunter22"),
            ("api-key", "hunter22"),
            ("token", "0"),
            ("owner", "AKIAIOSFODNN7EXAMPLE"),
            ("call", "aws_access_key_id=ASIAIOSFODNN7EXAMPLE"),
            ("header", JWT),
            ("header", &format!("Bearer {JWT}")),
            ("database", "postgres://web:hunter22@db.example:5432/web"),
            ("mirror", "see https://web:hunter22@mirror.example/"),
            ("passwordUrl", "https://web:hunter22@mirror.example/"),
            ("owner", "ghp_0123456789"),
            ("key", "-----BEGIN OPENSSH PRIVATE KEY-----"),
        ] {
            assert!(looks_like_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("tokenTtl", "3600"),
            ("token_ttl_seconds", "3600"),
            ("tokenttl", "3600"),
            ("maxTokens", "4096"),
            ("passwordMinLength", "12"),
            ("passwordlength", "12"),
            ("secretName", "web"),
            ("SECRET_ARN", "x"),
            ("requirePassword", "true"),
            ("dbPassword", "{{ aws:ssm:/db/password }}"),
            ("root", "-----BEGIN CERTIFICATE-----"),
            ("owner", "AKIA"),
            ("owner", "AKIA-is-the-beginning-of-a-key"),
            ("owner", "AKIAIOSFODNN7EXAMPLES"),
            ("version", "eyJ.1.2"),
            ("mirror", "https://mirror.example:8080/a@b:c"),
            ("mirror", "ssh://git@mirror.example/"),
            ("database", "postgres://web:{{ aws:ssm:/db/password }}@db.example/web"),
            ("database", "postgres://web:$PASSWORD@db.example/web"),
        ] {
            assert!(!looks_like_secret(name, value), "{name}={value}");
        }
    }

    #[test]
    fn a_line_belongs_to_a_secret_by_what_stands_above_it() {
        let of_document = "parameters:\n  - dbPassword:\n      type: string\n\n      # old\n      defalut: hunter22\n  - port:\n      defalut: 80\n";
        let of_recipe = "components:\n  - name: secret-store\n    parameters:\n      - name: dbPassword\n        vlaue: hunter22\n    versoin: 1\n";
        for (text, shown, hidden) in [(of_document, "defalut: 80", "hunter22"), (of_recipe, "versoin", "hunter22")] {
            let line = |part: &str| 1 + text.lines().position(|line| line.contains(part)).unwrap();
            assert!(is_of_secret(text, line(hidden)));
            assert!(!is_of_secret(text, line(shown)));
        }
        assert!(!is_of_secret("", 1) && !is_of_secret("a: 1", 7));
    }

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
            ("--parameters dbPassword=hunter22 key=AKIAIOSFODNN7EXAMPLE", Some("hunter22 key=AKIAIOSFODNN7EXAMPLE")),
            ("- mirror: https://web:hunter22@mirror.example", Some("hunter22@mirror.example")),
        ] {
            assert_eq!(secret_in(line), shown, "{line}");
        }
    }
}
