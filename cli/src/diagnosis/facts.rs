//! Facts that the texts of a failure contain: hosts, addresses, paths and permissions.

use goldsmith_store::FailureCause;

use crate::render;

/// The longest fact that is put into a sentence, in characters.
const LONGEST: usize = 120;

/// The facts of a failure.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) step: Option<String>,
    pub(super) component: Option<String>,
    pub(super) host: Option<String>,
    pub(super) url: Option<String>,
    pub(super) path: Option<String>,
    pub(super) region: Option<String>,
    pub(super) instance: Option<String>,
    pub(super) permission: Option<String>,
}

impl Facts {
    /// Reads the facts. `text` is what has been recognized, which counts before everything else.
    pub(super) fn of(cause: &FailureCause, text: Option<&str>) -> Self {
        let others = cause.evidence.iter().map(String::as_str).chain([cause.message.as_str()]);
        let last = cause.last_lines.iter().map(String::as_str);
        let texts = || text.into_iter().chain(others.clone()).chain(last.clone());
        let url = texts().find_map(url);
        let region = cause.region.clone().or_else(|| cause.item.clone().filter(|item| item.matches('-').count() >= 2));
        Self {
            step: cause.step.clone(),
            component: cause.document.clone(),
            host: texts().find_map(host).map(str::to_owned),
            // A password or a signature in an address is nobody's business.
            url: url.filter(|url| !url.contains('@')).and_then(|url| url.split('?').next()).map(str::to_owned),
            path: cause.evidence.iter().map(String::as_str).chain(text).find_map(path).map(str::to_owned),
            region,
            instance: cause.resource.clone().filter(|id| id.starts_with("i-")),
            permission: texts().find_map(permission),
        }
        .shortened()
    }

    fn shortened(mut self) -> Self {
        let all = [
            &mut self.step,
            &mut self.component,
            &mut self.host,
            &mut self.url,
            &mut self.path,
            &mut self.region,
            &mut self.instance,
            &mut self.permission,
        ];
        for fact in all.into_iter().flatten() {
            *fact = render::shortened(fact, LONGEST);
        }
        self
    }

    /// Returns a text whose braces are filled. What is not known is said in general words.
    pub(super) fn filled(&self, text: &str) -> String {
        let named = |what: &str, name: &Option<String>| match name {
            Some(name) => format!("{what} {name}"),
            None => format!("the {what}"),
        };
        let or = |fact: &Option<String>, general: &str| fact.clone().unwrap_or_else(|| general.to_owned());
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let (name, end) = after.split_once('}').unwrap_or((after, ""));
            let value = match name {
                "step" => named("step", &self.step),
                "component" => named("component", &self.component),
                "host" => or(&self.host, "the server"),
                "url" => or(&self.url, "the file"),
                "path" => or(&self.path, "the file system"),
                "region" => or(&self.region, "the Region"),
                "instance" => or(&self.instance, "the instance"),
                "permission" => or(&self.permission, "the action that the message names"),
                // Braces that are meant as such, as in `{{ aws:ssm:… }}`.
                _ => {
                    filled.push('{');
                    rest = after;
                    continue;
                }
            };
            filled.push_str(&value);
            rest = end;
        }
        filled.push_str(rest);
        // A sentence may begin with a general word.
        let mut letters = filled.chars();
        let is_sentence = text.ends_with('.');
        match letters.next() {
            Some(first) if is_sentence && text.starts_with('{') => first.to_uppercase().chain(letters).collect(),
            _ => filled,
        }
    }
}

/// Returns the first URL of a text.
fn url(text: &str) -> Option<&str> {
    let at = ["https://", "http://", "s3://", "ftp://"].iter().filter_map(|scheme| text.find(scheme)).min()?;
    let rest = &text[at..];
    let end =
        rest.find(|c: char| c.is_whitespace() || c.is_control() || "\"'<>`,;()|\\".contains(c)).unwrap_or(rest.len());
    Some(rest[..end].trim_end_matches(['.', ':']))
}

