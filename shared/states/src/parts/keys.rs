//! Adds advice to an error if EC2 may not use a KMS key of a build.

/// Returns a message of EC2 that a key may have caused, with advice on what to check. `named` contains the keys that
/// the definitions name. `unnamed` describes the key that EC2 uses if they name none.
pub(crate) fn advise(said: &str, named: &[&str], unnamed: &str) -> String {
    let keys = match named {
        [] => unnamed.to_owned(),
        [key] => format!("the KMS key {key}"),
        keys => format!("one of the KMS keys {}", keys.join(", ")),
    };
    format!(
        "{}. A possible cause is that EC2 is not allowed to use {keys}: check that the key exists and is enabled, and \
         that its policy lets this account use it. If the key belongs to another account, the stack's parameter KmsKeyArns \
         must list it",
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
        assert_eq!(begin(&["one"]), "It failed. A possible cause is that EC2 is not allowed to use the KMS key one");
        assert_eq!(
            begin(&["one", "two"]),
            "It failed. A possible cause is that EC2 is not allowed to use one of the KMS keys one, two"
        );
        assert_eq!(begin(&[]), "It failed. A possible cause is that EC2 is not allowed to use the default key");
    }
}
