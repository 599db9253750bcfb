//! Keeps secrets off the disk. A journal contains the name of the parameter instead of the secret. When the journal is
//! read, the parameter is read again.
//!
//! A text with a secret becomes `{"$sealed": [TEXT, {"parameter": NAME, "line": NUMBER}, …]}`. No record has a key with
//! that name.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::aws::AwsError;
use crate::secrets::{Piece, Secrets, Source};

const SEALED: &str = "$sealed";

/// Reads a parameter that is a secret.
pub(crate) type Read<'r> = &'r dyn Fn(&str) -> Result<String, AwsError>;

/// Why a text cannot be restored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error("the parameter {name}, a secret that the run uses, cannot be read again")]
    Read { name: String, source: Box<AwsError> },
    #[error("the parameter {name}, a secret that the run uses, has fewer lines than before")]
    Changed { name: String },
    #[error(transparent)]
    Form(#[from] serde_json::Error),
}

/// Returns the JSON of a record without secrets.
pub(super) fn to_vec(record: &impl Serialize, secrets: &Secrets) -> Vec<u8> {
    if secrets.names().is_empty() {
        return serde_json::to_vec(record).unwrap_or_default(); // text and numbers can always be serialized
    }
    let mut value = serde_json::to_value(record).unwrap_or_default();
    seal(&mut value, secrets);
    serde_json::to_vec(&value).unwrap_or_default()
}

/// Returns the record of a JSON text with its secrets.
pub(super) fn from_str<T: DeserializeOwned>(text: &str, secrets: &Secrets, read: Read<'_>) -> Result<T, SealError> {
    if !text.contains(SEALED) {
        return Ok(serde_json::from_str(text)?);
    }
    let mut value = serde_json::from_str(text)?;
    unseal(&mut value, secrets, read)?;
    Ok(serde_json::from_value(value)?)
}

/// Reads a secret unless it is already known.
pub(super) fn ensure(name: &str, secrets: &Secrets, read: Read<'_>) -> Result<(), SealError> {
    if !secrets.knows(name) {
        let failed = |source| SealError::Read { name: name.to_owned(), source: Box::new(source) };
        secrets.add(name, &read(name).map_err(failed)?);
    }
    Ok(())
}

fn seal(value: &mut Value, secrets: &Secrets) {
    match value {
        Value::String(text) => {
            if let Some(pieces) = secrets.pieces(text) {
                let pieces: Vec<Value> = pieces.into_iter().map(piece).collect();
                *value = json!({ SEALED: pieces });
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| seal(item, secrets)),
        Value::Object(fields) => fields.values_mut().for_each(|field| seal(field, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn piece(piece: Piece<'_>) -> Value {
    match piece {
        Piece::Open(text) => text.into(),
        Piece::Secret(Source { name, line }) => json!({ "parameter": name, "line": line }),
    }
}

fn unseal(value: &mut Value, secrets: &Secrets, read: Read<'_>) -> Result<(), SealError> {
    match value {
        Value::Object(fields) => match fields.get(SEALED).and_then(Value::as_array) {
            Some(pieces) => {
                let texts = pieces.iter().map(|piece| open(piece, secrets, read));
                *value = texts.collect::<Result<String, _>>()?.into();
                Ok(())
            }
            None => fields.values_mut().try_for_each(|field| unseal(field, secrets, read)),
        },
        Value::Array(items) => items.iter_mut().try_for_each(|item| unseal(item, secrets, read)),
        _ => Ok(()),
    }
}

fn open(piece: &Value, secrets: &Secrets, read: Read<'_>) -> Result<String, SealError> {
    if let Some(text) = piece.as_str() {
        return Ok(text.to_owned());
    }
    let name = piece["parameter"].as_str().unwrap_or_default().to_owned();
    ensure(&name, secrets, read)?;
    let line = piece["line"].as_u64().and_then(|line| usize::try_from(line).ok()).unwrap_or(usize::MAX);
    let source = Source { name, line };
    secrets.line(&source).ok_or(SealError::Changed { name: source.name })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{SealError, from_str, to_vec};
    use crate::aws::AwsError;
    use crate::secrets::Secrets;

    type Record = BTreeMap<String, Vec<String>>;

    fn sealed() -> (Record, String) {
        let secrets = Secrets::default();
        secrets.add("/key", "hunter\"2\n  second line ");
        secrets.add("/word", "and");
        let texts = ["x=hunter\"2;", "hunter\"2\n  second line \nand", "open", ""].map(str::to_owned);
        let record = Record::from([("outputs".to_owned(), texts.to_vec())]);
        let text = String::from_utf8(to_vec(&record, &secrets)).unwrap();
        (record, text)
    }

    #[test]
    fn a_secret_stands_as_its_parameters_name_and_comes_back() {
        let (record, text) = sealed();
        assert!(!text.contains("hunter") && !text.contains("second") && text.contains("/key"), "{text}");
        let read = |name: &str| Ok(if name == "/key" { "hunter\"2\nsecond line" } else { "and" }.to_owned());
        let secrets = Secrets::default();
        assert_eq!(from_str::<Record>(&text, &secrets, &read).unwrap(), record);
        assert_eq!(secrets.masked("hunter\"2"), "****");
    }

    #[test]
    fn a_secret_that_has_changed_or_cannot_be_read_is_named() {
        let (_, text) = sealed();
        let shorter = from_str::<Record>(&text, &Secrets::default(), &|_| Ok("one line".to_owned())).unwrap_err();
        assert!(matches!(shorter, SealError::Changed { name } if name == "/key"));
        let gone = from_str::<Record>(&text, &Secrets::default(), &|_| Err(AwsError::MetadataDisabled)).unwrap_err();
        assert!(gone.to_string().contains("/key"), "{gone}");
    }
}
