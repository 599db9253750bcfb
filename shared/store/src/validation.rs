//! Requests that DynamoDB rejects as invalid. Every table reports them in the same way, before it makes a call.

use std::collections::BTreeSet;

use crate::{Result, StoreError, Write};

/// DynamoDB's limit for one transaction.
const MAX_WRITES: usize = 100;
/// Attributes that are keys of the table or of its index. They must be text, and they must not be empty.
const KEYS: [&str; 4] = ["pk", "sk", "open", "nextLook"];

pub(crate) fn refused(message: String) -> StoreError {
    StoreError::Refused { operation: "TransactWriteItems", code: "ValidationException".to_owned(), message }
}

/// Rejects what DynamoDB would reject, before a call is made.
pub(crate) fn refuse_invalid(writes: &[Write]) -> Result<()> {
    if writes.len() > MAX_WRITES {
        return Err(refused(format!("{} writes in one transaction, at most {MAX_WRITES} are allowed", writes.len())));
    }
    let mut keys = BTreeSet::new();
    for write in writes {
        refuse_invalid_attributes(write)?;
        let key = write.key();
        if key.pk.is_empty() || key.sk.is_empty() {
            return Err(refused(format!("key {} / {} is incomplete", key.pk, key.sk)));
        }
        if !keys.insert(key.clone()) {
            return Err(refused(format!("two writes to item {} / {} in one transaction", key.pk, key.sk)));
        }
    }
    Ok(())
}

fn refuse_invalid_attributes(write: &Write) -> Result<()> {
    let set = match write {
        Write::Put { item, .. } => item,
        Write::Update { set, remove, .. } => {
            if set.is_empty() && remove.is_empty() {
                return Err(refused("an update changes nothing".to_owned()));
            }
            let is_key = |attribute: &&String| matches!(attribute.as_str(), "pk" | "sk");
            if let Some(attribute) = set.keys().chain(remove).find(is_key) {
                return Err(refused(format!("{attribute} is part of the key and cannot be updated")));
            }
            if let Some(attribute) = remove.iter().find(|attribute| set.contains_key(*attribute)) {
                return Err(refused(format!("{attribute} is both set and removed")));
            }
            set
        }
        Write::Delete { .. } | Write::Verify { .. } => return Ok(()),
    };
    let is_bad_key = |name: &&str| set.get(*name).is_some_and(|value| value.as_str().is_none_or(str::is_empty));
    match KEYS.iter().copied().find(is_bad_key) {
        Some(name) => Err(refused(format!("the key attribute {name} is empty or is not text"))),
        None => Ok(()),
    }
}
