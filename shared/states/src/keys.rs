//! What a person can do when EC2 may not use a KMS key for a build.

/// A message of EC2's that a key may be the cause of, with what to check. `named` are the keys that the definitions name,
/// `unnamed` says which it is when they name none.
pub(crate) fn advise(said: &str, named: &[&str], unnamed: &str) -> String {
    let keys = match named {
        [] => unnamed.to_owned(),
        [key] => format!("the KMS key {key}"),
        keys => format!("one of the KMS keys {}", keys.join(", ")),
    };
    format!(
        "{}. One cause is that EC2 may not use {keys}: check that the key exists and is enabled, that its policy lets this \
         account use it, and that a key of another account is listed in the stack's parameter KmsKeyArns",
        said.trim_end_matches('.')
    )
}

#[cfg(test)]
mod tests {
    use super::advise;

    #[test]
    fn it_names_the_keys() {
        let begin =
            |named: &[&str]| advise("It failed.", named, "the default key").split(':').next().unwrap().to_owned();
        assert_eq!(begin(&["one"]), "It failed. One cause is that EC2 may not use the KMS key one");
        assert_eq!(begin(&["one", "two"]), "It failed. One cause is that EC2 may not use one of the KMS keys one, two");
        assert_eq!(begin(&[]), "It failed. One cause is that EC2 may not use the default key");
    }
}
