//! The part of XML that S3's responses need: the text of elements that hold only text.

/// Returns the text of all elements with this name, in order.
pub(super) fn all<'x>(text: &'x str, name: &str) -> impl Iterator<Item = String> + 'x {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = text;
    std::iter::from_fn(move || {
        let start = rest.find(&open)? + open.len();
        let length = rest[start..].find(&close)?;
        let inner = &rest[start..start + length];
        rest = &rest[start + length..];
        Some(unescaped(inner))
    })
}

/// Returns the text of the first element with this name.
pub(super) fn first(text: &str, name: &str) -> Option<String> {
    all(text, name).next()
}

fn unescaped(text: &str) -> String {
    // `&amp;` comes last. Otherwise `&amp;lt;`, which stands for `&lt;`, would become `<`.
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// Decodes a key as S3 lists it with `encoding-type=url`.
pub(super) fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        match (first, digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (first, _) => {
                // S3 encodes a space as `+`, and a plus as `%2B`.
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{all, first, percent_decoded};

    #[test]
    fn elements_and_keys_are_read() {
        let text = "<L><Contents><Key>a%2Fb+c%C3%BC</Key></Contents><Key>100%25&amp;</Key></L>";
        let keys: Vec<String> = all(text, "Key").map(|key| percent_decoded(&key)).collect();
        assert_eq!(keys, ["a/b cü", "100%&"]);
        assert_eq!(first("<Error><Message>a &lt;b&gt;</Message></Error>", "Message").unwrap(), "a <b>");
        assert_eq!((first(text, "Code"), percent_decoded("%zz%")), (None, "%zz%".to_owned()));
    }
}
