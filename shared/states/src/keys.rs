//! What a person can do when EC2 may not use a KMS key for a build.

/// A message of EC2's about a key, with what to check. `named` are the keys that the definitions name; none: it is the
/// image's or the default one.
pub(crate) fn advise(said: &str, named: &[&str]) -> String {
    let keys = match named {
        [] => "the KMS key of the image, or the account's default one for EBS".to_owned(),
        [key] => format!("the KMS key {key}"),
        keys => format!("one of the KMS keys {}", keys.join(", ")),
    };
    format!(
        "{}. EC2 says so where it may not use {keys}: check that the key exists and is enabled, that its policy lets this \
         account use it, and that a key of another account is listed in the stack's parameter KmsKeyArns",
        said.trim_end_matches('.')
    )
}

#[cfg(test)]
mod tests {
    use super::advise;

    #[test]
    fn it_names_the_keys() {
        let begin = |named: &[&str]| advise("It failed.", named).split(':').next().unwrap().to_owned();
        assert_eq!(begin(&["one"]), "It failed. EC2 says so where it may not use the KMS key one");
        assert_eq!(begin(&["one", "two"]), "It failed. EC2 says so where it may not use one of the KMS keys one, two");
        let unnamed = "It failed. EC2 says so where it may not use the KMS key of the image, or the account's default one for EBS";
        assert_eq!(begin(&[]), unnamed);
    }
}