/// Returns the first host of a text: that of a URL, that of a refused connection with its port, or a name with dots.
fn host(text: &str) -> Option<&str> {
    if let Some(url) = url(text) {
        let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
        return Some(authority.rsplit_once('@').map_or(authority, |(_, host)| host)).filter(|host| !host.is_empty());
    }
    let connect = ["connect to ", "connecting to ", "connection to "];
    if let Some(after) = connect.iter().find_map(|word| text.split_once(word)).map(|(_, after)| after) {
        // curl says `127.0.0.1 port 18088`.
        let mut words = after.split_inclusive(' ');
        let (host, port, number) = (words.next()?, words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let number = number.trim_end_matches([' ', ':', ',']);
        if port == "port " && number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty() {
            return Some(&after[..host.len() + port.len() + number.len()]);
        }
    }
    let words = text.split(|c: char| c.is_whitespace() || "\"'`,;()[]<>=‘’".contains(c));
    words.map(|word| word.trim_matches(['.', ':'])).find(|word| is_host(word))
}

/// Returns whether a word is the name of a host, with or without a port, and not that of a file.
fn is_host(word: &str) -> bool {
    const FILES: [&str; 22] = [
        "sh", "gz", "deb", "rpm", "conf", "service", "timer", "socket", "txt", "py", "pl", "js", "json", "yml", "yaml",
        "xz", "zip", "bin", "so", "list", "log", "xml",
    ];
    let (name, port) = word.split_once(':').unwrap_or((word, "0"));
    let labels: Vec<&str> = name.split('.').collect();
    let is_label = |label: &&str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let last = labels.last().copied().unwrap_or_default();
    let is_name = last.len() > 1 && last.bytes().all(|byte| byte.is_ascii_lowercase()) && !FILES.contains(&last);
    let is_address = labels.len() == 4 && labels.iter().all(|label| label.parse::<u8>().is_ok());
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    labels.len() > 1 && labels.iter().all(is_label) && is_port && (is_address || is_name && labels[0].len() > 1)
}

/// Returns the first absolute path of a text.
fn path(text: &str) -> Option<&str> {
    let words = text.split(|c: char| c.is_whitespace() || "\"'`,;()[]<>=‘’".contains(c));
    words.map(|word| word.trim_end_matches(['.', ':'])).find(|word| word.starts_with('/') && !word.starts_with("//"))
}

/// Returns the permission that a message of AWS says is missing, with its resource.
fn permission(text: &str) -> Option<String> {
    if let Some((_, after)) = text.split_once("not authorized to perform: ") {
        let action = after.split(|c: char| c.is_whitespace()).next()?.trim_end_matches(['.', ',']);
        let resource = after.split_once("on resource: ").and_then(|(_, after)| after.split_whitespace().next());
        let resource = resource.map(|one| format!(" on {}", one.trim_end_matches(['.', ',']))).unwrap_or_default();
        return Some(format!("{action}{resource}"));
    }
    // Goldsmith writes `OPERATION in REGION failed: CODE: …`.
    let (call, rest) = text.split_once(" failed: ")?;
    let is_denied =
        ["unauthorized", "accessdenied", "authfailure"].iter().any(|code| rest.to_lowercase().starts_with(code));
    let (operation, region) = call.rsplit_once(" in ")?;
    let operation = operation.split_whitespace().next_back()?;
    (is_denied && !region.contains(' ')).then(|| format!("{operation} in {region}"))
}

#[cfg(test)]
mod tests {
    use super::{Facts, host, path, permission, url};

    #[test]
    fn hosts_addresses_and_paths_are_found() {
        for (text, expected) in [
            ("http://artifacts.eu.acme.internal/app-2.4.tar.gz cannot be fetched", Some("artifacts.eu.acme.internal")),
            ("curl: (7) Failed to connect to 127.0.0.1 port 18088 after 0 ms: no", Some("127.0.0.1 port 18088")),
            ("curl: (6) Could not resolve host: mirror.acme.internal", Some("mirror.acme.internal")),
            ("Temporary failure resolving 'deb.debian.org'", Some("deb.debian.org")),
            ("dial tcp 10.0.0.7:5432: connect: refused", Some("10.0.0.7:5432")),
            ("https://user:secret@host:8443/x?y", Some("host:8443")),
            ("input.sh: line 2: app.service and 1.2.3 and e.g.", None),
        ] {
            assert_eq!(host(text), expected, "{text}");
        }
        assert_eq!(url("see <https://a.example/b>."), Some("https://a.example/b"));
        assert_eq!(path("cannot write '/srv/app/x': no"), Some("/srv/app/x"));
        assert_eq!(path("/tmp is full: it is a tmpfs"), Some("/tmp"));
    }

    #[test]
    fn a_missing_permission_is_named() {
        let denied = "User: arn:aws:sts::1:assumed-role/r is not authorized to perform: ec2:CopyImage on resource: arn:x because";
        assert_eq!(permission(denied).as_deref(), Some("ec2:CopyImage on arn:x"));
        let call = "CopyImage in us-east-1 failed: UnauthorizedOperation: no";
        assert_eq!(permission(call).as_deref(), Some("CopyImage in us-east-1"));
        assert_eq!(permission("the step failed: x"), None);
    }

    #[test]
    fn what_is_not_known_is_said_in_general_words() {
        let facts = Facts { step: Some("Install".to_owned()), ..Facts::default() };
        assert_eq!(facts.filled("{host} and {step} of {component}."), "The server and step Install of the component.");
        assert_eq!(facts.filled("`{{ aws:ssm:/x }}` and {"), "`{{ aws:ssm:/x }}` and {");
    }
}
