//! `--parameters NAME=VALUE,...`: values for the parameters of documents.

use std::collections::BTreeMap;

use anyhow::Result;
use goldsmith_document::yaml::Span;
use goldsmith_document::{Diagnostic, Diagnostics, Document, Source, hidden_if_secret, secret_in, suggestion};

use crate::exit::invalid;

/// Name of the option, for the place of a finding.
pub(crate) const OPTION: &str = "--parameters";

/// Values by the names of parameters.
pub(crate) type Values = BTreeMap<String, String>;

/// Reads the values of the option, which may be given several times. `\,` is a comma in a value, because a plain comma
/// begins the next parameter.
///
/// # Errors
/// A piece is not `NAME=VALUE`, or a name is given twice.
pub(crate) fn parse(given: &[String]) -> Result<Values> {
    let mut values = Values::new();
    for piece in given.iter().flat_map(|text| pieces(text)) {
        let (name, value) = match piece.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() && !value.is_empty() => (name.trim().to_owned(), value),
            _ => {
                let rule = "write NAME=VALUE,NAME=VALUE, and `\\,` for a comma in a value";
                // The piece may be the rest of a secret with a comma in it.
                let shows_secret = given.iter().any(|text| secret_in(text).is_some());
                let piece = if shows_secret { "****" } else { &piece };
                return Err(invalid(format!("`{piece}` in {OPTION} is not a name and a value: {rule}")));
            }
        };
        if values.insert(name.clone(), value.to_owned()).is_some() {
            return Err(invalid(format!("{OPTION} has `{name}` twice")));
        }
    }
    Ok(values)
}

fn pieces(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ',' => pieces.push(String::new()),
            '\\' if rest.next_if_eq(&',').is_some() => push(&mut pieces, ','),
            c => push(&mut pieces, c),
        }
    }
    pieces
}

fn push(pieces: &mut [String], c: char) {
    if let Some(last) = pieces.last_mut() {
        last.push(c);
    }
}

/// Returns an error for each value that the document does not allow. `given_by` is the place that the error shows.
pub(crate) fn refused(document: &Document, values: &Values, given_by: &str) -> Diagnostics {
    let mut found = Diagnostics::new();
    for parameter in &document.parameters {
        let name = &parameter.name.value;
        let Some(value) = values.get(name).filter(|value| !parameter.allows(value)) else { continue };
        let text = format!("{name}={value}");
        let span = Span { line: 1, column: name.chars().count() + 2, len: value.chars().count() };
        let shown = hidden_if_secret(name, value);
        let message = format!("`{shown}` is not an allowed value of the parameter `{name}`");
        let help = Some(format!("one of {}", parameter.allowed_values.join(", ")));
        let source = Source { file: given_by, text: &text };
        found.push(Diagnostic { help, ..source.error(span, "wrong-value", message) });
    }
    found
}

/// Returns a warning for each name that no document declares: nothing uses the value.
pub(crate) fn unknown(documents: &[Document], values: &Values, given_by: &str) -> Diagnostics {
    let parameters = documents.iter().flat_map(|document| &document.parameters);
    let names: Vec<&str> = parameters.map(|parameter| parameter.name.value.as_str()).collect();
    let mut found = Diagnostics::new();
    for (name, value) in values.iter().filter(|(name, _)| !names.contains(&name.as_str())) {
        let text = format!("{name}={value}");
        let span = Span { len: name.chars().count(), ..Span::START };
        let message = format!("no document has a parameter `{name}`");
        let source = Source { file: given_by, text: &text };
        found.push(Diagnostic { help: suggestion(name, &names), ..source.warning(span, "unknown-parameter", message) });
    }
    found
}

/// Returns a warning for each parameter that has neither a value nor a default. `source` is the document's text.
pub(crate) fn missing(document: &Document, values: &Values, source: Source<'_>) -> Diagnostics {
    let open = |name: &str| !values.contains_key(name);
    let mut found = Diagnostics::new();
    for parameter in document.parameters.iter().filter(|p| p.default.is_none() && open(&p.name.value)) {
        let message = format!("the parameter `{}` has no value, so it is empty", parameter.name.value);
        found.push(source.warning(parameter.name.span, "missing-parameter", message));
    }
    found
}

#[cfg(test)]
mod tests {
    use goldsmith_document::{Document, Source};

    use super::{OPTION, missing, parse, refused, unknown};

    fn given(text: &str) -> Vec<String> {
        vec![text.to_owned()]
    }

    #[test]
    fn values_may_hold_equals_signs_and_escaped_commas() {
        let values = parse(&["a=1,b=x=y".to_owned(), r"c=1\,2".to_owned()]).unwrap();
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(values, [("a", "1"), ("b", "x=y"), ("c", "1,2")]);
        let rule = "write NAME=VALUE,NAME=VALUE, and `\\,` for a comma in a value";
        let message = format!("`b` in --parameters is not a name and a value: {rule}");
        assert_eq!(parse(&given("a=1,b")).unwrap_err().to_string(), message);
        assert!(parse(&given("a=")).is_err());
        assert_eq!(parse(&given("a=1,a=2")).unwrap_err().to_string(), "--parameters has `a` twice");
    }

    #[test]
    fn values_are_held_against_what_the_documents_declare() {
        let text = "\
schemaVersion: 1.0
parameters:
  - channel: {type: string, allowedValues: [stable, edge]}
  - owner: {type: string}
phases: [{name: build, steps: []}]
";
        let documents = [Document::parse("a.yml", text).unwrap()];
        let values = parse(&given("channel=beta,ownr=me")).unwrap();
        let expected = "\
--parameters:1:9: error: `beta` is not an allowed value of the parameter `channel`
  channel=beta
          ^^^^
help: one of stable, edge";
        assert_eq!(refused(&documents[0], &values, OPTION).to_string(), expected);
        let expected = "\
--parameters:1:1: warning: no document has a parameter `ownr`
  ownr=me
  ^^^^
help: did you mean `owner`?";
        assert_eq!(unknown(&documents, &values, OPTION).to_string(), expected);
        let expected = "\
a.yml:4:5: warning: the parameter `owner` has no value, so it is empty
    - owner: {type: string}
      ^^^^^";
        assert_eq!(missing(&documents[0], &values, Source { file: "a.yml", text }).to_string(), expected);
    }
}
