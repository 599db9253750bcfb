//! Parses the text between double braces. Its form decides which kind of reference it is.

use super::{Chain, ContextKey, FORBIDDEN_METADATA, Reference, Side, SsmName};

/// A reference as written. Only the step of the reference decides which loop it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A reference that has the same meaning everywhere.
    Reference(Reference),
    /// `name.index` or `name.value`.
    Loop { name: String, reference: Reference },
}

/// The reason why the text between braces is not a usable reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadReference {
    /// The language has no such reference.
    Unknown,
    /// The context key does not exist.
    Context(String),
    /// The instance metadata holds credentials.
    Metadata(String),
    /// The text after `aws:ssm:` cannot name a parameter.
    Ssm,
}

/// Parses the text between the braces, without the spaces around it.
pub(crate) fn parse(inner: &str) -> Result<Found, BadReference> {
    if let Some((prefix, rest)) = prefixed(inner) {
        return prefix(rest).map(Found::Reference);
    }
    if is_word(inner) {
        return Ok(Found::Reference(Reference::Name(inner.to_owned())));
    }
    let parts: Vec<&str> = inner.split('.').collect();
    match parts[..] {
        [name, "index"] if is_word(name) => Ok(Found::Loop { name: name.into(), reference: Reference::LoopIndex }),
        [name, "value"] if is_word(name) => Ok(Found::Loop { name: name.into(), reference: Reference::LoopValue }),
        [phase, step, side, key] if [phase, step, key].into_iter().all(is_word) => {
            let (side, index) = parse_side(side).ok_or(BadReference::Unknown)?;
            let chain = Chain { phase: phase.into(), step: step.into(), side, index, key: key.into() };
            Ok(Found::Reference(Reference::Chain(chain)))
        }
        _ => Err(BadReference::Unknown),
    }
}

type Prefixed = fn(&str) -> Result<Reference, BadReference>;

/// Returns the parser for a reference that begins with a word and a colon, and the text after the colon.
fn prefixed(inner: &str) -> Option<(Prefixed, &str)> {
    let kinds: [(&str, Prefixed); 4] =
        [("aws:ssm:", ssm), ("aws:imds:", metadata), ("env:", environment), ("context:", context)];
    kinds.into_iter().find_map(|(prefix, read)| Some((read, inner.strip_prefix(prefix)?)))
}

fn environment(name: &str) -> Result<Reference, BadReference> {
    // No variable can have such a name, and `=` would divide it.
    let possible = !name.is_empty() && !name.contains(['=', '\0']);
    if possible { Ok(Reference::Env(name.to_owned())) } else { Err(BadReference::Unknown) }
}

fn context(key: &str) -> Result<Reference, BadReference> {
    let known = ContextKey::ALL.iter().find(|(name, _)| *name == key);
    known.map(|(_, key)| Reference::Context(*key)).ok_or_else(|| BadReference::Context(key.to_owned()))
}

fn metadata(path: &str) -> Result<Reference, BadReference> {
    let path = path.trim_start_matches('/');
    let plain = !path.is_empty() && path.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:".contains(c));
    // `..` and empty parts could lead to the forbidden folders by another spelling.
    if !plain || path.split('/').any(|part| part == "." || part == "..") || path.contains("//") {
        return Err(BadReference::Unknown);
    }
    // The slash makes the folder itself forbidden too. Case does not count, so that no lenient service gives
    // credentials away.
    if FORBIDDEN_METADATA.iter().any(|folder| format!("{}/", path.to_ascii_lowercase()).starts_with(folder)) {
        return Err(BadReference::Metadata(path.to_owned()));
    }
    Ok(Reference::Imds(path.to_owned()))
}

fn ssm(rest: &str) -> Result<Reference, BadReference> {
    let name = match rest.strip_prefix("resolve(").map(|inner| inner.strip_suffix(')').map(str::trim)) {
        None => SsmName::Given(parameter_name(rest)?),
        Some(Some(inner)) => match inner.strip_prefix("aws:ssm:") {
            Some(name) => SsmName::Stored(parameter_name(name)?),
            None if is_word(inner) => SsmName::Declared(inner.to_owned()),
            None => return Err(BadReference::Ssm),
        },
        Some(None) => return Err(BadReference::Ssm),
    };
    Ok(Reference::Ssm(name))
}

/// Reads a name in the Parameter Store, with an optional `:version` or `:label`, or the ARN of a shared parameter.
fn parameter_name(name: &str) -> Result<String, BadReference> {
    // A colon is in ARNs, and before a version or a label.
    let possible = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-:@+=!".contains(c));
    if possible { Ok(name.to_owned()) } else { Err(BadReference::Ssm) }
}

fn parse_side(text: &str) -> Option<(Side, usize)> {
    let (word, index) = match text.split_once('[') {
        Some((word, index)) => (word, index.strip_suffix(']')?.parse().ok()?),
        None => (text, 0),
    };
    match word {
        "inputs" => Some((Side::Inputs, index)),
        "outputs" => Some((Side::Outputs, index)),
        _ => None,
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

#[cfg(test)]
mod tests {
    use super::{BadReference, Found, parse};
    use crate::{Chain, ContextKey, Reference, Side, SsmName};

    fn reference(inner: &str) -> Reference {
        match parse(inner) {
            Ok(Found::Reference(reference)) => reference,
            other => panic!("{inner}: {other:?}"),
        }
    }

    #[test]
    fn kinds_are_told_apart_by_shape() {
        let chain = |side, index| {
            Reference::Chain(Chain { phase: "build".into(), step: "Get".into(), side, index, key: "k".into() })
        };
        assert_eq!(reference("Name"), Reference::Name("Name".into()));
        assert_eq!(reference("build.Get.outputs.k"), chain(Side::Outputs, 0));
        assert_eq!(reference("build.Get.inputs[2].k"), chain(Side::Inputs, 2));
        assert_eq!(reference("env:ProgramFiles(x86)"), Reference::Env("ProgramFiles(x86)".into()));
        assert_eq!(reference("context:osName"), Reference::Context(ContextKey::OsName));
        assert_eq!(reference("aws:imds:placement/region"), Reference::Imds("placement/region".into()));
        let hosts = |reference| Ok(Found::Loop { name: "Hosts".into(), reference });
        assert_eq!(parse("Hosts.index"), hosts(Reference::LoopIndex));
        assert_eq!(parse("Hosts.value"), hosts(Reference::LoopValue));
        for strange in [".ID", "a b", "x.y.z", "env:", "a.b.outputs[x].c", "range .Items", "", "aws:ec2:x"] {
            assert_eq!(parse(strange), Err(BadReference::Unknown), "{strange}");
        }
    }

    #[test]
    fn parameter_store_names_are_given_or_looked_up() {
        let ssm = |inner| match reference(inner) {
            Reference::Ssm(name) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(ssm("aws:ssm:/my/name:3"), SsmName::Given("/my/name:3".into()));
        assert_eq!(ssm("aws:ssm:resolve(Channel)"), SsmName::Declared("Channel".into()));
        assert_eq!(ssm("aws:ssm:resolve( aws:ssm:/which )"), SsmName::Stored("/which".into()));
        for bad in ["aws:ssm:", "aws:ssm:resolve(", "aws:ssm:resolve()", "aws:ssm:resolve(env:X)", "aws:ssm:/a b"] {
            assert_eq!(parse(bad), Err(BadReference::Ssm), "{bad}");
        }
    }

    #[test]
    fn credentials_are_out_of_reach_in_every_spelling() {
        for path in ["iam/info", "iam", "/iam/", "IAM/security-credentials/x", "identity-credentials/ec2/info"] {
            assert!(matches!(parse(&format!("aws:imds:{path}")), Err(BadReference::Metadata(_))), "{path}");
        }
        for path in ["", "placement/../iam/info", "placement//region", "a%2fb"] {
            assert_eq!(parse(&format!("aws:imds:{path}")), Err(BadReference::Unknown), "{path}");
        }
        assert_eq!(reference("aws:imds:iamx"), Reference::Imds("iamx".into()));
    }
}
